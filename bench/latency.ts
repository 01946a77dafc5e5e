/**
 * Question: how long does a producer wait at a steady 10,000 records a second with acks=all, open loop?
 *
 * Records of 1 KiB, one an append, to 16 partitions; embedded, and over HTTP from a client in a process of its own. Each
 * latency counts from when its record was due. Beside it: fdatasync alone, after writes of what 1 ms brings, one after the
 * other to one file.
 */
import { join } from 'node:path';
import { Engine } from '../src/engine/index.ts';
import { LatencyHistogram } from '../src/server/load/latency-histogram.ts';
import { BareFile } from './bare-file.ts';
import { Child } from './child.ts';
import { type Bench, below, benchmark, type Result, rowOf } from './harness.ts';
import { httpRequest } from './http-connection.ts';
import type { OpenLoad } from './http-load.ts';
import { createTopic, startSeglog } from './http-servers.ts';
import { type Latencies, latenciesOf, steadyLoad } from './steady-load.ts';
import { during, KIB, values } from './workload.ts';

const PER_SECOND = 10_000;
const PARTITIONS = 16;
const CONNECTIONS = 64;
/** Embedded: more than are ever under way. */
const MOST_APPENDS = 10_000;
const ROUNDS = 5;
const GROUP = PER_SECOND / 1000;

await benchmark('latency', async (bench) => {
  const directory = bench.directory();
  const records = values(256, KIB);

  const engine = await Engine.open({ directory: join(directory, 'data') });
  await engine.createTopic('bench', { partitions: PARTITIONS });
  let next = 0;
  const embedded = (seconds: number): Promise<Latencies> =>
    steadyLoad(PER_SECOND, seconds, MOST_APPENDS, (_lane, done) => {
      void engine.append('bench', [{ value: records[next++ % records.length]! }]).then(done);
    });
  await measure(bench, 'embedded', embedded, () => syncAlone(join(directory, 'bare'), records));
  await engine.close();

  const server = await startSeglog(bench);
  const client = new Child('http-load.ts');
  await createTopic(server.port, 'bench', PARTITIONS);
  const headers = { 'content-type': 'application/octet-stream' };
  const requests = records.map((value) => httpRequest('POST', '/api/topics/bench/records', headers, value));
  const overHttp = (seconds: number): Promise<Latencies> => {
    const load: OpenLoad = {
      kind: 'open',
      port: server.port,
      connections: CONNECTIONS,
      seconds,
      perSecond: PER_SECOND,
      requests,
    };
    return client.ask<Latencies>(load);
  };
  await measure(bench, 'over HTTP', overHttp, () => syncAlone(join(directory, 'bare'), records));
  await Promise.all([client.end(), server.child.end()]);
});

async function measure(
  bench: Bench,
  how: string,
  candidate: (seconds: number) => Promise<Latencies>,
  bare: () => Promise<Latencies>,
): Promise<Result> {
  const seconds = bench.size(20, 3);
  await candidate(2);
  const reached: Latencies[] = [];
  const alone: Latencies[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    alone.push(await bare());
    reached.push(await candidate(seconds));
  }
  const row = (name: string, from: Latencies[], which: keyof Latencies, wantedMs?: number) =>
    rowOf(
      name,
      'ms',
      from.map((each) => each[which]),
      wantedMs === undefined ? undefined : below(wantedMs),
    );
  return bench.report(`latency at 10,000 records/s, acks=all, ${how}, rounds of ${seconds} s`, [
    row('p50', reached, 'p50'),
    row('p99', reached, 'p99', 5),
    row('p99.9', reached, 'p999', 20),
    row('max', reached, 'max'),
    row('fdatasync alone, p50', alone, 'p50'),
    row('fdatasync alone, p99', alone, 'p99'),
    row('fdatasync alone, p99.9', alone, 'p999'),
    row('fdatasync alone, max', alone, 'max'),
  ]);
}

async function syncAlone(path: string, records: readonly Buffer[]): Promise<Latencies> {
  const histogram = new LatencyHistogram();
  const file = new BareFile(path);
  await during(2, 1, async () => {
    await file.append(records.slice(0, GROUP));
    const start = performance.now();
    await file.sync();
    histogram.record(performance.now() - start);
  });
  file.remove();
  return latenciesOf(histogram);
}
