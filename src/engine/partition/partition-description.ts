/** What there is to say of a partition and of its segments, with the batches counted in that are still in memory. */
import type { CompactionState, PartitionDescription, SegmentDescription } from '../common/types.ts';
import { addBatch, type LogSegment, type SegmentStats } from '../segment/log-segment.ts';
import { isCompacted } from './cleanup-policy.ts';
import { type CompactionPlan, planCompaction } from './compaction.ts';
import type { PartitionLog } from './partition-log.ts';
import { nextDeletion } from './retention.ts';

export function describePartition(partition: PartitionLog): PartitionDescription {
  const { topic, context } = partition;
  const stats = allStats(partition);
  const filled = stats.filter(({ batches }) => batches > 0);
  const times = filled.length > 0;
  return {
    partition: partition.partition,
    logStartOffset: partition.logStartOffset,
    highWatermark: partition.highWatermark,
    logEndOffset: partition.logEndOffset,
    bytes: partition.bytes,
    segments: partition.segments.length,
    minTimestamp: times
      ? filled.reduce((least, { minTimestamp }) => Math.min(least, minTimestamp), Infinity)
      : null,
    maxTimestamp: times
      ? filled.reduce((most, { maxTimestamp }) => Math.max(most, maxTimestamp), -Infinity)
      : null,
    fenced: partition.fenced,
    damaged: partition.damaged.slice(),
    gaps: partition.gaps.slice(),
    compaction: isCompacted(topic.settings) ? compactionState(partition) : null,
    nextDeletion: nextDeletion(stats, topic.settings, context.clock.now()),
  };
}

/** Records that can be read. A compacted segment that the log's start lies in may have a few fewer. */
export function countRecords(partition: PartitionLog): number {
  const { logStartOffset, logEndOffset, highWatermark } = partition;
  return allStats(partition).reduce(
    (sum, { records, baseOffset, endOffset }) =>
      sum + Math.max(0, Math.min(records, endOffset - Math.max(baseOffset, logStartOffset))),
    highWatermark - logEndOffset,
  );
}

export function describeSegments(partition: PartitionLog): SegmentDescription[] {
  const stats = allStats(partition);
  return partition.segments.map((segment, i) => segment.describe(stats[i]!));
}

/** What is to be compacted of it now. */
export function compactionPlan(partition: PartitionLog): CompactionPlan {
  const { topic, segments, settledSegments, cleaned, context } = partition;
  const stats = segments.map((segment) => segment.stats);
  return planCompaction(stats, settledSegments, cleaned, topic.settings, context.clock.now());
}

function compactionState(partition: PartitionLog): CompactionState {
  const { cleanBytes, dirtyBytes, dirtyRatio, due } = compactionPlan(partition);
  const firstDirtyOffset = Math.max(partition.cleaned.firstDirtyOffset, partition.logStartOffset);
  return { firstDirtyOffset, cleanBytes, dirtyBytes, dirtyRatio, due };
}

function allStats({ segments, tail }: PartitionLog): SegmentStats[] {
  const ahead = new Map<LogSegment, SegmentStats>();
  for (const { segment, facts } of tail) {
    const stats = ahead.get(segment) ?? { ...segment.stats };
    ahead.set(segment, stats);
    addBatch(stats, facts, 0);
  }
  return segments.map((segment) => ahead.get(segment) ?? segment.stats);
}
