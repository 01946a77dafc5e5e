/** Partitions as they are told to members. */
import type { GroupMember } from './group-state.ts';
import type { MemberView, TopicPartitions } from './types.ts';

/** Partitions in ascending order, topics by name; only those that `include` takes. */
export function partitionsOf<T>(
  topics: ReadonlyMap<string, ReadonlyMap<number, T>>,
  include: (value: T) => boolean = () => true,
): TopicPartitions[] {
  const list: TopicPartitions[] = [];
  for (const [topic, entries] of topics) {
    const partitions: number[] = [];
    for (const [partition, value] of entries) if (include(value)) partitions.push(partition);
    if (partitions.length > 0) list.push({ topic, partitions: partitions.sort((a, b) => a - b) });
  }
  return list.sort((a, b) => (a.topic < b.topic ? -1 : 1));
}

export const isOwned = (since: number): boolean => since > 0;
export const isPending = (since: number): boolean => since === 0;

export function viewOf(generation: number, member: GroupMember): MemberView {
  return {
    memberId: member.id,
    generation,
    assignment: partitionsOf(member.target, isOwned),
    revoking: partitionsOf(member.revoking),
    sessionTimeoutMs: member.sessionTimeoutMs,
  };
}
