/**
 * One partition: an ordered log of batches in segments, and the state that its writer and its readers share.
 *
 * A batch goes through these stages, each an offset that only moves forward (all ends are exclusive):
 *
 *     highWatermark ≤ logEndOffset     what readers may see; what was appended
 *     syncedOffset ≤ durableOffset     synced in segments (the recovery point); synced there or in the journal
 *     writtenOffset                    written to segment files; later batches are in memory (`tail`)
 *
 * Changes happen on the event loop in PartitionWriter only; everybody else reads. The file operations of a partition
 * are ordered by its two mutexes: `writing` for writes, `syncing` for syncs.
 */

import type { TaskRunner } from '../background/task.ts';
import type { Clock } from '../common/clock.ts';
import { SeglogError } from '../common/errors.ts';
import type { Logger } from '../common/logger.ts';
import { Mutex } from '../common/mutex.ts';
import type { EngineSettings, TopicSettings } from '../common/settings.ts';
import type { Acks, DamagedRange, EngineObserver, OffsetGap, SealedListener } from '../common/types.ts';
import type { DescriptorCache } from '../files/descriptor-cache.ts';
import type { FileSystem } from '../files/file-system.ts';
import type { EncodedBatch } from '../format/record-batch.ts';
import type { IndexCache } from '../segment/index-cache.ts';
import { addBatch, type BatchFacts, type LogSegment, type SegmentStats } from '../segment/log-segment.ts';
import { newSegment } from '../segment/segment-files.ts';
import type { AppendConditions, StoredAppend } from './append-conditions.ts';
import { type Cleaned, NEVER_CLEANED } from './compaction.ts';
import { answerFenced } from './fenced-appends.ts';
import type { InFlightBudget, PartitionFlight } from './in-flight-budget.ts';
import { PartitionProducers } from './partition-producers.ts';
import type { ProducerMemory } from './producer-memory.ts';

/** What the parts of an engine share. */
export interface EngineContext {
  readonly directory: string;
  readonly fileSystem: FileSystem;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly observer: EngineObserver;
  readonly settings: EngineSettings;
  readonly files: DescriptorCache;
  readonly indexCache: IndexCache;
  readonly tails: Tails;
  readonly budget: InFlightBudget;
  readonly producerMemory: ProducerMemory;
  /** For work over whole files. */
  readonly tasks: TaskRunner;
  readonly sealedListeners: Set<SealedListener>;
}

/** The partitions that hold batches in memory which are durable in the journal only, and the bytes of all of them. */
export class Tails {
  bytes = 0;
  readonly partitions = new Set<PartitionLog>();
}

/** The topic that a partition belongs to, as far as a partition needs to know it. */
export interface TopicIdentity {
  readonly name: string;
  readonly id: string;
  readonly idBytes: Buffer;
  /** Replaced when the topic's config is altered. */
  settings: TopicSettings;
}

/** A batch that waits for its group commit. */
export interface QueuedBatch {
  readonly batch: EncodedBatch;
  readonly acks: Acks;
  /** Undefined where it is to be appended whatever stands in the log. */
  readonly conditions: AppendConditions | undefined;
  /** Why it must not be appended, unless it repeats what stands in the log. */
  unfit: SeglogError | undefined;
  /** Called with the base offset; with -1 where it was only accepted, and then once more or `refuse`. */
  acknowledge(baseOffset: number): void;
  /** It had been appended before: answers as that one was. */
  repeat(stored: StoredAppend): void;
  refuse(error: SeglogError): void;
}

/** A batch that is appended, but not yet written to its segment: readers get it from memory. */
export interface TailBatch {
  readonly bytes: Buffer;
  readonly facts: BatchFacts;
  readonly segment: LogSegment;
}

interface OffsetWaiter {
  offset: number;
  wake(): void;
}

/** What recovery or a clean open found. */
export interface PartitionState {
  segments: LogSegment[];
  logStartOffset: number;
  logEndOffset: number;
  /** Where what is in the segments' files ends, all of it synced. */
  syncedOffset: number;
  /** Where that ends with `tail` behind it; below the log's end only where not all of it could be made durable. */
  durableOffset: number;
  /** Batches that are durable in the journal only. */
  tail: TailBatch[];
  damaged: DamagedRange[];
  gaps: OffsetGap[];
  fenced: string | null;
}

