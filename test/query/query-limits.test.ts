/** What ends a query before its answer is whole: its time, its bytes, a client that leaves, a runaway expression, damage. */
import { readFileSync, writeFileSync } from 'node:fs';
import t, { type Test } from 'tap';
import { Engine } from '../../src/engine/index.ts';
import type { LogQuery } from '../../src/query/log-query.ts';
import { LogSearch, type QueryOptions } from '../../src/query/log-search.ts';
import { BuiltIndexes } from '../helpers/built-indexes.ts';
import { until } from '../helpers/until.ts';

const START = Date.parse('2025-11-26T00:00:00Z');
const EVENTS = 8000;

/** Four MiB in one partition, in small segments; some are damaged on purpose, so nothing is verified. */
async function open(t: Test, settings: Record<string, number> = {}) {
  // The first handler runs first: all is closed before the directory is removed.
  let close = async () => {};
  t.teardown(() => close());
  const engine = await Engine.open({ directory: `${t.testdir()}/data` });
  await engine.createTopic('logs', { config: { 'segment.bytes': '256KiB' } });
  for (let at = 0; at < EVENTS; at += 100) {
    const records = Array.from({ length: 100 }, (_, i) => {
      const message = `event ${at + i} ${'a'.repeat(400)}!`;
      const timestamp = START + at + i;
      return {
        value: JSON.stringify({ timestamp: new Date(timestamp).toISOString(), source: 's', message }),
        timestamp,
      };
    });
    await engine.append('logs', records);
  }
  // Sealing, and writing what is in the journal to its segment, are done in the background.
  await until('all is sealed', async () => {
    const segments = await engine.listSegments('logs', 0);
    const { segments: files } = engine.search.partition('logs', 0);
    return segments.slice(0, -1).every(({ sealed }) => sealed) && files.at(-1)!.endOffset === EVENTS;
  });
  const search = new LogSearch(engine, { settings, indexes: new BuiltIndexes(['source', 'level'], 1) });
  close = async () => {
    await search.close();
    await engine.close();
  };
  return { engine, search };
}

async function ask(search: LogSearch, query: Partial<LogQuery>, options?: QueryOptions) {
  const found: number[] = [];
  const answer = search.query({ topic: 'logs', ...query }, options);
  let page = await answer.next();
  for (; !page.done; page = await answer.next()) found.push(...page.value.map(({ offset }) => offset));
  return { found, ...page.value };
}

t.test(
  'a regular expression that runs away ends with its time, and the next query is answered',
  async (t) => {
    const { search } = await open(t, { 'query.timeout.ms': 3000 });
    const answer = await ask(search, { q: '/event 5 (a+)+$/' });
    t.match(answer, { complete: false, reason: 'timeout' });
    const next = await ask(search, { q: 'event', limit: 3 });
    t.strictSame(next.found, [EVENTS - 1, EVENTS - 2, EVENTS - 3]);
  },
);

t.test('however many run away, others are answered meanwhile', async (t) => {
  const { search } = await open(t, { 'query.threads': 2, 'query.cache.bytes': 0 });
  const abort = new AbortController();
  const signal = abort.signal;
  const ended: string[] = [];
  const runaways = Array.from({ length: 20 }, (_, i) =>
    ask(search, { q: `/event ${i} (a+)+$/` }, { signal }).then(
      () => ended.push('away'),
      () => ended.push('away'),
    ),
  );
  const { found } = await ask(search, { q: 'event', limit: 3 });
  t.equal(found.length, 3);
  t.same(ended, [], 'none of them had to end for it');
  abort.abort();
  await Promise.all(runaways);
});

t.test('a query that may read no more says so, and its cursor goes on without a hole', async (t) => {
  const { search } = await open(t, { 'query.max.bytes': 1024 * 1024, 'query.cache.bytes': 0 });
  const found: number[] = [];
  let cursor: string | undefined;
  let answers = 0;
  do {
    const answer = await ask(search, { q: 'event', order: 'asc', cursor });
    found.push(...answer.found);
    cursor = answer.nextCursor ?? undefined;
    answers++;
    if (cursor !== undefined) t.match(answer, { complete: false, reason: 'max_bytes' });
  } while (cursor !== undefined && answers < 100);
  t.ok(answers > 2);
  t.strictSame(
    found,
    Array.from({ length: EVENTS }, (_, i) => i),
  );
});

t.test('a query that nobody wants any more ends', async (t) => {
  const { search } = await open(t);
  const abort = new AbortController();
  const answer = ask(search, { q: '/event 5 (a+)+$/' }, { signal: abort.signal });
  abort.abort();
  const { complete, reason } = await answer.catch((error: Error) => ({
    complete: false,
    reason: error.name,
  }));
  t.notOk(complete);
  t.match(reason, /cancelled|AbortError/);
  t.equal((await ask(search, { limit: 1 })).found.length, 1);
});

t.test('what is damaged is told, and all else is given', async (t) => {
  const { engine, search } = await open(t);
  const { segments } = engine.search.partition('logs', 0);
  const { path, baseOffset, endOffset } = segments[1]!;
  await ask(search, { q: 'absent' });
  const bytes = readFileSync(path);
  bytes[1000] = bytes[1000]! ^ 1;
  writeFileSync(path, bytes);
  const { found, complete, reason } = await ask(search, { q: 'event', order: 'asc' });
  t.strictSame([complete, reason], [false, 'damaged']);
  const missing = Array.from({ length: EVENTS }, (_, i) => i).filter((offset) => !found.includes(offset));
  t.ok(missing.length > 0 && missing.length <= 200, 'a batch or two');
  t.ok(missing.every((offset) => offset >= baseOffset && offset < endOffset));
});

t.test('what was found in sealed segments is known when it is asked for again', async (t) => {
  const { search } = await open(t);
  const first = await ask(search, { q: '-absent' });
  const again = await ask(search, { q: '-absent' });
  t.ok(again.figures.scans < first.figures.scans && again.figures.cachedScans > 0);
  t.strictSame(again.found, first.found);
});

t.test('a topic that is gone is no topic', async (t) => {
  const { engine, search } = await open(t);
  await engine.deleteTopic('logs');
  await t.rejects(ask(search, {}), { code: 'UNKNOWN_TOPIC_OR_PARTITION' });
});
