/**
 * Everything that changes a partition's files while it is open: writing the batches of a group to the active segment,
 * draining journaled batches there, and syncing.
 *
 * Positions are explicit: what was written and failed is written again at the same place, or cut off, never appended
 * behind. The order "write, then sync, then move the offsets" is what the guarantees rest on.
 */
import { errnoOf, SeglogError } from '../common/errors.ts';
import {
  cutBack,
  isOutOfDescriptors,
  isOutOfSpace,
  OUT_OF_DESCRIPTORS,
  removeIfExists,
  writeFully,
} from '../files/file-operations.ts';
import type { FileHandle } from '../files/file-system.ts';
import { preparedSegmentPath } from '../files/log-file-names.ts';
import { encodeSegmentHeader } from '../format/segment-header.ts';
import {
  addBatch,
  type BatchFacts,
  IndexWriter,
  type LogSegment,
  type SegmentStats,
} from '../segment/log-segment.ts';
import type { GroupPart } from './group-part.ts';
import type { PartitionLog, TailBatch } from './partition-log.ts';
import { syncFailed, syncNewNames } from './partition-names.ts';

/** The group is durable in the journal: it becomes part of the log, in memory until it is drained. */
export function applyJournaled(part: GroupPart): void {
  const { partition, segment, takenAt } = part;
  for (let i = 0; i < part.facts.length; i++) {
    const facts = part.facts[i]!;
    addBatch(partition.appended, facts, takenAt);
    partition.pushTail({ bytes: part.batches[i]!.batch.bytes, facts, segment });
  }
  partition.logEndOffset = part.endOffset;
  partition.durableOffset = part.endOffset;
  noteProducers(part);
  partition.advanceHighWatermark();
}

/**
 * Writes the group to its segment, after anything that is still in memory. Without space nothing of it stays: the
 * error is STORAGE_FULL. Any other failure fences the partition: OUTCOME_UNKNOWN.
 */
export function writeDirect(part: GroupPart): Promise<void> {
  const { partition, segment } = part;
  return partition.writing.run(async () => {
    await drainTail(partition);
    const buffers = part.batches.map(({ batch }) => batch.bytes);
    await writeToSegment(partition, segment, buffers);
    for (const facts of part.facts) {
      noteWritten(partition, segment, facts, part.takenAt);
      addBatch(partition.appended, facts, part.takenAt);
    }
    partition.logEndOffset = part.endOffset;
    partition.writtenOffset = part.endOffset;
    noteProducers(part);
    partition.advanceHighWatermark();
  });
}

/** What a retry of these batches would repeat is remembered from here on, and not before they are a part of the log. */
function noteProducers({ partition, batches, facts, takenAt, hasConditions }: GroupPart): void {
  if (!hasConditions) return;
  for (let i = 0; i < batches.length; i++) {
    const { conditions } = batches[i]!;
    if (conditions === undefined) continue;
    const { baseOffset, records: count, maxTimestamp, bytes } = facts[i]!;
    partition.producers.note(conditions, { baseOffset, count, maxTimestamp }, takenAt, bytes);
  }
}

/** Writes what is only in memory and in the journal to its segments. */
export function drain(partition: PartitionLog): Promise<void> {
  if (partition.tail.length === 0) return Promise.resolve();
  return partition.writing.run(() => drainTail(partition));
}

async function drainTail(partition: PartitionLog): Promise<void> {
  while (partition.tail.length > 0 && !partition.deleted) {
    if (partition.fenced !== null) throw partition.fencedError();
    const run = firstRun(partition.tail);
    const { segment } = run[0]!;
    await writeToSegment(
      partition,
      segment,
      run.map(({ bytes }) => bytes),
    );
    const now = partition.context.clock.now();
    for (const { facts } of run) noteWritten(partition, segment, facts, now);
    partition.dropTail(run.length);
    partition.writtenOffset = run[run.length - 1]!.facts.nextOffset;
  }
}

/** The batches at the head of the tail that go to one segment. */
function firstRun(tail: readonly TailBatch[]): TailBatch[] {
  const { segment } = tail[0]!;
  const end = tail.findIndex((batch) => batch.segment !== segment);
  return end < 0 ? tail.slice() : tail.slice(0, end);
}

function noteWritten(partition: PartitionLog, segment: LogSegment, facts: BatchFacts, now: number): void {
  const { settings } = partition.topic;
  segment.note(facts, now, settings['index.interval.bytes']);
  const half = settings['segment.bytes'] / 2;
  if (segment.stats.bytes > half && partition.nextFile === 'none' && segment === partition.active) {
    void prepareNext(partition);
  }
}

async function writeToSegment(
  partition: PartitionLog,
  segment: LogSegment,
  buffers: Buffer[],
): Promise<void> {
  const position = segment.stats.bytes;
  let file: FileHandle | undefined;
  let release = () => {};
  try {
    segment.indexWriter ??= await loadIndexWriter(partition, segment);
    if (!segment.exists) await materialise(partition, segment);
    const lease = await partition.context.files.lease(segment.path);
    file = lease.file;
    release = () => lease.release();
    await writeFully(file, buffers, position);
    for (const { length } of buffers) partition.unsyncedBytes += length;
    // Set when the bytes are in: a sync that began earlier does not cover them.
    segment.dirty = true;
  } catch (error) {
    throw await writeFailed(partition, file, position, error);
  } finally {
    release();
  }
}

async function loadIndexWriter(partition: PartitionLog, segment: LogSegment): Promise<IndexWriter> {
  const interval = partition.topic.settings['index.interval.bytes'];
  const indexes = await partition.context.indexCache.load(partition.directory, segment, interval);
  return new IndexWriter(indexes, segment.stats.bytes - interval);
}

