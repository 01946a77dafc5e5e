/** Producing under one promise: how much goes in, what it costs the server, and how long a producer waits at a fixed rate. */
import { atLeast, type Bench, rowOf } from '../harness.ts';
import type { Latencies } from '../steady-load.ts';
import { DURABILITIES, type Durability } from './peer.ts';
import type { FoundPeer, Question } from './result-page.ts';
import type { RunningPeer } from './running-peer.ts';
import { RunningSet, syncAll } from './running-set.ts';

interface Load {
  batch: number;
  /** Connections, each with one request under way. */
  lanes: number;
  /** For latency: what all of them can hold. */
  recordsPerSecond: number;
  /** Whether seglog is to be ahead. */
  ahead: boolean;
}

const LOADS: readonly Load[] = [
  { batch: 100, lanes: 16, recordsPerSecond: 10_000, ahead: true },
  { batch: 1, lanes: 64, recordsPerSecond: 1_000, ahead: false },
];
const LATENCY_ROUNDS = 3;

export async function measureProducing(
  bench: Bench,
  peers: readonly FoundPeer[],
  durability: Durability,
): Promise<Question[]> {
  const contenders = peers
    .filter(({ peer }) => peer.variants.some((variant) => variant.durability === durability))
    .map((peer) => ({ peer, durability }));
  const set = await RunningSet.start(bench, contenders);
  const questions: Question[] = [];
  for (const load of LOADS) questions.push(...(await measureRate(bench, set, load, durability)));
  for (const load of LOADS) questions.push(await measureLatency(bench, set, load, durability));
  await set.stop();
  return questions;
}

const loadText = ({ batch }: Load) => (batch === 1 ? 'single records' : `batches of ${batch}`);

async function measureRate(
  bench: Bench,
  set: RunningSet,
  load: Load,
  durability: Durability,
): Promise<Question[]> {
  const { batch, lanes, ahead } = load;
  const seconds = bench.size(3, 0.7);
  const micros = new Map<RunningPeer, number[]>(set.running.map((each) => [each, []]));
  const busy = new Map<RunningPeer, number[]>(set.running.map((each) => [each, []]));
  const what = `${loadText(load)}, ${DURABILITIES[durability]}`;
  const result = await set.compare(
    bench,
    { title: `produce, ${what}`, unit: 'records/s', rounds: bench.size(5, 2), warmUp: bench.size(3, 1) },
    ahead ? atLeast(1) : undefined,
    async (running) => {
      await running.empty();
      const round = await running.closed(seconds, batch, lanes);
      micros.get(running)!.push(round.serverMicros);
      busy.get(running)!.push(round.busy);
      return round.recordsPerSecond;
    },
  );
  for (const running of set.running) await checkStored(running, load);
  const costs = [...micros].map(([{ peer }, values]) =>
    rowOf(peer.name, 'µs', values.slice(-bench.size(5, 2))),
  );
  const cost = bench.report(`processor time of the server for a record, ${what}`, costs);
  const shares = [...busy].map(
    ([{ peer }, values]) => `${Math.round(values.at(-1)! * 100)} % with ${peer.name}`,
  );
  bench.note(cost, `The generator's own thread was busy for so much of the time: ${shares.join(', ')}.`);
  return [
    { result, absent: set.absent, drawn: 'linear' },
    { result: cost, absent: set.absent },
  ];
}

/** What was acknowledged is there, and nothing else. */
async function checkStored(running: RunningPeer, { batch, lanes }: Load): Promise<void> {
  await running.empty();
  const { records } = await running.closed(0.3, batch, lanes);
  await running.settle();
  const stored = await running.replay();
  if (stored !== records)
    throw new Error(`${running.peer.name} acknowledged ${records} records and has ${stored}`);
}

async function measureLatency(
  bench: Bench,
  set: RunningSet,
  load: Load,
  durability: Durability,
): Promise<Question> {
  const { batch, lanes, recordsPerSecond } = load;
  const seconds = bench.size(4, 1);
  const reached = new Map<RunningPeer, Latencies[]>(set.running.map((each) => [each, []]));
  for (let round = 0; round < bench.size(LATENCY_ROUNDS, 1); round++) {
    for (const running of set.running) {
      await running.empty();
      await syncAll();
      reached.get(running)!.push(await running.open(seconds, recordsPerSecond, batch, lanes));
    }
  }
  const rows = [...reached].flatMap(([{ peer }, latencies]) =>
    (['p50', 'p99'] as const).map((which) =>
      rowOf(
        `${peer.name}, ${which}`,
        'ms',
        latencies.map((each) => each[which]),
      ),
    ),
  );
  const rate = recordsPerSecond.toLocaleString('en');
  const title = `latency at ${rate} records/s, ${loadText(load)}, ${DURABILITIES[durability]}`;
  return { result: bench.report(title, rows), absent: set.absent, drawn: 'logarithmic' };
}
