/**
 * What compaction and recompression share: neighbouring sealed segments are rewritten by a task, and what it wrote takes their
 * place. Whatever comes in between (a deletion, damage, a full disk, the end of the process) leaves the log as it was.
 */
import type { SpaceMonitor } from '../commit/space-monitor.ts';
import { isSeglogError, SeglogError } from '../common/errors.ts';
import type { SegmentsRewritten } from '../common/types.ts';
import { orStorageFull } from '../files/file-operations.ts';
import { rewrittenPath } from '../files/log-file-names.ts';
import { isCompacted } from '../partition/cleanup-policy.ts';
import { gapRanges } from '../partition/gaps.ts';
import { type EngineContext, type PartitionLog, unknownPartition } from '../partition/partition-log.ts';
import { readPartition, runRead } from '../partition/partition-reader.ts';
import type { SegmentMaintenance } from '../partition/segment-maintenance.ts';
import {
  type RewriteRequest,
  type RewriteResult,
  type RewrittenSegment,
  type SegmentInput,
  segmentInput,
} from '../rewrite/rewrite-request.ts';
import type { LogSegment, SegmentStats } from '../segment/log-segment.ts';
import type { PassMeter } from './pass-meter.ts';
import { RewriteRoom } from './rewrite-room.ts';

/** What the engine's parts are to a pass. */
export interface RewriteTools {
  readonly context: EngineContext;
  readonly maintenance: SegmentMaintenance;
  readonly space: SpaceMonitor;
}

/** One pass over a partition. */
export interface RewritePass {
  readonly tools: RewriteTools;
  readonly room: RewriteRoom;
  readonly meter: PassMeter;
  /** What it has come to so far. */
  readonly totals: SegmentsRewritten;
}

export function startPass(tools: RewriteTools, meter: PassMeter, totals: SegmentsRewritten): RewritePass {
  const room = new RewriteRoom(tools.space, tools.context.settings['log.dir.reserve.bytes']);
  return { tools, room, meter, totals };
}

/** The log changed under a pass: what it had planned does not fit any more. */
export class SegmentsChanged extends Error {}

/** How often a pass is planned anew. */
const MAX_PLANS = 5;

/** Those of some neighbours that are still there, and not deleted: deletions take the first ones away, at any time. */
export function remaining(partition: PartitionLog, stats: readonly SegmentStats[]): SegmentStats[] {
  const { segments, logStartOffset } = partition;
  const there = new Set(segments.map((segment) => segment.stats));
  return stats.filter((each) => there.has(each) && each.endOffset > logStartOffset);
}

/**
 * Runs work over what is there of some neighbours, again over the rest when some of them are deleted under it; undefined
 * when none is left. Throws SegmentsChanged when they changed in another way.
 */
export async function overRemaining<T>(
  partition: PartitionLog,
  stats: readonly SegmentStats[],
  work: (left: SegmentStats[]) => Promise<T>,
): Promise<T | undefined> {
  for (;;) {
    const left = remaining(partition, stats);
    if (left.length === 0) return undefined;
    try {
      return await work(left);
    } catch (error) {
      const isLess = remaining(partition, left).length < left.length;
      if (!(error instanceof SegmentsChanged) || !isLess) throw error;
    }
  }
}

/** Runs a pass, again where the log changed under it. */
export async function planAgain<T>(partition: PartitionLog, pass: () => Promise<T>): Promise<T> {
  for (let plans = 1; ; plans++) {
    try {
      return await pass();
    } catch (error) {
      if (!(error instanceof SegmentsChanged)) throw error;
      if (plans === MAX_PLANS)
        throw new SeglogError('TASK_FAILED', `the segments of ${partition.name} change all the time`);
    }
  }
}

/** Counts of segments before anything is done to them. */
export function startTotals(partition: PartitionLog, stats: readonly SegmentStats[]): SegmentsRewritten {
  const bytes = stats.reduce((sum, segment) => sum + segment.bytes, 0);
  const records = stats.reduce((sum, segment) => sum + segment.records, 0);
  return {
    partition: partition.partition,
    segmentsBefore: stats.length,
    segmentsAfter: stats.length,
    bytesBefore: bytes,
    bytesAfter: bytes,
    recordsBefore: records,
    recordsAfter: records,
    recordsWithoutKey: 0,
    tombstones: 0,
    rounds: 0,
  };
}

export function segmentInputs(partition: PartitionLog, stats: readonly SegmentStats[]): SegmentInput[] {
  return segmentsOf(partition, stats).map(segmentInput);
}

function segmentsOf(partition: PartitionLog, stats: readonly SegmentStats[]): LogSegment[] {
  return stats.map((wanted) => {
    const segment = partition.segments.find(({ baseOffset }) => baseOffset === wanted.baseOffset);
    if (segment?.stats !== wanted) throw new SegmentsChanged();
    return segment;
  });
}

/** The settings of one rewriting, apart from where it reads and writes. */
export type RewriteOptions = Pick<RewriteRequest, 'blockBytes' | 'codec' | 'filter'>;

