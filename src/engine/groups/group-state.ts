/**
 * A group as it stands in its record: its generation, its members, and who owns which partition. Pure functions from one state
 * to the next; nothing here knows of time, of a log, or of who is told what.
 *
 * A generation is a target: which member is to have which partition. A member keeps what it owns and is to have. What it owns
 * and is not to have any more is *revoking* until it has confirmed a generation that asked for it, and only then it belongs to
 * the member that is to have it, for which it is *pending* until then. So a partition has one owner at any time, and the
 * partitions that members are told to read in one generation are parts of one target.
 */
import { ASSIGNORS, type Assignment } from './assignors.ts';
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
  /** The generation in which it came to the member. */
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

/** A member that is to be: without partitions yet. */
export type NewMember = Omit<GroupMember, 'target' | 'revoking'>;

export interface MembershipChange {
  readonly joins: readonly NewMember[];
  /** Ids of members that leave or are taken out. */
  readonly removed: ReadonlySet<string>;
  /** For joins into an empty group. */
  readonly assignor: AssignorName;
}

export const NO_MEMBERS: ReadonlyMap<string, GroupMember> = new Map();

export function emptyGroup(generation: number, emptySince: number): GroupContent {
  return { generation, assignor: null, members: NO_MEMBERS, topics: new Map(), emptySince };
}

/** The next generation: with members that come and go, and topics as they are now. */
export function nextGeneration(
  group: GroupContent,
  change: MembershipChange,
  lookup: TopicLookup,
  now: number,
): GroupContent {
  const generation = group.generation + 1;
  const stay = [...group.members.values()].filter(({ id }) => !change.removed.has(id));
  const members: GroupMember[] = [
    ...stay,
    ...change.joins.map((member) => ({ ...member, target: new Map(), revoking: new Map() })),
  ];
  if (members.length === 0)
    return emptyGroup(generation, group.members.size === 0 ? (group.emptySince ?? now) : now);
  const assignor = stay.length === 0 ? change.assignor : (group.assignor ?? change.assignor);
  const topics = subscribedTopics(members, lookup);
  const owners = ownersOf(members, group.topics, topics);
  const assignment = ASSIGNORS[assignor]({
    members,
    topics: new Map([...topics].map(([name, { partitions }]) => [name, partitions])),
    owner: (topic, partition) => owners.get(topic)?.get(partition)?.id,
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
export function release(group: GroupContent, memberId: string, confirmed: number): GroupContent {
  const member = group.members.get(memberId);
  if (member === undefined) return group;
  const kept = new Map<string, Map<number, Revocation>>();
  const freed = new Map<string, Set<number>>();
  for (const [topic, partitions] of member.revoking) {
    for (const [partition, revocation] of partitions) {
      if (revocation.revokedIn > confirmed) entry(kept, topic).set(partition, revocation);
      else entry(freed, topic, () => new Set<number>()).add(partition);
    }
  }
  const members = new Map(group.members);
  members.set(memberId, { ...member, revoking: kept });
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
  return member.revoking.get(topic)?.get(partition)?.since;
}

/** Partitions that go from a member that stays to another one. */
export function countMoved(before: GroupContent, after: GroupContent): number {
  let moved = 0;
  for (const member of after.members.values()) {
    for (const [topic, partitions] of member.revoking) {
      const earlier = before.members.get(member.id)?.revoking.get(topic);
      for (const partition of partitions.keys()) if (!earlier?.has(partition)) moved++;
    }
  }
  return moved;
}

/** Pending partitions among `freed` are the member's own from now on; undefined when there are none. */
function give(target: Owned, freed: ReadonlyMap<string, Set<number>>, generation: number): Owned | undefined {
  let next: Map<string, ReadonlyMap<number, number>> | undefined;
  for (const [topic, free] of freed) {
    const partitions = target.get(topic);
    if (partitions === undefined) continue;
    let given: Map<number, number> | undefined;
    for (const partition of free) {
      if (partitions.get(partition) !== 0) continue;
      given ??= new Map(partitions);
      given.set(partition, generation);
    }
    if (given === undefined) continue;
    next ??= new Map(target);
    next.set(topic, given);
  }
  return next;
}

interface Owner {
  readonly id: string;
  readonly since: number;
  /** Set where it is being given up. */
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

/** Who owns what, of topics that are still the same ones. */
function ownersOf(
  members: readonly GroupMember[],
  before: ReadonlyMap<string, GroupTopic>,
  now: ReadonlyMap<string, GroupTopic>,
): Owners {
  const owners = new Map<string, Map<number, Owner>>();
  const isSame = (topic: string) => now.has(topic) && now.get(topic)?.id === before.get(topic)?.id;
  for (const { id, target, revoking } of members) {
    for (const [topic, partitions] of target) {
      if (!isSame(topic)) continue;
      for (const [partition, since] of partitions)
        if (since > 0) entry(owners, topic).set(partition, { id, since, revokedIn: undefined });
    }
    for (const [topic, partitions] of revoking) {
      if (!isSame(topic)) continue;
      for (const [partition, { since, revokedIn }] of partitions)
        entry(owners, topic).set(partition, { id, since, revokedIn });
    }
  }
  return owners;
}

function retarget(
  member: GroupMember,
  assignment: Assignment,
  owners: Owners,
  generation: number,
): GroupMember {
  const { id } = member;
  const target = new Map<string, Map<number, number>>();
  for (const [topic, partitions] of assignment.get(id)!) {
    for (const partition of partitions) {
      const owner = owners.get(topic)?.get(partition);
      const since = owner === undefined ? generation : owner.id === id ? owner.since : 0;
      entry(target, topic).set(partition, since);
    }
  }
  const revoking = new Map<string, Map<number, Revocation>>();
  for (const [topic, partitions] of owners) {
    for (const [partition, owner] of partitions) {
      if (owner.id !== id || target.get(topic)?.has(partition)) continue;
      const { since, revokedIn = generation } = owner;
      entry(revoking, topic).set(partition, { since, revokedIn });
    }
  }
  return { ...member, target, revoking };
}

function entry<K, V>(map: Map<K, Map<number, V>>, key: K): Map<number, V>;
function entry<K, V>(map: Map<K, V>, key: K, make: () => V): V;
function entry<K>(map: Map<K, unknown>, key: K, make: () => unknown = () => new Map()): unknown {
  let value = map.get(key);
  if (value === undefined) {
    value = make();
    map.set(key, value);
  }
  return value;
}
