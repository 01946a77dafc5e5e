/** Compaction through an engine: what stays and what goes, as Kafka documents it, when it happens and what readers see. */
import t from 'tap';
import { decodeRecords } from '../../src/engine/format/record-batch-reader.ts';
import { DAY, HOUR, type Keyed, KeyedLog } from '../helpers/keyed-log.ts';

/** Behind whatever is to be compacted: the active segment. */
const ACTIVE: Keyed = ['active', 'segment'];

t.test("Kafka's example: the latest value of each key stays, with its offset, in order", async (t) => {
  const log = await KeyedLog.with();
  // The example of the documentation ("Log Compaction Basics").
  const keys = ['K1', 'K2', 'K1', 'K1', 'K3', 'K2', 'K4', 'K5', 'K5', 'K2', 'K6'];
  await log.each([...keys.map((key, i): Keyed => [key, `V${i + 1}`]), ACTIVE]);
  const before = await log.records('a');
  const { recordsBefore, recordsAfter, segmentsAfter } = await log.compacted();
  const left = ['3 K1 V4', '4 K3 V5', '6 K4 V7', '8 K5 V9', '9 K2 V10', '10 K6 V11', '11 active segment'];
  t.same(await log.content(), left);
  t.same([recordsBefore, recordsAfter, segmentsAfter], [11, 6, 11]);
  t.equal(log.engine.listTopics()[0]!.records, 7);
  const after = await log.records('a');
  t.same(
    after,
    before.filter((record) => after.some(({ offset }) => offset === record.offset)),
    'timestamps and headers are what they were',
  );
  t.same(log.engine.offsets('a', 0), { logStartOffset: 0, highWatermark: 12, logEndOffset: 12 });
  await log.reopenAfterKill();
  t.same(await log.content(), left, 'also after a kill');
  await log.reopen();
  t.same(await log.content(), left, 'and after a stop');
});

t.test('all offsets stay valid: one whose record is gone stands for the next that is there', async (t) => {
  const log = await KeyedLog.with();
  await log.each([['a', '1'], ['a', '2'], ['a', '3'], ['b', '4'], ['b', '5'], ACTIVE]);
  await log.compacted();
  for (const [from, first] of [
    [0, 2],
    [1, 2],
    [2, 2],
    [3, 4],
    [4, 4],
    [5, 5],
  ] as const)
    t.equal((await log.records('a', from))[0]!.offset, first, `from ${from}`);
  t.same(await log.content(6), [], 'the end');
  await t.rejects(log.engine.read('a', 0, { offset: 7 }), { code: 'OFFSET_OUT_OF_RANGE' });
});

t.test('a time finds the first record that is left of that time or later', async (t) => {
  const log = await KeyedLog.with();
  const start = log.clock.now();
  for (const key of ['a', 'b', 'a', 'c', 'b', 'active']) {
    await log.each([[key, 'x']]);
    await log.clock.advance(1000);
  }
  await log.compacted();
  const found = await Promise.all(
    [0, 1, 2, 3, 4, 5, 6].map((second) => log.engine.offsetForTimestamp('a', 0, start + second * 1000)),
  );
  t.same(found, [2, 2, 2, 3, 4, 5, 6]);
});

t.test(
  'a deletion is a record like any other: the newest of its key, and gone once there is a newer',
  async (t) => {
    const log = await KeyedLog.with();
    await log.each([['a', '1'], ['a', null], ['b', '1'], ['b', null], ['b', '2'], ['c', null], ACTIVE]);
    const { tombstones } = await log.compacted();
    t.same(await log.content(), ['1 a null', '4 b 2', '5 c null', '6 active segment']);
    t.equal(tombstones, 2);
  },
);

t.test(
  'a deletion stays delete.retention.ms after the first pass that met it, however long that took',
  async (t) => {
    const log = await KeyedLog.with({ 'delete.retention.ms': DAY, 'min.cleanable.dirty.ratio': 1 });
    await log.each([['a', 'old'], ['b', 'stays'], ['a', null], ACTIVE]);
    await log.clock.advance(30 * 60_000);
    // Ten days before anybody looks: the time has not begun.
    log.clock.jump(10 * DAY);
    await log.compacted();
    const withDeletion = ['1 b stays', '2 a null', '3 active segment'];
    t.same(await log.content(0), withDeletion);
    for (let pass = 0; pass < 3; pass++) {
      await log.compacted();
      t.same(await log.content(0), withDeletion, `pass ${pass}, at once`);
    }
    await log.hour(23);
    await log.compacted();
    t.same(await log.content(0), withDeletion, 'who reads from the start within a day sees it');
    await log.reopenAfterKill();
    t.same(await log.content(0), withDeletion);
    await log.hour(2);
    t.same(log.ended, ['compact a-0 done'], 'it is due for that alone');
    t.same(await log.content(0), ['1 b stays', '3 active segment'], 'and the old value never came back');
  },
);