/**
 * Rewrites neighbours, and lets the result take their place; counts both in the pass's totals. Undefined when all of them were
 * deleted meanwhile. Throws SegmentsChanged, STORAGE_FULL, CORRUPT_MESSAGE (the damage is known to readers and health then),
 * KAFKA_STORAGE_ERROR, POLICY_VIOLATION, TASK_CANCELLED, TASK_FAILED.
 */
export function rewriteGroup(
  pass: RewritePass,
  partition: PartitionLog,
  group: readonly SegmentStats[],
  options: RewriteOptions,
): Promise<RewriteResult | undefined> {
  return overRemaining(partition, group, (left) =>
    orStorageFull(noSpaceLeft(partition), () => rewrite(pass, partition, left, options)),
  );
}

const noSpaceLeft = ({ name }: PartitionLog) =>
  `the disk got full while segments of ${name} were rewritten: they stay as they were; free some space, or make segment.bytes smaller`;

async function rewrite(
  { tools, room, meter, totals }: RewritePass,
  partition: PartitionLog,
  group: readonly SegmentStats[],
  options: RewriteOptions,
): Promise<RewriteResult> {
  const { context, maintenance } = tools;
  const check = () => checkWanted(partition, options);
  check();
  const bytes = sumBytes(group);
  const olds = segmentsOf(partition, group);
  await room.check(partition, bytes);
  const request: RewriteRequest = {
    ...options,
    identity: { topicId: partition.topic.id, partition: partition.partition },
    segments: segmentInputs(partition, group),
    gaps: gapRanges(partition.gaps),
    outputPath: rewrittenPath(partition.directory, group[0]!.baseOffset),
    createdAt: partition.segmentTime,
    indexIntervalBytes: partition.topic.settings['index.interval.bytes'],
    logStartOffset: partition.logStartOffset,
  };
  const result = await orNoteChange(partition, request.segments, () =>
    context.tasks.run('rewrite', request, meter.taskOptions(bytes, 2)),
  );
  const { output } = result;
  if (output !== undefined) {
    await replace(maintenance, partition, olds, output, check);
    const kind = options.filter === undefined ? 'recompress' : 'compact';
    context.observer.rewritten?.(kind, bytes, output.stats.bytes);
    totals.segmentsAfter -= group.length - 1;
    totals.bytesAfter += output.stats.bytes - bytes;
    totals.recordsAfter += output.stats.records - group.reduce((sum, { records }) => sum + records, 0);
  }
  return result;
}

/** The topic may have got another policy since the pass began. */
function checkWanted(partition: PartitionLog, { filter }: RewriteOptions): void {
  if (filter !== undefined) checkCompacted(partition);
  if (partition.fenced !== null) throw partition.fencedError();
}

/** Throws POLICY_VIOLATION where `cleanup.policy` is `delete`: all records stay then until they are old. */
export function checkCompacted({ topic: { name, settings } }: PartitionLog): void {
  if (isCompacted(settings)) return;
  throw new SeglogError(
    'POLICY_VIOLATION',
    `topic "${name}" is not compacted: its cleanup.policy is delete; set cleanup.policy=compact or compact,delete first`,
    { topic: name },
  );
}

async function replace(
  maintenance: SegmentMaintenance,
  partition: PartitionLog,
  olds: readonly LogSegment[],
  output: RewrittenSegment,
  check: () => void,
): Promise<void> {
  const outcome = await maintenance.replaceSegments(partition, olds, output, check);
  if (outcome === 'replaced') return;
  if (outcome === 'deleted') throw unknownPartition(partition.topic.name);
  if (outcome === 'fenced') throw partition.fencedError();
  if (outcome === 'stopped') throw new SeglogError('NOT_READY', 'the log is closing: nothing was replaced');
  // Planned anew, the pass finds out about damage.
  throw new SegmentsChanged();
}

/**
 * A task over these segments. When it fails and they are not there any more as they were, that is why: SegmentsChanged. Damage
 * that it met is met again by a read, which finds out its range and tells.
 */
export async function orNoteChange<T>(
  partition: PartitionLog,
  inputs: readonly SegmentInput[],
  task: () => Promise<T>,
): Promise<T> {
  try {
    return await task();
  } catch (error) {
    if (isSeglogError(error, 'TASK_CANCELLED')) throw error;
    if (isSeglogError(error, 'CORRUPT_MESSAGE') && typeof error.details.firstOffset === 'number') {
      const { firstOffset: offset } = error.details;
      await runRead(partition, () => readPartition(partition, { offset })).catch(() => {});
    }
    // Names that are being changed hold the mutex until the list tells of it.
    await partition.syncing.run(async () => {});
    if (partition.deleted) throw unknownPartition(partition.topic.name);
    if (!inputs.every((input) => isStill(partition, input))) throw new SegmentsChanged();
    throw error;
  }
}

function isStill(
  { segments, logStartOffset }: PartitionLog,
  { path, baseOffset, endOffset }: SegmentInput,
): boolean {
  const segment = segments.find((each) => each.baseOffset === baseOffset);
  return segment?.path === path && endOffset > logStartOffset;
}

export function sumBytes(segments: readonly SegmentStats[]): number {
  return segments.reduce((sum, { bytes }) => sum + bytes, 0);
}
