/** Search indexes over the real file system, made in a thread. */
import t from 'tap';
import { type CompressionType, Engine, resolveSettings } from '../../src/engine/index.ts';
import { SearchIndexes } from '../../src/query/search-indexes.ts';
import { QUERY_SETTINGS } from '../../src/query/settings.ts';
import { wordToken } from '../../src/query/tokens.ts';
import { Random } from '../crash/sim/random.ts';
import { until } from '../helpers/until.ts';
import { dataDirectory } from '../helpers/verify-after.ts';

const CODECS: CompressionType[] = ['none', 'gzip', 'snappy', 'lz4', 'zstd'];

t.test('segments are indexed in a thread, whatever their batches are compressed with', async (t) => {
  const engine = await Engine.open({ directory: dataDirectory(t) });
  t.teardown(() => engine.close());
  await engine.createTopic('logs', { config: { 'segment.bytes': 64 * 1024 } });
  const indexes = new SearchIndexes(engine, { settings: resolveSettings(QUERY_SETTINGS) });
  t.teardown(() => indexes.close());
  const random = new Random('noise');
  for (let i = 0; i < 40; i++) {
    const value = `{"source":"s","level":"warn","message":"event${i} ${random.bytes(3000).toString('hex')}"}`;
    await engine.append('logs', [{ value }, { value: null, key: 'k' }], { compression: CODECS[i % 5] });
  }
  const partition = () => engine.search.partition('logs', 0);
  await until('all are sealed', () =>
    partition()
      .segments.slice(0, -1)
      .every(({ sealed }) => sealed),
  );
  for (const segment of partition().segments.slice(0, -1)) {
    const indexed = await until('it is indexed', () => indexes.sealed('logs', 0, partition(), segment));
    const index = (await indexed.index())!;
    t.equal(index.events, (segment.endOffset - segment.baseOffset) / 2);
    for (let event = segment.baseOffset / 2; event < segment.endOffset / 2; event++)
      t.notOk((await index.blocksWithTokens([wordToken(`event${event}`)])).isEmpty);
    t.ok((await index.blocksWithTokens([wordToken('nothing')])).isEmpty);
  }
  t.ok(partition().segments.length > 2);
});

t.test('closing while indexes are made takes no long', async (t) => {
  const engine = await Engine.open({ directory: dataDirectory(t) });
  t.teardown(() => engine.close());
  await engine.createTopic('logs', { config: { 'segment.bytes': 1024 * 1024 } });
  for (let i = 0; i < 20; i++) await engine.append('logs', [{ value: 'word '.repeat(40_000) }]);
  await until('one is sealed', () => engine.search.partition('logs', 0).segments[0]!.sealed);
  const settings = { ...resolveSettings(QUERY_SETTINGS), 'query.index.bytes.per.second': 1000 };
  const indexes = new SearchIndexes(engine, { settings });
  await new Promise(setImmediate);
  await indexes.close();
  t.pass('although it would have taken many minutes');
});
