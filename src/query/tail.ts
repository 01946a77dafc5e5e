/**
 * Following a topic: the events that pass, as they are acknowledged. The positions of all partitions tell how far it came, so
 * that who comes back goes on where they were; an event is given once.
 *
 * A round is what had come meanwhile: of each partition in the order of its offsets, and merged by time. What comes late comes
 * late.
 */
import { type Engine, SeglogError } from '../engine/index.ts';
import { comparePlaces } from './event-order.ts';
import type { FoundEvent } from './event-pages.ts';
import { Heap } from './heap.ts';
import { readOffsets } from './offset-reads.ts';
import type { QueryFilter, QueryRun } from './query-run.ts';

/** Of each partition, the next offset. */
export type TailPositions = readonly number[];

export interface TailRound {
  /** Before the round, and behind it. Behind an event its partition goes on with the next offset. */
  readonly from: TailPositions;
  readonly positions: TailPositions;
  readonly events: readonly FoundEvent[];
}

export interface TailOptions {
  /** Default: the end of each partition. */
  readonly positions?: TailPositions;
  /** A round without events is given when nothing came for so long. */
  readonly idleMs: number;
  readonly signal: AbortSignal;
}

/** No timer takes more. */
const LONG_MS = 2 ** 31 - 1;
/** Most of a partition that is read in one round. */
const ROUND_BYTES = 4 * 1024 * 1024;

/** Rounds, until the signal aborts. `begin` gives a run for each. Throws where the topic is gone, or a round took too long. */
export async function* tailTopic(
  engine: Engine,
  filter: QueryFilter,
  options: TailOptions,
  begin: () => QueryRun,
): AsyncGenerator<TailRound> {
  const tail = new Tail(engine, filter, options);
  try {
    while (!options.signal.aborted) {
      const isAwake = await tail.wait();
      if (options.signal.aborted) return;
      yield await tail.round(isAwake ? begin : undefined);
    }
  } finally {
    tail.close();
  }
}

class Tail {
  readonly #engine: Engine;
  readonly #filter: QueryFilter;
  readonly #options: TailOptions;
  readonly #positions: number[];
  /** Partitions that have more. */
  readonly #ready = new Set<number>();
  readonly #watched = new Set<number>();
  readonly #end = new AbortController();
  #wake = Promise.withResolvers<void>();

  constructor(engine: Engine, filter: QueryFilter, options: TailOptions) {
    this.#engine = engine;
    this.#filter = filter;
    this.#options = options;
    this.#positions = [...(options.positions ?? [])];
    options.signal.addEventListener('abort', this.#stop, { once: true });
    this.#watchPartitions();
  }

  readonly #stop = () => {
    this.#end.abort();
    this.#wake.resolve();
  };

  close(): void {
    this.#options.signal.removeEventListener('abort', this.#stop);
    this.#stop();
  }

  /** False when nothing came for a while. */
  async wait(): Promise<boolean> {
    if (this.#ready.size > 0) return true;
    this.#wake = Promise.withResolvers();
    const timer = setTimeout(() => this.#wake.resolve(), this.#options.idleMs);
    await this.#wake.promise;
    clearTimeout(timer);
    // There may be more of them by now.
    if (this.#ready.size === 0) this.#watchPartitions();
    return this.#ready.size > 0;
  }

  /** What has come; nothing where nobody is to look. */
  async round(begin: (() => QueryRun) | undefined): Promise<TailRound> {
    const from = [...this.#positions];
    const partitions = begin === undefined ? [] : [...this.#ready];
    const found: FoundEvent[][] = [];
    const run = begin?.();
    try {
      for (const partition of partitions) {
        this.#ready.delete(partition);
        found.push(await this.#take(run!, partition));
        this.#watch(partition);
      }
    } finally {
      run?.close();
    }
    return { from, positions: [...this.#positions], events: mergedByTime(found) };
  }

  /** Those that it does not know of yet; what is new is followed from its beginning, but for what was there at first. */
  #watchPartitions(): void {
    const { topic } = this.#filter;
    const isFirst = this.#positions.length === 0;
    const { partitions } = this.#engine.search.topic(topic);
    for (let partition = 0; partition < partitions; partition++) {
      const isNew = this.#positions[partition] === undefined;
      if (isNew) {
        const { logStartOffset, highWatermark } = this.#engine.offsets(topic, partition);
        this.#positions[partition] = isFirst ? highWatermark : logStartOffset;
      }
      if (isNew || !this.#watched.has(partition)) this.#watch(partition);
    }
  }

  /** Notes the partition as ready once it has more. */
  #watch(partition: number): void {
    this.#watched.add(partition);
    const { signal } = this.#end;
    const next = this.#positions[partition]!;
    this.#engine.waitForRecords(this.#filter.topic, partition, next, LONG_MS, signal).then(
      (woken) => {
        if (!woken) return;
        this.#ready.add(partition);
        this.#wake.resolve();
      },
      () => this.#wake.resolve(),
    );
  }

  /** The events of a partition from its position on, in the order of their offsets. */
  async #take(run: QueryRun, partition: number): Promise<FoundEvent[]> {
    const { topic, expression, from, until } = this.#filter;
    const firstOffset = this.#positions[partition]!;
    const { highWatermark } = this.#engine.offsets(topic, partition);
    const range = { partition, firstOffset, endOffset: highWatermark };
    const found: FoundEvent[] = [];
    let left = ROUND_BYTES;
    for await (const piece of readOffsets(this.#engine, topic, range, () => {})) {
      const result = await run.scan({
        source: { chunks: piece.chunks },
        filter: { expression, from, until, firstOffset, endOffset: highWatermark, recordTimes: false },
        events: {
          order: 'asc',
          after: null,
          limit: Number.POSITIVE_INFINITY,
          maxBytes: Number.POSITIVE_INFINITY,
        },
      });
      if (result === undefined) {
        if (this.#end.signal.aborted) return [];
        throw new SeglogError('REQUEST_TIMED_OUT', 'looking at what came took longer than query.timeout.ms');
      }
      const { timestamps, offsets, ends, bytes } = result.events!;
      for (const [i, end] of ends.entries()) {
        const value = Buffer.from(bytes.subarray(ends[i - 1] ?? 0, end));
        found.push({ timestamp: timestamps[i]!, partition, offset: offsets[i]!, value });
      }
      this.#positions[partition] = piece.nextOffset;
      left -= piece.bytes;
      if (left <= 0) break;
    }
    if (left > 0) this.#positions[partition] = highWatermark;
    return found.sort((a, b) => a.offset - b.offset);
  }
}

/** Lists that are merged by the times of what stands first in each. */
function mergedByTime(lists: readonly FoundEvent[][]): FoundEvent[] {
  const heap = new Heap<{ list: FoundEvent[]; at: number }>((a, b) =>
    comparePlaces('asc', a.list[a.at]!, b.list[b.at]!),
  );
  for (const list of lists) if (list.length > 0) heap.push({ list, at: 0 });
  const merged: FoundEvent[] = [];
  for (let next = heap.pop(); next !== undefined; next = heap.pop()) {
    const { list, at } = next;
    merged.push(list[at]!);
    if (at + 1 < list.length) heap.push({ list, at: at + 1 });
  }
  return merged;
}
