/** Recompression through an engine: old segments get small, once, and nothing else about them changes. */
import t from 'tap';
import type { CompressionType, ProduceRecord } from '../../src/engine/common/types.ts';
import { batchCodec, batchSize } from '../../src/engine/format/record-batch.ts';
import { Random } from '../crash/sim/random.ts';
import { DAY, type Keyed, KeyedLog } from '../helpers/keyed-log.ts';

const CODECS: CompressionType[] = ['none', 'gzip', 'snappy', 'lz4', 'zstd'];
const OLD = { 'cleanup.policy': 'delete', 'recompress.after.ms': DAY, 'recompress.block.bytes': 8192 };

const opened = (config: Record<string, string | number> = {}) =>
  KeyedLog.with({ ...OLD, 'segment.bytes': 16_384, ...config });

/** Batches of all codecs, in turn: two or three fill a segment. */
async function fill(log: KeyedLog, batches: number, timestamp = () => log.clock.now()): Promise<void> {
  for (let batch = 0; batch < batches; batch++) {
    const records = Array.from({ length: 40 }, (_, i): ProduceRecord => {
      const number = batch * 40 + i;
      const value = number % 7 === 0 ? null : `a value that compresses well ${number} `.repeat(5);
      const headers = [{ key: 'number', value: String(number) }];
      return { key: `k${number % 50}`, value, headers, timestamp: timestamp() + (i % 3) };
    });
    await log.append('a', records, { compression: CODECS[batch % 5] });
    await log.settle();
  }
}

/** The codecs of the batches of each segment. */
async function codecs(log: KeyedLog): Promise<string[]> {
  const found: string[] = [];
  for (const { baseOffset, endOffset } of await log.engine.listSegments('a', 0)) {
    const ofSegment = new Set<string>();
    for (let offset = Math.max(baseOffset, log.logStart); offset < endOffset; ) {
      const { chunks, nextOffset } = await log.engine.read('a', 0, { offset });
      for (const chunk of chunks)
        for (let at = 0; at < chunk.length; at += batchSize(chunk, at)) ofSegment.add(batchCodec(chunk, at));
      offset = nextOffset;
    }
    found.push([...ofSegment].join(' '));
  }
  return found;
}

/** What a round of housekeeping reads of segments: "reads bytes" of each file. */
async function readsOf(log: KeyedLog, work: () => Promise<void>): Promise<Map<string, number[]>> {
  const from = log.disk.operations.length;
  await work();
  const reads = new Map<string, number[]>();
  for (const { kind, path, bytes = 0 } of log.disk.operations.slice(from))
    if (kind === 'read' && path.endsWith('.log')) reads.set(path, [...(reads.get(path) ?? []), bytes]);
  return reads;
}

t.test('sealed segments become zstd once they are old, and nothing else of them changes', async (t) => {
  const log = await opened();
  await fill(log, 30);
  const before = await log.records('a');
  const segments = await log.segments();
  const { bytes } = (await log.engine.describeTopic('a')).partitions[0]!;
  const codecsBefore = await codecs(log);
  await log.hour(23);
  t.same(await codecs(log), codecsBefore, 'not a day old yet');
  await fill(log, 10);
  await log.hour(2);
  const after = await codecs(log);
  const old = segments.length - 1;
  t.same(new Set(after.slice(0, old)), new Set(['zstd']));
  t.ok(
    after.slice(old).some((found) => found !== 'zstd'),
    'what is fresh stays as it is',
  );
  t.same((await log.segments()).slice(0, segments.length), segments);
  t.same((await log.records('a')).slice(0, before.length), before);
  t.ok(
    (await log.engine.listSegments('a', 0)).slice(0, old).reduce((sum, each) => sum + each.bytes, 0) <
      bytes / 2,
  );
  t.same(log.ended, ['recompress a-0 done']);
  await log.reopenAfterKill();
  t.same((await log.records('a')).slice(0, before.length), before);
});

t.test('without recompress.after.ms nothing of it happens', async (t) => {
  const log = await opened({ 'recompress.after.ms': -1 });
  await fill(log, 10);
  const before = await codecs(log);
  await log.hour(100);
  t.same(await codecs(log), before);
  t.same(log.ended, []);
});

t.test('a timestamp in the far future keeps no segment from growing old', async (t) => {
  const log = await opened();
  await fill(log, 6, () => log.clock.now() + 1000 * DAY);
  await log.hour(25);
  t.same(new Set((await codecs(log)).slice(0, -1)), new Set(['zstd']));
});

t.test(
  'it is done once: nothing is read again, and after a restart one header of each segment',
  async (t) => {
    const log = await opened();
    await fill(log, 30);
    await log.hour(25);
    t.equal(log.ended.length, 1);
    t.equal((await readsOf(log, () => log.hour(5))).size, 0);
    t.equal(log.ended.length, 1);
    await log.reopen();
    const reads = await readsOf(log, () => log.hour());
    const sealed = (await log.segments()).length - 1;
    t.equal(reads.size, sealed);
    for (const [path, sizes] of reads) t.same([sizes.length, sizes[0]! <= 80], [1, true], path);
    t.equal((await readsOf(log, () => log.hour(5))).size, 0);
  },
);

