/**
 * What happens to a partition's files besides appends: sealing a rolled segment (segment-sealer.ts), the checkpoint that
 * bounds how much is read again after a crash, the deletion of what lies before the log's start, and putting rewritten
 * segments in the place of others. One at a time per engine, behind the appends; only the tasks that seal run beside the rest.
 *
 * Indexes and summaries are derived, and a checkpoint may lag: a failure is logged, costs time at the next open, and is
 * tried again. But a log start offset is durable in the checkpoint before a record below it is gone.
 */

import { Mutex } from '../common/mutex.ts';
import { type FileContent, isOutOfSpace, orStorageFull } from '../files/file-operations.ts';
import type { RewrittenSegment } from '../rewrite/rewrite-request.ts';
import { emptyStats, type LogSegment } from '../segment/log-segment.ts';
import { indexFiles } from '../segment/segment-files.ts';
import { checkpointFile, readCheckpoint } from './checkpoint.ts';
import { logStartFile } from './log-start.ts';
import { type EngineContext, type PartitionLog, unknownPartition } from './partition-log.ts';
import { replaceDerived } from './partition-names.ts';
import type { PendingSnapshot } from './partition-producers.ts';
import { type SyncedState, sync } from './partition-writer.ts';
import { logDeletion, type Removed, removeSegmentsBelowStart } from './segment-removal.ts';
import {
  commitReplacement,
  discardRewritten,
  finishReplacement,
  type Replacement,
  refusalOf,
} from './segment-replacement.ts';
import { SegmentSealer } from './segment-sealer.ts';

const NO_SPACE =
  'the disk is full, and has no room to note where the log begins: free a little; nothing was deleted';

const NO_SPACE_TO_REPLACE =
  'the disk is full, and has no room for a checkpoint: free a little; no segment was replaced';

interface Checkpointed extends SyncedState {
  logStartOffset: number;
}

export class SegmentMaintenance {
  readonly #jobs = new Mutex();
  /** What the checkpoint files say, or may say: it holds. */
  readonly #checkpointed = new WeakMap<PartitionLog, Checkpointed>();
  readonly #checkpointQueued = new Set<PartitionLog>();
  readonly #sealer: SegmentSealer;
  #stopped = false;

