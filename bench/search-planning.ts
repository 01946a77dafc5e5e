/**
 * Question: how long does a query think before it looks for the first event, in a log of 10,000 sealed segments that all have a
 * search index?
 *
 * There is no limit to compare with: the figures stand for themselves, beside what the queries then take as a whole.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { Engine, type FileSystem, nodeFileSystem, resolveSettings } from '../src/engine/index.ts';
import { type LogQuery, LogSearch, QUERY_SETTINGS } from '../src/query/index.ts';
import { below, benchmark, rowOf } from './harness.ts';
import { KIB } from './workload.ts';

const PARTITIONS = 100;
const SOURCES = 1000;
const EVENTS_PER_SEGMENT = 30;
const START = Date.parse('2025-11-26T00:00:00Z');
const SEGMENT_MS = 3_600_000;
const TOPIC = 'logs';

/** Syncs are left out while the log is built: it is the same in the end, and built in seconds. */
const unsynced: FileSystem = {
  ...nodeFileSystem,
  open: async (path, mode) =>
    Object.assign(await nodeFileSystem.open(path, mode), { sync: async () => {}, writeAndSync: undefined }),
  syncDirectory: async () => {},
};

await benchmark('search-planning', async (bench) => {
  const segments = bench.size(10_000, 1000) / PARTITIONS;
  const directory = bench.directory();
  await build(directory, segments);
  const engine = await Engine.open({ directory });
  const settings = resolveSettings(QUERY_SETTINGS, {
    'query.index.bytes.per.second': -1,
    'query.cache.bytes': 0,
  });
  const search = new LogSearch(engine, { settings });
  await indexed(search, segments * PARTITIONS);

  const end = START + segments * SEGMENT_MS;
  const questions: [string, (i: number) => LogQuery][] = [
    ['newest 100', () => ({ topic: TOPIC, limit: 100 })],
    ['a source', (i) => ({ topic: TOPIC, limit: 100, source: `service-${(i * 37) % SOURCES}` })],
    [
      'a source in an hour',
      (i) => ({
        topic: TOPIC,
        limit: 100,
        source: `service-${(i * 37) % SOURCES}`,
        startTime: START + ((i * 7) % segments) * SEGMENT_MS,
        endTime: START + (((i * 7) % segments) + 1) * SEGMENT_MS,
      }),
    ],
    [
      'a day in the middle',
      () => ({ topic: TOPIC, limit: 100, startTime: START, endTime: (START + end) / 2 }),
    ],
  ];
  for (const [name, question] of questions) {
    const planning: number[] = [];
    const whole: number[] = [];
    for (let i = -20; i < bench.size(100, 30); i++) {
      const events = search.query(question(i + 20));
      let next = await events.next();
      while (!next.done) next = await events.next();
      if (i < 0) continue;
      planning.push(next.value.figures.planningMs);
      whole.push(next.value.figures.runMs);
    }
    bench.report(`${name}, ${(segments * PARTITIONS).toLocaleString('en')} segments`, [
      rowOf('planning', 'ms', planning, below(5)),
      rowOf('all of the query', 'ms', whole),
    ]);
  }
  await search.close();
  await engine.close();
});

async function build(directory: string, segments: number): Promise<void> {
  const engine = await Engine.open({ directory, fileSystem: unsynced });
  const config = { 'segment.bytes': 8 * KIB };
  await engine.createTopic(TOPIC, { partitions: PARTITIONS, config });
  // One more than is counted: the last one is active.
  for (let segment = 0; segment <= segments; segment++) {
    const appends = Array.from({ length: PARTITIONS }, (_, partition) =>
      engine.append(TOPIC, recordsOf(partition, segment), { partition, acks: 1 }),
    );
    await Promise.all(appends);
  }
  await engine.close();
}

/** Ten sources for each partition. */
function recordsOf(partition: number, segment: number) {
  return Array.from({ length: EVENTS_PER_SEGMENT }, (_, i) => {
    const timestamp = START + segment * SEGMENT_MS + (i * SEGMENT_MS) / EVENTS_PER_SEGMENT;
    const source = `service-${partition + PARTITIONS * (i % (SOURCES / PARTITIONS))}`;
    const event = { timestamp, level: i % 9 === 0 ? 'ERROR' : 'INFO', source, message: 'x'.repeat(150) };
    return { key: source, value: JSON.stringify(event), timestamp };
  });
}

async function indexed(search: LogSearch, segments: number): Promise<void> {
  while ((search.figures.indexes?.made ?? 0) < segments) await delay(200);
}
