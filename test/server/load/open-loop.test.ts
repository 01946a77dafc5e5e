/** Over a clock that the tests advance: the figures are exact, and nothing waits for real time. */
import t from 'tap';
import { figuresOf } from '../../../src/server/load/load-figures.ts';
import { LoadRecorder, type Outcome } from '../../../src/server/load/load-recorder.ts';
import { OpenLoop, type OpenLoopOptions } from '../../../src/server/load/open-loop.ts';
import { Schedule } from '../../../src/server/load/schedule.ts';
import { SimClock } from '../../crash/sim-clock.ts';

const OK: Outcome = { kind: 'produce', records: 1, bytes: 10 };

interface Run {
  perSecond: number;
  ms: number;
  lanes?: number;
  /** How long the server takes for a request that is sent at this time. */
  serviceMs: (sentMs: number, index: number) => number;
  outcome?: (index: number) => Outcome;
  options?: Partial<OpenLoopOptions>;
}

function start({ perSecond, ms, lanes = 4, serviceMs, outcome = () => OK, options }: Run) {
  const clock = new SimClock();
  const recorder = new LoadRecorder(100);
  const begun: number[] = [];
  const loop = new OpenLoop({
    schedule: new Schedule([{ perSecond, ms }]),
    lanes,
    recorder,
    clock,
    begin(index, _lane, ended) {
      begun.push(index);
      const takes = serviceMs(clock.monotonic(), index);
      if (takes === 0) ended(outcome(index));
      else clock.after(takes, () => ended(outcome(index)));
    },
    ...options,
  });
  let over = false;
  const finished = loop.run().then(() => {
    over = true;
  });
  /** Lets time pass until the loop is done. */
  const end = async () => {
    for (let i = 0; i < 1000 && !over; i++) await clock.advance(50);
    await finished;
    return figuresOf(recorder, { durationMs: ms, lanes, busy: 0 });
  };
  return { clock, recorder, loop, begun, end };
}

/** Answers after 1 ms, but for one second in which it does nothing: what comes then is answered after it. */
const stalling = (sentMs: number) => (sentMs >= 2_000 && sentMs < 3_000 ? 3_001 - sentMs : 1);

t.test(
  'coordinated omission: a stall of one second is in our figures, and not in those of a closed loop',
  async (t) => {
    // The closed loop asks again when it is answered, and so it meets the stall once.
    const closed: number[] = [];
    for (let now = 0; now < 10_000; now += closed.at(-1)!) closed.push(stalling(now));
    closed.sort((a, b) => a - b);
    t.ok(closed.length > 8_000);
    t.equal(closed[Math.floor(closed.length * 0.999)], 1, 'its p99.9 is that of a healthy server');

    const figures = await start({ perSecond: 100, ms: 10_000, lanes: 4, serviceMs: stalling }).end();
    t.equal(figures.requests.answered, 1_000, 'all that was due was asked');
    t.ok(figures.latencyMs.p50! <= 3);
    // Of ten seconds' requests a tenth fell into the stall, and waited for half a second on average.
    t.ok(figures.latencyMs.p95! > 490 && figures.latencyMs.p95! < 540, `p95 ${figures.latencyMs.p95}`);
    t.ok(figures.latencyMs.p99! > 890 && figures.latencyMs.p99! < 940, `p99 ${figures.latencyMs.p99}`);
    t.ok(figures.latencyMs.max! > 1_000 && figures.latencyMs.max! < 1_040, `max ${figures.latencyMs.max}`);
    // The four that were under way are all that a look at sent requests shows.
    t.ok(figures.serviceMs.p99! < 3, `p99 from when they were sent: ${figures.serviceMs.p99}`);
    t.ok(figures.connections.saturatedSeconds > 0.9 && figures.connections.saturatedSeconds < 1.1);
    t.ok(figures.connections.mostWaiting > 90 && figures.connections.mostWaiting <= 100);
    t.equal(figures.limit, null, 'the rate was held all the same');
  },
);

t.test('requests begin in order when they are due, and no more at a time than there are lanes', async (t) => {
  let most = 0;
  let under = 0;
  const { begun, end } = start({
    perSecond: 1_000,
    ms: 100,
    lanes: 3,
    serviceMs: () => {
      most = Math.max(most, ++under);
      return 10;
    },
    outcome: () => {
      under--;
      return OK;
    },
  });
  const figures = await end();
  t.same(
    begun,
    Array.from({ length: 100 }, (_, i) => i),
  );
  t.equal(most, 3);
  t.equal(figures.connections.used, 3);
  t.ok(figures.seconds > 0.3, 'what waited was still sent');
  t.match(figures.limit, { by: 'connections', text: /^all 3 connections .* 10 ms .* 300 requests a second/ });
});

t.test('a server that answers at once does not begin requests from within each other', async (t) => {
  const { begun, end } = start({ perSecond: 100_000, ms: 300, lanes: 1, serviceMs: () => 0 });
  const { requests } = await end();
  t.equal(begun.length, 30_000);
  t.equal(requests.answered, 30_000);
});

