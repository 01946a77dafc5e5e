/**
 * Writes a segment's file anew from batches that were found: aside, synced, and renamed to its place as one step. What was
 * there before is gone then, and not sooner.
 */
import type { Clock } from '../common/clock.ts';
import { SeglogError } from '../common/errors.ts';
import type { DescriptorCache } from '../files/descriptor-cache.ts';
import { removeIfExists, writeFully } from '../files/file-operations.ts';
import type { FileHandle, FileSystem } from '../files/file-system.ts';
import { FileWindow } from '../files/file-window.ts';
import { segmentPath } from '../files/log-file-names.ts';
import { batchSize } from '../format/record-batch.ts';
import { encodeSegmentHeader } from '../format/segment-header.ts';
import { emptyStats, IndexWriter, LogSegment } from '../segment/log-segment.ts';
import { emptyIndexes, removeDerivedFiles } from '../segment/segment-files.ts';
import { segmentMadeAt } from '../segment/segment-identity.ts';
import { batchFacts } from '../segment/segment-scanner.ts';
import type { RecoveredRun } from './recovery-scan.ts';

/** Where segments are written. */
export interface SegmentWriterTarget {
  context: { fileSystem: FileSystem; files: DescriptorCache; clock: Clock };
  topic: { id: string; settings: { 'index.interval.bytes': number } };
  partition: number;
  directory: string;
}

/** When the last of the files was made that these were found in: the clock may have gone back since. */
async function latestOf({ context }: SegmentWriterTarget, runs: readonly RecoveredRun[]): Promise<number> {
  let latest = 0;
  for (const { exists, path } of new Set(runs.map(({ segment }) => segment)))
    if (exists) latest = Math.max(latest, (await segmentMadeAt(context.files, path)) ?? 0);
  return latest;
}

/** Durable when it resolves. The derived files of what was there are gone; those of the new one are for the caller to write. */
export async function writeSegment(
  target: SegmentWriterTarget,
  baseOffset: number,
  runs: readonly RecoveredRun[],
): Promise<LogSegment> {
  const { context, topic, partition, directory } = target;
  const { fileSystem, clock } = context;
  const path = segmentPath(directory, baseOffset);
  const temporary = `${path}~`;
  await removeIfExists(fileSystem, temporary);
  const segment = new LogSegment(path, emptyStats(baseOffset), true);
  segment.indexWriter = new IndexWriter(emptyIndexes(baseOffset), Number.NEGATIVE_INFINITY);
  const file = await fileSystem.open(temporary, 'create');
  try {
    const createdAt = Math.max(clock.now(), await latestOf(target, runs));
    const header = encodeSegmentHeader({ topicId: topic.id, partition, baseOffset, createdAt });
    await writeFully(file, [header], 0);
    for (const run of runs) await copyRun(target, run, file, segment);
    await file.sync();
  } catch (error) {
    // Its space may be what others lack.
    await removeIfExists(fileSystem, temporary).catch(() => {});
    throw error;
  } finally {
    await file.close();
  }
  await removeDerivedFiles(fileSystem, directory, baseOffset);
  await fileSystem.rename(temporary, path);
  context.files.forget(path);
  await fileSystem.syncDirectory(directory);
  return segment;
}

async function copyRun(
  target: SegmentWriterTarget,
  run: RecoveredRun,
  file: FileHandle,
  segment: LogSegment,
): Promise<void> {
  if (run.journaled !== null) return append(target, await run.journaled.read(), file, segment);
  const lease = await target.context.files.lease(run.segment.path);
  try {
    await walkBatches(lease.file, run.position, run.position + run.bytes, (batches) =>
      append(target, batches, file, segment),
    );
  } finally {
    lease.release();
  }
}

/** Goes through a range of a file that holds whole batches, as many at a time as fit into one piece of memory. */
export async function walkBatches(
  file: FileHandle,
  from: number,
  end: number,
  use: (batches: Buffer) => Promise<void>,
): Promise<void> {
  const window = new FileWindow(file, end);
  for (let position = from; position < end; ) {
    let at = await window.load(position, 4);
    if (at + batchSize(window.bytes, at) > window.bytes.length)
      at = await window.load(position, batchSize(window.bytes, at));
    const { bytes } = window;
    let to = at;
    while (to + 4 <= bytes.length && to + batchSize(bytes, to) <= bytes.length) to += batchSize(bytes, to);
    if (to === at)
      throw new SeglogError(
        'CORRUPT_MESSAGE',
        `${file.path} changed at position ${position} while it was read`,
      );
    await use(bytes.subarray(at, to));
    position += to - at;
  }
}

async function append(
  target: SegmentWriterTarget,
  batches: Buffer,
  file: FileHandle,
  segment: LogSegment,
): Promise<void> {
  await writeFully(file, [batches], segment.stats.bytes);
  const now = target.context.clock.now();
  const interval = target.topic.settings['index.interval.bytes'];
  for (let at = 0; at < batches.length; at += batchSize(batches, at)) {
    segment.note(batchFacts(batches, at), now, interval);
  }
}