t.test(
  'a deletion is due to go also after a restart, and when nobody knows any more what was compacted',
  async (t) => {
    for (const lost of [false, true]) {
      const log = await KeyedLog.with({ 'delete.retention.ms': HOUR });
      await log.each([['a', 'old'], ['a', null], ['b', 'x'], ['b', 'y'], ACTIVE]);
      await log.compacted();
      await log.engine.close();
      if (lost) await log.disk.remove('/data/topics/a/0/cleaned');
      await log.reopen();
      t.same(await log.content(0), ['1 a null', '3 b y', '4 active segment']);
      await log.hour(2);
      t.same(await log.content(0), ['3 b y', '4 active segment'], lost ? 'forgotten' : 'known');
      await log.finish();
    }
  },
);

t.test('with no time to stay a deletion goes in the second pass, never in the first', async (t) => {
  const log = await KeyedLog.with({ 'delete.retention.ms': 0 });
  await log.each([['a', 'old'], ['a', null], ACTIVE]);
  await log.compacted();
  t.same(await log.content(), ['1 a null', '2 active segment']);
  await log.compacted();
  t.same(await log.content(), ['1 a null', '2 active segment'], 'the same moment');
  await log.clock.advance(1000);
  await log.compacted();
  t.same(await log.content(), ['2 active segment']);
});

t.test('a key that was deleted and comes again has its new value only', async (t) => {
  const log = await KeyedLog.with({ 'delete.retention.ms': HOUR });
  await log.each([
    ['a', '1'],
    ['a', null],
    ['b', '1'],
  ]);
  await log.compacted();
  t.same(await log.content(), ['1 a null', '2 b 1']);
  await log.each([
    ['a', '2'],
    ['b', '2'],
  ]);
  await log.compacted();
  t.same(await log.content(), ['2 b 1', '3 a 2', '4 b 2']);
  await log.each([
    ['a', null],
    ['b', '3'],
  ]);
  await log.compacted();
  t.same(await log.content(), ['4 b 2', '5 a null', '6 b 3']);
  await log.hour(2);
  t.same(await log.content(), ['4 b 2', '6 b 3']);
});

t.test('housekeeping compacts once enough is dirty, and not before', async (t) => {
  const log = await KeyedLog.with({ 'min.cleanable.dirty.ratio': 0.5 });
  const ratio = async () => (await log.engine.describeTopic('a')).partitions[0]!.compaction!;
  await log.each([['a', '1'], ['b', '1'], ['c', '1'], ['d', '1'], ACTIVE]);
  t.match(await ratio(), { firstDirtyOffset: 0, cleanBytes: 0, dirtyRatio: 1, due: true });
  await log.hour();
  t.same(log.ended, ['compact a-0 done']);
  t.match(await ratio(), { firstDirtyOffset: 4, dirtyBytes: 0, dirtyRatio: 0, due: false });
  await log.each([['a', '2'], ['b', '2'], ACTIVE]);
  t.match(await ratio(), { firstDirtyOffset: 4, due: false });
  await log.hour(3);
  t.equal(log.ended.length, 1, '3 of 7 is less than a half');
  t.equal((await log.content()).length, 8);
  await log.each([['c', '2'], ACTIVE]);
  t.match(await ratio(), { due: true });
  await log.hour();
  t.equal(log.ended.length, 2, 'five of nine is not');
  t.same(await log.content(), ['3 d 1', '5 a 2', '6 b 2', '7 active segment', '8 c 2', '9 active segment']);
});

t.test('records younger than min.compaction.lag.ms are left alone, and all behind them', async (t) => {
  const log = await KeyedLog.with({ 'min.compaction.lag.ms': 2 * HOUR });
  await log.each([
    ['a', '1'],
    ['a', '2'],
    ['a', '3'],
  ]);
  await log.clock.advance(90 * 60_000);
  await log.each([['a', '4'], ACTIVE]);
  await log.compacted();
  t.equal((await log.content()).length, 5);
  await log.clock.advance(45 * 60_000);
  await log.compacted();
  t.same(await log.content(), ['2 a 3', '3 a 4', '4 active segment']);
  await log.hour(2);
  t.same(await log.content(), ['3 a 4', '4 active segment']);
});

