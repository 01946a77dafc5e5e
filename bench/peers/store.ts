/**
 * A store of events of three days: what it takes up, how quickly all of it is read, and how quickly events are found by
 * time and source. How it was written makes no difference, so each peer is in the variant that writes soonest.
 */
import { join } from 'node:path';
import { type Bench, below, rowOf } from '../harness.ts';
import { MIB } from '../workload.ts';
import { FilledSpan, SOURCES, sourceName, type TimeRange } from './events.ts';
import type { Question as Asking, AskResult, FillResult } from './generator.ts';
import type { QueriedRange } from './peer.ts';
import type { FoundPeer, Question } from './result-page.ts';
import type { RunningPeer } from './running-peer.ts';
import { RunningSet } from './running-set.ts';
import { diskBytes } from './server-process.ts';

const DAYS_MS = 3 * 86_400_000;
const ROUNDS = 5;
const WARM_UP = 4;
/** A tenth of all time, around the middle, in each round another one: so no answer is one that was kept. */
const WIDTH = 0.1;
const STARTS = Array.from({ length: WARM_UP + ROUNDS }, (_, i) => 0.45 + (i - 4) / 100);
const STOPS = [...STARTS, ...STARTS.map((start) => start + WIDTH)];
const NEWEST = 100;

const ASKINGS: readonly { question: Asking; title: string }[] = [
  { question: 'range', title: 'all events of a source in a tenth of the time' },
  { question: 'newestOf', title: `the newest ${NEWEST} events of a source in a tenth of the time` },
  { question: 'newest', title: `the newest ${NEWEST} events of all` },
];

interface Filled {
  span: FilledSpan;
  /** Of each peer. */
  fills: ReadonlyMap<RunningPeer, FillResult>;
}

export async function measureStore(bench: Bench, peers: readonly FoundPeer[]): Promise<Question[]> {
  const contenders = peers.map((peer) => ({ peer, durability: peer.peer.variants[1]!.durability }));
  const set = await RunningSet.start(bench, contenders);
  const events = bench.size(1_000_000, 100_000);
  const now = Date.now();
  const { filled, sizes } = await fillAll(bench, set, events, { from: now - DAYS_MS, until: now });
  const questions = [...sizes, await measureReplay(bench, set, events)];
  for (const [i, asking] of ASKINGS.entries())
    questions.push(await measureAsking(bench, set, filled, asking, i));
  await set.stop();
  return questions;
}

async function fillAll(
  bench: Bench,
  set: RunningSet,
  events: number,
  span: TimeRange,
): Promise<{ filled: Filled; sizes: Question[] }> {
  const fills = new Map<RunningPeer, FillResult>();
  const disk = [];
  const memory = [];
  for (const running of set.running) {
    const { peer, server } = running;
    const fresh = sizeOf(running);
    await running.empty();
    const fill = await running.fill({ events, span, stops: STOPS });
    await running.settle();
    fills.set(running, fill);
    const { kept, ahead } = sizeOf(running);
    disk.push(rowOf(peer.name, 'MiB', [(kept - fresh.kept) / MIB]));
    if (ahead > 0) disk.push(rowOf(`${peer.name}, write-ahead log`, 'MiB', [ahead / MIB]));
    memory.push(rowOf(peer.name, 'MiB', [server.residentBytes() / MIB]));
  }
  const { jsonBytes } = [...fills.values()][0]!;
  disk.push(rowOf('the events as JSON lines', 'MiB', [jsonBytes / MIB]));
  const of = `${events.toLocaleString('en')} events`;
  const sizes: Question[] = [
    { result: bench.report(`bytes on disk of ${of}`, disk), absent: set.absent, drawn: 'linear' },
    { result: bench.report(`resident memory with ${of}`, memory), absent: set.absent, drawn: 'linear' },
  ];
  return { filled: { span: new FilledSpan(events, span), fills }, sizes };
}

/** What is kept, and what is only there until the former is: the write-ahead log is as large as its settings say. */
function sizeOf({ peer, server: { directory } }: RunningPeer): { kept: number; ahead: number } {
  const ahead = peer.writeAhead === undefined ? 0 : diskBytes(join(directory, peer.writeAhead));
  return { kept: diskBytes(directory) - ahead, ahead };
}

async function measureReplay(bench: Bench, set: RunningSet, events: number): Promise<Question> {
  const comparison = {
    title: 'read all in order, one reader',
    unit: 'records/s',
    rounds: bench.size(ROUNDS, 2),
  };
  const result = await set.compare(bench, comparison, undefined, async (running) => {
    const start = performance.now();
    const records = await running.replay();
    if (records !== events) throw new Error(`${running.peer.name} gave ${records} of ${events} records`);
    return (records / (performance.now() - start)) * 1000;
  });
  return { result, absent: set.absent, drawn: 'linear' };
}

/** `offset`: has each question ask for other sources. */
async function measureAsking(
  bench: Bench,
  set: RunningSet,
  { span, fills }: Filled,
  { question, title }: (typeof ASKINGS)[number],
  offset: number,
): Promise<Question> {
  const asks = bench.size(50, 5);
  const rounds = new Map<RunningPeer, number>();
  const answers = new Map<number, AskResult['answers']>();
  const comparison = {
    title,
    unit: 'ms',
    lowerIsBetter: true,
    rounds: bench.size(ROUNDS, 3),
    warmUp: WARM_UP,
  };
  const result = await set.compare(bench, comparison, below(1), async (running) => {
    const round = rounds.get(running) ?? 0;
    rounds.set(running, round + 1);
    const asked = askedIn(round, offset, asks, span, fills.get(running)!.arrivals);
    const given = await running.ask({ question, count: NEWEST, asked });
    check(running, given.answers, answers, round);
    return given.ms;
  });
  return { result, absent: set.absent, drawn: 'logarithmic' };
}

function askedIn(
  round: number,
  offset: number,
  asks: number,
  span: FilledSpan,
  arrivals: readonly number[],
): QueriedRange[] {
  const start = STARTS[round]!;
  const own = { from: span.timeOf(span.indexAt(start)), until: span.timeOf(span.indexAt(start + WIDTH)) };
  const arrival = { from: arrivals[round]!, until: arrivals[round + STARTS.length]! };
  return Array.from({ length: asks }, (_, i) => {
    const source = sourceName((offset * 17 + round * asks + i) % SOURCES);
    return { source, own, arrival };
  });
}

/** Whoever answers first says what the others must find, too. */
function check(
  { peer }: RunningPeer,
  given: AskResult['answers'],
  answers: Map<number, AskResult['answers']>,
  round: number,
): void {
  const expected = answers.get(round) ?? given;
  answers.set(round, expected);
  const [one, other] = [JSON.stringify(expected), JSON.stringify(given)];
  if (one !== other) throw new Error(`${peer.name} found ${other}, another one ${one}`);
  if (given.some(({ count }) => count === 0)) throw new Error(`${peer.name} found nothing`);
}