  constructor(context: EngineContext) {
    this.#sealer = new SegmentSealer(context, this.#jobs, (partition, synced) =>
      this.#checkpointSealed(partition, synced),
    );
  }

  /** All of the log is synced, and a checkpoint says so or need not; called when a partition is opened. */
  opened(partition: PartitionLog): void {
    const { syncedOffset: offset, logStartOffset } = partition;
    this.#checkpointed.set(partition, { offset, stats: { ...partition.active.stats }, logStartOffset });
  }

  /**
   * Deletes the records below `offset`, which is at most the high watermark: gone for good once it resolves. Segments that
   * hold nothing else are removed, those that were left by an earlier failure as well. Does nothing once it was stopped.
   */
  deleteBefore(partition: PartitionLog, offset: number): Promise<Removed> {
    return this.#jobs.run(async () => {
      if (this.#stopped) return { segments: 0, bytes: 0 };
      if (partition.deleted) throw unknownPartition(partition.topic.name);
      const moves = offset > partition.logStartOffset;
      if (moves) await orStorageFull(NO_SPACE, () => this.#moveStart(partition, offset));
      const removed = await removeSegmentsBelowStart(partition);
      if (moves || removed.segments > 0) logDeletion(partition, removed);
      return removed;
    });
  }

  async #moveStart(partition: PartitionLog, offset: number): Promise<void> {
    if (partition.fenced !== null) throw partition.fencedError();
    const { syncedOffset, active } = partition;
    const known = this.#checkpointed.get(partition) ?? {
      offset: syncedOffset,
      stats: emptyStats(active.baseOffset),
    };
    // What is deleted by age or size is synced long since; on a full disk this must do without a sync.
    const state = offset <= known.offset ? known : await sync(partition);
    const owner = { topicId: partition.topic.id, partition: partition.partition };
    const files = [logStartFile(partition.directory, owner, offset)];
    // Once the batches are gone, nothing else says what a retry of them would repeat.
    const snapshot = partition.producers.hasUnstoredBelow(offset) ? await snapshotOf(partition) : undefined;
    try {
      await this.#write(partition, state, offset, files, snapshot);
    } catch (error) {
      if (snapshot === undefined || !isOutOfSpace(error)) throw error;
      // What frees space has to go on; the memory has it as long as the process lives.
      partition.context.logger.warn({ partition: partition.name }, 'no space for the snapshot of producers');
      await this.#write(partition, state, offset, files);
    }
    partition.startAt(offset);
  }

  /**
   * Puts a rewritten segment in the place of neighbours (see segment-replacement.ts): durable once it resolves with
   * `replaced`. When it resolves otherwise or rejects, the rewritten file is gone, and nothing has changed; only when a sync
   * failed is that not known, and the partition is fenced. Last of all before it counts, `check` may throw.
   */
  replaceSegments(
    partition: PartitionLog,
    olds: readonly LogSegment[],
    output: RewrittenSegment,
    check = () => {},
  ): Promise<Replacement> {
    return this.#jobs.run(async () => {
      const { baseOffset } = olds[0]!;
      let segment: LogSegment;
      try {
        let refusal = this.#stopped ? 'stopped' : refusalOf(partition, olds);
        if (refusal === undefined) {
          await this.#prepareReplacement(partition, olds);
          refusal = refusalOf(partition, olds);
        }
        if (refusal !== undefined) {
          await discardRewritten(partition, baseOffset);
          return refusal;
        }
        check();
        segment = await commitReplacement(partition, olds, output);
      } catch (error) {
        await discardRewritten(partition, baseOffset);
        throw error;
      }
      await this.#sealer.addReplacement(partition, segment);
      return 'replaced';
    });
  }

  /** No other swap is pending, and no checkpoint tells what one of the old segments held: it is not true of the new one. */
  async #prepareReplacement(partition: PartitionLog, olds: readonly LogSegment[]): Promise<void> {
    for (const segment of partition.segments) await finishReplacement(partition, segment);
    const { context, directory, topic, active } = partition;
    const owner = { topicId: topic.id, partition: partition.partition };
    const stored = await readCheckpoint(context.fileSystem, directory, owner);
    const known = this.#checkpointed.get(partition);
    const bases = new Set(olds.map(({ baseOffset }) => baseOffset));
    const isStored = typeof stored === 'object' && bases.has(stored.active.baseOffset);
    if (!isStored && known !== undefined && !bases.has(known.stats.baseOffset)) return;
    const offset = known?.offset ?? partition.syncedOffset;
    const state = { offset, stats: emptyStats(active.baseOffset) };
    await orStorageFull(NO_SPACE_TO_REPLACE, () =>
      this.#write(partition, state, partition.logStartOffset, []),
    );
  }

  /** Seals a segment that has been rolled. */
  seal(partition: PartitionLog, segment: LogSegment): void {
    this.#sealer.add(partition, segment);
  }

  /** Seals all segments but the active one, as far as they are not. */
  sealAll(partition: PartitionLog): void {
    for (const segment of partition.segments.slice(0, -1)) if (!segment.sealed) this.seal(partition, segment);
  }

  /** Tries again to seal what could not be sealed. */
  retry(): void {
    this.#sealer.sealDue();
  }

  /** Replaces files beside a partition's segments, in its turn; durable when it resolves. Nothing where the topic is gone. */
  putBeside(partition: PartitionLog, contents: readonly FileContent[]): Promise<void> {
    return this.#jobs.run(async () => {
      if (!partition.deleted) await replaceDerived(partition, contents);
    });
  }

  /** Runs short work with the files beside a partition's segments in its turn; undefined once it was stopped. */
  inTurn<T>(work: () => Promise<T>): Promise<T | undefined> {
    return this.#jobs.run(async () => (this.#stopped ? undefined : work()));
  }

  /** Runs `section` while no job runs, and no task touches a file of a partition. */
  exclusive<T>(section: () => Promise<T>): Promise<T> {
    return this.#jobs.run(async () => {
      await this.#sealer.interrupt();
      return section();
    });
  }

  /** After a sync: writes the checkpoint once enough of the log has come since the last one. */
  synced(partition: PartitionLog, state: SyncedState): void {
    if (this.#checkpointQueued.has(partition)) return;
    if (this.#bytesSince(partition, state) < partition.context.settings['checkpoint.bytes']) return;
    this.#checkpointQueued.add(partition);
    void this.#run(partition, async () => {
      this.#checkpointQueued.delete(partition);
      await this.#checkpoint(partition, await sync(partition));
    });
  }

  /**
   * Syncs, seals what was rolled, and brings the checkpoint up to the log's end; for closing, after `stop`. Rejects when not
   * all could be synced. False when only files that can be made again are not as they should be.
   */
  async finish(partition: PartitionLog): Promise<boolean> {
    const state = await sync(partition);
    try {
      for (const segment of partition.segments.slice(0, -1)) {
        await this.#jobs.run(() => this.#sealer.sealNow(partition, segment));
      }
      const written = this.#checkpointed.get(partition);
      const { logStartOffset, producers } = partition;
      const isLate = written?.offset !== state.offset || written.logStartOffset !== logStartOffset;
      const needsSnapshot = producers.hasChanged || producers.isSnapshotStale;
      if (isLate || needsSnapshot)
        await this.#jobs.run(() => this.#checkpoint(partition, state, needsSnapshot));
      return true;
    } catch (error) {
      // Sealing syncs as well.
      if (partition.fenced !== null) throw error;
      const fields = { partition: partition.name, err: error };
      partition.context.logger.warn(fields, 'derived files could not be written: the next open makes them');
      return false;
    }
  }

  /** Starts no more jobs; resolves when the one that runs is done. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#sealer.stop();
    await this.#jobs.run(async () => {});
  }

  #run(partition: PartitionLog, job: () => Promise<void>): Promise<void> {
    return this.#jobs.run(async () => {
      if (this.#stopped || partition.fenced !== null || partition.deleted) return;
      try {
        await job();
      } catch (error) {
        const fields = { partition: partition.name, err: error };
        partition.context.logger.warn(fields, 'maintenance failed, to be tried again');
      }
    });
  }

  /** Others may have been written since that sync. */
  async #checkpointSealed(partition: PartitionLog, synced: SyncedState): Promise<void> {
    const known = this.#checkpointed.get(partition);
    if (known === undefined || known.offset < synced.offset) await this.#checkpoint(partition, synced);
  }

  /** The index goes first: a checkpoint without the index that fits it only costs a longer scan. */
  async #checkpoint(
    partition: PartitionLog,
    state: SyncedState,
    needsSnapshot = partition.producers.isSnapshotDue,
  ): Promise<void> {
    const snapshot = needsSnapshot ? await snapshotOf(partition) : undefined;
    const active = partition.segments.find((segment) => segment.baseOffset === state.stats.baseOffset);
    // One that has no file yet has nothing to be indexed either; one that was rolled may be about to get its last index.
    const isIndexed = active?.exists && !this.#sealer.isSealing(active);
    const indexes = isIndexed ? active.indexWriter?.indexes : undefined;
    const files = indexes === undefined ? [] : indexFiles(partition.directory, indexes, state.stats);
    await this.#write(partition, state, partition.logStartOffset, files, snapshot);
  }

  async #write(
    partition: PartitionLog,
    { offset, stats }: SyncedState,
    logStartOffset: number,
    before: readonly FileContent[],
    snapshot?: PendingSnapshot,
  ): Promise<void> {
    const producers = partition.producers.rangeBelow(offset);
    const checkpoint = checkpointFile(partition.directory, {
      topicId: partition.topic.id,
      partition: partition.partition,
      recoveryPoint: offset,
      logStartOffset,
      active: stats,
      ...(producers && { producers }),
    });
    // A start of the log without it would keep the next open from the batches that it speaks of.
    const isNeededFirst = logStartOffset > partition.logStartOffset;
    const others = snapshot === undefined || isNeededFirst ? before : [...before, snapshot.file];
    await replaceDerived(partition, [...others, checkpoint], isNeededFirst ? snapshot?.file : undefined);
    snapshot?.stored();
    this.#checkpointed.set(partition, { offset, stats, logStartOffset });
  }

  /** Bytes of log between the checkpoint on disk and what is synced now; only the active segment counts. */
  #bytesSince(partition: PartitionLog, state: SyncedState): number {
    const offset = this.#checkpointed.get(partition)?.offset ?? 0;
    const { stats } = state;
    if (stats.endOffset === stats.baseOffset || state.offset <= offset) return 0;
    const share = (state.offset - Math.max(offset, stats.baseOffset)) / (stats.endOffset - stats.baseOffset);
    return share * stats.bytes;
  }
}

/** Nothing of the log below the synced offset goes in a crash. */
function snapshotOf(partition: PartitionLog): Promise<PendingSnapshot> {
  const { directory, topic, producers, syncedOffset, context } = partition;
  const owner = { topicId: topic.id, partition: partition.partition };
  const pause = () => new Promise<void>((resolve) => context.clock.soon(resolve));
  return producers.snapshot(directory, owner, syncedOffset, pause);
}
