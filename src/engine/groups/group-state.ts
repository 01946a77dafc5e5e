/**
 * A group as it stands in its record: its generation, its members, and who owns which partition. Pure functions from one state
 * to the next; nothing here knows of time, of a log, or of who is told what.
 *
 * A generation is a target: which member is to have which partition. A member keeps what it owns and is to have. What it owns
 * and is not to have any more is *revoking* until it has confirmed a generation that asked for it, and only then it belongs to
 * the member that is to have it, for which it is *pending* until then. So a partition has one owner at any time, and the
 * partitions that members are told to read in one generation are parts of one target.
 *
 * That holds for the partitions of a deleted topic as well: were one that is made again under its name given to the same member
 * at once, the member could not tell it from the one that it knew.
 */
import type { Assignment } from './assignment.ts';
import { ASSIGNORS } from './assignors.ts';
import type { AssignorName } from './types.ts';

/** A topic that members are subscribed to, as it was when its partitions were spread. */
export interface GroupTopic {
  /** 32 hexadecimal digits: another one when a topic of that name was made again. */
  readonly id: string;
  readonly partitions: number;
}

/** Partitions by topic, each with the generation in which it came to the member; 0 while it is pending. */
export type Owned = ReadonlyMap<string, ReadonlyMap<number, number>>;

/** A partition that is to be given up. */
export interface Revocation {
  /** The generation in which it came to the member; 0 where it is gone with its topic, and only not to be touched any more. */
  readonly since: number;
  /** The generation that asks for it. */
  readonly revokedIn: number;
}

export type Revoking = ReadonlyMap<string, ReadonlyMap<number, Revocation>>;

export interface GroupMember {
  readonly id: string;
  readonly clientId: string;
  readonly topics: readonly string[];
  readonly sessionTimeoutMs: number;
  /** As it was given; see auto-offset-reset.ts. */
  readonly autoOffsetReset: string;
  /** What it is to have, pending partitions included. */
  readonly target: Owned;
  readonly revoking: Revoking;
}

export interface GroupContent {
  readonly generation: number;
  /** Null while there are no members. */
  readonly assignor: AssignorName | null;
  /** In the order in which they joined. */
  readonly members: ReadonlyMap<string, GroupMember>;
  readonly topics: ReadonlyMap<string, GroupTopic>;
  /** By the clock, ms since 1970; null while there are members. */
  readonly emptySince: number | null;
}

export type TopicLookup = (name: string) => GroupTopic | undefined;

export function emptyGroup(generation: number, emptySince: number): GroupContent {
  return { generation, assignor: null, members: new Map(), topics: new Map(), emptySince };
}

/** The next generation: the partitions of all topics, as they are now, spread over these members. */
export function nextGeneration(
  group: GroupContent,
  members: readonly GroupMember[],
  assignor: AssignorName,
  lookup: TopicLookup,
): GroupContent {
  const generation = group.generation + 1;
  const topics = subscribedTopics(members, lookup);
  const owners = ownersOf(members, group.topics, topics);
  const assignment = ASSIGNORS[assignor]({
    members,
    topics: new Map([...topics].map(([name, { partitions }]) => [name, partitions])),
    owner: (topic, partition) => {
      const owner = owners.get(topic)?.get(partition);
      return owner !== undefined && owner.since > 0 ? owner.id : undefined;
    },
  });
  const next = members.map((member) => retarget(member, assignment, owners, generation));
  return {
    generation,
    assignor,
    members: new Map(next.map((member) => [member.id, member])),
    topics,
    emptySince: null,
  };
}

/** Whether topics that members are subscribed to came, went, or got partitions since the last generation. */
export function topicsChanged(group: GroupContent, lookup: TopicLookup): boolean {
  const now = subscribedTopics([...group.members.values()], lookup);
  if (now.size !== group.topics.size) return true;
  for (const [name, topic] of now) {
    const before = group.topics.get(name);
    if (before?.id !== topic.id || before.partitions !== topic.partitions) return true;
  }
  return false;
}

/** Whether the member has something to give up that `confirmed` says it does not touch any more. */
export function givesUp(member: GroupMember, confirmed: number): boolean {
  for (const partitions of member.revoking.values())
    for (const { revokedIn } of partitions.values()) if (revokedIn <= confirmed) return true;
  return false;
}

/** The member has confirmed a generation: what it was asked for until then goes to who is to have it. */
export function release(group: GroupContent, member: GroupMember, confirmed: number): GroupContent {
  const kept = new Map<string, Map<number, Revocation>>();
  const freed = new Map<string, Map<number, Revocation>>();
  for (const [topic, partitions] of member.revoking) {
    for (const [partition, revocation] of partitions)
      entry(revocation.revokedIn > confirmed ? kept : freed, topic).set(partition, revocation);
  }
  const members = new Map(group.members);
  members.set(member.id, { ...member, revoking: kept });
  for (const each of members.values()) {
    const given = give(each.target, freed, group.generation);
    if (given !== undefined) members.set(each.id, { ...each, target: given });
  }
  return { ...group, members };
}

/** The generation in which the partition came to the member; undefined when it does not own it. */
export function ownedSince(member: GroupMember, topic: string, partition: number): number | undefined {
  const since = member.target.get(topic)?.get(partition);
  if (since !== undefined && since > 0) return since;
  return member.revoking.get(topic)?.get(partition)?.since || undefined;
}

