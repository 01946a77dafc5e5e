import { PassThrough } from 'node:stream';
import t from 'tap';
import { createLiveLine, lineOf } from '../../../src/cli/load/live-line.ts';
import type { LoadInterval } from '../../../src/server/index.ts';

function interval(startMs: number, more: Partial<LoadInterval> = {}): LoadInterval {
  const latency = { mean: 2, p50: 1.234, p90: 3, p95: 4, p99: 56.78, p999: 99, max: 100 };
  return {
    startMs,
    endMs: startMs + 100,
    due: 10,
    answered: 10,
    failed: 0,
    records: 0,
    waiting: 0,
    latency,
    ...more,
  };
}

t.test('how the last half second went', async (t) => {
  const intervals = Array.from({ length: 30 }, (_, i) => interval(i * 100));
  const line = (failed = 0) => lineOf({ intervals, sum: () => failed }, 60_000);
  t.equal(line(), '3.0 s of 1 min 0 s  100 of 100 requests/s  p50 1.23 ms  p99 56.8 ms');
  intervals.push(interval(3_000, { answered: 0, waiting: 7 }));
  t.equal(line(3), '3.1 s of 1 min 0 s  80 of 100 requests/s  p50 1.23 ms  p99 56.8 ms  7 waiting  3 failed');
  t.equal(lineOf({ intervals: [], sum: () => 0 }, 1), 'warming up');
});

function output(isTTY: boolean) {
  const stream = Object.assign(new PassThrough(), { isTTY, columns: 120 });
  let written = '';
  stream.on('data', (chunk: Buffer) => {
    written += chunk.toString();
  });
  return { stream, written: () => written };
}

t.test('it is drawn on a terminal, and taken away again', async (t) => {
  // The bar asks the stream for what only a terminal has.
  const terminal = output(true);
  Object.assign(terminal.stream, { cursorTo() {}, clearLine() {}, moveCursor() {} });
  const live = await createLiveLine(terminal.stream);
  live.show('some words');
  live.stop();
  t.match(terminal.written(), /some words/);
});

t.test('anywhere else nothing is written', async (t) => {
  const file = output(false);
  const live = await createLiveLine(file.stream);
  live.follow({ intervals: [], sum: () => 0 }, 1_000);
  live.show('some words');
  live.stop();
  t.equal(file.written(), '');
});
