/**
 * What may be deleted by age and size. Pure decisions, as Kafka's: from what the segments of a log hold, the settings and
 * the time to how many of the first segments may go. Oldest first, whole segments only, and never the active one: when
 * all of it has expired it rolls first, and goes the next time.
 *
 * A segment's age is that of its newest record. A timestamp ahead of the clock says nothing: the segment then counts as old
 * as its last write, of which the first write to the next segment is the latest it can have been.
 */
import type { TopicSettings } from '../common/settings.ts';
import type { NextDeletion } from '../common/types.ts';
import type { SegmentStats } from '../segment/log-segment.ts';
import { isDeleted } from './cleanup-policy.ts';

export type RetentionSettings = Pick<TopicSettings, 'retention.ms' | 'retention.bytes' | 'cleanup.policy'>;

/** Off: nothing is deleted for this reason. */
export const UNLIMITED = -1;

/** When the newest record of segment `i` was written or says that it was; `now` when that is not known. */
export function newestTime(segments: readonly SegmentStats[], i: number, now: number): number {
  const { maxTimestamp } = segments[i]!;
  if (maxTimestamp <= now) return maxTimestamp;
  const next = segments[i + 1];
  return next === undefined || next.batches === 0 || next.firstAppendAt <= 0
    ? now
    : Math.min(next.firstAppendAt, now);
}

/** How many of the first segments have expired by time; the last one, which is active, is not among them. */
export function expiredByTime(
  segments: readonly SegmentStats[],
  settings: RetentionSettings,
  now: number,
): number {
  const retentionMs = settings['retention.ms'];
  if (retentionMs === UNLIMITED || !isDeleted(settings)) return 0;
  let count = 0;
  while (count < segments.length - 1 && now - newestTime(segments, count, now) > retentionMs) count++;
  return count;
}

/** How many of the first segments are too much: the log without them still has `retention.bytes` or more. */
export function expiredBySize(segments: readonly SegmentStats[], settings: RetentionSettings): number {
  const retentionBytes = settings['retention.bytes'];
  if (retentionBytes === UNLIMITED || !isDeleted(settings)) return 0;
  let left = segments.reduce((sum, { bytes }) => sum + bytes, 0);
  let count = 0;
  while (count < segments.length - 1 && left - segments[count]!.bytes >= retentionBytes)
    left -= segments[count++]!.bytes;
  return count;
}

/** Which segment goes next by age or size, and when as far as that is known; null when none ever does. */
export function nextDeletion(
  segments: readonly SegmentStats[],
  settings: RetentionSettings,
  now: number,
): NextDeletion | null {
  const [first] = segments;
  if (first === undefined || first.batches === 0 || !isDeleted(settings)) return null;
  const { baseOffset, endOffset, bytes } = first;
  const { 'retention.ms': retentionMs, 'retention.bytes': retentionBytes } = settings;
  const at = retentionMs === UNLIMITED ? Infinity : newestTime(segments, 0, now) + retentionMs;
  const left = segments.reduce((sum, segment) => sum + segment.bytes, 0) - bytes;
  const bySize = retentionBytes !== UNLIMITED;
  if (!bySize && !Number.isSafeInteger(at)) return null;
  return {
    baseOffset,
    endOffset,
    bytes,
    at: Number.isSafeInteger(at) ? at : null,
    afterBytes: bySize ? Math.max(0, retentionBytes - left) : null,
  };
}

/** Whether the active segment must roll, because all that it holds has expired and all before it goes too. */
export function activeHasExpired(
  segments: readonly SegmentStats[],
  settings: RetentionSettings,
  logStartOffset: number,
  now: number,
): boolean {
  const active = segments[segments.length - 1]!;
  if (active.batches === 0) return false;
  if (active.endOffset <= logStartOffset) return true;
  const retentionMs = settings['retention.ms'];
  return (
    retentionMs !== UNLIMITED &&
    isDeleted(settings) &&
    active.maxTimestamp <= now &&
    now - active.maxTimestamp > retentionMs &&
    expiredByTime(segments, settings, now) === segments.length - 1
  );
}

/** One log, as the budget of a whole data directory sees it. */
export interface BudgetLog {
  /** Of logs with a lower one, segments go first. */
  readonly priority: number;
  readonly segments: readonly SegmentStats[];
  /** How many of the first ones go anyway. */
  readonly expired: number;
}

/**
 * How many of the first segments of each log must go to free `excessBytes` beyond what goes anyway: the oldest of the
 * least important logs first.
 */
export function expiredByBudget(logs: readonly BudgetLog[], excessBytes: number, now: number): number[] {
  const counts = logs.map(({ expired }) => expired);
  let left = excessBytes;
  for (const { segments, expired } of logs) for (let i = 0; i < expired; i++) left -= segments[i]!.bytes;
  while (left > 0) {
    const next = oldestOfLeastImportant(logs, counts, now);
    if (next < 0) break;
    left -= logs[next]!.segments[counts[next]!++]!.bytes;
  }
  return counts;
}

function oldestOfLeastImportant(logs: readonly BudgetLog[], counts: readonly number[], now: number): number {
  let best = -1;
  let bestTime = 0;
  for (let i = 0; i < logs.length; i++) {
    const { segments, priority } = logs[i]!;
    if (counts[i]! >= segments.length - 1) continue;
    const time = newestTime(segments, counts[i]!, now);
    const better = best < 0 || priority < logs[best]!.priority;
    if (better || (priority === logs[best]!.priority && time < bestTime)) {
      best = i;
      bestTime = time;
    }
  }
  return best;
}
