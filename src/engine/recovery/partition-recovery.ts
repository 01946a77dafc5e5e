/**
 * Recovering a partition after a crash: what is left is found (recovery-scan.ts) and made durable (recovery-rewrite.ts),
 * and an end that was never acknowledged is cut off. Where acknowledged data is damaged nothing is cut: the partition is
 * fenced and serves what it has.
 */

import type { DamagedRange } from '../common/types.ts';
import { replaceFiles } from '../files/file-operations.ts';
import { segmentPath } from '../files/log-file-names.ts';
import { type Checkpoint, checkpointFile, readCheckpoint } from '../partition/checkpoint.ts';
import { endOfGaps } from '../partition/gaps.ts';
import type { PartitionState } from '../partition/partition-log.ts';
import {
  emptyStats,
  findSegment,
  IndexWriter,
  LogSegment,
  type SegmentStats,
} from '../segment/log-segment.ts';
import {
  emptyIndexes,
  indexFiles,
  listSegments,
  newSegment,
  readIndexes,
  rebuildSegment,
  summaryFile,
} from '../segment/segment-files.ts';
import { checkIdentity } from '../segment/segment-identity.ts';
import {
  damagedHeaders,
  damageForReaders,
  keepDamaged,
  misplacedFile,
  missingEnd,
  missingStart,
  suspectEnd,
} from './recovery-damage.ts';
import { checkpointFits, type KnownLog, knownEnds, knownLog } from './recovery-point.ts';
import type { RecoveryRequest, SettledLog } from './recovery-request.ts';
import { rewriteTail } from './recovery-rewrite.ts';
import { type ScanResult, scanTail } from './recovery-scan.ts';

export async function recoverPartition(request: RecoveryRequest): Promise<PartitionState> {
  const { context, directory, topic, partition, gaps } = request;
  const checkpoint = await readCheckpoint(context.fileSystem, directory, { topicId: topic.id, partition });
  const ends = knownEnds(request.bases, gaps, checkpoint, request.clean);
  const { logStartOffset } = ends;
  const segments = await listSegments(context.fileSystem, directory, request.bases);
  const known = await knownLog(context.fileSystem, directory, segments, gaps, ends);
  const { recoveryPoint } = known;
  addMissingStart(request, segments, known);
  const sealedDamage = await settleSealed(request, segments, known);
  const first = Math.max(0, findSegment(segments, recoveryPoint));
  const kept = await findStart(request, segments[first]!, recoveryPoint, checkpoint);
  const scan = await scanTail({
    files: context.files,
    topicId: topic.id,
    partition,
    segments,
    first,
    position: kept.stats.bytes,
    offset: kept.endOffset,
    recoveryPoint,
    journaled: request.journal.batchesOf(topic.id, partition),
    gaps,
    kept: (facts) => kept.note(facts, facts.maxTimestamp, topic.settings['index.interval.bytes']),
  });
  // After a clean stop all of the journal is in the segments.
  const suspects = request.clean ? [] : request.journal.suspectsOf(topic.id, partition, gaps);
  const lost = [
    ...missingStart(segments, logStartOffset, gaps),
    ...sealedDamage,
    ...damageForReaders(scan, segments, gaps),
    ...suspectEnd(suspects, segments, scan.endOffset),
  ];
  if (suspects.length > 0 || hasAnyOf(request, lost)) request.keepJournal();
  const settled =
    lost.length > 0
      ? await keepDamaged(request, segments, first, scan)
      : await settleTail(request, segments, first, kept, scan, logStartOffset);
  const damaged = [...lost, ...damagedHeaders(scan, recoveryPoint)];
  report(request, scan, damaged, recoveryPoint);
  const { endOffset } = scan;
  return { ...settled, logStartOffset, logEndOffset: endOffset, syncedOffset: endOffset, damaged, gaps };
}

/**
 * The names of the first segments may have been lost in the crash: their place is taken by one without a file, which the
 * journal can fill. Below the recovery point a missing start is damage.
 */
function addMissingStart(
  { directory, gaps }: RecoveryRequest,
  segments: LogSegment[],
  { recoveryPoint, logStartOffset }: KnownLog,
): void {
  const begin = endOfGaps(gaps, logStartOffset);
  if (segments.length === 0) segments.push(newSegment(directory, recoveryPoint));
  else if (begin < segments[0]!.baseOffset && recoveryPoint < segments[0]!.baseOffset)
    segments.unshift(newSegment(directory, begin));
}

/** Whether the journal has something of what is lost. */
function hasAnyOf({ journal, topic, partition }: RecoveryRequest, lost: readonly DamagedRange[]): boolean {
  const batches = journal.batchesOf(topic.id, partition);
  return lost.some(({ firstOffset, endOffset }) => batches.hasAny(firstOffset, endOffset));
}

export function sealedSegment(directory: string, stats: SegmentStats): LogSegment {
  const segment = new LogSegment(segmentPath(directory, stats.baseOffset), stats, true);
  segment.sealed = true;
  return segment;
}

/**
 * Fills in what the segments below the recovery point hold: from their summaries, else from their bytes. Resolves with
 * what turns out to be missing where no summary tells.
 */
