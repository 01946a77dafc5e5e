/** What a topic is searched with: blocks that one query leaves out and another does not, and segments that go while they are scanned. */
import t, { type Test } from 'tap';
import { Engine } from '../../src/engine/index.ts';
import type { LogQuery } from '../../src/query/log-query.ts';
import { LogSearch } from '../../src/query/log-search.ts';
import { BLOCK_BYTES } from '../../src/query/search-index-builder.ts';
import { BuiltIndexes } from '../helpers/built-indexes.ts';
import { dataDirectory } from '../helpers/verify-after.ts';

const HOUR = 3_600_000;
const START = Date.parse('2025-11-26T00:00:00Z');

async function open(t: Test, config: Record<string, string | number> = {}, partitions = 1) {
  const engine = await Engine.open({ directory: dataDirectory(t) });
  await engine.createTopic('logs', { partitions, config });
  const search = new LogSearch(engine, {
    indexes: new BuiltIndexes(['source', 'level'], 1),
    settings: { 'query.threads': 2 },
  });
  t.teardown(async () => {
    await search.close();
    await engine.close();
  });
  return { engine, search };
}

async function messagesOf(search: LogSearch, query: Partial<LogQuery>): Promise<string[]> {
  const found: string[] = [];
  for await (const events of search.query({ topic: 'logs', ...query }))
    for (const { value } of events) found.push((JSON.parse(String(value)) as { message: string }).message);
  return found;
}

t.test('what was found in some blocks is not taken for what is in others', async (t) => {
  const { engine, search } = await open(t);
  // A block each: the second and the third are left out by times of which the first and the last are within both.
  for (const hour of [10, 3, 20, 10.5]) {
    const timestamp = START + hour * HOUR;
    const value = JSON.stringify({ message: `timeout at ${hour}`, filler: 'x'.repeat(BLOCK_BYTES) });
    await engine.append('logs', [{ value, timestamp }]);
  }
  const between = (from: number, until: number) => ({
    q: 'timeout',
    startTime: START + from * HOUR,
    endTime: START + until * HOUR,
    order: 'asc' as const,
  });
  const early = ['timeout at 3', 'timeout at 10', 'timeout at 10.5'];
  const late = ['timeout at 10', 'timeout at 10.5', 'timeout at 20'];
  const counted = async (from: number, until: number) => {
    const filter = { topic: 'logs', ...between(from, until) };
    return (await search.statistics(filter, { fields: ['source'], intervalMs: HOUR, top: 0 })).totals.buckets;
  };
  for (let round = 0; round < 2; round++) {
    t.same(await messagesOf(search, between(0, 12)), early);
    t.same(await messagesOf(search, between(8, 24)), late);
    t.same((await counted(0, 12)).map(({ time }) => (time - START) / HOUR).sort(), [10, 3]);
    t.same((await counted(8, 24)).map(({ time }) => (time - START) / HOUR).sort(), [10, 20]);
  }
});

t.test('what was cut by what is gone is looked for again', async (t) => {
  const { engine, search } = await open(t, { 'segment.bytes': 6144 }, 2);
  const event = (partition: number, time: number) => ({
    value: JSON.stringify({ message: `${partition} at ${time}`, filler: 'x'.repeat(1500) }),
    timestamp: START + time,
  });
  for (const time of [0, 6, 7]) await engine.append('logs', [event(0, time)], { partition: 0 });
  for (const time of [1, 9, 11]) await engine.append('logs', [event(1, time)], { partition: 1 });
  await engine.append('logs', [event(0, 20)], { partition: 0 });
  // Once the scans are on their way, the first partition has lost what they read, as by retention.
  const partitionOf = engine.search.partition.bind(engine.search);
  const layoutOf = engine.search.layout.bind(engine.search);
  let asked = 0;
  engine.search.partition = (topic, partition, from) => {
    const found = partitionOf(topic, partition, from);
    if (partition === 0 && ++asked > 1) found.segments.splice(0);
    return found;
  };
  engine.search.layout = (topic, partition) => layoutOf(topic, partition) + (partition === 0 ? 1 : 0);
  const read = engine.read.bind(engine);
  engine.read = async (topic, partition, options) => {
    if (partition === 0 && options!.offset < 3) return read(topic, partition, { ...options!, offset: 3 });
    return read(topic, partition, options);
  };
  const found = await messagesOf(search, { startTime: START + 5, order: 'asc', limit: 1 });
  t.same(found, ['1 at 9']);
});
