/**
 * The records of the internal topic: JSON in UTF-8, described in docs/format.md.
 *
 *     ["offset",group,topic,partition]   {offset, metadata, topicId, committedAt}
 *     ["group",group]                    {generation, assignor, members, topics, emptySince}
 *     ["generation"]                     {generation}: the highest one of a group that was deleted
 *
 * Keys of other kinds are left alone, for what may come.
 */
import { SeglogError } from '../common/errors.ts';
import type { LogRecord } from '../common/types.ts';
import { ASSIGNORS } from './assignors.ts';
import type { CommittedOffset } from './committed-offsets.ts';
import type { GroupContent, GroupMember, GroupTopic, Owned, Revocation, Revoking } from './group-state.ts';
import type { OffsetsRecord } from './offsets-topic.ts';
import type { AssignorName } from './types.ts';

/** What a record says. */
export type GroupFact =
  | {
      readonly kind: 'offset';
      readonly groupId: string;
      readonly topic: string;
      readonly partition: number;
      readonly committed: CommittedOffset | null;
    }
  | {
      readonly kind: 'group';
      readonly groupId: string;
      readonly content: GroupContent | null;
      /** The generation that each member had confirmed. */
      readonly confirmed: ReadonlyMap<string, number>;
    }
  | { readonly kind: 'generation'; readonly generation: number };

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
  const value: StoredGroup = {
    generation,
    assignor,
    members: [...content.members.values()].map((member) => encodeMember(member, confirmed(member.id))),
    topics: [...topics].map(([topic, { id, partitions }]) => ({ topic, id, partitions })),
    emptySince,
  };
  return { key, value: JSON.stringify(value) };
}

export function generationRecord(generation: number): OffsetsRecord {
  return { key: JSON.stringify(['generation']), value: JSON.stringify({ generation }) };
}

/** Undefined for a key of another kind. Throws CORRUPT_MESSAGE where the value does not go with its key. */
export function decodeRecord(record: LogRecord): GroupFact | undefined {
  const key = parse(record.key);
  if (!Array.isArray(key)) return undefined;
  const value = record.value === null ? null : parse(record.value);
  try {
    return decodeFact(key, value);
  } catch (cause) {
    throw new SeglogError(
      'CORRUPT_MESSAGE',
      `the record of groups at offset ${record.offset} does not make sense (key ${JSON.stringify(key)})`,
      { offset: record.offset },
      { cause },
    );
  }
}

interface StoredPartitions {
  topic: string;
  partitions: number[];
  since: number[];
}

interface StoredMember {
  id: string;
  clientId: string;
  topics: readonly string[];
  sessionTimeoutMs: number;
  autoOffsetReset: string;
  confirmed: number;
  assignment: StoredPartitions[];
  revoking: (StoredPartitions & { revokedIn: number[] })[];
}

interface StoredGroup {
  generation: number;
  assignor: AssignorName | null;
  members: StoredMember[];
  topics: ({ topic: string } & GroupTopic)[];
  emptySince: number | null;
}

function encodeMember(member: GroupMember, confirmed: number): StoredMember {
  const { target, revoking, ...rest } = member;
  return { ...rest, confirmed, assignment: encodeOwned(target), revoking: encodeRevoking(revoking) };
}

function encodeOwned(owned: Owned): StoredPartitions[] {
  return [...owned].map(([topic, partitions]) => ({
    topic,
    partitions: [...partitions.keys()],
    since: [...partitions.values()],
  }));
}

function encodeRevoking(revoking: Revoking): StoredMember['revoking'] {
  return [...revoking].map(([topic, partitions]) => ({
    topic,
    partitions: [...partitions.keys()],
    since: [...partitions.values()].map(({ since }) => since),
    revokedIn: [...partitions.values()].map(({ revokedIn }) => revokedIn),
  }));
}

function decodeFact(key: readonly unknown[], value: unknown): GroupFact | undefined {
  const [kind, groupId, topic, partition] = key;
  if (kind === 'offset') {
    return {
      kind,
      groupId: text(groupId),
      topic: text(topic),
      partition: count(partition),
      committed: value === null ? null : decodeCommitted(value as CommittedOffset),
    };
  }
  if (kind === 'group') {
    if (value === null) return { kind, groupId: text(groupId), content: null, confirmed: new Map() };
    const stored = value as StoredGroup;
    const confirmed = new Map(stored.members.map((member) => [text(member.id), count(member.confirmed)]));
    return { kind, groupId: text(groupId), content: decodeGroup(stored), confirmed };
  }
  if (kind !== 'generation') return undefined;
  return { kind, generation: count((value as { generation: unknown }).generation) };
}

function decodeCommitted({ offset, metadata, topicId, committedAt }: CommittedOffset): CommittedOffset {
  return {
    offset: count(offset),
    metadata: metadata === null ? null : text(metadata),
    topicId: text(topicId),
    committedAt: count(committedAt),
  };
}

function decodeGroup({ generation, assignor, members, topics, emptySince }: StoredGroup): GroupContent {
  return {
    generation: count(generation),
    assignor: assignor === null ? null : knownAssignor(assignor),
    members: new Map(members.map((member) => [member.id, decodeMember(member)])),
    topics: new Map(topics.map(({ topic, id, partitions }) => [topic, { id: text(id), partitions }])),
    emptySince: emptySince === null ? null : count(emptySince),
  };
}

function knownAssignor(name: AssignorName): AssignorName {
  if (!Object.hasOwn(ASSIGNORS, name)) throw new TypeError(`${name} is no assignor`);
  return name;
}

function decodeMember({ confirmed: _, assignment, revoking, ...rest }: StoredMember): GroupMember {
  return {
    ...rest,
    topics: rest.topics.map(text),
    target: new Map(assignment.map((each) => [text(each.topic), zip(each.partitions, each.since, count)])),
    revoking: new Map(revoking.map((each) => [text(each.topic), decodeRevoking(each)])),
  };
}

function decodeRevoking({ partitions, since, revokedIn }: StoredMember['revoking'][number]) {
  const revocation = (from: number, at: number): Revocation => ({
    since: count(from),
    revokedIn: count(revokedIn[at]),
  });
  return zip(partitions, since, revocation);
}

function zip<T>(
  partitions: readonly number[],
  values: readonly number[],
  make: (value: number, at: number) => T,
): Map<number, T> {
  return new Map(partitions.map((partition, at) => [count(partition), make(values[at]!, at)]));
}

function parse(bytes: Buffer | null): unknown {
  if (bytes === null) return undefined;
  try {
    return JSON.parse(bytes.toString());
  } catch {
    return undefined;
  }
}

function text(value: unknown): string {
  if (typeof value !== 'string') throw new TypeError(`${value} is no text`);
  return value;
}

function count(value: unknown): number {
  if (!Number.isSafeInteger(value) || (value as number) < 0) throw new TypeError(`${value} is no count`);
  return value as number;
}
