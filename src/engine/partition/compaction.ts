/**
 * What is to be compacted, and when. Pure decisions, as Kafka's LogCleanerManager makes them: from what the segments of a log
 * hold, up to where it was compacted, the settings and the time to ranges of segments.
 *
 *     | clean: each key once      | dirty: to be compacted      | not yet: young, not sealed or not synced, active |
 *     ^ log start                 ^ firstDirtyOffset            ^ firstUncleanable
 */
import type { TopicSettings } from '../common/settings.ts';
import type { SegmentStats } from '../segment/log-segment.ts';
import { type RollSettings, timeBucket } from '../segment/roll-policy.ts';
import { newestTime } from './retention.ts';

export type CompactionSettings = Pick<
  TopicSettings,
  'min.cleanable.dirty.ratio' | 'min.compaction.lag.ms' | 'max.compaction.lag.ms'
>;

/** What earlier compactions of a partition left behind. */
export interface Cleaned {
  /** Below, each key occurs once. */
  readonly firstDirtyOffset: number;
  /** When the first of the deletions that are kept there may go, ms since 1970; -1 when there are none. */
  readonly firstDeleteHorizon: number;
}

export const NEVER_CLEANED: Cleaned = { firstDirtyOffset: 0, firstDeleteHorizon: -1 };

export interface CompactionPlan {
  /** How many of the first segments may be looked at. */
  cleanable: number;
  /** Where the dirty ones among them begin; `cleanable` when there are none. */
  firstDirty: number;
  cleanBytes: number;
  dirtyBytes: number;
  /** Of the bytes that may be looked at, the share that is dirty; 0 when there are none. */
  dirtyRatio: number;
  /** Whether a pass is worth it now. */
  due: boolean;
}

/**
 * `settled` is how many of the first segments are sealed and known to be synced; of the others, and of the active one, nothing
 * is touched.
 */
export function planCompaction(
  segments: readonly SegmentStats[],
  settled: number,
  cleaned: Cleaned,
  settings: CompactionSettings,
  now: number,
): CompactionPlan {
  const cleanable = countOldEnough(segments, Math.min(settled, segments.length - 1), settings, now);
  let firstDirty = 0;
  while (firstDirty < cleanable && segments[firstDirty]!.endOffset <= cleaned.firstDirtyOffset) firstDirty++;
  const cleanBytes = sumBytes(segments, 0, firstDirty);
  const dirtyBytes = sumBytes(segments, firstDirty, cleanable);
  const dirtyRatio = dirtyBytes === 0 ? 0 : dirtyBytes / (cleanBytes + dirtyBytes);
  const plan = { cleanable, firstDirty, cleanBytes, dirtyBytes, dirtyRatio };
  return { ...plan, due: isDue(segments, plan, cleaned, settings, now) };
}

function isDue(
  segments: readonly SegmentStats[],
  { cleanable, firstDirty, dirtyBytes, dirtyRatio }: Omit<CompactionPlan, 'due'>,
  { firstDeleteHorizon }: Cleaned,
  settings: CompactionSettings,
  now: number,
): boolean {
  if (firstDeleteHorizon >= 0 && firstDeleteHorizon <= now && cleanable > 0) return true;
  if (dirtyBytes === 0) return false;
  return (
    dirtyRatio >= settings['min.cleanable.dirty.ratio'] ||
    hasWaitedLong(segments[firstDirty]!, settings['max.compaction.lag.ms'], now)
  );
}

/** Whether the active segment must be sealed, for what it holds has waited for compaction as long as it may. */
export function activeMustBeCompacted(
  active: SegmentStats,
  { 'max.compaction.lag.ms': maxLagMs }: CompactionSettings,
  now: number,
): boolean {
  return hasWaitedLong(active, maxLagMs, now);
}

function hasWaitedLong(segment: SegmentStats, maxLagMs: number, now: number): boolean {
  return segment.batches > 0 && now - segment.firstAppendAt >= maxLagMs;
}

/** Behind the first segment with a record that is too young, all wait: order is what compaction goes by. */
function countOldEnough(
  segments: readonly SegmentStats[],
  limit: number,
  { 'min.compaction.lag.ms': minLagMs }: CompactionSettings,
  now: number,
): number {
  if (minLagMs === 0) return limit;
  let count = 0;
  while (count < limit && now - newestTime(segments, count, now) >= minLagMs) count++;
  return count;
}

/** Offsets of one segment lie no further apart than its indexes, and the header of a batch, can tell. */
const MAX_OFFSET_RANGE = 2 ** 31 - 1;

/** Which neighbours are rewritten as one: small ones, up to the size of a segment, and never across a time bucket. */
export function groupSegments(
  segments: readonly SegmentStats[],
  settings: Pick<RollSettings, 'segment.bytes' | 'segment.align'>,
): SegmentStats[][] {
  const groups: SegmentStats[][] = [];
  let bytes = 0;
  for (const segment of segments) {
    const group = groups[groups.length - 1];
    const first = group?.[0];
    const joins =
      first !== undefined &&
      bytes + segment.bytes <= settings['segment.bytes'] &&
      segment.endOffset - first.baseOffset <= MAX_OFFSET_RANGE &&
      timeBucket(first.maxTimestamp, settings) === timeBucket(segment.maxTimestamp, settings);
    if (joins) group!.push(segment);
    else groups.push([segment]);
    bytes = joins ? bytes + segment.bytes : segment.bytes;
  }
  return groups;
}

function sumBytes(segments: readonly SegmentStats[], from: number, to: number): number {
  let bytes = 0;
  for (let i = from; i < to; i++) bytes += segments[i]!.bytes;
  return bytes;
}
