/**
 * Thousands of random questions about events, real ones among them, that came early, late and twice: each answer is compared
 * with a plain filter over all of them, with and without indexes, whole and in pages.
 */
import t from 'tap';
import { Engine } from '../../src/engine/index.ts';
import { LogSearch } from '../../src/query/log-search.ts';
import type { IndexSource } from '../../src/query/survey.ts';
import { Random } from '../crash/sim/random.ts';
import { BuiltIndexes } from '../helpers/built-indexes.ts';
import { appendEvents, DAY_MS, givenEvents } from '../helpers/event-log.ts';
import { type OracleEvent, randomQuestion } from '../helpers/query-oracle.ts';
import { testSeed, testSize } from '../helpers/test-size.ts';
import { dataDirectory } from '../helpers/verify-after.ts';

const PARTITIONS = 4;
const NO_INDEXES: IndexSource = { sealed: () => undefined, growing: () => undefined };

interface Asked {
  text: string;
  query: Parameters<LogSearch['query']>[0];
  passes(event: OracleEvent): boolean;
}

function randomQuery(random: Random, events: readonly OracleEvent[]): Asked {
  const { q, passes } = randomQuestion(random, events);
  const bounded = random.chance(0.6);
  const startTime = bounded ? random.pick(events).timestamp + random.below(2) : undefined;
  const endTime = bounded ? startTime! + random.below(random.pick([1000, 3_600_000, 2 * DAY_MS])) : undefined;
  const source = random.chance(0.2) ? random.pick(events).source : null;
  const level = random.chance(0.2) ? random.pick(events).level : null;
  const query = {
    topic: 'logs',
    q,
    startTime,
    endTime,
    ...(source === null ? {} : { source }),
    ...(level === null ? {} : { level }),
    order: random.pick(['asc', 'desc'] as const),
    limit: random.pick([1, 3, 10, 100, 100_000]),
  };
  return {
    text: JSON.stringify(query),
    query,
    passes: (event) =>
      passes(event) &&
      (startTime === undefined || event.timestamp >= startTime) &&
      (endTime === undefined || event.timestamp < endTime) &&
      (source === null || event.source === source) &&
      (level === null || event.level === level),
  };
}

/** What an answer is compared by. */
const shown = (
  events: readonly { timestamp: number; partition: number; offset: number; value: Buffer | string }[],
) => events.map(({ timestamp, partition, offset, value }) => `${timestamp} ${partition} ${offset} ${value}`);

function expected(events: readonly OracleEvent[], { query, passes }: Asked): OracleEvent[] {
  const sorted = events
    .filter(passes)
    .sort((a, b) => a.timestamp - b.timestamp || a.partition - b.partition || a.offset - b.offset);
  if (query.order === 'desc') sorted.reverse();
  return sorted;
}

async function ask(search: LogSearch, query: Asked['query']) {
  const found = [];
  const pages = search.query(query);
  let page = await pages.next();
  for (; !page.done; page = await pages.next()) found.push(...page.value);
  return { found, ...page.value };
}

/** The whole answer, in pages of some size, by cursor. */
async function askInPages(search: LogSearch, query: Asked['query'], random: Random) {
  const found = [];
  let cursor: string | undefined;
  for (let pages = 0; pages < 6; pages++) {
    const page = await ask(search, { ...query, limit: 1 + random.below(40), cursor });
    found.push(...page.found);
    if (page.nextCursor === null) return { found, all: true };
    cursor = page.nextCursor;
  }
  return { found, all: false };
}

for (const indexed of [false, true]) {
  t.test(`answers are those of a plain filter, ${indexed ? 'with' : 'without'} indexes`, async (t) => {
    const random = new Random(testSeed, String(indexed));
    const engine = await Engine.open({ directory: dataDirectory(t) });
    const config = { 'segment.bytes': '256KiB', 'segment.align': random.pick(['day', 'none']) };
    await engine.createTopic('logs', { partitions: PARTITIONS, config });
    const events = await appendEvents(engine, givenEvents(random, 3000), random);
    const indexes = new BuiltIndexes(['source', 'level', 'metadata.component']);
    const settings = { 'query.threads': 1, 'query.timeout.ms': 60_000, 'query.cache.bytes': 1_000_000 };
    const search = new LogSearch(engine, { settings, indexes: indexed ? indexes : NO_INDEXES });
    t.teardown(async () => {
      await search.close();
      await engine.close();
    });
    let answers = 0;
    for (let i = 0; i < 1000 * testSize; i++) {
      const asked = randomQuery(random, events);
      const wanted = expected(events, asked);
      const hint = `seed ${testSeed}: ${asked.text}`;
      // Now and then a segment has no index.
      const without = random.chance(0.3) ? random.below(5) : -1;
      indexes.has = (id) => id % 5 !== without;
      const answer = await ask(search, asked.query);
      t.ok(answer.complete, hint);
      const limited = wanted.slice(0, asked.query.limit);
      if (shown(answer.found).join('\n') !== shown(limited).join('\n'))
        return t.strictSame(shown(answer.found), shown(limited), hint);
      t.equal(answer.nextCursor === null, wanted.length <= asked.query.limit!, hint);
      if (i % 5 === 0) {
        const paged = await askInPages(search, asked.query, random);
        const pages = paged.all ? wanted : wanted.slice(0, paged.found.length);
        if (shown(paged.found).join('\n') !== shown(pages).join('\n'))
          return t.strictSame(shown(paged.found), shown(pages), `in pages, ${hint}`);
      }
      answers += limited.length;
    }
    t.ok(answers > 1000, 'most questions have answers');
  });
}
