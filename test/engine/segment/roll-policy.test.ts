/** When a segment is sealed: a table of what it holds, what comes, and what time it is. */
import t from 'tap';
import { emptyStats, type SegmentStats } from '../../../src/engine/segment/log-segment.ts';
import { mustRollBefore, mustRollIdle, type RollSettings } from '../../../src/engine/segment/roll-policy.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
/** A moment in the middle of a day and of an hour. */
const NOON = Date.UTC(2026, 2, 10, 12, 30);

const SETTINGS: RollSettings = { 'segment.bytes': 1000, 'segment.ms': 7 * DAY, 'segment.align': 'none' };

/** A segment with one batch of now. */
const HELD: SegmentStats = {
  ...emptyStats(0),
  endOffset: 1,
  bytes: 600,
  records: 1,
  batches: 1,
  firstTimestamp: NOON,
  minTimestamp: NOON,
  maxTimestamp: NOON,
  firstAppendAt: NOON,
};

interface Case {
  name: string;
  held?: Partial<SegmentStats>;
  settings?: Partial<RollSettings>;
  /** What comes. */
  bytes?: number;
  timestamp?: number;
  now?: number;
  rolls: boolean;
}

const BEFORE: readonly Case[] = [
  { name: 'fits exactly', bytes: 400, rolls: false },
  { name: 'is a byte too large', bytes: 401, rolls: true },
  {
    name: 'is larger than any segment, and the segment is empty',
    held: emptyStats(0),
    bytes: 5000,
    rolls: false,
  },
  {
    name: 'is much later, and the segment is empty',
    held: emptyStats(0),
    timestamp: NOON + 30 * DAY,
    rolls: false,
  },
  { name: 'is just not segment.ms later', timestamp: NOON + 7 * DAY - 1, now: NOON + 7 * DAY, rolls: false },
  { name: 'is segment.ms later', timestamp: NOON + 7 * DAY, now: NOON + 7 * DAY, rolls: true },
  { name: 'comes late', timestamp: NOON - 30 * DAY, rolls: false },
  {
    name: 'comes late, and the segment began with a late one',
    held: { firstTimestamp: NOON - 3 * DAY, minTimestamp: NOON - 3 * DAY },
    timestamp: NOON - 30 * DAY,
    rolls: false,
  },
  { name: 'is from the far future: it counts as now', timestamp: NOON + 900 * DAY, rolls: false },
  {
    name: 'is of now, and the segment began with one from the far future',
    held: { firstTimestamp: NOON + 900 * DAY, maxTimestamp: NOON + 900 * DAY },
    rolls: false,
  },
  {
    name: 'is of segment.ms later, and the segment has one from the far future',
    held: { maxTimestamp: NOON + 900 * DAY },
    timestamp: NOON + 7 * DAY,
    now: NOON + 7 * DAY,
    rolls: true,
  },
  { name: 'comes after the clock went back', timestamp: NOON - DAY, now: NOON - DAY, rolls: false },
  { name: 'is of the next day', settings: { 'segment.align': 'day' }, ...at(NOON + DAY), rolls: true },
  { name: 'is of the same day', settings: { 'segment.align': 'day' }, ...at(NOON + 11 * HOUR), rolls: false },
  {
    name: 'is of the first moment of the next day',
    settings: { 'segment.align': 'day' },
    ...at(Date.UTC(2026, 2, 11)),
    rolls: true,
  },
  {
    name: 'is of the last moment of the day',
    settings: { 'segment.align': 'day' },
    ...at(Date.UTC(2026, 2, 11) - 1),
    rolls: false,
  },
  { name: 'is of the next hour', settings: { 'segment.align': 'hour' }, ...at(NOON + HOUR), rolls: true },
  {
    name: 'is of the same hour',
    settings: { 'segment.align': 'hour' },
    ...at(NOON + HOUR / 4),
    rolls: false,
  },
  {
    name: 'is of the day before',
    settings: { 'segment.align': 'day' },
    timestamp: NOON - DAY,
    rolls: false,
  },
  {
    name: 'is of today, behind a late one of yesterday',
    settings: { 'segment.align': 'day' },
    held: { firstTimestamp: NOON - DAY, minTimestamp: NOON - DAY, maxTimestamp: NOON - DAY },
    rolls: true,
  },
  {
    name: 'is from the far future, which is no other day',
    settings: { 'segment.align': 'day' },
    timestamp: NOON + 900 * DAY,
    rolls: false,
  },
  {
    name: 'is of today, and the segment has one from the far future',
    settings: { 'segment.align': 'day' },
    held: { maxTimestamp: NOON + 900 * DAY },
    rolls: false,
  },
];

/** A batch of that time that comes at that time. */
function at(time: number): { timestamp: number; now: number } {
  return { timestamp: time, now: time };
}

t.test('before a batch that', async (t) => {
  for (const { name, held, settings, bytes = 10, timestamp = NOON, now = NOON, rolls } of BEFORE) {
    const segment = { ...HELD, ...held };
    t.equal(mustRollBefore(segment, bytes, timestamp, { ...SETTINGS, ...settings }, now), rolls, name);
  }
});

const IDLE: readonly Case[] = [
  { name: 'an empty one stays', held: emptyStats(0), now: NOON + 900 * DAY, rolls: false },
  { name: 'a young one stays', now: NOON + 7 * DAY - 1, rolls: false },
  { name: 'one of segment.ms by the clock', now: NOON + 7 * DAY, rolls: true },
  {
    name: 'one with records of long ago that came just now stays',
    held: {
      firstTimestamp: NOON - 900 * DAY,
      minTimestamp: NOON - 900 * DAY,
      maxTimestamp: NOON - 900 * DAY,
    },
    rolls: false,
  },
  {
    name: 'one with a record from the far future is not held open',
    held: { firstTimestamp: NOON + 900 * DAY, maxTimestamp: NOON + 900 * DAY },
    now: NOON + 7 * DAY,
    rolls: true,
  },
  { name: 'one of yesterday', settings: { 'segment.align': 'day' }, now: NOON + DAY, rolls: true },
  { name: 'one of today stays', settings: { 'segment.align': 'day' }, now: NOON + 11 * HOUR, rolls: false },
  { name: 'one of the last hour', settings: { 'segment.align': 'hour' }, now: NOON + HOUR, rolls: true },
  {
    name: 'one of before the clock went back stays',
    settings: { 'segment.align': 'day' },
    now: NOON - DAY,
    rolls: false,
  },
];

t.test('of the segments that nothing comes to,', async (t) => {
  for (const { name, held, settings, now = NOON, rolls } of IDLE) {
    t.equal(mustRollIdle({ ...HELD, ...held }, { ...SETTINGS, ...settings }, now), rolls, name);
  }
});
