/** Statistics are those of a plain count over all events: by scans, by indexes, and by both where a range begins within an hour. */
import { setImmediate as turn } from 'node:timers/promises';
import t from 'tap';
import { Engine } from '../../src/engine/index.ts';
import { mostFrequent } from '../../src/query/event-statistics.ts';
import { LogSearch, type StatisticsOutcome } from '../../src/query/log-search.ts';
import { Random } from '../crash/sim/random.ts';
import { BuiltIndexes } from '../helpers/built-indexes.ts';
import { appendEvents, DAY_MS, givenEvents } from '../helpers/event-log.ts';
import { type OracleEvent, randomQuestion } from '../helpers/query-oracle.ts';
import { testSeed, testSize } from '../helpers/test-size.ts';
import { dataDirectory } from '../helpers/verify-after.ts';

const HOUR_MS = 3_600_000;
const FIELDS = ['source', 'level', 'metadata.component'] as const;
const TOP = 3;

function componentOf({ content }: OracleEvent): string | null {
  const { metadata } = (content ?? {}) as { metadata?: Record<string, unknown> };
  return typeof metadata?.component === 'string' ? metadata.component : null;
}

const VALUE_OF: Readonly<Record<(typeof FIELDS)[number], (event: OracleEvent) => string | null>> = {
  source: ({ source }) => source,
  level: ({ level }) => level,
  'metadata.component': componentOf,
};

const byKey = (entries: Iterable<[string, unknown]>) => Object.fromEntries([...entries].sort());

function expected(events: readonly OracleEvent[], intervalMs: number) {
  const times = events.map(({ timestamp }) => timestamp);
  const count = (group: (event: OracleEvent) => string | null) =>
    byKey(
      [...Map.groupBy(events, (event) => String(group(event)))].map(([key, { length }]) => [key, length]),
    );
  return {
    total: events.length,
    first: events.length === 0 ? null : Math.min(...times),
    last: events.length === 0 ? null : Math.max(...times),
    fields: FIELDS.map((field) => count(VALUE_OF[field])),
    histogram: count(({ timestamp, level }) => `${Math.floor(timestamp / intervalMs) * intervalMs} ${level}`),
  };
}

function shown({ totals }: StatisticsOutcome) {
  return {
    total: totals.total,
    first: totals.total === 0 ? null : totals.first,
    last: totals.total === 0 ? null : totals.last,
    fields: totals.fields.map((values) =>
      byKey([...values.values()].map(({ value, count }) => [String(value), count])),
    ),
    histogram: byKey(totals.buckets.map(({ time, level, count }) => [`${time} ${level}`, count])),
  };
}

t.test('statistics are those of a plain count', async (t) => {
  const random = new Random(testSeed);
  const engine = await Engine.open({ directory: dataDirectory(t) });
  await engine.createTopic('logs', {
    partitions: 4,
    config: { 'segment.bytes': '256KiB', 'segment.align': 'day' },
  });
  const events = await appendEvents(engine, givenEvents(random, 3000), random);
  const indexes = new BuiltIndexes(FIELDS);
  const settings = { 'query.threads': 1, 'query.timeout.ms': 60_000, 'query.cache.bytes': 1_000_000 };
  const search = new LogSearch(engine, { settings, indexes });
  t.teardown(async () => {
    await search.close();
    await engine.close();
  });
  let counted = 0;
  for (let i = 0; i < 200 * testSize; i++) {
    const question = random.chance(0.4) ? randomQuestion(random, events) : { q: '', passes: () => true };
    const bounded = random.chance(0.7);
    const start = random.pick(events).timestamp;
    const startTime = bounded
      ? random.chance(0.3)
        ? Math.floor(start / HOUR_MS) * HOUR_MS
        : start
      : undefined;
    const endTime = bounded
      ? startTime! + random.pick([1000, HOUR_MS, 5 * HOUR_MS, DAY_MS, DAY_MS + 1])
      : undefined;
    const level = random.chance(0.3) ? 'ERROR' : undefined;
    const filter = { topic: 'logs', q: question.q, startTime, endTime, level };
    const intervalMs = random.pick([HOUR_MS, 3 * HOUR_MS, DAY_MS, 60_000]);
    const wanted = events.filter(
      (event) =>
        question.passes(event) &&
        (!bounded || (event.timestamp >= startTime! && event.timestamp < endTime!)) &&
        (level === undefined || event.level === level),
    );
    const outcome = await search.statistics(filter, { fields: FIELDS, intervalMs, top: TOP });
    const hint = `seed ${testSeed}: ${JSON.stringify(filter)} ${intervalMs}`;
    if (!t.strictSame(shown(outcome), expected(wanted, intervalMs), hint)) return;
    for (const { value, first, last } of mostFrequent(outcome.totals.fields[0]!.values(), TOP)) {
      if (value === null) continue;
      const times = wanted.filter(({ source }) => source === value).map(({ timestamp }) => timestamp);
      t.strictSame([first, last], [Math.min(...times), Math.max(...times)], `${value}, ${hint}`);
    }
    counted += outcome.figures.segments.counted;
  }
  t.ok(counted > 0, 'many segments are counted by their indexes alone');
});

t.test('what was deleted from the middle of a segment is not counted', async (t) => {
  const random = new Random(testSeed);
  const engine = await Engine.open({ directory: dataDirectory(t) });
  await engine.createTopic('logs', { partitions: 1 });
  const events = await appendEvents(engine, givenEvents(random, 200), random);
  const search = new LogSearch(engine, { indexes: new BuiltIndexes(FIELDS) });
  t.teardown(async () => {
    await search.close();
    await engine.close();
  });
  const wanted = { fields: FIELDS, intervalMs: HOUR_MS, top: 0 };
  const before = await search.statistics({ topic: 'logs' }, wanted);
  t.equal(before.totals.total, events.length);
  await engine.deleteRecords('logs', 0, 50);
  const after = await search.statistics({ topic: 'logs' }, wanted);
  t.equal(after.totals.total, events.filter(({ offset }) => offset >= 50).length);
});

t.test('what an index has counted is not counted anew', async (t) => {
  const random = new Random(7);
  const engine = await Engine.open({ directory: dataDirectory(t) });
  await engine.createTopic('logs', { partitions: 1, config: { 'segment.bytes': '32KiB' } });
  const events = await appendEvents(engine, givenEvents(random, 500), random);
  const search = new LogSearch(engine, { indexes: new BuiltIndexes(FIELDS) });
  t.teardown(async () => {
    await search.close();
    await engine.close();
  });
  const isSealing = () =>
    engine.search
      .partition('logs', 0)
      .segments.slice(0, -1)
      .some(({ sealed }) => !sealed);
  while (isSealing()) await turn();
  const wanted = { fields: FIELDS, intervalMs: HOUR_MS, top: 0 };
  const first = await search.statistics({ topic: 'logs' }, wanted);
  const { cacheHits: hitsBefore } = search.figures;
  const again = await search.statistics({ topic: 'logs' }, wanted);
  t.strictSame(shown(again), shown(first));
  t.equal(again.totals.total, events.length);
  t.ok(search.figures.cacheHits - hitsBefore >= first.figures.segments.counted);
  t.ok(first.figures.segments.counted > 0);
});
