/** One rate for all: how long each turn waits, by a clock that the test moves. */
import t from 'tap';
import { IoRate } from '../../../src/engine/background/io-rate.ts';

const MIB = 2 ** 20;
const SECOND = 1_000_000n;

t.test('bytes are spread over time, whoever moves them', async (t) => {
  const one = new IoRate(64 * MIB);
  const other = new IoRate(64 * MIB, one.shared);
  const now = 1000n * SECOND;
  let last = 0n;
  for (let i = 0; i < 640; i++) last = (i % 3 ? one : other).take(MIB, now);
  // 640 MiB at 64 a second, of which 0.05 s are free after a pause; the last one waits for those before it.
  t.equal(last, (639n * SECOND) / 64n - 50_000n);
});

t.test('who keeps to its turns waits no longer than the rate demands', async (t) => {
  const rate = new IoRate(10 * MIB);
  let now = 5n * SECOND;
  const start = now;
  for (let i = 0; i < 101; i++) now += rate.take(MIB, now);
  t.equal(now - start, 10n * SECOND - 50_000n);
});

t.test('a pause is no credit beyond a moment', async (t) => {
  const rate = new IoRate(MIB);
  t.equal(rate.take(MIB, 0n), 0n);
  t.equal(rate.take(MIB, 3600n * SECOND), 0n);
  t.equal(rate.take(MIB, 3600n * SECOND), SECOND - 50_000n);
});

t.test('no limit is no wait', async (t) => {
  for (const bytesPerSecond of [-1, 0]) {
    const rate = new IoRate(bytesPerSecond);
    for (let i = 0; i < 10; i++) t.equal(rate.take(1e12, 0n), 0n);
  }
});

t.test('the slowest rate has an end too', async (t) => {
  const rate = new IoRate(1);
  rate.take(Number.MAX_SAFE_INTEGER, 0n);
  t.ok(rate.take(1, 0n) > 0n);
});
