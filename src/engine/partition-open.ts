/**
 * Opening a partition. After a clean stop the marker says what it holds, and nothing is scanned. Otherwise it is
 * recovered: see recovery-scan.ts for what is kept, and recovery-rewrite.ts for how it is made durable.
 */
import { type Checkpoint, checkpointFile, readCheckpoint } from './checkpoint.ts';
import type { CleanPartition } from './clean-marker.ts';
import {
  createSynced,
  makeDirectoryIfMissing,
  removeIfExists,
  replaceFiles,
  writeFully,
} from './file-operations.ts';
import { readGaps } from './gaps.ts';
import { isUnfinished, parseNumberedName, SEGMENT_SUFFIX, segmentPath } from './log-file-names.ts';
import { emptyStats, findSegment, IndexWriter, LogSegment, type SegmentStats } from './log-segment.ts';
import {
  type EngineContext,
  PartitionLog,
  type PartitionState,
  type TopicIdentity,
} from './partition-log.ts';
import { rewriteTail } from './recovery-rewrite.ts';
import { type JournaledBatches, type ScanResult, scanTail } from './recovery-scan.ts';
import {
  emptyIndexes,
  indexFiles,
  newSegment,
  readIndexes,
  readSummary,
  rebuildSegment,
  summaryFile,
} from './segment-files.ts';
import { encodeSegmentHeader, SEGMENT_HEADER_BYTES } from './segment-header.ts';
import type { OffsetGap } from './types.ts';

export interface OpenRequest {
  context: EngineContext;
  topic: TopicIdentity;
  partition: number;
  directory: string;
  /** What the clean marker says of it; undefined after a crash. */
  clean: CleanPartition | undefined;
  /** What the journal holds of it; asked for only when it must be recovered. */
  journaled(): Promise<JournaledBatches>;
}

export async function openPartition(request: OpenRequest): Promise<PartitionLog> {
  const { context, topic, partition, directory } = request;
  const lost = await makeDirectoryIfMissing(context.fileSystem, directory);
  const names = await context.fileSystem.list(directory);
  for (const name of names)
    if (isUnfinished(name)) await removeIfExists(context.fileSystem, `${directory}/${name}`);
  const bases = names
    .map((name) => parseNumberedName(name, SEGMENT_SUFFIX))
    .filter((base) => base !== undefined)
    .sort((a, b) => a - b);
  const gaps = await readGaps(context.fileSystem, directory);
  const state = (await openClean(request, bases, gaps)) ?? (await recover(request, bases, gaps));
  if (lost) state.fenced ??= 'its directory was missing; restore it from a backup, or delete the topic';
  return new PartitionLog(context, topic, partition, directory, state);
}

/** Undefined when there is no marker, or the directory does not look as it says. */
async function openClean(
  request: OpenRequest,
  bases: number[],
  gaps: OffsetGap[],
): Promise<PartitionState | undefined> {
  const { clean, directory, context } = request;
  if (clean === undefined) return undefined;
  const { segments: stored, logStartOffset, logEndOffset } = clean;
  const active = stored.at(-1);
  const same = stored.length === bases.length && stored.every((stats, i) => stats.baseOffset === bases[i]);
  if (!same) return undefined;
  if (active !== undefined) {
    const status = await context.fileSystem.status(segmentPath(directory, active.baseOffset));
    if (status?.size !== active.bytes) return undefined;
  }
  const segments = stored.map((stats) => sealedSegment(directory, stats));
  if (segments.length === 0) segments.push(newSegment(directory, logEndOffset));
  segments[segments.length - 1]!.sealed = false;
  return {
    segments,
    logStartOffset,
    logEndOffset,
    syncedOffset: logEndOffset,
    damaged: [],
    gaps,
    fenced: null,
  };
}

/** A partition that was never written to. */
export function newPartition(
  context: EngineContext,
  topic: TopicIdentity,
  partition: number,
  directory: string,
): PartitionLog {
  const segments = [newSegment(directory, 0)];
  const empty = { logStartOffset: 0, logEndOffset: 0, syncedOffset: 0, damaged: [], gaps: [], fenced: null };
  return new PartitionLog(context, topic, partition, directory, { segments, ...empty });
}

