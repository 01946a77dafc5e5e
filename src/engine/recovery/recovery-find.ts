/**
 * Finds what is left of a partition's log after a crash. Reads only: nothing is written before the whole directory has been
 * read, so that one with a file of a newer version in it is left as it was. What is found is settled by recovery-settle.ts.
 */

import type { DamagedRange } from '../common/types.ts';
import { segmentPath } from '../files/log-file-names.ts';
import { type Checkpoint, readCheckpoint } from '../partition/checkpoint.ts';
import { endOfGaps } from '../partition/gaps.ts';
import { readLogStart } from '../partition/log-start.ts';
import type { ProducerRange } from '../partition/producer-range.ts';
import {
  emptyStats,
  findSegment,
  IndexWriter,
  LogSegment,
  type SegmentStats,
} from '../segment/log-segment.ts';
import {
  emptyIndexes,
  listSegments,
  newSegment,
  readIndexes,
  rebuildSegment,
  refuseNewerFiles,
} from '../segment/segment-files.ts';
import { checkIdentity } from '../segment/segment-identity.ts';
import { producerRanges } from './producer-recovery.ts';
import {
  damagedHeaders,
  damageForReaders,
  misplacedFile,
  missingEnd,
  missingStart,
  suspectEnd,
} from './recovery-damage.ts';
import { checkpointFits, type KnownLog, knownEnds, knownLog, segmentsBelow } from './recovery-point.ts';
import type { RecoveryRequest } from './recovery-request.ts';
import { type ScanResult, scanTail } from './recovery-scan.ts';

/** A segment below the recovery point without a summary to trust: its derived files are in memory. */
export interface RebuiltSegment {
  segment: LogSegment;
  /** Its file may be longer: a recovery that was cut short has left bytes that the next segment took over. */
  fileBytes: number;
}

export interface FoundLog {
  logStartOffset: number;
  /** The file that says so fails its checks. */
  logStartDamaged: boolean;
  /** Base offsets of segments that lie wholly before the log's start: a crash came before they were removed. */
  deleted: number[];
  recoveryPoint: number;
  /** In order; those below the recovery point with what they hold. */
  segments: LogSegment[];
  rebuilt: RebuiltSegment[];
  /** Which segment holds the recovery point, and what is known of it without a scan. */
  first: number;
  kept: LogSegment;
  scan: ScanResult;
  /** Acknowledged offsets that cannot be read: with any, nothing is cut. */
  lost: DamagedRange[];
  /** Damaged headers of segments whose batches are in order. */
  headers: DamagedRange[];
  /** Where batches lie that a retry may repeat, in order. */
  producers: ProducerRange[];
  /** The journal has, or may have had, something that has no other place. */
  needsJournal: boolean;
}

export async function findLog(request: RecoveryRequest): Promise<FoundLog> {
  const { context, directory, topic, partition, gaps } = request;
  const { fileSystem } = context;
  const owner = { topicId: topic.id, partition };
  const checkpoint = await readCheckpoint(fileSystem, directory, owner);
  const logStart = await readLogStart(fileSystem, directory, owner);
  const ends = knownEnds(request.bases, gaps, checkpoint, logStart, request.clean);
  const { logStartOffset } = ends;
  const below = segmentsBelow(request.bases, logStartOffset);
  const segments = await listSegments(fileSystem, directory, request.bases.slice(below));
  const known = await knownLog(fileSystem, directory, segments, gaps, ends);
  const { recoveryPoint } = known;
  addMissingStart(request, segments, known);
  const sealed = await findSealed(request, segments, known);
  const first = Math.max(0, findSegment(segments, recoveryPoint));
  for (const segment of segments.slice(first))
    await refuseNewerFiles(fileSystem, directory, segment.baseOffset);
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
    ...sealed.damaged,
    ...damageForReaders(scan, segments, gaps),
    ...suspectEnd(suspects, segments, scan.endOffset),
  ].filter(({ endOffset }) => endOffset > logStartOffset);
  return {
    logStartOffset,
    logStartDamaged: logStart === 'damaged',
    deleted: request.bases.slice(0, below),
    recoveryPoint,
    segments,
    rebuilt: sealed.rebuilt,
    first,
    kept,
    scan,
    lost,
    headers: damagedHeaders(scan, recoveryPoint),
    producers: producerRanges(request.clean, checkpoint, known, scan),
    needsJournal: suspects.length > 0 || hasAnyOf(request, lost),
  };
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

/** A segment of which all is known: what it holds, and that its derived files are there. */
export function sealedSegment(directory: string, stats: SegmentStats): LogSegment {
  const segment = new LogSegment(segmentPath(directory, stats.baseOffset), stats, true);
  segment.sealed = true;
  return segment;
}

interface FoundSealed {
  rebuilt: RebuiltSegment[];
  /** What turns out to be missing where no summary tells. */
  damaged: DamagedRange[];
}

/** Fills in what the segments below the recovery point hold: from their summaries, else from their bytes. */
async function findSealed(
  request: RecoveryRequest,
  segments: LogSegment[],
  { recoveryPoint, summaries }: KnownLog,
): Promise<FoundSealed> {
  const found: FoundSealed = { rebuilt: [], damaged: [] };
  for (let i = 0; i + 1 < segments.length; i++) {
    const { baseOffset } = segments[i]!;
    const next = segments[i + 1]!.baseOffset;
    if (next > recoveryPoint) break;
    const summary = summaries.get(baseOffset);
    if (summary !== undefined) segments[i] = sealedSegment(request.directory, summary);
    else await rebuildUnsealed(request, segments, i, next, found);
  }
  return found;
}

async function rebuildUnsealed(
  request: RecoveryRequest,
  segments: LogSegment[],
  index: number,
  next: number,
  found: FoundSealed,
): Promise<void> {
  const { context, directory, topic, partition, gaps } = request;
  const { path, baseOffset, stats } = segments[index]!;
  const lease = await context.files.lease(path);
  try {
    const fault = await checkIdentity(lease.file, { topicId: topic.id, partition, baseOffset });
    if (fault?.kind === 'misplaced') {
      found.damaged.push(misplacedFile(baseOffset, next, stats.bytes, fault.reason));
      return;
    }
  } finally {
    lease.release();
  }
  await refuseNewerFiles(context.fileSystem, directory, baseOffset);
  const interval = topic.settings['index.interval.bytes'];
  const rebuilt = await rebuildSegment(context.files, path, baseOffset, stats.bytes, interval, next);
  const segment = new LogSegment(path, rebuilt.stats, true);
  segment.indexWriter = new IndexWriter(rebuilt.indexes, rebuilt.stats.bytes);
  segments[index] = segment;
  found.rebuilt.push({ segment, fileBytes: stats.bytes });
  found.damaged.push(...missingEnd(rebuilt.stats, next, gaps));
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