export class PartitionLog implements PartitionFlight {
  readonly topic: TopicIdentity;
  readonly partition: number;
  readonly directory: string;
  readonly context: EngineContext;
  /** In offset order, never empty; the last one is active. */
  segments: LogSegment[];
  /** The active segment with the batches in `tail` counted in. */
  appended: SegmentStats;
  readonly tail: TailBatch[] = [];
  tailBytes = 0;
  queue: QueuedBatch[] = [];
  logStartOffset: number;
  logEndOffset: number;
  highWatermark: number;
  writtenOffset: number;
  syncedOffset: number;
  durableOffset: number;
  inFlightBytes = 0;
  /** The latest time by the clock at which something was appended, as far as that is known; the clock may have gone back since. */
  lastAppendAt = 0;
  /** Written to segments since the last sync began. */
  unsyncedBytes = 0;
  /** The next segment's file: there is none, it is being made, ready to be taken, or taken and about to get its name. */
  nextFile: 'none' | 'making' | 'ready' | 'taken' = 'none';
  /** Names were added to the directory since it was last synced. */
  directoryDirty = false;
  fenced: string | null;
  /**
   * The batches of the group that is on its way, where some have conditions; they stay where nobody knows what became of them.
   * All: it is not known who has appended to the log.
   */
  inDoubt: readonly QueuedBatch[] | 'all' = [];
  deleted = false;
  /** How often segments were taken away or got other files: a read that missed a file looks whether it has changed. */
  layout = 0;
  /** What compaction has come to; the file that says so may lag behind. */
  cleaned: Cleaned = NEVER_CLEANED;
  /** Of the log below its end. */
  readonly producers: PartitionProducers;
  damaged: DamagedRange[];
  gaps: OffsetGap[];
  readonly writing = new Mutex();
  readonly syncing = new Mutex();
  readonly #waiters = new Set<OffsetWaiter>();

  constructor(
    context: EngineContext,
    topic: TopicIdentity,
    partition: number,
    directory: string,
    state: PartitionState,
  ) {
    this.context = context;
    this.topic = topic;
    this.partition = partition;
    this.directory = directory;
    this.segments = state.segments;
    this.logStartOffset = state.logStartOffset;
    this.logEndOffset = state.logEndOffset;
    this.syncedOffset = state.syncedOffset;
    this.writtenOffset = state.syncedOffset;
    this.durableOffset = state.durableOffset;
    this.highWatermark = state.durableOffset;
    this.appended = { ...this.active.stats };
    for (const batch of state.tail) {
      this.pushTail(batch);
      if (batch.segment === this.active) addBatch(this.appended, batch.facts, context.clock.now());
    }
    this.producers = new PartitionProducers(context.producerMemory);
    this.damaged = state.damaged;
    this.gaps = state.gaps;
    this.fenced = state.fenced;
  }

  get active(): LogSegment {
    return this.segments[this.segments.length - 1]!;
  }

  get name(): string {
    return `${this.topic.name}-${this.partition}`;
  }

  /** Opens the next segment, in memory: its file gets its name when the first bytes are written. */
  roll(): LogSegment {
    const rolled = this.active;
    const next = newSegment(this.directory, this.logEndOffset);
    this.segments.push(next);
    this.appended = { ...next.stats };
    this.context.observer.rolled?.(this.topic.name, this.partition);
    return rolled;
  }

  /** The log begins here from now on. The caller has made that durable. */
  startAt(offset: number): void {
    this.logStartOffset = offset;
    this.layout++;
    this.damaged = this.damaged.filter(({ endOffset }) => endOffset > offset);
  }

  /**
   * By the clock, when a segment's file is made: not before anything was appended to those before it, for by that time it is judged
   * how long that may be sent again.
   */
  get segmentTime(): number {
    return Math.max(this.context.clock.now(), this.lastAppendAt);
  }

  pushTail(batch: TailBatch): void {
    this.tail.push(batch);
    this.#countTail(batch.bytes.length);
  }

  /** Takes the first batches out: they are in their segment, or the topic is gone. */
  dropTail(count: number): void {
    for (const batch of this.tail.splice(0, count)) this.#countTail(-batch.bytes.length);
  }

