/**
 * What recovery makes of damage: it tells what is lost and why, and touches no byte of it. Only what the journal has is
 * written where it belongs, so that it can be read.
 */

import type { DamagedRange, OffsetGap } from '../common/types.ts';
import { createSynced, isOutOfSpace, writeFully } from '../files/file-operations.ts';
import { encodeSegmentHeader } from '../format/segment-header.ts';
import { endOfGaps } from '../partition/gaps.ts';
import {
  emptyStats,
  findSegment,
  IndexWriter,
  LogSegment,
  type SegmentStats,
} from '../segment/log-segment.ts';
import { emptyIndexes, rebuildSegment } from '../segment/segment-files.ts';
import { damagedHeader } from '../segment/segment-identity.ts';
import { SegmentScanner } from '../segment/segment-scanner.ts';
import type { JournalDamage } from './journal-recovery.ts';
import type { JournaledBatch } from './journaled-batches.ts';
import type { RecoveryRequest, SettledLog } from './recovery-request.ts';
import type { RecoveredRun, ScanResult } from './recovery-scan.ts';

/** The log does not begin where it should. */
export function missingStart(
  segments: readonly LogSegment[],
  logStartOffset: number,
  gaps: readonly OffsetGap[],
): DamagedRange[] {
  const { baseOffset } = segments[0]!;
  const firstOffset = endOfGaps(gaps, logStartOffset);
  if (baseOffset <= firstOffset) return [];
  const range = { firstOffset, endOffset: baseOffset, segment: firstOffset };
  return [{ ...range, startPosition: 0, endPosition: 0, reason: 'segment files are missing' }];
}

/** A segment ends before the next one begins. */
export function missingEnd(
  { baseOffset, endOffset, bytes }: SegmentStats,
  next: number,
  gaps: readonly OffsetGap[],
): DamagedRange[] {
  const firstOffset = endOfGaps(gaps, endOffset);
  if (firstOffset >= next) return [];
  const range = { firstOffset, endOffset: next, segment: baseOffset };
  return [{ ...range, startPosition: bytes, endPosition: bytes, reason: 'records are missing' }];
}

/** A file that is not of this place, where offsets up to `endOffset` should be. */
export function misplacedFile(
  baseOffset: number,
  endOffset: number,
  bytes: number,
  reason: string,
): DamagedRange {
  const range = { firstOffset: baseOffset, endOffset, segment: baseOffset };
  return { ...range, startPosition: 0, endPosition: bytes, reason };
}

/** Misplaced files that no damage is told of: nothing acknowledged is missing there, but they must not be removed. */
export function misplacedFiles(scan: ScanResult): DamagedRange[] {
  const told = new Set(scan.damaged.map(({ segment }) => segment));
  return scan.faulty
    .filter(({ fault, segment }) => fault.kind === 'misplaced' && !told.has(segment.baseOffset))
    .map(({ segment: { baseOffset, stats }, fault: { reason } }) =>
      misplacedFile(baseOffset, baseOffset, stats.bytes, reason),
    );
}

/** What the scan found, for readers: of a misplaced file they get nothing, not even what the journal has instead. */
export function damageForReaders(
  scan: ScanResult,
  segments: readonly LogSegment[],
  gaps: readonly OffsetGap[],
): DamagedRange[] {
  const misplaced = scan.faulty.filter(({ fault }) => fault.kind === 'misplaced');
  const bases = new Set(misplaced.map(({ segment }) => segment.baseOffset));
  return [
    ...scan.damaged.filter(({ segment }) => !bases.has(segment)),
    ...misplaced.map(({ segment: { baseOffset, stats }, fault: { reason } }) => {
      const next = segments[findSegment(segments, baseOffset) + 1];
      const range = misplacedFile(baseOffset, next?.baseOffset ?? scan.endOffset, stats.bytes, reason);
      return { ...range, firstOffset: Math.min(range.endOffset, endOfGaps(gaps, baseOffset)) };
    }),
  ];
}

/** Damaged headers that had been synced: one above the recovery point may never have reached the disk, as its batches. */
export function damagedHeaders(scan: ScanResult, recoveryPoint: number): DamagedRange[] {
  return scan.faulty
    .filter(({ fault, segment }) => fault.kind === 'header' && segment.baseOffset < recoveryPoint)
    .map(({ segment, fault }) => damagedHeader(segment.baseOffset, fault));
}

