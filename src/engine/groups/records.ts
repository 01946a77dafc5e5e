/**
 * The records of the internal topic: JSON in UTF-8, described in docs/format.md.
 *
 *     ["offset",group,topic,partition]   {offset, metadata, topicId, committedAt}
 *     ["group",group]                    {generation, assignor, members, topics, emptySince}
 */
import type { CommittedOffset } from './committed-offsets.ts';
import type { GroupContent, GroupMember, Owned, Revoking } from './group-state.ts';
import type { OffsetsRecord } from './offsets-topic.ts';

export function offsetRecord(
  groupId: string,
  topic: string,
  partition: number,
  committed: CommittedOffset | null,
): OffsetsRecord {
  const key = JSON.stringify(['offset', groupId, topic, partition]);
  return { key, value: committed && JSON.stringify(committed) };
}

/** `confirmed`: the generation that a member has confirmed. */
export function groupRecord(
  groupId: string,
  content: GroupContent | null,
  confirmed: (memberId: string) => number,
): OffsetsRecord {
  const key = JSON.stringify(['group', groupId]);
  if (content === null) return { key, value: null };
  const { generation, assignor, topics, emptySince } = content;
  const value = {
    generation,
    assignor,
    members: [...content.members.values()].map((member) => encodeMember(member, confirmed(member.id))),
    topics: [...topics].map(([topic, { id, partitions }]) => ({ topic, id, partitions })),
    emptySince,
  };
  return { key, value: JSON.stringify(value) };
}

function encodeMember(member: GroupMember, confirmed: number): object {
  const { target, revoking, ...rest } = member;
  return { ...rest, confirmed, assignment: encodeOwned(target), revoking: encodeRevoking(revoking) };
}

function encodeOwned(owned: Owned): object[] {
  return [...owned].map(([topic, partitions]) => ({
    topic,
    partitions: [...partitions.keys()],
    since: [...partitions.values()],
  }));
}

function encodeRevoking(revoking: Revoking): object[] {
  return [...revoking].map(([topic, partitions]) => ({
    topic,
    partitions: [...partitions.keys()],
    since: [...partitions.values()].map(({ since }) => since),
    revokedIn: [...partitions.values()].map(({ revokedIn }) => revokedIn),
  }));
}
