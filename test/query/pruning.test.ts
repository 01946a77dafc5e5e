/** Three days of 256 partitions by source: one source is in 3 of 768 segments of those days, and nothing else is read for it. */
import t from 'tap';
import { partitionForKey, resolveSettings } from '../../src/engine/index.ts';
import { LogSearch } from '../../src/query/log-search.ts';
import { SearchIndexes } from '../../src/query/search-indexes.ts';
import { QUERY_SETTINGS } from '../../src/query/settings.ts';
import { SimFileSystem } from '../crash/sim-file-system.ts';
import { withHandles } from '../helpers/overlay.ts';
import { SimEngine } from '../helpers/sim-engine.ts';

const PARTITIONS = 256;
const DAYS = 3;
const DAY_MS = 86_400_000;
const START = Date.parse('2025-11-24T00:00:00Z');

/** A source for each partition. */
function sources(): string[] {
  const found: string[] = [];
  for (let i = 0; Object.keys(found).length < PARTITIONS; i++) {
    const partition = partitionForKey(Buffer.from(`service-${i}`), PARTITIONS);
    found[partition] ??= `service-${i}`;
  }
  return found;
}

t.test('one source over three days', async (t) => {
  const log = new SimEngine();
  log.disk = new SimFileSystem({ maxCalls: 1_000_000 });
  await log.start();
  const { engine, clock, disk } = log;
  await engine.createTopic('logs', {
    partitions: PARTITIONS,
    config: { 'segment.align': 'day', 'segment.ms': '30d' },
  });
  const names = sources();
  const event = (source: string, day: number) => ({
    key: source,
    value: JSON.stringify({ source, level: day === 1 ? 'ERROR' : 'INFO', message: `day ${day}` }),
    timestamp: START + day * DAY_MS,
  });
  for (let day = 0; day < DAYS; day++)
    await engine.append(
      'logs',
      names.map((source) => event(source, day)),
    );
  // Others come that begin another day.
  await engine.append(
    'logs',
    names.map((source) => event(source, DAYS)),
  );
  await log.settle(500);

  const opened = new Set<string>();
  const seen = withHandles(disk, (file) => {
    if (file.path.endsWith('.log')) opened.add(file.path);
    return {};
  });
  const settings = resolveSettings(QUERY_SETTINGS);
  const indexes = new SearchIndexes(engine, { settings, fileSystem: seen, clock });
  const search = new LogSearch(engine, { fileSystem: seen, clock, indexes });
  await indexes.idle();
  // What is active is indexed once nothing more comes.
  for (let i = 0; i < 8; i++) {
    await clock.advance(600);
    await log.settle();
    await indexes.idle();
  }

  const holding: number[] = [];
  const active = new Set<string>();
  let sealed = 0;
  for (let partition = 0; partition < PARTITIONS; partition++) {
    const of = engine.search.partition('logs', partition);
    active.add(of.segments.at(-1)!.path);
    for (const segment of of.segments.filter((each) => each.sealed)) {
      sealed++;
      const index = (await (await indexes.sealed('logs', partition, of, segment))!.index())!;
      const blocks = index.blocksWithField('source', (source) => source === names[7]);
      if (!blocks.isEmpty) holding.push(partition);
    }
  }
  t.equal(sealed, PARTITIONS * DAYS);
  t.same(holding, [7, 7, 7]);

  opened.clear();
  const query = { topic: 'logs', source: names[7]!, startTime: START, endTime: START + DAYS * DAY_MS };
  const messages: string[] = [];
  for await (const events of search.query(query))
    for (const { value } of events) messages.push(JSON.parse(String(value)).message);
  t.same(messages, ['day 2', 'day 1', 'day 0']);
  const read = [...opened];
  t.equal(read.length, DAYS, 'no other segment was opened');
  t.ok(read.every((path) => path.includes('/7/') && !active.has(path)));
  await search.close();
  await indexes.close();
});
