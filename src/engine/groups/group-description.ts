/** A group as people are shown it: members, assignment, offsets, lag. */
import type { Engine } from '../engine.ts';
import type { Group } from './group.ts';
import type { GroupContext } from './group-context.ts';
import type { GroupMember } from './group-state.ts';
import { committedFor } from './offset-reset.ts';
import type {
  GroupDescription,
  GroupLag,
  GroupListing,
  GroupOffset,
  GroupState,
  MemberDescription,
} from './types.ts';
import { isOwned, isPending, partitionsOf } from './views.ts';

export function listGroup(group: Group): GroupListing {
  const { generation, assignor, members } = group.content;
  return { groupId: group.id, state: stateOf(group), generation, assignor, members: members.size };
}

export function describeGroup(group: Group, { engine, clock }: GroupContext): GroupDescription {
  const { generation, assignor, members } = group.content;
  const now = clock.monotonic();
  return {
    groupId: group.id,
    state: stateOf(group),
    generation,
    assignor,
    members: [...members.values()].map((member) => describeMember(group, member, now)),
    offsets: describeOffsets(group, engine),
    expiresAt: members.size > 0 ? null : clock.now() + Math.max(0, Math.ceil(group.retentionLeftMs)),
  };
}

/** Of each topic that the group has committed offsets of. */
export function lagsOf(group: Group, engine: Engine): GroupLag[] {
  const lags: GroupLag[] = [];
  for (const [topic, partitions] of group.offsets.topics()) {
    let [sum, max, counted] = [0, 0, 0];
    for (const partition of partitions.keys()) {
      const committed = committedFor(engine, group.offsets, topic, partition);
      if (committed === undefined) continue;
      const lag = Math.max(0, engine.offsets(topic, partition).highWatermark - committed.offset);
      sum += lag;
      max = Math.max(max, lag);
      counted++;
    }
    if (counted > 0) lags.push({ groupId: group.id, topic, sum, max });
  }
  return lags;
}

function stateOf({ content, sessions }: Group): GroupState {
  if (content.members.size === 0) return 'Empty';
  for (const member of content.members.values())
    if (!isSettled(member, sessions.get(member.id)?.confirmed ?? 0)) return 'Reconciling';
  return 'Stable';
}

/** Nothing is on its way to the member or from it, and it knows all that it has. A generation that changes nothing of that is none to wait for. */
function isSettled({ target, revoking }: GroupMember, confirmed: number): boolean {
  if (revoking.size > 0) return false;
  for (const partitions of target.values())
    for (const since of partitions.values()) if (isPending(since) || since > confirmed) return false;
  return true;
}

function describeMember(group: Group, member: GroupMember, now: number): MemberDescription {
  const session = group.sessions.get(member.id)!;
  return {
    memberId: member.id,
    clientId: member.clientId,
    topics: [...member.topics],
    sessionTimeoutMs: member.sessionTimeoutMs,
    autoOffsetReset: member.autoOffsetReset,
    generation: session.confirmed,
    assignment: partitionsOf(member.target, isOwned),
    revoking: partitionsOf(member.revoking),
    pending: partitionsOf(member.target, isPending),
    idleMs: session.polling > 0 ? 0 : Math.max(0, Math.floor(now - session.heardAt)),
  };
}

/** By topic and partition: those that are committed, and those that somebody owns. */
function describeOffsets(group: Group, engine: Engine): GroupOffset[] {
  const owners = ownersOf(group);
  const offsets: GroupOffset[] = [];
  const topics = new Set([...owners.keys(), ...[...group.offsets.topics()].map(([topic]) => topic)]);
  for (const topic of [...topics].sort()) {
    const owned = owners.get(topic);
    const count = engine.findTopic(topic)?.partitions ?? 0;
    for (let partition = 0; partition < count; partition++) {
      const owner = owned?.get(partition) ?? null;
      const committed = committedFor(engine, group.offsets, topic, partition);
      if (owner === null && committed === undefined) continue;
      const { logStartOffset, highWatermark } = engine.offsets(topic, partition);
      offsets.push({
        topic,
        partition,
        committed: committed?.offset ?? null,
        metadata: committed?.metadata ?? null,
        committedAt: committed?.committedAt ?? null,
        logStartOffset,
        logEndOffset: highWatermark,
        lag: committed === undefined ? null : Math.max(0, highWatermark - committed.offset),
        memberId: owner,
      });
    }
  }
  return offsets;
}

/** Which member owns a partition, by topic. */
function ownersOf({ content }: Group): Map<string, Map<number, string>> {
  const owners = new Map<string, Map<number, string>>();
  for (const { id, target, revoking } of content.members.values()) {
    const leaving = partitionsOf(revoking, ({ since }) => isOwned(since));
    for (const { topic, partitions } of [...partitionsOf(target, isOwned), ...leaving]) {
      const owned = owners.get(topic) ?? new Map<number, string>();
      owners.set(topic, owned);
      for (const partition of partitions) owned.set(partition, id);
    }
  }
  return owners;
}
