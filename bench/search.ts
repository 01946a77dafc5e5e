/**
 * Question: how quickly does the daemon answer what people ask of ten million log events, over HTTP?
 *
 * Limits, where there are any: `rg -c` over the same events as one file of JSON lines; a thread that does JSON.parse of each line and
 * counts. The events are ingested over HTTP, with the settings as delivered: two days lie in sealed segments, the third in active
 * ones. What earlier queries found is not kept (query.cache.bytes=0) but where it is said. Cold is without the files in
 * the page cache, which the daemon's own memory is none of. Where `rg` is not installed, its comparisons are left out.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { closeSync, openSync, readSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { CORPUS_HOURS, CORPUS_START, writeCorpus } from './event-corpus.ts';
import { type Bench, below, benchmark, type Row, rowOf, type Side, type Wanted } from './harness.ts';
import { HttpConnection, httpRequest } from './http-connection.ts';
import { type RunningChild, startSeglog } from './http-servers.ts';
import { concurrently, dropCached, ingestFile, latencies, seededRandom } from './query-load.ts';
import { MIB } from './workload.ts';

const HOUR_MS = 3_600_000;
const END = CORPUS_START + CORPUS_HOURS * HOUR_MS;
const DAY_MS = 24 * HOUR_MS;
const SAMPLES = 32;
const CONCURRENT = 1000;

const hasRg = spawnSync('rg', ['--version']).status === 0;

const time = (ms: number) => encodeURIComponent(new Date(ms).toISOString());
const get = (path: string) => httpRequest('GET', path, {});

await benchmark('search', async (bench) => {
  const file = join(bench.directory(), 'events.ndjson');
  const data = join(bench.directory(), 'data');
  const events = bench.size(10_000_000, 500_000);
  const kind = await writeCorpus(file, events);
  const words = wordsOf(file);
  const seglog = await startSeglog(bench, { data, settings: { 'query.cache.bytes': '0' } });
  const seconds = await ingestFile(seglog.port, file);
  const bytes = statSync(file).size;
  const title = `ingest of ${events.toLocaleString('en')} events, ${Math.round(bytes / MIB)} MiB (${kind}), acks=all`;
  bench.report(title, [rowOf('seglog', 'events/s', [events / seconds])]);
  await indexed(seglog.port);

  await newest(bench, seglog, data);
  await allMatches(bench, seglog, { file, data, word: words.rare });
  await countOfWord(bench, seglog, { file, data, word: words.common });
  await statistics(bench, seglog, file, events);
  await pruning(bench, seglog, words.rare);
  await seglog.child.end();

  const kept = await startSeglog(bench, { data });
  await many(bench, kept, words);
  await kept.child.end();
});

interface Words {
  /** In few events of all. */
  rare: string;
  /** In many of them, and no name of a field. */
  common: string;
  sources: string[];
}

/** What to ask for, from samples of a MiB from all over the file. */
function wordsOf(file: string): Words {
  const sample = Buffer.alloc(MIB);
  const descriptor = openSync(file, 'r');
  const { size } = statSync(file);
  const lines = Array.from({ length: SAMPLES }, (_, i) => {
    const bytes = readSync(descriptor, sample, 0, MIB, Math.floor((i * size) / SAMPLES));
    return sample.toString('utf8', 0, bytes).split('\n').slice(1, -1);
  }).flat();
  closeSync(descriptor);
  const counts = new Map<string, number>();
  const sources = new Set<string>();
  for (const line of lines) {
    const { message, source } = JSON.parse(line) as { message: string; source: string };
    sources.add(source);
    for (const word of new Set(message.match(/[\p{L}\p{N}_]+/gu)))
      if (/^[a-z]{5,}$/.test(word)) counts.set(word, (counts.get(word) ?? 0) + 1);
  }
  const byCount = [...counts].sort(([a, m], [b, n]) => m - n || (a < b ? -1 : 1));
  const elsewhere = [...sources, 'timestamp level source message metadata'].join(' ').toLowerCase();
  const common = byCount.findLast(([word]) => !elsewhere.includes(word))!;
  return { rare: byCount[0]![0], common: common[0], sources: [...sources] };
}

/** Resolves once nothing that was ingested waits for its search index. */
async function indexed(port: number): Promise<void> {
  while ((await metric(port, 'seglog_search_index_waiting_segments')) > 0) await delay(200);
  // Of what is active, pieces are indexed every half second.
  await delay(2000);
}

async function metric(port: number, name: string): Promise<number> {
  const answer = await fetch(`http://127.0.0.1:${port}/metrics`);
  const value = new RegExp(`^${name} (.*)`, 'm').exec(await answer.text())?.[1];
  if (value === undefined) throw new Error(`there is no metric ${name}`);
  return Number(value);
}