/** Gives the segment its file, header first, then name; durable with the next sync, which syncs the directory too. */
async function materialise(partition: PartitionLog, segment: LogSegment): Promise<void> {
  const { fileSystem, files } = partition.context;
  const { id: topicId } = partition.topic;
  const header = encodeSegmentHeader({
    topicId,
    partition: partition.partition,
    baseOffset: segment.baseOffset,
    createdAt: partition.segmentTime,
  });
  const prepared = partition.nextFile === 'ready';
  const path = prepared ? preparedSegmentPath(partition.directory) : `${segment.path}~`;
  if (prepared) partition.nextFile = 'taken';
  else await removeIfExists(fileSystem, path);
  try {
    const file = await fileSystem.open(path, prepared ? 'write' : 'create');
    try {
      await writeFully(file, [header], 0);
    } finally {
      await file.close();
    }
    await fileSystem.rename(path, segment.path);
  } finally {
    if (prepared) partition.nextFile = 'none';
  }
  files.forget(segment.path);
  segment.exists = true;
  segment.dirty = true;
  partition.directoryDirty = true;
}

/** Makes the next segment's file ahead of need, so that no append waits for a file to be created. */
async function prepareNext(partition: PartitionLog): Promise<void> {
  const { fileSystem, logger } = partition.context;
  const path = preparedSegmentPath(partition.directory);
  partition.nextFile = 'making';
  try {
    await removeIfExists(fileSystem, path);
    await (await fileSystem.open(path, 'create')).close();
    partition.nextFile = 'ready';
  } catch (error) {
    partition.nextFile = 'none';
    logger.debug({ partition: partition.name, err: error }, 'the next segment could not be prepared');
  }
}

/** Decides what a failed write means, and leaves the file without a part of it, or the partition fenced. */
async function writeFailed(
  partition: PartitionLog,
  file: FileHandle | undefined,
  position: number,
  error: unknown,
): Promise<SeglogError> {
  const errno = errnoOf(error);
  const nothingWritten = file === undefined;
  const where = { topic: partition.topic.name, partition: partition.partition };
  if (nothingWritten && isOutOfDescriptors(error)) {
    return new SeglogError('THROTTLED', `${OUT_OF_DESCRIPTORS}; nothing was stored`, where);
  }
  if (isOutOfSpace(error)) {
    const clean = nothingWritten || (await cutBack(file!, position));
    if (clean) {
      partition.context.observer.failed?.('storage_full');
      return new SeglogError(
        'STORAGE_FULL',
        'the disk is full: free space or add some; nothing was stored',
        where,
        {
          cause: error,
        },
      );
    }
  }
  partition.context.observer.failed?.('write');
  const reason = `a write failed (${errno ?? String(error)}); restart seglog once the disk is well`;
  partition.fence(reason);
  return new SeglogError('OUTCOME_UNKNOWN', `partition ${partition.name}: ${reason}`, where, {
    cause: error,
  });
}

/** What a sync made durable: the log below `stats.endOffset`, and what its last segment held there. */
export interface SyncedState {
  offset: number;
  stats: SegmentStats;
}

/**
 * Drains and syncs all that is written. A failed sync fences the partition and is never tried again: the system may
 * have dropped the pages and would answer the next one with success.
 */
export function sync(partition: PartitionLog): Promise<SyncedState> {
  return partition.syncing.run(async () => {
    await drain(partition);
    if (partition.fenced !== null) throw partition.fencedError();
    const written = lastWritten(partition);
    const target: SyncedState = { offset: partition.writtenOffset, stats: { ...written.stats } };
    if (partition.deleted) return target;
    partition.unsyncedBytes = 0;
    try {
      await syncFiles(partition);
    } catch (error) {
      throw syncFailed(partition, error);
    }
    // Another sync failed meanwhile: names that this one was to make durable may be lost with it.
    if (partition.fenced !== null) throw partition.fencedError();
    partition.syncedOffset = Math.max(partition.syncedOffset, target.offset);
    partition.durableOffset = Math.max(partition.durableOffset, target.offset);
    partition.producers.synced(partition.syncedOffset);
    partition.advanceHighWatermark();
    return target;
  });
}

function lastWritten(partition: PartitionLog): LogSegment {
  for (let i = partition.segments.length - 1; i > 0; i--) {
    if (partition.segments[i]!.exists) return partition.segments[i]!;
  }
  return partition.segments[0]!;
}

async function syncFiles(partition: PartitionLog): Promise<void> {
  const work: Promise<void>[] = [];
  for (let i = partition.segments.length - 1; i >= 0 && !partition.segments[i]!.sealed; i--) {
    if (partition.segments[i]!.dirty) work.push(syncSegment(partition, partition.segments[i]!));
  }
  if (partition.directoryDirty) work.push(syncNewNames(partition));
  // All of them come to their end before the outcome counts: none is left running behind a failure.
  const outcomes = await Promise.allSettled(work);
  const failures = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason] : []));
  if (failures.length === 0) return;
  // One for want of descriptors has lost nothing; another one beside it has.
  throw failures.find((error) => !isOutOfDescriptors(error)) ?? failures[0];
}

async function syncSegment(partition: PartitionLog, segment: LogSegment): Promise<void> {
  const { files, clock, observer } = partition.context;
  const lease = await files.lease(segment.path);
  try {
    const start = clock.monotonic();
    segment.dirty = false;
    await lease.file.sync();
    observer.synced?.('segment', clock.monotonic() - start);
  } finally {
    lease.release();
  }
}