t.test('what compression does not make smaller is gone over once, and stays as it is', async (t) => {
  const log = await opened();
  for (let i = 0; i < 12; i++) {
    const value = new Random(i).bytes(6000);
    await log.append('a', [{ key: String(i), value, timestamp: log.clock.now() }]);
    await log.settle();
  }
  const before = await log.records('a');
  await log.hour(25);
  const operations = log.disk.operations.length;
  await log.hour(5);
  t.same(
    log.disk.operations.slice(operations).filter(({ kind }) => kind === 'read' || kind === 'write'),
    [],
  );
  t.same(new Set(await codecs(log)), new Set(['none']));
  t.same(await log.records('a'), before);
});

t.test('another recompress.type takes the place of the one before', async (t) => {
  const log = await opened();
  await fill(log, 12);
  const before = await log.records('a');
  await log.hour(25);
  t.same(new Set((await codecs(log)).slice(0, -1)), new Set(['zstd']));
  await log.engine.alterTopic('a', { config: { 'recompress.type': 'lz4' } });
  await log.hour(2);
  t.same(new Set((await codecs(log)).slice(0, -1)), new Set(['lz4']));
  t.same(await log.records('a'), before);
});

t.test('a topic is compacted and recompressed', async (t) => {
  const log = await opened({ 'cleanup.policy': 'compact', 'min.cleanable.dirty.ratio': 0.01 });
  await fill(log, 20);
  const before = await log.records('a');
  await log.hour(30);
  t.same(new Set((await codecs(log)).slice(0, -1)), new Set(['zstd']));
  await fill(log, 8);
  await log.hour(30);
  t.same(new Set((await codecs(log)).slice(0, -1)), new Set(['zstd']));
  const passes = log.ended.length;
  await log.hour(10);
  t.equal(log.ended.length, passes, 'one does not undo what the other has done');
  const left = await log.records('a');
  const { compaction } = (await log.engine.describeTopic('a')).partitions[0]!;
  const clean = left.filter(({ offset }) => offset < compaction!.firstDirtyOffset);
  t.equal(new Set(clean.map(({ key }) => String(key))).size, clean.length, 'each key once');
  const known = new Map(before.map((record) => [record.offset, record]));
  t.same(
    left.filter(({ offset }) => known.has(offset)),
    left.flatMap(({ offset }) => known.get(offset) ?? []),
  );
});

t.test('deletions of keys that are recompressed keep the time that they stay', async (t) => {
  const log = await opened({
    'cleanup.policy': 'compact',
    'delete.retention.ms': 3 * DAY,
    'segment.bytes': 4096,
  });
  const records: Keyed[] = [
    ['a', '1'],
    ['a', null],
    ['b', '1'],
    ['c', '1'],
  ];
  await log.each(records);
  await log.compacted();
  await log.hour(26);
  t.same(log.ended, ['compact a-all done', 'recompress a-0 done']);
  t.same(await log.content(), ['1 a null', '2 b 1', '3 c 1']);
  await log.hour(44);
  t.same(await log.content(), ['1 a null', '2 b 1', '3 c 1'], 'not three days yet');
  await log.hour(4);
  t.same(await log.content(), ['2 b 1', '3 c 1']);
});

t.test('records are deleted while old segments are recompressed', async (t) => {
  for (const nth of [1, 2, 4]) {
    for (const share of [0.2, 0.6, 1]) {
      const log = await opened();
      await fill(log, 30);
      const before = await log.records('a');
      const end = Math.floor(share * before.length);
      log.runner.before = async (name) => {
        if (name === 'rewrite' && log.runner.asked.rewrite === nth)
          await log.engine.deleteRecords('a', 0, end);
      };
      await log.hour(25);
      t.same(
        log.ended.filter((job) => job.startsWith('recompress')),
        ['recompress a-0 done'],
      );
      t.same(await log.records('a', end), before.slice(end));
      t.ok((await codecs(log)).slice(0, -1).every((found) => found === 'zstd'));
      await log.finish();
    }
  }
});

t.test('a damaged segment stays as it is, and the others are recompressed', async (t) => {
  const log = await opened();
  await fill(log, 30);
  const [, second] = await log.segments();
  const path = `/data/topics/a/0/${String(second).padStart(20, '0')}.log`;
  const bytes = log.disk.contents(path);
  bytes[2000]! ^= 4;
  log.disk.plant(path, bytes);
  log.leaveDamaged();
  await log.hour(25);
  t.same(log.ended, ['recompress a-0 failed']);
  t.match(log.engine.health(), { damagedPartitions: [{ topic: 'a' }] });
  await log.hour(2);
  t.same(log.ended, ['recompress a-0 failed', 'recompress a-0 done']);
  t.ok(log.disk.contents(path).equals(bytes));
  const third = (await log.segments())[2]!;
  const { chunks } = await log.engine.read('a', 0, { offset: third });
  t.equal(batchCodec(chunks[0]!, 0), 'zstd');
  await log.hour(3);
  t.equal(log.ended.length, 2);
  await log.engine.close();
});