async function settleSealed(
  request: RecoveryRequest,
  segments: LogSegment[],
  { recoveryPoint, summaries }: KnownLog,
): Promise<DamagedRange[]> {
  const damaged: DamagedRange[] = [];
  for (let i = 0; i + 1 < segments.length; i++) {
    const { baseOffset } = segments[i]!;
    const next = segments[i + 1]!.baseOffset;
    if (next > recoveryPoint) break;
    const summary = summaries.get(baseOffset);
    if (summary !== undefined) segments[i] = sealedSegment(request.directory, summary);
    else damaged.push(...(await settleUnsealed(request, segments, i, next)));
  }
  return damaged;
}

/** Makes the derived files of a segment below the recovery point that has no summary to trust. */
async function settleUnsealed(
  request: RecoveryRequest,
  segments: LogSegment[],
  index: number,
  next: number,
): Promise<DamagedRange[]> {
  const { context, directory, topic, partition, gaps } = request;
  const { path, baseOffset, stats } = segments[index]!;
  const lease = await context.files.lease(path);
  try {
    const fault = await checkIdentity(lease.file, { topicId: topic.id, partition, baseOffset });
    if (fault?.kind === 'misplaced') return [misplacedFile(baseOffset, next, stats.bytes, fault.reason)];
    const interval = topic.settings['index.interval.bytes'];
    const rebuilt = await rebuildSegment(context.files, path, baseOffset, stats.bytes, interval, next);
    if (rebuilt.stats.bytes < stats.bytes) {
      // A recovery that was cut short has left bytes that the next segment took over.
      await lease.file.truncate(rebuilt.stats.bytes);
      await lease.file.sync();
    }
    await replaceFiles(context.fileSystem, [
      ...indexFiles(directory, rebuilt.indexes, rebuilt.stats),
      summaryFile(directory, rebuilt.stats),
    ]);
    segments[index] = sealedSegment(directory, rebuilt.stats);
    return missingEnd(rebuilt.stats, next, gaps);
  } finally {
    lease.release();
  }
}

/**
 * The segment with the recovery point, as far as nothing of it needs to be read: up to there when the checkpoint and the
 * indexes lead there, else nothing.
 */
async function findStart(
  request: RecoveryRequest,
  segment: LogSegment,
  recoveryPoint: number,
  checkpoint: Checkpoint | 'damaged' | undefined,
): Promise<LogSegment> {
  const { context, directory, gaps } = request;
  if (checkpointFits(checkpoint, segment, recoveryPoint, gaps)) {
    const { active } = checkpoint;
    const indexes = await readIndexes(context.fileSystem, directory, active);
    if (indexes !== undefined) return new LogSegment(segment.path, { ...active }, true);
  }
  const unread = new LogSegment(segment.path, emptyStats(segment.baseOffset), segment.exists);
  unread.indexWriter = new IndexWriter(emptyIndexes(segment.baseOffset), Number.NEGATIVE_INFINITY);
  return unread;
}

/** No damage: the tail goes to new files, and the checkpoint says so. */
async function settleTail(
  request: RecoveryRequest,
  segments: LogSegment[],
  first: number,
  kept: LogSegment,
  scan: ScanResult,
  logStartOffset: number,
): Promise<SettledLog> {
  const { context, topic, partition, directory } = request;
  const rewritten = await rewriteTail({ context, topic, partition, directory, segments, first, kept }, scan);
  for (const cut of rewritten.cut) {
    const fields = { topic: topic.name, partition, offset: scan.endOffset, ...cut };
    context.logger.warn(fields, 'cut off bytes that were never acknowledged');
  }
  const result = rewritten.segments;
  const last = result.at(-1);
  // Behind a gap at the log's end the next segment begins.
  if (last?.endOffset !== scan.endOffset) result.push(newSegment(directory, scan.endOffset));
  await sealRecovered(request, result);
  const active = result.at(-1)!;
  active.sealed = false;
  const indexes = active.indexWriter?.indexes;
  await replaceFiles(context.fileSystem, [
    ...(active.exists && indexes !== undefined ? indexFiles(directory, indexes, active.stats) : []),
    checkpointFile(directory, {
      topicId: topic.id,
      partition,
      recoveryPoint: scan.endOffset,
      logStartOffset,
      active: last?.stats ?? active.stats,
    }),
  ]);
  return { segments: result, fenced: null };
}

/** All but the last are sealed from now on. */
async function sealRecovered(request: RecoveryRequest, segments: LogSegment[]): Promise<void> {
  const { context, directory, topic } = request;
  for (const segment of segments.slice(0, -1)) {
    if (segment.sealed) continue;
    const interval = topic.settings['index.interval.bytes'];
    const indexes =
      segment.indexWriter?.indexes ?? (await context.indexCache.load(directory, segment, interval));
    await replaceFiles(context.fileSystem, [
      ...indexFiles(directory, indexes, segment.stats),
      summaryFile(directory, segment.stats),
    ]);
    segment.sealed = true;
    segment.indexWriter = undefined;
  }
}

function report(
  request: RecoveryRequest,
  scan: ScanResult,
  damaged: readonly DamagedRange[],
  recoveryPoint: number,
): void {
  const { context, topic, partition } = request;
  const { logger, observer } = context;
  for (const range of damaged) {
    logger.error({ topic: topic.name, partition, ...range }, 'damaged data');
    observer.failed?.('corruption');
  }
  const records = scan.runs.reduce((sum, run) => sum + run.nextOffset - run.firstOffset, 0);
  const journaled = scan.runs.filter((run) => run.journaled !== null).length;
  const fields = {
    topic: topic.name,
    partition,
    recoveryPoint,
    logEndOffset: scan.endOffset,
    records,
    journaled,
  };
  logger.info(fields, 'recovered partition');
}
