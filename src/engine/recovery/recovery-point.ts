/**
 * Up to where the log of a partition is known to be synced in its segments, from everything that says so: the
 * checkpoint, a clean stop, the summaries of sealed segments, recorded gaps. Reads only.
 */

import type { OffsetGap } from '../common/types.ts';
import type { CleanPartition } from '../directory/clean-marker.ts';
import type { FileSystem } from '../files/file-system.ts';
import type { Checkpoint } from '../partition/checkpoint.ts';
import { endOfGaps, lastGapEnd } from '../partition/gaps.ts';
import type { LogSegment, SegmentStats } from '../segment/log-segment.ts';
import { readSummary } from '../segment/segment-files.ts';

export interface KnownEnds {
  recoveryPoint: number;
  logStartOffset: number;
}

export interface KnownLog extends KnownEnds {
  /** Summaries that can be trusted, by base offset. */
  summaries: Map<number, SegmentStats>;
}

/** What is known without reading a segment. The marker counts although its partition is to be recovered: the log it
 *  speaks of was synced, whatever became of the files. */
export function knownEnds(
  bases: readonly number[],
  gaps: readonly OffsetGap[],
  checkpoint: Checkpoint | 'damaged' | undefined,
  logStart: number | 'damaged' | undefined,
  clean: CleanPartition | undefined,
): KnownEnds {
  const stored = checkpoint === 'damaged' ? undefined : checkpoint;
  const unknown = stored === undefined && clean === undefined && logStart === 'damaged';
  const deleted = typeof logStart === 'number' ? logStart : 0;
  const logStartOffset = unknown
    ? (bases[0] ?? 0)
    : Math.max(stored?.logStartOffset ?? 0, clean?.logStartOffset ?? 0, deleted);
  const recoveryPoint = Math.max(
    stored?.recoveryPoint ?? 0,
    clean?.logEndOffset ?? 0,
    lastGapEnd(gaps),
    logStartOffset,
  );
  return { recoveryPoint, logStartOffset };
}

/** How many of the first segments hold nothing at or behind the log's start. */
export function segmentsBelow(bases: readonly number[], logStartOffset: number): number {
  let count = 0;
  while (count + 1 < bases.length && bases[count + 1]! <= logStartOffset) count++;
  return count;
}

/** Whether a checkpoint leads to the recovery point in a segment, so that nothing before it needs to be read. */
export function checkpointFits(
  checkpoint: Checkpoint | 'damaged' | undefined,
  { baseOffset, stats }: LogSegment,
  recoveryPoint: number,
  gaps: readonly OffsetGap[],
): checkpoint is Checkpoint {
  if (checkpoint === undefined || checkpoint === 'damaged') return false;
  const { active } = checkpoint;
  return (
    active.baseOffset === baseOffset &&
    endOfGaps(gaps, active.endOffset) === recoveryPoint &&
    active.bytes <= stats.bytes
  );
}

/**
 * Adds what the summaries say. A summary is written after all before it was synced, so whatever lies below the end of one
 * is; it is trusted when it fits the size of its file and the name of the next.
 */
export async function knownLog(
  fileSystem: FileSystem,
  directory: string,
  segments: readonly LogSegment[],
  gaps: readonly OffsetGap[],
  ends: KnownEnds,
): Promise<KnownLog> {
  const summaries = new Map<number, SegmentStats>();
  let { recoveryPoint } = ends;
  for (let i = 0; i + 1 < segments.length; i++) {
    const { baseOffset } = segments[i]!;
    const next = segments[i + 1]!.baseOffset;
    const summary = await readSummary(fileSystem, directory, baseOffset);
    if (summary === undefined || endOfGaps(gaps, summary.endOffset) !== next) continue;
    summaries.set(baseOffset, summary);
    recoveryPoint = Math.max(recoveryPoint, next);
  }
  return { recoveryPoint, logStartOffset: ends.logStartOffset, summaries };
}