async function recover(request: OpenRequest, bases: number[], gaps: OffsetGap[]): Promise<PartitionState> {
  const { context, directory, topic } = request;
  const checkpoint = await readCheckpoint(context.fileSystem, directory);
  const logStartOffset = checkpoint?.logStartOffset ?? bases[0] ?? 0;
  const segments: LogSegment[] = [];
  for (const base of bases) {
    const status = await context.fileSystem.status(segmentPath(directory, base));
    segments.push(
      new LogSegment(segmentPath(directory, base), { ...emptyStats(base), bytes: status?.size ?? 0 }, true),
    );
  }
  if (segments.length === 0)
    segments.push(newSegment(directory, checkpoint?.recoveryPoint ?? logStartOffset));
  const recoveryPoint = await settleSealed(request, segments, checkpoint);
  const first = Math.max(0, findSegment(segments, recoveryPoint));
  const kept = await findStart(request, segments[first]!, recoveryPoint, checkpoint);
  const scan = await scanTail({
    context,
    segments,
    first,
    position: kept.stats.bytes,
    offset: kept.endOffset,
    recoveryPoint,
    journaled: await request.journaled(),
    gaps,
    kept: (facts) => kept.note(facts, facts.maxTimestamp, topic.settings['index.interval.bytes']),
  });
  const missing = missingStart(segments, logStartOffset, gaps);
  if (missing !== undefined) scan.damaged.unshift(missing);
  const state =
    scan.damaged.length > 0
      ? await keepDamaged(request, segments, first, scan)
      : await settleTail(request, segments, first, kept, scan, logStartOffset);
  report(request, scan, recoveryPoint);
  const { endOffset } = scan;
  return {
    ...state,
    logStartOffset,
    logEndOffset: endOffset,
    syncedOffset: endOffset,
    damaged: scan.damaged,
    gaps,
  };
}

function sealedSegment(directory: string, stats: SegmentStats): LogSegment {
  const segment = new LogSegment(segmentPath(directory, stats.baseOffset), stats, true);
  segment.sealed = true;
  return segment;
}

/**
 * Fills in what the segments below the recovery point hold: from their summaries, else from their bytes. A segment
 * with a summary was synced before that was written, so the recovery point is never below a run of those.
 */
async function settleSealed(
  request: OpenRequest,
  segments: LogSegment[],
  checkpoint?: Checkpoint,
): Promise<number> {
  const { context, directory, topic } = request;
  let recoveryPoint = Math.max(checkpoint?.recoveryPoint ?? 0, segments[0]!.baseOffset);
  for (let i = 0; i + 1 < segments.length; i++) {
    const { baseOffset, path, stats } = segments[i]!;
    const next = segments[i + 1]!.baseOffset;
    const summary = await readSummary(context.fileSystem, directory, baseOffset);
    if (summary?.endOffset === next) {
      segments[i] = sealedSegment(directory, summary);
      recoveryPoint = Math.max(recoveryPoint, next);
      continue;
    }
    if (next > recoveryPoint) break;
    const interval = topic.settings['index.interval.bytes'];
    const rebuilt = await rebuildSegment(context.files, path, baseOffset, stats.bytes, interval, next);
    // A recovery that was cut short may have left bytes that the next segment took over.
    if (rebuilt.stats.bytes < stats.bytes) await cutTakenOver(request, path, rebuilt.stats.bytes);
    segments[i] = sealedSegment(directory, rebuilt.stats);
    await replaceFiles(context.fileSystem, [
      ...indexFiles(directory, rebuilt.indexes, rebuilt.stats),
      summaryFile(directory, rebuilt.stats),
    ]);
  }
  return recoveryPoint;
}

async function cutTakenOver(request: OpenRequest, path: string, bytes: number): Promise<void> {
  const lease = await request.context.files.lease(path);
  try {
    await lease.file.truncate(bytes);
    await lease.file.sync();
  } finally {
    lease.release();
  }
}

/**
 * The segment with the recovery point, as far as nothing of it needs to be read: up to there when the checkpoint and the
 * indexes lead there, else nothing.
 */
