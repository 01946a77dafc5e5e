/**
 * Sees to it that each sealed segment has a search index for its topic's `index.fields`, and none where there are no fields: after
 * it was sealed or rewritten, after a start, after the setting has changed, and where an index turned out to be damaged. One at a
 * time, the newest first, in a thread of lower priority and paced.
 *
 * Nothing depends on it: a segment without an index is searched all the same. What fails is logged and tried again later; a
 * segment that is damaged gets none.
 */
import {
  type Clock,
  type Engine,
  errnoOf,
  isSeglogError,
  type Logger,
  type SearchPartition,
  type SearchSegment,
  type TaskRunner,
} from '../engine/index.ts';
import type { IndexTasks } from './index-task.ts';
import { indexedSegment } from './search-index-cache.ts';
import type { SearchIndexFiles } from './search-index-file.ts';

/** All segments are looked at so often, for what nobody tells. */
const SWEEP_MS = 30_000;
const FIRST_RETRY_MS = 30_000;
const MOST_RETRY_MS = 3_600_000;

export interface IndexerOptions {
  readonly engine: Engine;
  readonly runner: TaskRunner<IndexTasks>;
  readonly files: SearchIndexFiles;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly falsePositiveRate: number;
  /** The index of this segment is another one from now on, or gone. */
  changed(segment: SearchSegment): void;
  /** These are the segments that there are. */
  swept?(ids: ReadonlySet<number>): void;
}

/** What came of the indexes that were made. */
export interface IndexerFigures {
  /** Sealed segments that wait for one. */
  waiting: number;
  made: number;
  failed: number;
  /** Of records that were gone through, once decompressed, and of indexes that were made of them. */
  recordBytes: number;
  indexBytes: number;
}

interface Candidate {
  readonly topic: string;
  readonly number: number;
  readonly partition: SearchPartition;
  readonly segment: SearchSegment;
}

interface Failure {
  attempts: number;
  /** By the monotonic clock. */
  dueAt: number;
}

export class Indexer {
  readonly figures: IndexerFigures = { waiting: 0, made: 0, failed: 0, recordBytes: 0, indexBytes: 0 };
  readonly #options: IndexerOptions;
  /** By id: the fields for which the segment needs nothing any more. */
  readonly #settled = new Map<number, string>();
  /** By id: there is an index, and it is damaged. */
  readonly #damaged = new Set<number>();
  readonly #failures = new Map<number, Failure>();
  readonly #waiting = new Map<number, Candidate>();
  /** Those that wait, the newest last; undefined where others have come since. */
  #order: Candidate[] | undefined;
  readonly #abort = new AbortController();
  #round: Promise<void> | undefined;
  #stopListening = () => {};
  #cancelSweep = () => {};

  constructor(options: IndexerOptions) {
    this.#options = options;
  }