/** Partitions that go from a member that stays to another one. */
export function countMoved(before: GroupContent, after: GroupContent): number {
  let moved = 0;
  for (const member of after.members.values()) {
    for (const [topic, partitions] of member.revoking) {
      const earlier = before.members.get(member.id)?.revoking.get(topic);
      for (const [partition, { since }] of partitions) if (since > 0 && !earlier?.has(partition)) moved++;
    }
  }
  return moved;
}

/** Pending partitions among `freed` are the member's own from now on; undefined when there are none. */
function give(target: Owned, freed: Revoking, generation: number): Owned | undefined {
  const given = new Map<string, Map<number, number>>();
  for (const [topic, partitions] of freed) {
    const wanted = target.get(topic);
    for (const partition of partitions.keys())
      if (wanted?.get(partition) === 0) entry(given, topic).set(partition, generation);
  }
  if (given.size === 0) return undefined;
  const next = new Map(target);
  for (const [topic, partitions] of given) next.set(topic, new Map([...target.get(topic)!, ...partitions]));
  return next;
}

/** Who owns a partition: its member, since when (0: it is gone), and, where it is being given up, by which generation. */
interface Owner {
  readonly id: string;
  readonly since: number;
  readonly revokedIn: number | undefined;
}

type Owners = ReadonlyMap<string, ReadonlyMap<number, Owner>>;

function subscribedTopics(
  members: readonly { readonly topics: readonly string[] }[],
  lookup: TopicLookup,
): Map<string, GroupTopic> {
  const topics = new Map<string, GroupTopic>();
  for (const name of new Set(members.flatMap((member) => member.topics))) {
    const topic = lookup(name);
    if (topic !== undefined) topics.set(name, topic);
  }
  return topics;
}

/** Who owns what; partitions of topics that are not the same ones any more are gone. */
function ownersOf(
  members: readonly GroupMember[],
  before: ReadonlyMap<string, GroupTopic>,
  now: ReadonlyMap<string, GroupTopic>,
): Owners {
  const owners = new Map<string, Map<number, Owner>>();
  const note = (id: string, topic: string, partition: number, since: number, revokedIn?: number) => {
    const isSame = now.has(topic) && now.get(topic)?.id === before.get(topic)?.id;
    entry(owners, topic).set(partition, { id, since: isSame ? since : 0, revokedIn });
  };
  for (const { id, target, revoking } of members) {
    for (const [topic, partitions] of target)
      for (const [partition, since] of partitions) if (since > 0) note(id, topic, partition, since);
    for (const [topic, partitions] of revoking)
      for (const [partition, { since, revokedIn }] of partitions)
        note(id, topic, partition, since, revokedIn);
  }
  return owners;
}

/** The member as the assignment wants it: itself where nothing changes for it. */
function retarget(
  member: GroupMember,
  assignment: Assignment,
  owners: Owners,
  generation: number,
): GroupMember {
  const target = new Map<string, Map<number, number>>();
  for (const [topic, partitions] of assignment.get(member.id)!) {
    for (const partition of partitions) {
      entry(target, topic).set(partition, sinceFor(member, owners.get(topic)?.get(partition), generation));
    }
  }
  const revoking = new Map<string, Map<number, Revocation>>();
  const keep = (topic: string, partition: number) => {
    const owner = owners.get(topic)?.get(partition);
    const isKept = owner !== undefined && owner.since > 0 && target.get(topic)?.has(partition);
    if (owner?.id !== member.id || isKept) return;
    entry(revoking, topic).set(partition, { since: owner.since, revokedIn: owner.revokedIn ?? generation });
  };
  for (const owned of [member.target, member.revoking])
    for (const [topic, partitions] of owned)
      for (const partition of partitions.keys()) keep(topic, partition);
  const isSame =
    sameEntries(member.target, target, (a, b) => a === b) &&
    sameEntries(member.revoking, revoking, (a, b) => a.since === b.since && a.revokedIn === b.revokedIn);
  return isSame ? member : { ...member, target, revoking };
}

/** In which generation a partition that the member is to have has come to it; 0 while it has not. */
function sinceFor(member: GroupMember, owner: Owner | undefined, generation: number): number {
  if (owner === undefined) return generation;
  if (owner.id !== member.id || owner.since === 0) return 0;
  // It may have stopped with what it was to give up: what it knew of that counts no more when it gets it back.
  return owner.revokedIn === undefined ? owner.since : generation;
}

function sameEntries<T>(
  a: ReadonlyMap<string, ReadonlyMap<number, T>>,
  b: ReadonlyMap<string, ReadonlyMap<number, T>>,
  same: (a: T, b: T) => boolean,
): boolean {
  if (a.size !== b.size) return false;
  for (const [topic, partitions] of a) {
    const others = b.get(topic);
    if (others?.size !== partitions.size) return false;
    for (const [partition, value] of partitions) {
      const other = others.get(partition);
      if (other === undefined || !same(value, other)) return false;
    }
  }
  return true;
}

function entry<T>(map: Map<string, Map<number, T>>, topic: string): Map<number, T> {
  let partitions = map.get(topic);
  if (partitions === undefined) {
    partitions = new Map();
    map.set(topic, partitions);
  }
  return partitions;
}
