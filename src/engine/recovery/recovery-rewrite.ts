/**
 * Makes a recovered tail durable before anybody reads it.
 *
 * What was scanned is the page cache's word: a sync may have failed before the crash, and the system then forgets that
 * pages were never written. So the batches from the recovery point on are written to new files, which are synced and
 * then renamed to take their place. Each rename is a commit point; before it the old files are as they were, so a crash
 * in the middle is recovered like the first one.
 */
import { removeIfExists } from '../files/file-operations.ts';
import { SEGMENT_HEADER_BYTES } from '../format/segment-header.ts';
import type { EngineContext } from '../partition/partition-log.ts';
import type { LogSegment } from '../segment/log-segment.ts';
import { removeDerivedFiles } from '../segment/segment-files.ts';
import type { RecoveredRun, ScanResult } from './recovery-scan.ts';
import { type SegmentWriterTarget, writeSegment } from './segment-writer.ts';

export interface RewriteRequest extends SegmentWriterTarget {
  context: EngineContext;
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

export async function rewriteTail(request: RewriteRequest, scan: ScanResult): Promise<RewriteResult> {
  const { context, segments, first, kept, directory } = request;
  const result: RewriteResult = { segments: segments.slice(0, first), cut: [] };
  const start = segments[first]!;
  if (kept.stats.batches > 0) result.segments.push(kept);
  for (const segment of segments.slice(first)) {
    const runs = scan.runs.filter((run) => run.segment === segment);
    noteCut(result.cut, segment, segment === start ? kept.stats.bytes : SEGMENT_HEADER_BYTES, runs);
    if (runs.length > 0) {
      // A file of their own, named by their first offset.
      result.segments.push(await writeSegment(request, runs[0]!.firstOffset, runs));
    }
  }
  // The new files are in place: what they took over, and what nobody was promised, can go.
  if (kept.stats.batches > 0 && start.stats.bytes > kept.stats.bytes) await cutFile(context, kept);
  const live = new Set(result.segments.map(({ path }) => path));
  for (const segment of segments.slice(first)) {
    if (live.has(segment.path) || !segment.exists) continue;
    context.files.forget(segment.path);
    await removeIfExists(context.fileSystem, segment.path);
    await removeDerivedFiles(context.fileSystem, directory, segment.baseOffset);
  }
  await context.fileSystem.syncDirectory(directory);
  return result;
}

function noteCut(cut: CutBytes[], segment: LogSegment, from: number, runs: readonly RecoveredRun[]): void {
  if (!segment.exists) return;
  const end = runs.reduce((most, run) => Math.max(most, run.position + run.bytes), from);
  if (segment.stats.bytes > end)
    cut.push({ segment: segment.baseOffset, position: end, bytes: segment.stats.bytes - end });
}

/** Cuts a file back to what its segment holds; durable when it resolves. */
export async function cutFile(context: EngineContext, segment: LogSegment): Promise<void> {
  const lease = await context.files.lease(segment.path);
  try {
    await lease.file.truncate(segment.stats.bytes);
    await lease.file.sync();
  } finally {
    lease.release();
  }
}
