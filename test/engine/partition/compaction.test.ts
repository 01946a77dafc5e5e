/** What is to be compacted, and when: decisions from numbers, without a disk. */
import t from 'tap';
import { resolveSettings, TOPIC_SETTINGS } from '../../../src/engine/common/settings.ts';
import { isCompacted, isDeleted } from '../../../src/engine/partition/cleanup-policy.ts';
import {
  activeMustBeCompacted,
  groupSegments,
  NEVER_CLEANED,
  planCompaction,
} from '../../../src/engine/partition/compaction.ts';
import { emptyStats, type SegmentStats } from '../../../src/engine/segment/log-segment.ts';
import { segmentsAt } from '../../helpers/segment-stats.ts';

const NOW = 1_000_000_000;
const DAY_MS = 86_400_000;
const settingsWith = (given: Record<string, unknown> = {}) => resolveSettings(TOPIC_SETTINGS, given);

const segments = (...given: Partial<SegmentStats>[]) => segmentsAt(NOW, ...given);

const four = segments({}, {}, {}, {});

t.test('policies with "compact" in them have keys', async (t) => {
  for (const [policy, compacted, deleted] of [
    ['delete', false, true],
    ['compact', true, false],
    ['compact,delete', true, true],
  ] as const) {
    t.equal(isCompacted({ 'cleanup.policy': policy }), compacted, policy);
    t.equal(isDeleted({ 'cleanup.policy': policy }), deleted, policy);
  }
});

t.test(
  'a log is clean up to where it was compacted, dirty behind, and the active segment is neither',
  async (t) => {
    for (const [firstDirtyOffset, firstDirty, ratio] of [
      [0, 0, 1],
      [10, 1, 2 / 3],
      [15, 1, 2 / 3],
      [20, 2, 1 / 3],
      [30, 3, 0],
      [40, 3, 0],
    ] as const) {
      const plan = planCompaction(four, 3, { firstDirtyOffset, firstDeleteHorizon: -1 }, settingsWith(), NOW);
      t.equal(plan.cleanable, 3, `${firstDirtyOffset}`);
      t.equal(plan.firstDirty, firstDirty, `${firstDirtyOffset}`);
      t.equal(plan.dirtyRatio, ratio, `${firstDirtyOffset}`);
      t.equal(plan.due, ratio >= 0.5, `${firstDirtyOffset}`);
      t.equal(plan.cleanBytes + plan.dirtyBytes, 300);
    }
  },
);

t.test(
  'what is not sealed and synced is left alone, and so is the active segment whatever is said of it',
  async (t) => {
    t.equal(planCompaction(four, 1, NEVER_CLEANED, settingsWith(), NOW).cleanable, 1);
    t.equal(planCompaction(four, 4, NEVER_CLEANED, settingsWith(), NOW).cleanable, 3);
    const nothing = planCompaction(four, 0, NEVER_CLEANED, settingsWith(), NOW);
    t.same(nothing, { cleanable: 0, firstDirty: 0, cleanBytes: 0, dirtyBytes: 0, dirtyRatio: 0, due: false });
  },
);

t.test('behind a record that is too young nothing is compacted', async (t) => {
  const log = segments(
    { maxTimestamp: NOW - 500 },
    { maxTimestamp: NOW - 99 },
    { maxTimestamp: NOW - 500 },
    {},
  );
  const cleanable = (lagMs: number) =>
    planCompaction(log, 3, NEVER_CLEANED, settingsWith({ 'min.compaction.lag.ms': lagMs }), NOW).cleanable;
  t.equal(cleanable(0), 3);
  t.equal(cleanable(99), 3);
  t.equal(cleanable(100), 1);
  t.equal(cleanable(501), 0);
});

t.test('a timestamp ahead of the clock holds compaction up no longer than the write is ago', async (t) => {
  const log = segments({ maxTimestamp: NOW + 10 ** 9 }, { firstAppendAt: NOW - 200 }, {});
  const settings = settingsWith({ 'min.compaction.lag.ms': 150 });
  t.equal(planCompaction(log, 1, NEVER_CLEANED, settings, NOW).cleanable, 1);
});

t.test('a little dirt is compacted, too, once it has waited long enough', async (t) => {
  const log = segments({}, {}, { firstAppendAt: NOW - 1000 }, {});
  const cleaned = { firstDirtyOffset: 20, firstDeleteHorizon: -1 };
  const due = (maxLagMs: number) =>
    planCompaction(log, 3, cleaned, settingsWith({ 'max.compaction.lag.ms': maxLagMs }), NOW).due;
  t.equal(due(1001), false);
  t.equal(due(1000), true);
  const [active] = segments({ firstAppendAt: NOW - 1000 });
  const settings = settingsWith({ 'max.compaction.lag.ms': 1000 });
  t.equal(activeMustBeCompacted(active!, settings, NOW), true);
  t.equal(activeMustBeCompacted(active!, settings, NOW - 1), false);
  t.equal(
    activeMustBeCompacted(emptyStats(0), settings, NOW),
    false,
    'one without records waits for nothing',
  );
});

t.test('a clean log is compacted again when deletions in it may go', async (t) => {
  const due = (firstDeleteHorizon: number, settled = 3) =>
    planCompaction(four, settled, { firstDirtyOffset: 30, firstDeleteHorizon }, settingsWith(), NOW).due;
  t.equal(due(-1), false);
  t.equal(due(NOW + 1), false);
  t.equal(due(NOW), true);
  t.equal(due(NOW, 0), false, 'not where nothing may be touched');
});

t.test('small neighbours are rewritten as one segment, up to its size', async (t) => {
  const sizes = (given: SegmentStats[], config = {}) =>
    groupSegments(given, settingsWith({ 'segment.bytes': 4096, ...config })).map(({ length }) => length);
  const of = (...bytes: number[]) => segments(...bytes.map((size) => ({ bytes: size })));
  t.same(sizes(of()), []);
  t.same(sizes(of(2000, 2000, 2000)), [2, 1]);
  t.same(sizes(of(2048, 2048)), [2]);
  t.same(sizes(of(2048, 2049)), [1, 1]);
  t.same(sizes(of(9000, 10, 10, 9000, 10)), [1, 2, 1, 1]);
  const wide = segments({ bytes: 10 }, { bytes: 10, endOffset: 2 ** 31 }, { bytes: 10 });
  t.same(sizes(wide), [1, 2], 'offsets of one segment lie within 2^31');
  const days = segments({ maxTimestamp: DAY_MS - 1 }, { maxTimestamp: DAY_MS }, { maxTimestamp: DAY_MS + 1 });
  t.same(sizes(days), [3]);
  t.same(sizes(days, { 'segment.align': 'day' }), [1, 2], 'a day stays apart');
});
