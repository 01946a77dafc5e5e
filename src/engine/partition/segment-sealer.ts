/**
 * Sealing: a segment that was rolled gets its derived files, its final indexes and its summary. One at a time, oldest first.
 *
 * A task goes through the file and writes them, beside the appends and whatever else is done to files meanwhile; what comes
 * before and after it is short and done under the lock of maintenance. Small segments are sealed on the spot from what is
 * in memory. So are all when the log is closed, damaged ones, of which memory knows more than the file, and those that
 * tasks do not get done: segments are only deleted once they are sealed, and until then their indexes are in memory.
 */
import type { SealRequest, SealResult } from '../background/seal-task.ts';
import { isSeglogError } from '../common/errors.ts';
import type { Mutex } from '../common/mutex.ts';
import { segmentInput } from '../rewrite/rewrite-request.ts';
import type { LogSegment } from '../segment/log-segment.ts';
import { indexFiles, summaryFile } from '../segment/segment-files.ts';
import { damageAt, rememberDamage } from './damage.ts';
import { gapRanges } from './gaps.ts';
import type { EngineContext, PartitionLog } from './partition-log.ts';
import { replaceDerived, syncNames } from './partition-names.ts';
import { type SyncedState, sync } from './partition-writer.ts';
import { finishReplacement } from './segment-replacement.ts';

const FIRST_RETRY_MS = 1_000;
const MOST_RETRY_MS = 60_000;
/** Failures after which no task is asked any more. */
const MOST_FAILED_TASKS = 3;
/** Beyond that they are rolled faster than tasks seal them, or no thread is free: all that wait are sealed on the spot. */
const MOST_WAITING = 16;

/** A segment that has no derived files yet. */
interface Unsealed {
  readonly partition: PartitionLog;
  failures: number;
  /** Not to be tried before, by the monotonic clock. */
  dueAt: number;
}

/** A task that seals. */
interface RunningSeal {
  readonly segment: LogSegment;
  readonly synced: SyncedState;
  readonly abort: AbortController;
  readonly outcome: Promise<PromiseSettledResult<SealResult>>;
}

/** Called, under the lock, for a segment that was just sealed. */
export type SealListener = (partition: PartitionLog, synced: SyncedState) => Promise<void>;

export class SegmentSealer {
  readonly #context: EngineContext;
  readonly #lock: Mutex;
  readonly #sealed: SealListener;
  readonly #unsealed = new Map<LogSegment, Unsealed>();
  #running: RunningSeal | undefined;
  /** While it goes through the segments that are due. */
  #round: Promise<void> | undefined;
  #inHaste = false;
  #stopped = false;

  /** `lock` is held while names in a partition's directory must be still. */
  constructor(context: EngineContext, lock: Mutex, sealed: SealListener) {
    this.#context = context;
    this.#lock = lock;
    this.#sealed = sealed;
  }

  add(partition: PartitionLog, segment: LogSegment): void {
    this.#unsealed.set(segment, { partition, failures: 0, dueAt: Number.NEGATIVE_INFINITY });
    if (this.#unsealed.size > MOST_WAITING) {
      this.#inHaste = true;
      this.#running?.abort.abort();
    }
    this.sealDue();
  }

  /** Seals a segment that has taken the place of others; to be called under the lock. */
  async addReplacement(partition: PartitionLog, segment: LogSegment): Promise<void> {
    const unsealed = { partition, failures: 0, dueAt: Number.NEGATIVE_INFINITY };
    this.#unsealed.set(segment, unsealed);
    try {
      await this.sealNow(partition, segment);
    } catch (error) {
      this.#noteFailure(segment, unsealed, error);
    }
  }

