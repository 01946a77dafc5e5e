/** A group with all that is to be known of it: members, assignment, offsets, lag. */
import type { Engine } from '../engine.ts';
import type { Group } from './group.ts';
import { ownedSince } from './group-state.ts';
import type { GroupDescription, GroupOffset } from './types.ts';
import { isOwned, isPending, partitionsOf, stateOf } from './views.ts';

/** `now`: monotonic. */
export function describeGroup(group: Group, engine: Engine, now: number): GroupDescription {
  const { content, sessions } = group;
  const confirmed = (id: string) => sessions.get(id)?.confirmed ?? 0;
  return {
    groupId: group.id,
    state: stateOf(content, confirmed),
    generation: content.generation,
    assignor: content.assignor,
    members: [...content.members.values()].map((member) => ({
      memberId: member.id,
      clientId: member.clientId,
      topics: [...member.topics],
      sessionTimeoutMs: member.sessionTimeoutMs,
      autoOffsetReset: member.autoOffsetReset,
      generation: confirmed(member.id),
      assignment: partitionsOf(member.target, isOwned),
      revoking: partitionsOf(member.revoking),
      pending: partitionsOf(member.target, isPending),
      idleMs: Math.max(0, now - sessions.get(member.id)!.heardAt),
    })),
    offsets: describeOffsets(group, engine),
    expiresAt: content.emptySince && content.emptySince + engine.settings['offsets.retention.ms'],
  };
}

function describeOffsets(group: Group, engine: Engine): GroupOffset[] {
  const list: GroupOffset[] = [];
  for (const [topic, partitions] of group.offsets.topics()) {
    if (engine.findTopic(topic) === undefined) continue;
    for (const [partition, { offset, metadata, committedAt }] of partitions) {
      const { logStartOffset, highWatermark } = engine.offsets(topic, partition);
      const owner = [...group.content.members.values()].find(
        (member) => ownedSince(member, topic, partition) !== undefined,
      );
      list.push({
        topic,
        partition,
        committed: offset,
        metadata,
        committedAt,
        logStartOffset,
        logEndOffset: highWatermark,
        lag: Math.max(0, highWatermark - offset),
        memberId: owner?.id ?? null,
      });
    }
  }
  return list;
}
