import t from 'tap';
import {
  activeHasExpired,
  expiredByBudget,
  expiredBySize,
  expiredByTime,
  newestTime,
  nextDeletion,
} from '../../../src/engine/partition/retention.ts';
import type { SegmentStats } from '../../../src/engine/segment/log-segment.ts';
import { segmentsAt } from '../../helpers/segment-stats.ts';

const NOW = 1_000_000;
const OFF = { 'retention.ms': -1, 'retention.bytes': -1, 'cleanup.policy': 'delete' } as const;

const segments = (...given: Partial<SegmentStats>[]) => segmentsAt(NOW, ...given);

const aged = (...ages: number[]) => segments(...ages.map((age) => ({ maxTimestamp: NOW - age })));

t.test('by time the first segments go whose newest record is too old', async (t) => {
  for (const [ages, retentionMs, expected] of [
    [[500, 400, 0], 450, 1],
    [[500, 400, 0], 399, 2],
    [[500, 400, 0], 500, 0],
    [[500, 400, 0], -1, 0],
    [[500, 400, 0], 0, 2],
    [[100, 500, 0], 450, 0],
    [[500, 500], 450, 1],
    [[500], 450, 0],
  ] as const) {
    const settings = { ...OFF, 'retention.ms': retentionMs };
    t.equal(expiredByTime(aged(...ages), settings, NOW), expected, JSON.stringify([ages, retentionMs]));
  }
});

t.test('a record from the far future pins nothing: its segment is as old as its last write', async (t) => {
  const future = NOW + 10 ** 9;
  const log = segments(
    { maxTimestamp: future, firstAppendAt: NOW - 900 },
    { maxTimestamp: NOW, firstAppendAt: NOW - 700 },
    { firstAppendAt: NOW - 100 },
  );
  t.equal(newestTime(log, 0, NOW), NOW - 700, 'the next one was begun then');
  t.equal(expiredByTime(log, { ...OFF, 'retention.ms': 600 }, NOW), 1);
  t.equal(expiredByTime(log, { ...OFF, 'retention.ms': 800 }, NOW), 0);
  t.equal(newestTime(segments({ maxTimestamp: future }), 0, NOW), NOW, 'nobody knows of the last one');
  const unknown = segments({ maxTimestamp: future }, { batches: 0, firstAppendAt: -1 });
  t.equal(newestTime(unknown, 0, NOW), NOW, 'nor before an empty one');
});

t.test('by size the first segments go while the others hold enough', async (t) => {
  const log = segments({ bytes: 300 }, { bytes: 200 }, { bytes: 100 }, { bytes: 50 });
  for (const [retentionBytes, expected] of [
    [-1, 0],
    [650, 0],
    [351, 0],
    [350, 1],
    [150, 2],
    [100, 2],
    [50, 3],
    [0, 3],
  ] as const) {
    t.equal(
      expiredBySize(log, { ...OFF, 'retention.bytes': retentionBytes }),
      expected,
      String(retentionBytes),
    );
  }
});

t.test('the active segment rolls only when all of it has expired', async (t) => {
  const settings = { ...OFF, 'retention.ms': 450 };
  t.ok(activeHasExpired(aged(500, 500), settings, 0, NOW));
  t.notOk(activeHasExpired(aged(500, 400), settings, 0, NOW), 'it has something younger');
  t.notOk(activeHasExpired(aged(400, 500), settings, 0, NOW), 'what comes before stays');
  t.notOk(activeHasExpired(aged(500, -500), settings, 0, NOW), 'the future is not old');
  t.notOk(activeHasExpired(aged(500), OFF, 0, NOW));
  t.notOk(activeHasExpired(segments({ batches: 0 }), settings, 0, NOW), 'it is empty');
  t.ok(activeHasExpired(aged(0, 0), OFF, 20, NOW), 'all of it was deleted');
  t.notOk(activeHasExpired(aged(0, 0), OFF, 19, NOW));
});

t.test('for the whole directory the oldest of the least important topics go first', async (t) => {
  const log = (priority: number, expired: number, ...ages: number[]) => ({
    priority,
    expired,
    segments: aged(...ages),
  });
  for (const [name, logs, excess, expected] of [
    ['nothing to free', [log(50, 0, 500, 0)], 0, [0]],
    ['what goes anyway counts', [log(50, 1, 500, 400, 0), log(50, 0, 900, 0)], 100, [1, 0]],
    ['the oldest first', [log(50, 0, 500, 100, 0), log(50, 0, 400, 300, 0)], 250, [1, 2]],
    ['the least important first', [log(90, 0, 900, 800, 0), log(10, 0, 10, 5, 0)], 200, [0, 2]],
    ['then the others', [log(90, 0, 900, 800, 0), log(10, 0, 10, 5, 0)], 300, [1, 2]],
    ['never an active one', [log(50, 0, 500, 0), log(50, 0, 400)], 10_000, [1, 0]],
  ] as const) {
    t.same(expiredByBudget(logs, excess, NOW), expected, name);
  }
});

t.test('a topic that is only compacted loses nothing by age or size', async (t) => {
  const settings = { 'retention.ms': 0, 'retention.bytes': 0 };
  for (const [policy, expected] of [
    ['delete', 2],
    ['compact,delete', 2],
    ['compact', 0],
  ] as const) {
    const given = { ...settings, 'cleanup.policy': policy };
    t.equal(expiredByTime(aged(500, 400, 300), given, NOW), expected, policy);
    t.equal(expiredBySize(aged(500, 400, 300), given), expected, policy);
    t.equal(activeHasExpired(aged(500), given, 0, NOW), expected > 0, policy);
    t.equal(nextDeletion(aged(500), given, NOW) !== null, expected > 0, policy);
  }
});

t.test('what goes next, and when', async (t) => {
  const log = aged(500, 400, 0);
  const first = { baseOffset: 0, endOffset: 10, bytes: 100 };
  t.equal(nextDeletion(log, OFF, NOW), null);
  t.same(nextDeletion(log, { ...OFF, 'retention.ms': 600 }, NOW), {
    ...first,
    at: NOW + 100,
    afterBytes: null,
  });
  t.same(nextDeletion(log, { ...OFF, 'retention.bytes': 250 }, NOW), { ...first, at: null, afterBytes: 50 });
  t.same(nextDeletion(log, { ...OFF, 'retention.bytes': 100, 'retention.ms': 1 }, NOW), {
    ...first,
    at: NOW - 499,
    afterBytes: 0,
  });
  t.equal(nextDeletion(log, { ...OFF, 'retention.ms': Number.MAX_SAFE_INTEGER }, NOW), null, 'never');
  t.equal(
    nextDeletion(segments({ batches: 0 }), { ...OFF, 'retention.ms': 1 }, NOW),
    null,
    'nothing is there',
  );
});