t.test('the warm-up is done, but not counted', async (t) => {
  const { begun, recorder, end } = start({
    perSecond: 100,
    ms: 2_000,
    serviceMs: (sentMs) => (sentMs < 1_000 ? 400 : 1),
    lanes: 100,
    options: { warmUpMs: 1_000 },
  });
  await end();
  t.equal(begun.length, 200);
  t.equal(recorder.dueCount, 100);
  t.equal(recorder.sum('answered'), 100);
  t.ok(recorder.latency.percentile(100)! < 5);
  t.equal(
    recorder.intervals.reduce((sum, each) => sum + each.due, 0),
    100,
  );
  t.equal(recorder.elapsedMs, 991);
});

t.test('what a warm-up could not send in its time does not hold up what counts', async (t) => {
  const { begun, recorder, end } = start({
    perSecond: 100,
    ms: 2_000,
    serviceMs: (sentMs) => (sentMs < 1_000 ? 1_000 : 1),
    lanes: 1,
    options: { warmUpMs: 1_000 },
  });
  await end();
  t.same(begun.slice(0, 3), [0, 100, 101]);
  t.equal(recorder.sum('answered'), 100);
  t.ok(recorder.latency.percentile(100)! < 50);
});

t.test(
  'what is still waiting when the time is up counts as never sent, with the time that it waited',
  async (t) => {
    const never = 10_000;
    const { begun, clock, loop, recorder } = start({
      perSecond: 10,
      ms: 1_000,
      lanes: 1,
      serviceMs: () => never,
      options: { graceMs: 500 },
    });
    await clock.advance(2_000);
    t.same(begun, [0]);
    t.equal(recorder.neverSentCount, 9);
    const { latency } = recorder;
    t.ok(
      latency.percentile(100)! >= 1_400 && latency.percentile(100)! < 1_460,
      'the oldest was due after 100 ms',
    );
    await clock.advance(never);
    t.equal(recorder.sum('answered'), 1);
    loop.stop();
  },
);

t.test('a stop begins nothing more, and waits for what is under way', async (t) => {
  const { clock, loop, recorder, begun, end } = start({
    perSecond: 100,
    ms: 10_000,
    lanes: 2,
    serviceMs: () => 300,
  });
  await clock.advance(500);
  const sent = begun.length;
  loop.stop();
  loop.stop();
  await end();
  t.equal(begun.length, sent);
  t.equal(recorder.sum('answered'), sent);
  t.equal(recorder.neverSentCount, 51 - sent, 'what was due by then');
  t.equal(recorder.dueCount, 51, 'and no more');
});

t.test(
  'errors are counted by kind; a refusal says nothing of latency, what was given up took at least as long',
  async (t) => {
    const figures = await start({
      perSecond: 100,
      ms: 1_000,
      lanes: 100,
      serviceMs: (_, index) => (index % 10 === 0 ? 700 : 1),
      outcome: (index) => {
        if (index % 10 === 0) return { ...OK, error: 'timeout', givenUp: true };
        return index % 10 === 1 ? { ...OK, error: '503 overloaded' } : OK;
      },
    }).end();
    t.same(figures.errors, { timeout: 10, '503 overloaded': 10 });
    t.match(figures.requests, { wanted: 100, answered: 80, failed: 20, neverSent: 0 });
    t.equal(figures.records.count, 80, 'records of what failed are not stored');
    t.ok(figures.latencyMs.p90! >= 699);
    t.equal(figures.latencyMs.max! >= 700, true);
    t.match(figures.limit, { by: 'server', text: /^the server answered only / });
  },
);

t.test('each kind has figures of its own', async (t) => {
  const figures = await start({
    perSecond: 100,
    ms: 1_000,
    lanes: 100,
    serviceMs: (_, index) => (index % 2 === 0 ? 50 : 1),
    outcome: (index) => (index % 2 === 0 ? { kind: 'query', records: 5, bytes: 100 } : OK),
  }).end();
  t.match(figures.kinds, {
    produce: { answered: 50, records: 50, bytes: 500 },
    query: { answered: 50, records: 250, bytes: 5_000 },
  });
  t.ok(figures.kinds.produce!.latencyMs.max! < 5);
  t.ok(figures.kinds.query!.latencyMs.p50! >= 50);
});

t.test('figures over time: what was due, answered and waiting in each interval', async (t) => {
  const { recorder, end } = start({ perSecond: 100, ms: 1_000, serviceMs: stalling });
  const figures = await end();
  t.equal(figures.intervals.length, 10);
  for (const [i, each] of recorder.intervals.entries()) {
    t.ok(each.endMs > each.startMs && each.endMs - each.startMs < 150, `interval ${i}`);
    if (i > 0) t.equal(each.startMs, recorder.intervals[i - 1]!.endMs);
    t.ok(each.latency.p99! < 5);
  }
  t.equal(
    figures.intervals.reduce((sum, { answered }) => sum + answered, 0),
    100,
  );
});

t.test(
  'the curve of latency by percentile goes as far as the count bears, and ends with the maximum',
  async (t) => {
    const figures = await start({
      perSecond: 1_000,
      ms: 1_000,
      lanes: 100,
      serviceMs: (_, index) => 1 + index / 10,
    }).end();
    const { latency } = figures.curves;
    t.equal(latency.at(-1)!.percentile, 100);
    t.equal(latency.at(-1)!.ms, figures.latencyMs.max);
    t.ok(latency.at(-2)!.percentile <= 99.9);
    for (let i = 1; i < latency.length; i++) t.ok(latency[i]!.ms >= latency[i - 1]!.ms);
  },
);