/** Damaged journal frames of which nobody knows whether they held more of this partition. */
export function suspectEnd(
  frames: readonly JournalDamage[],
  segments: readonly LogSegment[],
  endOffset: number,
): DamagedRange[] {
  const { baseOffset, stats } = segments[segments.length - 1]!;
  return frames.map(({ sequence, position, end }) => ({
    firstOffset: endOffset,
    endOffset,
    segment: baseOffset,
    startPosition: stats.bytes,
    endPosition: stats.bytes,
    reason: `a damaged frame of journal file ${sequence}, bytes ${position} to ${end}, may have held acknowledged records from here on`,
  }));
}

/** Puts the journal's batches where they belong, and makes the rest readable as it is. `inPlace`: as far as there is space. */
export async function keepDamaged(
  request: RecoveryRequest,
  segments: LogSegment[],
  first: number,
  scan: ScanResult,
  inPlace: boolean,
): Promise<SettledLog> {
  for (const run of scan.runs) {
    if (run.journaled === null) continue;
    const placed = await placeJournaled(request, run, run.journaled).catch((error) => {
      if (!inPlace || !isOutOfSpace(error)) throw error;
      return false;
    });
    if (!placed) request.keepJournal();
  }
  const misplaced = new Set(
    scan.faulty.filter(({ fault }) => fault.kind === 'misplaced').map(({ segment }) => segment),
  );
  for (let i = first; i < segments.length; i++) {
    const segment = segments[i]!;
    if (!segment.exists) continue;
    segments[i] = misplaced.has(segment)
      ? unreadable(segment)
      : await readable(request, segment, segments[i + 1]?.baseOffset);
  }
  const fenced = 'stored data is damaged; run "seglog repair" with the daemon stopped';
  const { endOffset } = scan;
  return { segments, syncedOffset: endOffset, durableOffset: endOffset, tail: [], fenced };
}

/** False when the file has other batches in its place: only repair, which writes the file anew, can take it. */
async function placeJournaled(
  request: RecoveryRequest,
  run: RecoveredRun,
  journaled: JournaledBatch,
): Promise<boolean> {
  const { context } = request;
  if (!run.fits) return false;
  if (!run.segment.exists) await createSegmentFile(request, run.segment);
  const lease = await context.files.lease(run.segment.path);
  try {
    const size = await lease.file.size();
    const next = await new SegmentScanner(lease.file, run.position, size).findNext(run.firstOffset);
    if (next >= 0 && next < run.position + run.bytes) return false;
    await writeFully(lease.file, [await journaled.read()], run.position);
    await lease.file.sync();
    return true;
  } finally {
    lease.release();
  }
}

async function readable(
  request: RecoveryRequest,
  { path, baseOffset }: LogSegment,
  limitOffset: number | undefined,
): Promise<LogSegment> {
  const { context, topic } = request;
  const lease = await context.files.lease(path);
  let size: number;
  try {
    await lease.file.sync();
    size = await lease.file.size();
  } finally {
    lease.release();
  }
  const interval = topic.settings['index.interval.bytes'];
  const rebuilt = await rebuildSegment(context.files, path, baseOffset, size, interval, limitOffset);
  const segment = new LogSegment(path, { ...rebuilt.stats, bytes: size }, true);
  segment.indexWriter = new IndexWriter(rebuilt.indexes, size);
  return segment;
}

/** Nothing in it counts. */
function unreadable({ path, baseOffset, stats }: LogSegment): LogSegment {
  const segment = new LogSegment(path, { ...emptyStats(baseOffset), bytes: stats.bytes }, true);
  segment.indexWriter = new IndexWriter(emptyIndexes(baseOffset), stats.bytes);
  return segment;
}

async function createSegmentFile(request: RecoveryRequest, segment: LogSegment): Promise<void> {
  const { context, topic, partition, directory } = request;
  const { baseOffset } = segment;
  const header = encodeSegmentHeader({
    topicId: topic.id,
    partition,
    baseOffset,
    createdAt: context.clock.now(),
  });
  await createSynced(context.fileSystem, segment.path, [header]);
  await context.fileSystem.syncDirectory(directory);
  segment.exists = true;
}