/** The newest hundred events of something, each time of something else. */
async function newest(bench: Bench, { port }: RunningChild, data: string): Promise<void> {
  const rounds = bench.size(500, 100);
  const random = seededRandom(1);
  const sources = await sourcesOf(port);
  const source = () => encodeURIComponent(sources[Math.floor(random() * sources.length)]!);
  const window = () => {
    const end = CORPUS_START + DAY_MS + random() * (END - CORPUS_START - DAY_MS);
    return `startTime=${time(end - DAY_MS)}&endTime=${time(end)}`;
  };
  const questions: [string, () => string, Wanted, Wanted][] = [
    ['newest 100 of 24 hours', window, below(10), below(50)],
    ['newest 100 of a source', () => `source=${source()}`, below(3), below(10)],
    ['newest 100 of a source, ERROR', () => `source=${source()}&level=ERROR`, below(3), below(10)],
    ['newest 100 of a source in 24 hours', () => `source=${source()}&${window()}`, below(3), below(10)],
  ];
  const connection = await HttpConnection.open(port);
  for (const [name, question, p50, p99] of questions) {
    const ask = () => get(`/api/query/logs?limit=100&${question()}`);
    await latencies(connection, rounds / 5, ask);
    const warm = await latencies(connection, rounds, ask);
    const cold = await latencies(connection, Math.ceil(rounds / 25), ask, () => dropCached(data));
    bench.report(`${name}, each of ${rounds} another one`, [
      rowOf('p50', 'ms', [warm.p50], p50),
      rowOf('p99', 'ms', [warm.p99], p99),
      rowOf('cold', 'ms', cold.all),
    ]);
  }
  connection.close();
}

async function sourcesOf(port: number): Promise<string[]> {
  const range = `startTime=${time(CORPUS_START)}&endTime=${time(END)}`;
  const answer = await fetch(`http://127.0.0.1:${port}/api/query/stats?${range}`);
  const { bySource } = (await answer.json()) as { bySource: Record<string, number> };
  return Object.keys(bySource).sort();
}

interface WordQuestion {
  file: string;
  data: string;
  word: string;
}

async function allMatches(bench: Bench, { port }: RunningChild, question: WordQuestion): Promise<void> {
  const { word } = question;
  const url = `http://127.0.0.1:${port}/api/query/search?query=${word}`;
  const ask = async () => {
    const answer = await fetch(url, { headers: { accept: 'application/x-ndjson' } });
    const lines = (await answer.text()).split('\n').length - 1;
    return lines;
  };
  await compareWithRg(bench, question, {
    name: `the rare word "${word}", all matches`,
    ask,
    wanted: below(1),
  });
}

async function countOfWord(bench: Bench, { port }: RunningChild, question: WordQuestion): Promise<void> {
  const { word } = question;
  const range = `startTime=${time(CORPUS_START)}&endTime=${time(END)}`;
  const ask = async () => {
    const answer = await fetch(`http://127.0.0.1:${port}/api/query/stats?${range}&q=${word}`);
    return ((await answer.json()) as { total: number }).total;
  };
  await compareWithRg(bench, question, { name: `the common word "${word}", counted`, ask, wanted: below(6) });
}

interface RgComparison {
  name: string;
  /** Resolves with how many events have the word. */
  ask(): Promise<number>;
  wanted: Wanted;
}

async function compareWithRg(
  bench: Bench,
  { file, data, word }: WordQuestion,
  { name, ask, wanted }: RgComparison,
): Promise<void> {
  if (!hasRg) {
    const note = 'left out: rg is not installed (the package is called ripgrep)';
    bench.note(bench.report(name, []), note);
    return;
  }
  const found = await ask();
  const rg = (...options: string[]) =>
    Number(execFileSync('rg', ['-c', ...options, word, file], { encoding: 'utf8' }));
  const expected = rg('--word-regexp', '--ignore-case');
  if (found !== expected) throw new Error(`${found} events have ${word}, and rg finds ${expected}`);
  const timed = async (work: () => unknown) => {
    const start = performance.now();
    await work();
    return performance.now() - start;
  };
  for (const [state, prepare] of [
    ['warm', () => {}],
    ['cold', () => dropCached(data, file)],
  ] as const) {
    const side = (name: string, work: () => unknown): Side => ({
      name,
      round: async () => {
        prepare();
        return timed(work);
      },
    });
    const result = await bench.compare({
      title: `${name}, ${state}`,
      unit: 'ms',
      lowerIsBetter: true,
      rounds: bench.size(7, 5),
      candidate: side('seglog', ask),
      limits: [{ side: side('rg -c', () => rg()), wanted }],
    });
    bench.note(result, `${found.toLocaleString('en')} events have it`);
  }
}

