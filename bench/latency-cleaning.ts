/**
 * Question: does an append notice compaction, recompression and retention that run flat out?
 *
 * Records of 1 KiB at a steady rate, open loop, acks=all, embedded; each latency counts from when the record was due. Rounds
 * without work in the background alternate with rounds in which it never ends: a keyed topic is compacted again and again
 * (one that is new and dirty to begin with), another one is rewritten with one codec after the other, and the topic that is
 * appended to loses its oldest segments all the time. Once with the settings as they are delivered, once with two threads and no
 * limit to what they read and write.
 */
import { join } from 'node:path';
import { Engine } from '../src/engine/index.ts';
import { CleaningLoad } from './cleaning-load.ts';
import { type Bench, below, benchmark, rowOf } from './harness.ts';
import { type Latencies, steadyLoad } from './steady-load.ts';
import { KIB, MIB, values } from './workload.ts';

const PER_SECOND = 5_000;
const PARTITIONS = 16;
const ROUNDS = 5;
/** More than are ever under way. */
const MOST_APPENDS = 10_000;

await benchmark('latency-cleaning', async (bench) => {
  await measure(bench, 'as delivered', {});
  await measure(bench, 'two threads, no limit of I/O', {
    'background.threads': 2,
    'background.io.bytes.per.second': -1,
  });
});

async function measure(bench: Bench, how: string, settings: Record<string, number>): Promise<void> {
  const engine = await Engine.open({ directory: join(bench.directory(), 'data'), settings });
  const config = { 'segment.bytes': 4 * MIB, 'retention.bytes': 16 * MIB };
  await engine.createTopic('hot', { partitions: PARTITIONS, config });
  const cleaning = new CleaningLoad(engine, bench.size(256, 48) * MIB);
  await cleaning.prepare();
  const records = values(256, KIB);
  let next = 0;
  const round = (seconds: number): Promise<Latencies> =>
    steadyLoad(PER_SECOND, seconds, MOST_APPENDS, (_lane, done) => {
      void engine.append('hot', [{ value: records[next++ % records.length]! }]).then(done);
    });
  const seconds = bench.size(10, 3);
  await round(2);
  const quiet: Latencies[] = [];
  const busy: Latencies[] = [];
  for (let i = 0; i < ROUNDS; i++) {
    quiet.push(await round(seconds));
    await cleaning.start();
    busy.push(await round(seconds));
    await cleaning.stop();
  }
  const ratios = busy.map(({ p99 }, i) => p99 / quiet[i]!.p99);
  const result = bench.report(
    `latency at 5,000 records/s while the log is cleaned, ${how}, rounds of ${seconds} s`,
    [
      rowOf(
        'p50 without',
        'ms',
        quiet.map(({ p50 }) => p50),
      ),
      rowOf(
        'p50 with',
        'ms',
        busy.map(({ p50 }) => p50),
      ),
      rowOf(
        'p99 without',
        'ms',
        quiet.map(({ p99 }) => p99),
      ),
      rowOf(
        'p99 with',
        'ms',
        busy.map(({ p99 }) => p99),
      ),
      rowOf('p99 with to p99 without', '×', ratios, below(1.5)),
      rowOf(
        'p99.9 without',
        'ms',
        quiet.map(({ p999 }) => p999),
      ),
      rowOf(
        'p99.9 with',
        'ms',
        busy.map(({ p999 }) => p999),
      ),
    ],
  );
  const memory = Math.round(process.memoryUsage.rss() / MIB);
  bench.note(result, `${cleaning.done}; resident in all: ${memory} MiB`);
  await engine.close();
}