  /** Starts to seal what is due, unless that is under way. */
  sealDue(): void {
    if (this.#stopped || this.#round !== undefined) return;
    this.#round = this.#sealRound().finally(() => {
      this.#round = undefined;
    });
  }

  /** A task writes the derived files of this segment: nobody else is to. */
  isSealing(segment: LogSegment): boolean {
    return this.#running?.segment === segment;
  }

  /** To be called under the lock: no task touches a file until the lock is given back. What it left is sealed later. */
  async interrupt(): Promise<void> {
    this.#running?.abort.abort();
    await this.#running?.outcome;
  }

  /** Seals nothing more by itself; resolves when nothing is being sealed. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.interrupt();
    await this.#round;
  }

  /** Seals a segment from what is in memory, unless it is sealed; under the lock. */
  async sealNow(partition: PartitionLog, segment: LogSegment): Promise<void> {
    // Takes no space, which the rest may lack.
    await finishReplacement(partition, segment);
    if (!segment.sealed) await this.#sealHere(partition, segment, await sync(partition));
    this.#unsealed.delete(segment);
  }

  async #sealRound(): Promise<void> {
    for (;;) {
      const next = this.#nextDue();
      if (next === undefined) break;
      await this.#seal(...next);
    }
    this.#inHaste = false;
  }

  #nextDue(): [LogSegment, Unsealed] | undefined {
    if (this.#stopped) return undefined;
    const now = this.#context.clock.monotonic();
    for (const each of this.#unsealed) if (each[1].dueAt <= now) return each;
    return undefined;
  }

  /** Whatever becomes of it, it is not due again at once. */
  async #seal(segment: LogSegment, unsealed: Unsealed): Promise<void> {
    const { partition } = unsealed;
    try {
      const running = await this.#lock.run(() => this.#begin(segment, unsealed));
      if (running === undefined) return;
      const outcome = await running.outcome;
      await this.#lock.run(() => this.#end(partition, running, outcome));
    } catch (error) {
      this.#noteFailure(segment, unsealed, error);
    }
  }

  #noteFailure(segment: LogSegment, unsealed: Unsealed, error: unknown): void {
    const wait = Math.min(MOST_RETRY_MS, FIRST_RETRY_MS * 2 ** unsealed.failures);
    unsealed.dueAt = this.#context.clock.monotonic() + wait;
    // It was interrupted, which says nothing about it.
    if (isSeglogError(error, 'TASK_CANCELLED')) return;
    unsealed.failures++;
    const fields = { partition: unsealed.partition.name, segment: segment.baseOffset, err: error };
    this.#context.logger.warn(fields, 'a segment could not be sealed, to be tried again');
  }

  /** A task that was started; undefined when there is nothing to wait for. */
  async #begin(segment: LogSegment, { partition, failures }: Unsealed): Promise<RunningSeal | undefined> {
    if (this.#stopped) return undefined;
    if (!isWritable(partition)) {
      this.#unsealed.delete(segment);
      return undefined;
    }
    const isSmall = segment.stats.bytes < this.#context.tasks.worthwhileBytes;
    // Of one that was rewritten just now, what a task would find out is known.
    const isKnown = segment.sealed || segment.swap !== undefined;
    if (isKnown || isSmall || this.#inHaste || failures >= MOST_FAILED_TASKS) {
      await this.sealNow(partition, segment);
      return undefined;
    }
    // Also gives it its file, if its batches were in memory only.
    const synced = await sync(partition);
    if (this.#stopped) return undefined;
    const abort = new AbortController();
    const outcome = settled(
      this.#context.tasks.run('seal', sealRequest(partition, segment), { signal: abort.signal }),
    );
    this.#running = { segment, synced, abort, outcome };
    return this.#running;
  }

  async #end(
    partition: PartitionLog,
    { segment, synced }: RunningSeal,
    outcome: PromiseSettledResult<SealResult>,
  ): Promise<void> {
    this.#running = undefined;
    if (this.#stopped || !isWritable(partition)) return;
    if (outcome.status === 'rejected') throw outcome.reason;
    const { damaged } = outcome.value;
    if (damaged.length > 0) {
      for (const range of damaged)
        if (damageAt(partition, range.firstOffset) === undefined) rememberDamage(partition, range);
      await this.#sealHere(partition, segment, synced);
    } else {
      await syncNames(partition);
      await this.#noteSealed(partition, segment, synced);
    }
    this.#unsealed.delete(segment);
  }

  async #sealHere(partition: PartitionLog, segment: LogSegment, synced: SyncedState): Promise<void> {
    if (!segment.exists) return;
    const { indexCache } = this.#context;
    const interval = partition.topic.settings['index.interval.bytes'];
    const indexes =
      segment.indexWriter?.indexes ?? (await indexCache.load(partition.directory, segment, interval));
    await replaceDerived(partition, [
      ...indexFiles(partition.directory, indexes, segment.stats),
      summaryFile(partition.directory, segment.stats),
    ]);
    await this.#noteSealed(partition, segment, synced);
  }

  async #noteSealed(partition: PartitionLog, segment: LogSegment, synced: SyncedState): Promise<void> {
    this.#context.indexCache.forget(segment);
    segment.sealed = true;
    segment.indexWriter = undefined;
    await this.#sealed(partition, synced);
    for (const listener of this.#context.sealedListeners) listener(partition.topic.name, partition.partition);
  }
}

const isWritable = ({ fenced, deleted }: PartitionLog): boolean => fenced === null && !deleted;

function sealRequest({ topic, partition, gaps }: PartitionLog, segment: LogSegment): SealRequest {
  return {
    identity: { topicId: topic.id, partition },
    segment: segmentInput(segment),
    gaps: gapRanges(gaps),
    indexIntervalBytes: topic.settings['index.interval.bytes'],
  };
}

function settled<T>(promise: Promise<T>): Promise<PromiseSettledResult<T>> {
  return promise.then(
    (value) => ({ status: 'fulfilled', value }),
    (reason) => ({ status: 'rejected', reason }),
  );
}