async function statistics(bench: Bench, { port }: RunningChild, file: string, events: number): Promise<void> {
  const range = `startTime=${time(CORPUS_START)}&endTime=${time(END)}&interval=1h`;
  const candidate: Side = {
    name: 'seglog',
    round: async () => {
      const start = performance.now();
      const answer = await fetch(`http://127.0.0.1:${port}/api/query/stats?${range}`);
      const { total } = (await answer.json()) as { total: number };
      if (total !== events) throw new Error(`${total} of ${events} events were counted`);
      return 1000 / (performance.now() - start);
    },
  };
  const bare: Side = { name: 'JSON.parse of each line, counted', round: async () => 1000 / parseAll(file) };
  await bench.compare({
    title: 'counts by level and hour of everything',
    unit: 'a second',
    rounds: 3,
    warmUp: bench.size(0, 1),
    candidate,
    limits: [{ side: bare, wanted: { text: '≥ 50', met: (ratio) => ratio >= 50 } }],
  });
}

/** Counts all lines by level and hour; returns how many ms that took. */
function parseAll(file: string): number {
  const start = performance.now();
  const counts = new Map<string, number>();
  const descriptor = openSync(file, 'r');
  const chunk = Buffer.allocUnsafe(MIB);
  let kept = 0;
  for (;;) {
    const read = readSync(descriptor, chunk, kept, chunk.length - kept, null);
    if (read === 0) break;
    const end = chunk.lastIndexOf(0x0a, kept + read - 1) + 1;
    for (let at = 0; at < end; ) {
      const next = chunk.indexOf(0x0a, at);
      const { level, timestamp } = JSON.parse(chunk.toString('utf8', at, next)) as Record<string, string>;
      const key = `${level} ${timestamp!.slice(0, 13)}`;
      counts.set(key, (counts.get(key) ?? 0) + 1);
      at = next + 1;
    }
    kept = chunk.copy(chunk, 0, end, kept + read);
  }
  closeSync(descriptor);
  return performance.now() - start;
}

/** How many segments a selective query does not read. */
async function pruning(bench: Bench, { port }: RunningChild, rare: string): Promise<void> {
  const random = seededRandom(3);
  const sources = await sourcesOf(port);
  const shares: Record<string, number[]> = {};
  for (let i = 0; i < bench.size(50, 20); i++) {
    const start = CORPUS_START + random() * (END - CORPUS_START - HOUR_MS);
    const source = sources[Math.floor(random() * sources.length)];
    const hour = {
      startTime: new Date(start).toISOString(),
      endTime: new Date(start + HOUR_MS).toISOString(),
    };
    const questions: Record<string, object> = {
      'a source in an hour': { source, ...hour },
      'a source': { source },
      'ERROR of a source in an hour': { source, level: 'ERROR', ...hour },
      'a rare word of a source': { source, q: rare },
    };
    for (const [name, question] of Object.entries(questions)) {
      const answer = await fetch(`http://127.0.0.1:${port}/api/query/explain`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(question),
      });
      const { segments } = (await answer.json()) as { segments: { total: number; scanned: number } };
      shares[name] ??= [];
      shares[name].push((100 * (segments.total - segments.scanned)) / segments.total);
    }
  }
  const rows = Object.entries(shares).map(
    ([name, values]): Row => rowOf(name, '%', values, { text: '≥ 95', met: (share) => share >= 95 }),
  );
  bench.report('segments that are not read', rows);
}

/** All kinds of queries at once. */
async function many(bench: Bench, { port }: RunningChild, { rare, sources }: Words): Promise<void> {
  const resident = async () => (await metric(port, 'process_resident_memory_bytes')) / MIB;
  const random = seededRandom(4);
  const source = () => sources[Math.floor(random() * sources.length)];
  const window = () => {
    const end = CORPUS_START + DAY_MS + random() * (END - CORPUS_START - DAY_MS);
    return `startTime=${time(end - DAY_MS)}&endTime=${time(end)}`;
  };
  const kinds = [
    () => `logs?limit=100&${window()}`,
    () => `logs?limit=100&source=${source()}`,
    () => `logs?limit=100&source=${source()}&level=ERROR`,
    () => `search?query=${rare}&limit=100&${window()}`,
    () => `stats?startTime=${time(CORPUS_START)}&endTime=${time(END)}&interval=1h`,
  ];
  const requests = () =>
    Array.from({ length: CONCURRENT }, (_, i) => get(`/api/query/${kinds[i % kinds.length]!()}`));
  await concurrently(port, requests());
  const before = await resident();
  const rounds = [];
  for (let round = 0; round < bench.size(9, 5); round++) rounds.push(await concurrently(port, requests()));
  const rows = [
    rowOf(
      'answered',
      'queries',
      rounds.map(({ answered }) => answered),
      { text: `${CONCURRENT}`, met: (n) => n === CONCURRENT },
    ),
    rowOf(
      'p50',
      'ms',
      rounds.map(({ p50 }) => p50),
    ),
    rowOf(
      'p99',
      'ms',
      rounds.map(({ p99 }) => p99),
      below(500),
    ),
    rowOf('resident before and after', 'MiB', [before, await resident()]),
  ];
  const result = bench.report(`${CONCURRENT} mixed queries at once, as delivered`, rows);
  bench.note(result, 'all come in the same moment, so p99 is about how long all of them take together');
}