t.test('with max.compaction.lag.ms an idle log is compacted to its last record', async (t) => {
  const log = await KeyedLog.with({ 'max.compaction.lag.ms': 3 * HOUR, 'min.cleanable.dirty.ratio': 1 });
  await log.batch([
    ['a', '1'],
    ['b', '1'],
    ['a', '2'],
  ]);
  await log.hour(2);
  t.same(await log.segments(), [0]);
  t.equal((await log.content()).length, 3);
  await log.hour(2);
  t.same(await log.segments(), [0, 3], 'the active segment was rolled');
  await log.hour();
  t.same(await log.content(), ['1 b 1', '2 a 2']);
  const { length } = log.ended;
  await log.hour(10);
  t.equal(log.ended.length, length, 'and is left alone from then on');
  await log.batch([['b', '2']]);
  await log.hour(2);
  t.same(await log.segments(), [0, 3], 'its time begins with its first record');
  await log.reopen();
  t.same(await log.segments(), [0, 3]);
  await log.hour(3);
  t.same(await log.content(), ['2 a 2', '3 b 2']);
});

t.test('the active segment is never compacted', async (t) => {
  const log = await KeyedLog.with({ 'segment.bytes': 1_000_000 });
  for (let i = 0; i < 5; i++) await log.batch([['a', String(i)]]);
  const { segmentsBefore, segmentsAfter } = await log.compacted();
  t.same([segmentsBefore, segmentsAfter], [0, 0]);
  t.equal((await log.content()).length, 5);
});

t.test('the dirtiest partition comes first', async (t) => {
  const log = await KeyedLog.with({ 'min.cleanable.dirty.ratio': 0.1 });
  await log.engine.alterTopic('a', { partitions: 3 });
  const [p0, p1, p2] = [0, 1, 2].map((partition) => ({ partition }));
  for (const place of [p0!, p1!, p2!]) await log.each([['a', '1'], ['b', '1'], ['c', '1'], ACTIVE], place);
  await log.compacted();
  await log.each([['a', '2'], ACTIVE], p0);
  await log.each([['a', '2'], ['a', '3'], ['a', '4'], ['a', '5'], ACTIVE], p1);
  await log.each([['a', '2'], ['a', '3'], ACTIVE], p2);
  await log.hour(3);
  t.same(log.ended.slice(1), ['compact a-1 done', 'compact a-2 done', 'compact a-0 done']);
});

t.test('small neighbours become one segment, up to segment.bytes, in later passes', async (t) => {
  const log = await KeyedLog.with();
  const keys = ['a', 'b', 'c', 'a', 'b', 'c', 'd', 'e', 'a', 'b', 'c', 'f'];
  await log.each([...keys.map((key): Keyed => [key, key]), ACTIVE]);
  t.equal((await log.segments()).length, 13);
  const { segmentsAfter: first } = await log.compacted();
  t.equal(first, 12, 'what they come to is not known before');
  const left = await log.content();
  const { segmentsBefore, segmentsAfter, bytesAfter } = await log.compacted();
  t.same([segmentsBefore, segmentsAfter], [12, 6]);
  t.same(await log.content(), left);
  const sealed = (await log.engine.listSegments('a', 0)).slice(0, -1);
  t.equal(
    sealed.reduce((sum, { bytes }) => sum + bytes, 0),
    bytesAfter,
  );
  t.ok(sealed.every(({ bytes }) => bytes <= 4096));
  t.same((await log.compacted()).segmentsAfter, 6, 'there is no more to put together');
  await log.reopenAfterKill();
  t.same(await log.content(), left);
});

t.test('segments of two days stay apart where segment.align says so', async (t) => {
  for (const [align, segments] of [
    ['none', 2],
    ['day', 3],
  ] as const) {
    const config = { 'segment.align': align, 'segment.bytes': 65_536, 'segment.ms': HOUR };
    const log = await KeyedLog.with({ ...config, 'cleanup.policy': 'delete' });
    for (const day of [0, 1]) {
      log.clock.jump(day * DAY);
      for (const key of ['a', 'b']) {
        await log.batch([[key, String(day)]]);
        await log.hour();
      }
    }
    t.same(await log.segments(), [0, 1, 2, 3, 4]);
    await log.engine.alterTopic('a', { config: { 'cleanup.policy': 'compact' } });
    await log.compacted();
    t.equal((await log.segments()).length, segments, align);
    await log.finish();
  }
});

t.test('records without a key from before the topic was compacted go, and are counted', async (t) => {
  const log = await KeyedLog.with({ 'cleanup.policy': 'delete' });
  await log.append('a', [
    { value: 'no key' },
    { key: 'a', value: '1' },
    { value: null },
    { key: '', value: 'empty' },
  ]);
  await log.each([['a', '2']]);
  await log.append('a', [{ value: 'no key either' }]);
  await t.rejects(async () => log.engine.background.compact('a'), {
    code: 'POLICY_VIOLATION',
    message: /cleanup.policy is delete/,
  });
  await log.engine.alterTopic('a', { config: { 'cleanup.policy': 'compact' } });
  await log.each([ACTIVE, ACTIVE]);
  const { recordsWithoutKey, recordsBefore, recordsAfter } = await log.compacted();
  t.same([recordsWithoutKey, recordsBefore - recordsAfter], [3, 4]);
  t.same(await log.content(), ['3  empty', '4 a 2', '6 active segment', '7 active segment']);
});

