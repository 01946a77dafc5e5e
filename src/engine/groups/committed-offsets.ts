/** What one group has committed: for each partition where it goes on. */

export interface CommittedOffset {
  readonly offset: number;
  readonly metadata: string | null;
  /** Of the topic that it was committed for: one that was made again under the name begins anew. */
  readonly topicId: string;
  /** By the clock, ms since 1970. */
  readonly committedAt: number;
}

/** Bytes of metadata that are counted in with an offset. */
const FREE_METADATA_BYTES = 256;

/** What it counts for group.max.offsets: one with much metadata takes the memory of several. */
export function weightOf(committed: CommittedOffset | null): number {
  if (committed === null) return 0;
  return 1 + Math.floor((committed.metadata?.length ?? 0) / FREE_METADATA_BYTES);
}

export class CommittedOffsets {
  readonly #topics = new Map<string, Map<number, CommittedOffset>>();
  #size = 0;

  /** Partitions with an offset. */
  get size(): number {
    return this.#size;
  }

  get(topic: string, partition: number): CommittedOffset | undefined {
    return this.#topics.get(topic)?.get(partition);
  }

  has(topic: string): boolean {
    return this.#topics.has(topic);
  }

  set(topic: string, partition: number, committed: CommittedOffset): void {
    let partitions = this.#topics.get(topic);
    if (partitions === undefined) {
      partitions = new Map();
      this.#topics.set(topic, partitions);
    }
    if (!partitions.has(partition)) this.#size++;
    partitions.set(partition, committed);
  }

  delete(topic: string, partition: number): void {
    const partitions = this.#topics.get(topic);
    if (partitions?.delete(partition) !== true) return;
    this.#size--;
    if (partitions.size === 0) this.#topics.delete(topic);
  }

  /** When something was last committed; 0 when nothing is. */
  newestCommit(): number {
    let newest = 0;
    for (const partitions of this.#topics.values())
      for (const { committedAt } of partitions.values()) newest = Math.max(newest, committedAt);
    return newest;
  }

  topics(): Iterable<[string, ReadonlyMap<number, CommittedOffset>]> {
    return this.#topics;
  }
}
