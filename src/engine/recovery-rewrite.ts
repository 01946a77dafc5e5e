/**
 * Makes a recovered tail durable before anybody reads it.
 *
 * What was scanned is the page cache's word: a sync may have failed before the crash, and the system then forgets that
 * pages were never written. So the batches from the recovery point on are written to new files, which are synced and
 * then renamed to take their place. Each rename is a commit point; before it the old files are as they were, so a crash
 * in the middle is recovered like the first one.
 */
import { readInto, removeIfExists, writeFully } from './file-operations.ts';
import type { FileHandle } from './file-system.ts';
import { segmentPath } from './log-file-names.ts';
import { emptyStats, IndexWriter, LogSegment } from './log-segment.ts';
import type { EngineContext, TopicIdentity } from './partition-log.ts';
import { batchSize } from './record-batch.ts';
import type { RecoveredRun, ScanResult } from './recovery-scan.ts';
import { emptyIndexes, removeDerivedFiles } from './segment-files.ts';
import { encodeSegmentHeader, SEGMENT_HEADER_BYTES } from './segment-header.ts';
import { batchFacts } from './segment-scanner.ts';

export interface RewriteRequest {
  context: EngineContext;
  topic: TopicIdentity;
  partition: number;
  partitionDir: string;
  segments: readonly LogSegment[];
  /** The segment that holds the recovery point. */
  first: number;
  /** That segment as it is below the recovery point. */
  kept: LogSegment;
}

/** Bytes that were never acknowledged and are cut off. */
export interface CutBytes {
  segment: number;
  position: number;
  bytes: number;
}

export interface RewriteResult {
  segments: LogSegment[];
  cut: CutBytes[];
}

const COPY_BYTES = 1024 * 1024;

export async function rewriteTail(request: RewriteRequest, scan: ScanResult): Promise<RewriteResult> {
  const { context, segments, first, kept, partitionDir } = request;
  const result: RewriteResult = { segments: segments.slice(0, first), cut: [] };
  const start = segments[first]!;
  if (kept.stats.batches > 0) result.segments.push(kept);
  for (const segment of segments.slice(first)) {
    const runs = scan.runs.filter((run) => run.segment === segment);
    noteCut(result.cut, segment, segment === start ? kept.stats.bytes : SEGMENT_HEADER_BYTES, runs);
    if (runs.length > 0) result.segments.push(await rewriteSegment(request, runs));
  }
  // The new files are in place: what they took over, and what nobody was promised, can go.
  if (kept.stats.batches > 0 && start.stats.bytes > kept.stats.bytes) await cutFile(context, kept);
  const live = new Set(result.segments.map(({ path }) => path));
  for (const segment of segments.slice(first)) {
    if (live.has(segment.path) || !segment.exists) continue;
    context.files.forget(segment.path);
    await removeIfExists(context.fileSystem, segment.path);
    await removeDerivedFiles(context.fileSystem, partitionDir, segment.baseOffset);
  }
  await context.fileSystem.syncDirectory(partitionDir);
  return result;
}

function noteCut(cut: CutBytes[], segment: LogSegment, from: number, runs: readonly RecoveredRun[]): void {
  if (!segment.exists) return;
  const end = runs.reduce((most, run) => Math.max(most, run.position + run.bytes), from);
  if (segment.stats.bytes > end)
    cut.push({ segment: segment.baseOffset, position: end, bytes: segment.stats.bytes - end });
}

async function cutFile(context: EngineContext, segment: LogSegment): Promise<void> {
  const lease = await context.files.lease(segment.path);
  try {
    await lease.file.truncate(segment.stats.bytes);
    await lease.file.sync();
  } finally {
    lease.release();
  }
}

/** Writes the runs to a file of their own, named by their first offset. */
async function rewriteSegment(request: RewriteRequest, runs: readonly RecoveredRun[]): Promise<LogSegment> {
  const { context, topic, partition, partitionDir } = request;
  const { fileSystem, clock } = context;
  const { firstOffset } = runs[0]!;
  const path = segmentPath(partitionDir, firstOffset);
  const temporary = `${path}~`;
  await removeIfExists(fileSystem, temporary);
  const segment = new LogSegment(path, emptyStats(firstOffset), true);
  segment.indexWriter = new IndexWriter(emptyIndexes(firstOffset), Number.NEGATIVE_INFINITY);
  const file = await fileSystem.open(temporary, 'create');
  try {
    const createdAt = clock.now();
    const header = encodeSegmentHeader({ topicId: topic.id, partition, baseOffset: firstOffset, createdAt });
    await writeFully(file, [header], 0);
    for (const run of runs) await copyRun(request, run, file, segment);
    await file.sync();
  } finally {
    await file.close();
  }
  await removeDerivedFiles(fileSystem, partitionDir, firstOffset);
  await fileSystem.rename(temporary, path);
  context.files.forget(path);
  await fileSystem.syncDirectory(partitionDir);
  return segment;
}

async function copyRun(
  request: RewriteRequest,
  run: RecoveredRun,
  target: FileHandle,
  segment: LogSegment,
): Promise<void> {
  if (run.journaled !== null) return append(request, run.journaled, target, segment);
  const lease = await request.context.files.lease(run.segment.path);
  try {
    const end = run.position + run.bytes;
    for (let position = run.position; position < end; ) {
      const length = await wholeBatches(lease.file, position, end);
      const piece = Buffer.allocUnsafe(length);
      await readInto(lease.file, piece, position);
      await append(request, piece, target, segment);
      position += length;
    }
  } finally {
    lease.release();
  }
}

/** Bytes from `position` that hold whole batches: about COPY_BYTES, or one batch that is larger. */
async function wholeBatches(file: FileHandle, position: number, end: number): Promise<number> {
  const window = Buffer.allocUnsafe(Math.min(COPY_BYTES, end - position));
  await readInto(file, window, position);
  let length = 0;
  while (length + 4 <= window.length && length + batchSize(window, length) <= window.length) {
    length += batchSize(window, length);
  }
  return length > 0 ? length : batchSize(window, 0);
}

async function append(
  request: RewriteRequest,
  batches: Buffer,
  target: FileHandle,
  segment: LogSegment,
): Promise<void> {
  await writeFully(target, [batches], segment.stats.bytes);
  const now = request.context.clock.now();
  const interval = request.topic.settings['index.interval.bytes'];
  for (let at = 0; at < batches.length; at += batchSize(batches, at)) {
    segment.note(batchFacts(batches, at), now, interval);
  }
}
