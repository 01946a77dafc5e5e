import t from 'tap';
import type { Percentiles } from '../../../src/server/load/latency-histogram.ts';
import { figuresOf, limitOf } from '../../../src/server/load/load-figures.ts';
import { intervalFor, LoadRecorder } from '../../../src/server/load/load-recorder.ts';

const all = (ms: number): Percentiles => ({
  mean: ms,
  p50: ms,
  p90: ms,
  p95: ms,
  p99: ms,
  p999: ms,
  max: ms,
});

function judged({
  latency = 5,
  service = 4,
  lag = 1,
  busy = 0.3,
  saturated = 0,
  wanted = 1_000,
  answered = 100,
  errors = {} as Record<string, number>,
} = {}) {
  return limitOf({
    seconds: 10,
    requests: {
      wanted,
      answered: answered * 10,
      failed: 0,
      neverSent: 0,
      wantedPerSecond: 100,
      answeredPerSecond: answered,
    },
    errors,
    latencyMs: all(latency),
    serviceMs: all(service),
    lagMs: all(lag),
    connections: { limit: 8, used: 8, saturatedSeconds: saturated, mostWaiting: 0 },
    generator: { busy },
  });
}

t.test('the generator is not the limit of what was refused, nor of nothing', async (t) => {
  for (const kind of ['connection refused', '503 overloaded', 'status 502'])
    t.match(judged({ busy: 1, lag: 500, answered: 10, errors: { [kind]: 900 } }), { by: 'server' });
  t.match(
    judged({ busy: 1, answered: 99, errors: { '503 overloaded': 10 } }),
    { by: 'generator' },
    'too few',
  );
  t.match(judged({ busy: 1, answered: 10, errors: { timeout: 900 } }), { by: 'generator' });
  t.equal(judged({ busy: 1, lag: 500, wanted: 0 }), null);
});

t.test('where the rate was held by means to spare nothing was the limit', async (t) => {
  t.equal(judged(), null);
  t.equal(judged({ lag: 4, latency: 4 }), null, 'a timer is never exact');
  t.equal(judged({ lag: 50, latency: 400 }), null, 'it weighs little beside the rest');
  t.equal(judged({ saturated: 4.9 }), null, 'a stall that was caught up with');
});

t.test('a generator that cannot keep up says so, whatever else there is', async (t) => {
  t.match(judged({ busy: 0.97, answered: 50, saturated: 9 }), {
    by: 'generator',
    text: /^the load generator was the limit, not the server: .* busy for 97 % .* worse than what the server did/,
  });
  t.match(judged({ lag: 80, latency: 100 }), {
    by: 'generator',
    text: /80 ms late \(p99\), .* kept from running/,
  });
});

t.test('connections that are busy most of the time are named, with what they can carry', async (t) => {
  t.match(judged({ saturated: 6, service: 160, answered: 50 }), {
    by: 'connections',
    text: /^all 8 connections were busy for 60 % .* at 160 ms a request \(mean\) they carry 50 requests a second/,
  });
});

t.test('else a rate that was not held is the server’s doing', async (t) => {
  t.match(judged({ answered: 90 }), {
    by: 'server',
    text: 'the server answered only 90 of 100 requests a second well',
  });
});

t.test('rates count over the whole time, not up to the last request', async (t) => {
  const recorder = new LoadRecorder(100);
  for (let i = 0; i < 10; i++) {
    recorder.due(0);
    recorder.ended({ kind: 'produce', records: 5, bytes: 100 }, { dueMs: i, sentMs: i, endMs: i + 1 });
  }
  recorder.finish(900);
  const figures = figuresOf(recorder, { durationMs: 1_000, lanes: 1, busy: 0 });
  t.equal(figures.requests.answeredPerSecond, 10);
  t.match(figures.records, { count: 50, perSecond: 50, bytes: 1_000, bytesPerSecond: 1_000 });
  const cut = figuresOf(recorder, { durationMs: undefined, lanes: 1, busy: 0 });
  t.equal(cut.seconds, 0.9, 'a load that was cut short ends with its last request');
  t.equal(cut.limit, null);
});

t.test('a load without a single request has figures, too', async (t) => {
  const figures = figuresOf(new LoadRecorder(100), { durationMs: undefined, lanes: 1, busy: 0 });
  t.match(figures, { seconds: 0, limit: null, latencyMs: { p99: null }, intervals: [], errors: {} });
});

t.test('however long a load is, its figures over time are few', async (t) => {
  for (const ms of [1, 1_000, 60_000, 3_600_000, 30 * 86_400_000]) t.ok(ms / intervalFor(ms) <= 250, `${ms}`);
  t.equal(intervalFor(10_000), 100);
  t.equal(intervalFor(60_000), 500);
});
