/**
 * When a segment is sealed and the next one opened. Pure decisions: from what the segment holds, what
 * comes next and what time it is, to yes or no.
 *
 * Event time drives rolling, but a record from the far future must neither roll segment after segment nor
 * hold one open for ever: times ahead of the clock count as now. A record that comes late never rolls.
 */

import type { TopicSettings } from '../common/settings.ts';
import type { SegmentStats } from './log-segment.ts';

const BUCKET_MS = { none: 0, hour: 3_600_000, day: 86_400_000 } as const;

export type RollSettings = Pick<TopicSettings, 'segment.bytes' | 'segment.ms' | 'segment.align'>;

/** Whether the segment must be sealed before a batch of this size and time is appended. */
export function mustRollBefore(
  segment: SegmentStats,
  batchBytes: number,
  batchTimestamp: number,
  settings: RollSettings,
  now: number,
): boolean {
  if (segment.batches === 0) return false;
  if (segment.bytes + batchBytes > settings['segment.bytes']) return true;
  return passedTime(segment, Math.min(batchTimestamp, now), settings, now);
}

/** Whether an idle segment is to be sealed although nothing comes: its time has passed by the clock. */
export function mustRollIdle(segment: SegmentStats, settings: RollSettings, now: number): boolean {
  if (segment.batches === 0) return false;
  if (now - segment.firstAppendAt >= settings['segment.ms']) return true;
  const bucketMs = BUCKET_MS[settings['segment.align']];
  return bucketMs > 0 && bucketOf(segment.firstAppendAt, bucketMs) < bucketOf(now, bucketMs);
}

function passedTime(segment: SegmentStats, timestamp: number, settings: RollSettings, now: number): boolean {
  const first = Math.min(segment.firstTimestamp, now);
  if (timestamp - first >= settings['segment.ms']) return true;
  const bucketMs = BUCKET_MS[settings['segment.align']];
  if (bucketMs === 0) return false;
  const newest = Math.min(segment.maxTimestamp, now);
  return bucketOf(timestamp, bucketMs) > bucketOf(newest, bucketMs);
}

/** Which hour or day a time lies in, where segments are aligned to them; 0 where they are not. */
export function timeBucket(
  timestamp: number,
  { 'segment.align': align }: Pick<RollSettings, 'segment.align'>,
): number {
  return align === 'none' ? 0 : bucketOf(timestamp, BUCKET_MS[align]);
}

function bucketOf(timestamp: number, bucketMs: number): number {
  return Math.floor(timestamp / bucketMs);
}
