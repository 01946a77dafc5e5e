/**
 * Question: how does seglog do beside the servers that somebody would pick instead, with the same events, the same load
 * and the same promise to the producer?
 *
 * Redis Streams, NATS JetStream and PostgreSQL, as far as they are installed, each in its own best way (`peers/`). All of those
 * with one promise run at a time, and are loaded in turn. Measured are producing (closed loop for the rate, open loop for
 * latency), and with a store of events of three days: reading it all, queries by time and source, disk and memory. What comes
 * back is compared: other records than seglog's, or fewer than were acknowledged, fail the benchmark.
 *
 * A page and a plot are written to `results/`, of the quick size under a name of its own that is not kept.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { BareFile } from './bare-file.ts';
import { type Bench, benchmark, machine, type Spread, spread } from './harness.ts';
import { barPlot } from './peers/bar-plot.ts';
import { DURABILITIES, type Durability } from './peers/peer.ts';
import { PEERS } from './peers/peers.ts';
import { measureProducing } from './peers/producing.ts';
import { type FoundPeer, panelOf, type Question, resultPage } from './peers/result-page.ts';
import { measureStore } from './peers/store.ts';
import { during, KIB } from './workload.ts';

const RESULTS = fileURLToPath(new URL('results/', import.meta.url));

await benchmark('peers', async (bench) => {
  const peers: FoundPeer[] = PEERS.map((peer) => ({ peer, found: peer.find() }));
  const servers = bench.report('servers', []);
  for (const { peer, found } of peers) bench.note(servers, `${peer.name} ${found.missing ?? found.version}`);
  const syncMs = await syncAlone(bench);
  const questions: Question[] = [];
  for (const durability of Object.keys(DURABILITIES) as Durability[])
    questions.push(...(await measureProducing(bench, peers, durability)));
  questions.push(...(await measureStore(bench, peers)));
  write(bench.quick ? 'quick' : today(), peers, questions, syncMs);
});

/** What nobody who waits for the disk can be quicker than. */
async function syncAlone(bench: Bench): Promise<Spread> {
  const file = new BareFile(join(bench.directory(), 'bare'));
  const piece = Buffer.alloc(4 * KIB, 1);
  const times: number[] = [];
  await during(1, 1, async () => {
    const start = performance.now();
    await file.append([piece]);
    await file.sync();
    times.push(performance.now() - start);
  });
  file.remove();
  return spread(times);
}

function today(): string {
  return new Date().toISOString().slice(0, 10);
}

function write(
  name: string,
  peers: readonly FoundPeer[],
  questions: readonly Question[],
  syncMs: Spread,
): void {
  const date = today();
  const plot = `peers-${name}.svg`;
  mkdirSync(RESULTS, { recursive: true });
  const page = resultPage({ date, machine: machine(), syncMs, plot, peers, questions });
  writeFileSync(`${RESULTS}peers-${name}.md`, page);
  const drawn = questions.filter(({ drawn }) => drawn !== undefined);
  writeFileSync(RESULTS + plot, barPlot(`seglog and its peers, ${date}`, drawn.map(panelOf)));
}
