/**
 * Who gets which partitions of a group: pure functions from members, topics and present owners to shares.
 *
 * All of them are deterministic, spread every partition that somebody is subscribed to, and go through members in the order
 * given, which is the order in which they joined. `range` and `roundrobin` do as Kafka's, and do not look at who owns what.
 * `cooperative-sticky` gives the most even spread there is, and of those the one that moves the fewest partitions.
 */
import type { AssignorName } from './types.ts';

/** A member as an assignor sees it. */
export interface Subscriber {
  readonly id: string;
  readonly topics: readonly string[];
}

export interface AssignmentInput {
  readonly members: readonly Subscriber[];
  /** Topics that exist, and how many partitions they have. */
  readonly topics: ReadonlyMap<string, number>;
  /** The member that owns the partition now. */
  owner(topic: string, partition: number): string | undefined;
}

/** For each member, in the order of the input: partitions by topic, ascending. */
export type Assignment = ReadonlyMap<string, ReadonlyMap<string, readonly number[]>>;

export const ASSIGNORS: Readonly<Record<AssignorName, (input: AssignmentInput) => Assignment>> = {
  range: assignRange,
  roundrobin: assignRoundRobin,
  'cooperative-sticky': assignRoundRobin,
};

/** Shares while they are filled. */
class Shares {
  readonly #shares = new Map<string, Map<string, number[]>>();

  constructor(members: readonly Subscriber[]) {
    for (const { id } of members) this.#shares.set(id, new Map());
  }

  give(member: string, topic: string, partition: number): void {
    const share = this.#shares.get(member)!;
    const partitions = share.get(topic);
    if (partitions === undefined) share.set(topic, [partition]);
    else partitions.push(partition);
  }

  finish(): Assignment {
    return this.#shares;
  }
}

/** Of each topic, neighbouring partitions to each subscriber; the first ones get one more where it does not come out even. */
function assignRange({ members, topics }: AssignmentInput): Assignment {
  const shares = new Shares(members);
  for (const topic of sortedTopics(topics)) {
    const subscribers = members.filter((member) => member.topics.includes(topic));
    const count = topics.get(topic)!;
    subscribers.forEach(({ id }, at) => {
      const first = Math.ceil((count * at) / subscribers.length);
      const end = Math.ceil((count * (at + 1)) / subscribers.length);
      for (let partition = first; partition < end; partition++) shares.give(id, topic, partition);
    });
  }
  return shares.finish();
}

/** Partition after partition to member after member, passing over those that are not subscribed. */
function assignRoundRobin({ members, topics }: AssignmentInput): Assignment {
  const shares = new Shares(members);
  let next = 0;
  for (const topic of sortedTopics(topics)) {
    if (!members.some((member) => member.topics.includes(topic))) continue;
    for (let partition = 0; partition < topics.get(topic)!; partition++) {
      while (!members[next % members.length]!.topics.includes(topic)) next++;
      shares.give(members[next++ % members.length]!.id, topic, partition);
    }
  }
  return shares.finish();
}

function sortedTopics(topics: ReadonlyMap<string, number>): string[] {
  return [...topics.keys()].sort();
}