  /** Moves the high watermark to where the flush policy allows, and wakes who waits for it. */
  advanceHighWatermark(): void {
    const { flush } = this.topic.settings;
    const visible = flush === 'sync' ? this.durableOffset : Math.max(this.durableOffset, this.writtenOffset);
    const end = Math.min(visible, this.logEndOffset);
    if (end <= this.highWatermark) return;
    this.highWatermark = end;
    this.#wakeWaiters();
  }

  /** Takes no appends from now on; what waits is refused, reads go on. */
  fence(reason: string): void {
    if (this.fenced !== null) return;
    this.fenced = reason;
    this.context.logger.error(
      { topic: this.topic.name, partition: this.partition, reason },
      'partition is fenced',
    );
    this.#clearQueue((queued) => answerFenced(this, queued, this.fencedError()));
  }

  /** The topic is gone: who waits, waits no more. */
  markDeleted(): void {
    this.deleted = true;
    this.dropTail(this.tail.length);
    this.producers.clear();
    this.#clearQueue((queued) => queued.refuse(unknownPartition(this.topic.name)));
    this.#wakeWaiters();
  }

  #clearQueue(answer: (queued: QueuedBatch) => void): void {
    for (const queued of this.queue.splice(0)) {
      answer(queued);
      this.context.budget.give(this, queued.batch.bytes.length);
    }
  }

  fencedError(): SeglogError {
    return new SeglogError(
      'KAFKA_STORAGE_ERROR',
      `partition ${this.name} takes no appends: ${this.fenced}; nothing was stored`,
      { topic: this.topic.name, partition: this.partition },
    );
  }

  /** Resolves true once the high watermark is past `offset` or the partition is gone, false when time is up. */
  waitFor(offset: number, timeoutMs: number, signal?: AbortSignal): Promise<boolean> {
    if (this.#isPast(offset)) return Promise.resolve(true);
    if (timeoutMs <= 0 || signal?.aborted) return Promise.resolve(false);
    return new Promise((resolve) => {
      const settle = (woken: boolean) => {
        cancelTimer();
        cancelWait();
        signal?.removeEventListener('abort', giveUp);
        resolve(woken);
      };
      const giveUp = () => settle(false);
      const cancelWait = this.whenPast(offset, () => settle(true));
      const cancelTimer = this.context.clock.after(timeoutMs, giveUp);
      signal?.addEventListener('abort', giveUp, { once: true });
    });
  }

  /**
   * Calls back once, when the high watermark is past `offset` or the partition is gone: never before this returns. Returns a
   * function that cancels it.
   */
  whenPast(offset: number, wake: () => void): () => void {
    const waiter: OffsetWaiter = { offset, wake };
    this.#waiters.add(waiter);
    if (this.#isPast(offset)) queueMicrotask(() => this.#wakeWaiters());
    return () => void this.#waiters.delete(waiter);
  }

  /** How many of the first segments are sealed and synced: nothing but a deletion or a rewriting changes them any more. */
  get settledSegments(): number {
    const { segments, syncedOffset } = this;
    let count = 0;
    while (
      count < segments.length - 1 &&
      segments[count]!.sealed &&
      segments[count]!.endOffset <= syncedOffset
    )
      count++;
    return count;
  }

  /** Bytes of all segments, those still in memory included. */
  get bytes(): number {
    let bytes = this.tailBytes;
    for (const segment of this.segments) bytes += segment.stats.bytes;
    return bytes;
  }

  #countTail(bytes: number): void {
    const { tails } = this.context;
    this.tailBytes += bytes;
    tails.bytes += bytes;
    if (this.tailBytes > 0) tails.partitions.add(this);
    else tails.partitions.delete(this);
  }

  #isPast(offset: number): boolean {
    return this.highWatermark > offset || this.deleted;
  }

  #wakeWaiters(): void {
    for (const waiter of this.#waiters) {
      if (this.#isPast(waiter.offset) && this.#waiters.delete(waiter)) waiter.wake();
    }
  }
}

export function unknownPartition(topic: string, partition?: number): SeglogError {
  return partition === undefined
    ? new SeglogError('UNKNOWN_TOPIC_OR_PARTITION', `there is no topic "${topic}"`, { topic })
    : new SeglogError('UNKNOWN_TOPIC_OR_PARTITION', `topic "${topic}" has no partition ${partition}`, {
        topic,
        partition,
      });
}
