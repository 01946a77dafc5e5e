import t from 'tap';
import { burstStretches, Schedule } from '../../../src/server/load/schedule.ts';

t.test('a steady rate: requests are evenly spaced, and due at their times', async (t) => {
  const schedule = new Schedule([{ perSecond: 100, ms: 2_000 }]);
  t.equal(schedule.total, 200);
  t.equal(schedule.durationMs, 2_000);
  t.equal(schedule.dueAt(0), 0);
  t.equal(schedule.dueAt(1), 10);
  t.equal(schedule.dueAt(199), 1_990);
  t.equal(schedule.dueBy(0), 1);
  t.equal(schedule.dueBy(9.9), 1);
  t.equal(schedule.dueBy(10), 2);
  t.equal(schedule.dueBy(5_000), 200);
});

t.test('rates that do not divide evenly lose no request and make none up', async (t) => {
  for (const [perSecond, ms, total] of [
    [0.5, 1_000, 1],
    [1, 10_000, 10],
    [3, 1_000, 3],
    [7, 333, 3],
    [10_000, 100, 1_000],
    [33_333, 3_000, 99_999],
    [0.1, 30_000, 3],
  ] as const) {
    const schedule = new Schedule([{ perSecond, ms }]);
    t.equal(schedule.total, total, `${perSecond} a second for ${ms} ms`);
    t.ok(schedule.dueAt(total - 1) < ms, 'the last one is due before the end');
  }
});

t.test('dueBy and dueAt are each other’s inverse, whatever the stretches', async (t) => {
  const schedules = [
    [{ perSecond: 17, ms: 1_234 }],
    [
      { perSecond: 10, ms: 1_000 },
      { perSecond: 0, ms: 500 },
      { perSecond: 300, ms: 700 },
    ],
    [
      { perSecond: 0, ms: 500 },
      { perSecond: 3, ms: 1_000 },
      { perSecond: 0, ms: 500 },
    ],
    burstStretches({ perSecond: 777, basePerSecond: 13, periodMs: 450, burstMs: 70, durationMs: 2_000 }),
  ];
  for (const stretches of schedules) {
    const schedule = new Schedule(stretches);
    let last = -1;
    for (let i = 0; i < schedule.total; i++) {
      const at = schedule.dueAt(i);
      if (!(at > last && at < schedule.durationMs)) t.fail(`request ${i} is due in its turn`);
      if (schedule.dueBy(at) < i + 1) t.fail(`request ${i} is due at ${at}`);
      if (schedule.dueBy(at - 0.01) > i) t.fail(`request ${i} is not due before ${at}`);
      last = at;
    }
    t.pass(`${schedule.total} requests`);
  }
});

t.test('nothing is due while the rate is 0', async (t) => {
  const schedule = new Schedule([
    { perSecond: 10, ms: 1_000 },
    { perSecond: 0, ms: 1_000 },
    { perSecond: 10, ms: 1_000 },
  ]);
  t.equal(schedule.total, 20);
  t.equal(schedule.dueBy(1_500), 10);
  t.equal(schedule.dueAt(10), 2_000);
  t.equal(schedule.dueBy(2_000), 11);
});

t.test('bursts come at the end of each period, and the last is cut by the end', async (t) => {
  const shape = { perSecond: 50, basePerSecond: 5, periodMs: 1_000, burstMs: 200 };
  t.same(burstStretches({ ...shape, durationMs: 1_900 }), [
    { perSecond: 5, ms: 800 },
    { perSecond: 50, ms: 200 },
    { perSecond: 5, ms: 800 },
    { perSecond: 50, ms: 100 },
  ]);
  t.same(burstStretches({ ...shape, burstMs: 1_000, durationMs: 1_500 }), [
    { perSecond: 50, ms: 1_000 },
    { perSecond: 50, ms: 500 },
  ]);
});
