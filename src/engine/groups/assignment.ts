/** What an assignor is given, and what it gives. */

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

/** For each member: partitions by topic, ascending. */
export type Assignment = ReadonlyMap<string, ReadonlyMap<string, readonly number[]>>;

/** Shares while they are filled. */
export class Shares {
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
    for (const share of this.#shares.values())
      for (const partitions of share.values()) partitions.sort((a, b) => a - b);
    return this.#shares;
  }
}

export function sortedTopics(topics: ReadonlyMap<string, number>): string[] {
  return [...topics.keys()].sort();
}