async function findStart(
  request: OpenRequest,
  segment: LogSegment,
  recoveryPoint: number,
  checkpoint: Checkpoint | undefined,
): Promise<LogSegment> {
  const { context, directory } = request;
  const active = checkpoint?.active;
  const fits =
    active !== undefined &&
    active.baseOffset === segment.baseOffset &&
    active.endOffset === recoveryPoint &&
    active.bytes <= segment.stats.bytes;
  if (fits && (await readIndexes(context.fileSystem, directory, active)) !== undefined) {
    return new LogSegment(segment.path, { ...active }, true);
  }
  const unread = new LogSegment(segment.path, emptyStats(segment.baseOffset), segment.exists);
  unread.indexWriter = new IndexWriter(emptyIndexes(segment.baseOffset), Number.NEGATIVE_INFINITY);
  return unread;
}

function missingStart(segments: LogSegment[], logStartOffset: number, gaps: OffsetGap[]) {
  const { baseOffset } = segments[0]!;
  if (
    baseOffset <= logStartOffset ||
    gaps.some((gap) => gap.firstOffset <= logStartOffset && gap.endOffset >= baseOffset)
  ) {
    return undefined;
  }
  return {
    firstOffset: logStartOffset,
    endOffset: baseOffset,
    segment: logStartOffset,
    startPosition: SEGMENT_HEADER_BYTES,
    endPosition: SEGMENT_HEADER_BYTES,
    reason: 'segment files are missing',
  };
}

type Settled = Pick<PartitionState, 'segments' | 'fenced'>;

/** No damage: the tail goes to new files, and the checkpoint says so. */
async function settleTail(
  request: OpenRequest,
  segments: LogSegment[],
  first: number,
  kept: LogSegment,
  scan: ScanResult,
  logStartOffset: number,
): Promise<Settled> {
  const { context, topic, partition, directory } = request;
  const rewritten = await rewriteTail(
    { context, topic, partition, partitionDir: directory, segments, first, kept },
    scan,
  );
  for (const cut of rewritten.cut) {
    const fields = { topic: topic.name, partition, offset: scan.endOffset, ...cut };
    context.logger.warn(fields, 'cut off bytes that were never acknowledged');
  }
  const result = rewritten.segments;
  if (result.length === 0) result.push(newSegment(directory, scan.endOffset));
  await sealRecovered(request, result);
  const active = result.at(-1)!;
  active.sealed = false;
  const indexes = active.indexWriter?.indexes;
  await replaceFiles(context.fileSystem, [
    ...(indexes === undefined ? [] : indexFiles(directory, indexes, active.stats)),
    checkpointFile(directory, {
      recoveryPoint: scan.endOffset,
      logStartOffset,
      active: active.stats,
    }),
  ]);
  return { segments: result, fenced: null };
}

/** All but the last are sealed from now on. */
async function sealRecovered(request: OpenRequest, segments: LogSegment[]): Promise<void> {
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

/**
 * Damage: no byte of the files is cut or moved. Only what the journal has is added, where it belongs, so that it can be
 * read and the journal can go.
 */
async function keepDamaged(
  request: OpenRequest,
  segments: LogSegment[],
  first: number,
  scan: ScanResult,
): Promise<Settled> {
  const { context, topic } = request;
  for (const run of scan.runs) {
    if (run.journaled === null) continue;
    if (!run.segment.exists) await createSegmentFile(request, run.segment);
    const lease = await context.files.lease(run.segment.path);
    try {
      await writeFully(lease.file, [run.journaled], run.position);
    } finally {
      lease.release();
    }
  }
  const interval = topic.settings['index.interval.bytes'];
  for (let i = first; i < segments.length; i++) {
    const { path, baseOffset, exists } = segments[i]!;
    if (!exists) continue;
    const lease = await context.files.lease(path);
    let size: number;
    try {
      await lease.file.sync();
      size = await lease.file.size();
    } finally {
      lease.release();
    }
    const limit = segments[i + 1]?.baseOffset;
    const { stats, indexes } = await rebuildSegment(context.files, path, baseOffset, size, interval, limit);
    const segment = new LogSegment(path, { ...stats, bytes: size }, true);
    segment.indexWriter = new IndexWriter(indexes, size);
    segments[i] = segment;
  }
  const fenced = 'stored data is damaged; run "seglog repair" with the daemon stopped';
  return { segments, fenced };
}

async function createSegmentFile(request: OpenRequest, segment: LogSegment): Promise<void> {
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

function report(request: OpenRequest, scan: ScanResult, recoveryPoint: number): void {
  const { context, topic, partition } = request;
  const { logger, observer } = context;
  for (const range of scan.damaged) {
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
