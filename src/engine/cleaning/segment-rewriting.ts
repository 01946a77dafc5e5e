/**
 * What compaction and recompression share: neighbouring sealed segments are rewritten by a task, and what it wrote takes their
 * place. Whatever comes in between (a deletion, damage, a full disk, the end of the process) leaves the log as it was.
 */
import type { SpaceMonitor } from '../commit/space-monitor.ts';
import { isSeglogError, SeglogError } from '../common/errors.ts';
import type { SegmentsRewritten } from '../common/types.ts';
import { rewrittenPath } from '../files/log-file-names.ts';
import { type EngineContext, type PartitionLog, unknownPartition } from '../partition/partition-log.ts';
import { readPartition, runRead } from '../partition/partition-reader.ts';
import type { SegmentMaintenance } from '../partition/segment-maintenance.ts';
import type {
  GapRange,
  RewriteRequest,
  RewriteResult,
  RewrittenSegment,
  SegmentInput,
} from '../rewrite/rewrite-request.ts';
import type { LogSegment, SegmentStats } from '../segment/log-segment.ts';

/** What the engine's parts are to a pass. */
export interface RewriteTools {
  readonly context: EngineContext;
  readonly maintenance: SegmentMaintenance;
  readonly space: SpaceMonitor;
}

/** How a pass is ended early, and how it tells how far it is. */
export interface PassControl {
  readonly signal: AbortSignal;
  /** Bytes of segments that were gone through, and of all that are to be. */
  progress(done: number, total: number): void;
}

/** The log changed under a pass: what it had planned does not fit any more. */
export class SegmentsChanged extends Error {}

/** How often a pass is planned anew, when deletions come in between. */
const MAX_PLANS = 5;

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
  return segmentsOf(partition, stats).map(({ path, stats }) => ({
    path,
    baseOffset: stats.baseOffset,
    endOffset: stats.endOffset,
    bytes: stats.bytes,
    firstAppendAt: stats.firstAppendAt,
  }));
}

export const gapRanges = (partition: PartitionLog): GapRange[] =>
  partition.gaps.map(({ firstOffset, endOffset }) => ({ first: firstOffset, end: endOffset }));

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
 * Rewrites neighbours, and lets the result take their place; counts both in `totals`. Throws SegmentsChanged, STORAGE_FULL,
 * CORRUPT_MESSAGE (the damage is known to readers and health then), TASK_CANCELLED, TASK_FAILED.
 */
export async function rewriteGroup(
  tools: RewriteTools,
  partition: PartitionLog,
  group: readonly SegmentStats[],
  options: RewriteOptions,
  totals: SegmentsRewritten,
  control: PassControl,
): Promise<RewriteResult> {
  const { context, maintenance } = tools;
  const olds = segmentsOf(partition, group);
  await checkSpace(tools, partition, group);
  const request: RewriteRequest = {
    ...options,
    identity: { topicId: partition.topic.id, partition: partition.partition },
    segments: segmentInputs(partition, group),
    gaps: gapRanges(partition),
    outputPath: rewrittenPath(partition.directory, group[0]!.baseOffset),
    createdAt: context.clock.now(),
    indexIntervalBytes: partition.topic.settings['index.interval.bytes'],
    logStartOffset: partition.logStartOffset,
  };
  const result = await orNoteDamage(partition, () =>
    context.tasks.run('rewrite', request, { signal: control.signal }),
  );
  const { output } = result;
  if (output !== undefined) {
    await replace(maintenance, partition, olds, output);
    totals.segmentsAfter -= group.length - 1;
    totals.bytesAfter += output.stats.bytes - sumBytes(group);
    totals.recordsAfter += output.stats.records - group.reduce((sum, { records }) => sum + records, 0);
  }
  return result;
}

async function replace(
  maintenance: SegmentMaintenance,
  partition: PartitionLog,
  olds: readonly LogSegment[],
  output: RewrittenSegment,
): Promise<void> {
  const outcome = await maintenance.replaceSegments(partition, olds, output);
  if (outcome === 'replaced') return;
  if (outcome === 'deleted') throw unknownPartition(partition.topic.name);
  if (outcome === 'fenced') throw partition.fencedError();
  if (outcome === 'stopped') throw new SeglogError('NOT_READY', 'the log is closing: nothing was replaced');
  // Planned anew, the pass finds out about damage.
  throw new SegmentsChanged();
}

/** Damage that a task met is met again by a read, which finds out its range and tells. */
export async function orNoteDamage<T>(partition: PartitionLog, task: () => Promise<T>): Promise<T> {
  try {
    return await task();
  } catch (error) {
    if (isSeglogError(error, 'CORRUPT_MESSAGE') && typeof error.details.firstOffset === 'number') {
      const { firstOffset: offset } = error.details;
      await runRead(partition, () => readPartition(partition, { offset })).catch(() => {});
    }
    // Files of a topic that was deleted are not there any more.
    if (partition.deleted) throw unknownPartition(partition.topic.name);
    throw error;
  }
}

/**
 * What is written takes the place of what was read only at the end: there must be room for both. While appends are taken it
 * must leave them the reserve; once they are refused, the reserve is what there is to get out of it.
 */
async function checkSpace(
  { space, context }: RewriteTools,
  partition: PartitionLog,
  group: readonly SegmentStats[],
): Promise<void> {
  await space.refresh();
  const bytes = sumBytes(group);
  const reserve = space.full ? 0 : context.settings['log.dir.reserve.bytes'];
  if (space.freeBytes - bytes >= reserve) return;
  throw new SeglogError(
    'STORAGE_FULL',
    `rewriting ${bytes} bytes of ${partition.name} needs as much free space, and ${space.freeBytes} bytes are free ` +
      `(log.dir.reserve.bytes=${context.settings['log.dir.reserve.bytes']}): nothing was changed; free some, or make segment.bytes smaller`,
    { topic: partition.topic.name, partition: partition.partition, bytes, freeBytes: space.freeBytes },
  );
}

export function sumBytes(segments: readonly SegmentStats[]): number {
  return segments.reduce((sum, { bytes }) => sum + bytes, 0);
}
