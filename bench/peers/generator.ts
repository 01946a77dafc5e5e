/**
 * The load on one peer, to be run as a child: it does what each message says and answers with what came of it. The same
 * loops and the same events for all of them.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { childArgs, tell } from '../child.ts';
import { type Latencies, steadyLoad } from '../steady-load.ts';
import { during } from '../workload.ts';
import { EventMaker, FilledSpan, type TimeRange } from './events.ts';
import type { Durability, FoundEvent, PeerClient, QueriedRange } from './peer.ts';
import { peerNamed } from './peers.ts';

export interface GeneratorArgs {
  peer: string;
  durability: Durability;
  port: number;
}

export type Question = 'newest' | 'newestOf' | 'range';

export type Task =
  | { kind: 'empty' | 'settle' | 'replay' | 'close' }
  /** Each lane sends its next batch when the last one is answered. */
  | { kind: 'closed'; seconds: number; batch: number; lanes: number }
  /** Batches are due at a fixed rate, whatever became of those before. */
  | { kind: 'open'; seconds: number; perSecond: number; batch: number; lanes: number }
  /** Events in order, one batch after the other, with stops in between after these shares of them. */
  | { kind: 'fill'; events: number; span: TimeRange; stops: readonly number[] }
  | { kind: 'ask'; question: Question; count: number; asked: readonly QueriedRange[] };

export interface ClosedResult {
  recordsPerSecond: number;
  records: number;
  /** The part of the time in which the generator's own thread did something. */
  busy: number;
}

export interface FillResult {
  /** Times of arrival at which it stopped: no event has arrived at one of these. */
  arrivals: number[];
  /** Of the events as JSON, a line each. */
  jsonBytes: number;
}

export interface AskResult {
  /** Mean of a question, in milliseconds. */
  ms: number;
  /** Of each answer: how many events, and the sum of what tells them apart. */
  answers: { count: number; first: string; last: string; digest: number }[];
}

const SEED = 20_261;
const FILL_BATCH = 500;
/** Times of arrival are whole milliseconds: nothing else arrives in those around a stop. */
const STOP_MS = 5;

const { peer, durability, port } = childArgs<GeneratorArgs>();
const client = await peerNamed(peer).connect(port, durability);
const maker = new EventMaker(SEED);
process.on('message', (task: Task) => void run(client, task).then(tell));
tell('connected');

function run(client: PeerClient, task: Task): Promise<unknown> {
  switch (task.kind) {
    case 'closed':
      return closed(client, task.seconds, task.batch, task.lanes);
    case 'open':
      return open(client, task);
    case 'fill':
      return fill(client, new FilledSpan(task.events, task.span), task.stops);
    case 'ask':
      return ask(client, task);
    default:
      return client[task.kind]().then((result) => result ?? null);
  }
}

async function closed(
  client: PeerClient,
  seconds: number,
  batch: number,
  lanes: number,
): Promise<ClosedResult> {
  await client.openLanes(lanes);
  let records = 0;
  const before = performance.eventLoopUtilization();
  const perSecond = await during(seconds, lanes, async (lane) => {
    await client.produce(lane, maker.batch(batch));
    records += batch;
  });
  const { utilization } = performance.eventLoopUtilization(before);
  return { recordsPerSecond: perSecond * batch, records, busy: utilization };
}

async function open(
  client: PeerClient,
  { seconds, perSecond, batch, lanes }: Task & { kind: 'open' },
): Promise<Latencies> {
  await client.openLanes(lanes);
  return steadyLoad(perSecond / batch, seconds, lanes, (lane, done) => {
    void client.produce(lane, maker.batch(batch)).then(done);
  });
}

async function fill(client: PeerClient, span: FilledSpan, stops: readonly number[]): Promise<FillResult> {
  const arrivals: number[] = [];
  await client.openLanes(1);
  let jsonBytes = 0;
  let next = 0;
  for (const share of [...stops, 1]) {
    const end = span.indexAt(share);
    while (next < end) {
      const count = Math.min(FILL_BATCH, end - next);
      const first = next;
      const events = Array.from({ length: count }, (_, i) => maker.make(span.timeOf(first + i)));
      jsonBytes += events.reduce((sum, { json }) => sum + json.length + 1, 0);
      await client.produce(0, events);
      next += count;
    }
    await delay(STOP_MS);
    arrivals.push(Date.now());
    await delay(STOP_MS);
  }
  return { arrivals: arrivals.slice(0, -1), jsonBytes };
}

async function ask(
  client: PeerClient,
  { question, count, asked }: Task & { kind: 'ask' },
): Promise<AskResult> {
  const found: FoundEvent[][] = [];
  const start = performance.now();
  for (const range of asked) {
    if (question === 'newest') found.push(await client.newest(count));
    else if (question === 'newestOf') found.push(await client.newestOf(range, count));
    else found.push(await client.range(range));
  }
  const ms = (performance.now() - start) / asked.length;
  return { ms, answers: found.map(summed) };
}

/** What an answer must have in common with those of the other peers, whatever its order. */
function summed(events: readonly FoundEvent[]): AskResult['answers'][number] {
  const times = events.map(({ timestamp }) => timestamp).sort();
  const digest = events.reduce(
    (sum, { source, level, message }) => sum + hash(`${source} ${level} ${message}`),
    0,
  );
  return { count: events.length, first: times[0] ?? '', last: times.at(-1) ?? '', digest };
}

/** FNV-1a. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) value = Math.imul(value ^ text.charCodeAt(i), 0x01000193);
  return value >>> 0;
}