t.test(
  'compact,delete does both: the latest value of each key, and what is too old goes whatever it is',
  async (t) => {
    const log = await KeyedLog.with({ 'cleanup.policy': 'compact,delete', 'retention.ms': 3 * HOUR });
    await log.each([
      ['a', '1'],
      ['b', '1'],
    ]);
    await log.hour();
    await log.each([['a', '2'], ['c', '1'], ACTIVE]);
    await log.hour();
    t.same(await log.content(), ['1 b 1', '2 a 2', '3 c 1', '4 active segment']);
    await log.hour();
    await log.each([['d', '1']]);
    await log.hour();
    t.same(
      await log.content(),
      ['2 a 2', '3 c 1', '4 active segment', '5 d 1'],
      'the only value of b is too old',
    );
    await log.hour();
    t.same(await log.content(), ['5 d 1']);
  },
);

t.test('a log that begins in the middle of a segment is compacted from there', async (t) => {
  const log = await KeyedLog.with({ 'cleanup.policy': 'compact,delete' });
  await log.batch([
    ['a', '1'],
    ['b', '1'],
    ['c', '1'],
    ['d', '1'],
  ]);
  await log.each([['a', '2'], ['b', '2'], ACTIVE]);
  await log.engine.deleteRecords('a', 0, 3);
  await log.compacted();
  const left = ['3 d 1', '4 a 2', '5 b 2', '6 active segment'];
  t.same(await log.content(), left);
  await t.rejects(log.engine.read('a', 0, { offset: 2 }), { code: 'OFFSET_OUT_OF_RANGE' });
  await log.reopenAfterKill();
  t.equal(log.logStart, 3);
  t.same(await log.content(), left);
  await log.engine.deleteRecords('a', 0, -1);
  await log.compacted();
  t.same(await log.content(), []);
});

t.test('batches of all codecs keep theirs', async (t) => {
  const codecs = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const;
  const log = await KeyedLog.with({ 'segment.bytes': 20_000 });
  const value = (i: number) => `${i} `.repeat(20);
  for (let batch = 0; batch < 15; batch++) {
    const records = Array.from(
      { length: 40 },
      (_, i): Keyed => [`k${(batch * 40 + i) % 170}`, value(batch + i)],
    );
    await log.batch(records, codecs[batch % 5]);
  }
  await log.engine.alterTopic('a', { config: { 'segment.bytes': 4096 } });
  await log.each([ACTIVE, ACTIVE]);
  const before = await log.records('a');
  await log.compacted();
  const newest = new Map(before.map((record) => [String(record.key), record]));
  const active = before.at(-2)!;
  const expected = [...newest.values(), active].sort((a, b) => a.offset - b.offset);
  t.same(await log.records('a'), expected);
  const { chunks } = await log.engine.read('a', 0, { offset: 0 });
  t.ok(decodeRecords(chunks, 0).length > 0);
});

t.test('a key map ten times too small leaves the same, in several rounds', async (t) => {
  const left: unknown[][] = [];
  const rounds: number[] = [];
  const bytes = 64 * 1024;
  const keys = Math.floor((10 * bytes) / 24);
  for (const size of [bytes, 128 * 1024 * 1024]) {
    const log = await KeyedLog.with(
      { 'segment.bytes': 200_000, 'delete.retention.ms': 0 },
      { 'log.cleaner.dedupe.buffer.size': size },
    );
    for (let from = 0; from < 1.5 * keys; from += 500) {
      const offsets = Array.from({ length: 500 }, (_, i) => from + i);
      const keyOf = (offset: number) => (offset * 7919) % keys;
      await log.batch(
        offsets.map((offset) => [`key ${keyOf(offset)}`, offset % 5 === 0 ? null : `${offset}`]),
      );
    }
    await log.settle();
    rounds.push((await log.compacted()).rounds);
    t.equal(log.runner.maps.size, 1, 'one map for all rounds');
    left.push(await log.content());
    await log.clock.advance(2000);
    await log.compacted();
    left.push(await log.content());
    await log.finish();
  }
  t.ok(rounds[0]! >= 10 && rounds[1] === 1, `${rounds} rounds`);
  t.same(left[0], left[2], 'the latest values and deletions');
  t.same(left[1], left[3], 'and without the deletions');
  t.ok(left[1]!.length < left[0]!.length && left[0]!.length < 1.2 * keys);
});