  start(): void {
    this.#stopListening = this.#options.engine.search.onSealed((topic, partition) =>
      this.#look(topic, partition),
    );
    this.#sweep();
  }

  /** Resolves when nothing is being made any more. */
  async stop(): Promise<void> {
    this.#stopListening();
    this.#cancelSweep();
    this.#abort.abort();
    await this.#round;
  }

  /** The index of a segment turned out to be damaged. */
  rebuild({ id }: SearchSegment): void {
    if (this.#damaged.has(id) || this.#abort.signal.aborted) return;
    this.#settled.delete(id);
    this.#damaged.add(id);
    this.#cancelSweep();
    this.#sweep();
  }

  /** Resolves when none waits that can be made now. */
  async idle(): Promise<void> {
    while (this.#round !== undefined) await this.#round;
  }

  #sweep(): void {
    const { engine, clock } = this.#options;
    const known = new Set<number>();
    for (const { name, partitions } of engine.listTopics())
      for (let number = 0; number < partitions; number++)
        for (const { id } of this.#look(name, number)) known.add(id);
    // Of segments that are gone nothing is remembered.
    for (const each of [this.#settled, this.#damaged, this.#failures, this.#waiting])
      for (const id of each.keys()) if (!known.has(id)) each.delete(id);
    this.#options.swept?.(known);
    this.#cancelSweep = clock.after(SWEEP_MS, () => this.#sweep());
  }

  /** Notes the segments of a partition that may need one; returns all of them. */
  #look(topic: string, number: number): readonly SearchSegment[] {
    const partition = this.#partitionOf(topic, number);
    if (partition === undefined) return [];
    const fields = partition.fields.join();
    const now = this.#options.clock.monotonic();
    for (const segment of partition.segments) {
      const { id, sealed } = segment;
      const isDue = (this.#failures.get(id)?.dueAt ?? now) <= now;
      if (sealed && isDue && this.#settled.get(id) !== fields)
        this.#waiting.set(id, { topic, number, partition, segment });
    }
    this.#order = undefined;
    this.figures.waiting = this.#waiting.size;
    if (this.#waiting.size > 0 && !this.#abort.signal.aborted) {
      this.#round ??= this.#handleAll().finally(() => {
        this.#round = undefined;
      });
    }
    return partition.segments;
  }

  #partitionOf(topic: string, number: number): SearchPartition | undefined {
    try {
      return this.#options.engine.search.partition(topic, number);
    } catch (error) {
      if (isSeglogError(error, 'UNKNOWN_TOPIC_OR_PARTITION')) return undefined;
      throw error;
    }
  }

  async #handleAll(): Promise<void> {
    // Whoever told of a segment goes on first.
    await Promise.resolve();
    while (!this.#abort.signal.aborted) {
      const next = this.#newest();
      if (next === undefined) return;
      this.#waiting.delete(next.segment.id);
      await this.#handle(next);
      this.figures.waiting = this.#waiting.size;
    }
  }

  /** Those that are asked for most. */
  #newest(): Candidate | undefined {
    this.#order ??= [...this.#waiting.values()].sort((a, b) => timeOf(a) - timeOf(b));
    return this.#order.pop();
  }

  async #handle(candidate: Candidate): Promise<void> {
    const { partition, segment } = candidate;
    try {
      const { fields } = partition;
      const isSettled =
        fields.length === 0
          ? await this.#takeAway(candidate)
          : (await this.#isIndexed(candidate)) || (await this.#make(candidate));
      // Otherwise it is gone, or about to change: the next sweep looks at it as it is then.
      if (isSettled) this.#settled.set(segment.id, fields.join());
      this.#failures.delete(segment.id);
    } catch (error) {
      if (!this.#abort.signal.aborted) this.#noteFailure(candidate, error);
    }
  }

  async #isIndexed({ partition, number, segment }: Candidate): Promise<boolean> {
    if (this.#damaged.has(segment.id)) return false;
    try {
      const found = await this.#options.files.open(indexedSegment(partition, number, segment));
      return found?.fields.join() === partition.fields.join();
    } catch (error) {
      // What a newer program has made is left to it.
      if (isSeglogError(error, 'UNSUPPORTED_VERSION')) return true;
      throw error;
    }
  }

  async #make({ topic, number, partition, segment }: Candidate): Promise<boolean> {
    const { runner, engine, falsePositiveRate, changed } = this.#options;
    const { path, baseOffset, endOffset, bytes, id } = segment;
    const walk = {
      identity: { topicId: partition.topicId, partition: number },
      segments: [{ path, baseOffset, endOffset, bytes, firstAppendAt: 0 }],
      gaps: partition.gaps.map(({ firstOffset: first, endOffset: end }) => ({ first, end })),
    };
    const { signal } = this.#abort;
    const result = await runner.run(
      'index',
      { walk, fields: partition.fields, falsePositiveRate },
      { signal },
    );
    if (result === null || !(await engine.search.putIndex(topic, number, id, [result.content]))) return false;
    changed(segment);
    this.#damaged.delete(id);
    this.figures.made++;
    this.figures.recordBytes += result.bytes;
    this.figures.indexBytes += result.content.length;
    return true;
  }

  async #takeAway({ topic, number, segment }: Candidate): Promise<boolean> {
    if (!(await this.#options.engine.search.putIndex(topic, number, segment.id, null))) return false;
    this.#options.changed(segment);
    return true;
  }

  #noteFailure({ topic, number, segment }: Candidate, error: unknown): void {
    // The segment is gone, or has another name by now.
    if (errnoOf(error) === 'ENOENT' || isSeglogError(error, 'UNKNOWN_TOPIC_OR_PARTITION')) return;
    const isDamaged = isSeglogError(error, 'CORRUPT_MESSAGE');
    const attempts = (this.#failures.get(segment.id)?.attempts ?? 0) + 1;
    const wait = isDamaged
      ? Number.POSITIVE_INFINITY
      : Math.min(MOST_RETRY_MS, FIRST_RETRY_MS * 2 ** (attempts - 1));
    this.#failures.set(segment.id, { attempts, dueAt: this.#options.clock.monotonic() + wait });
    this.figures.failed++;
    const fields = { topic, partition: number, segment: segment.baseOffset, err: error };
    this.#options.logger.warn(
      fields,
      `a segment has no search index${isDamaged ? '' : ', to be tried again'}`,
    );
  }
}

const timeOf = ({ segment }: Candidate): number => segment.maxTimestamp ?? Number.NEGATIVE_INFINITY;
