/** Reading by offset: whole batches, in bounds, across segments, from files and from memory. */
import t from 'tap';
import { decodeRecords } from '../../src/engine/format/record-batch-reader.ts';
import { SimEngine } from '../helpers/sim-engine.ts';

const CONFIG = { 'segment.bytes': 4096, 'index.interval.bytes': 256 };

/** 30 batches of three records each over many segments; values are "0" to "89". */
async function filled(settings = {}): Promise<SimEngine> {
  const log = await SimEngine.open(settings);
  await log.engine.createTopic('a', { config: CONFIG });
  for (let batch = 0; batch < 30; batch++) {
    await log.append(
      'a',
      [0, 1, 2].map((i) => ({ value: `${batch * 3 + i}`.padEnd(300) })),
    );
    await log.settle(2);
  }
  return log;
}

const numbers = (values: readonly string[]) => values.map(Number);
const range = (from: number, end: number) => Array.from({ length: end - from }, (_, i) => from + i);

for (const [name, settings] of [
  ['from segments', {}],
  ['from segments and from memory', { 'journal.files': 2, 'housekeeping.interval.ms': 3_600_000 }],
] as const) {
  t.test(`${name}: from each offset on all the rest is there`, async (t) => {
    const log = await filled(settings);
    t.ok((await log.engine.listSegments('a', 0)).length > 5, 'many segments');
    for (let offset = 0; offset <= 90; offset++) {
      t.same(numbers(await log.values('a', offset)), range(offset, 90), `from ${offset}`);
    }
    await log.engine.close();
  });
}

t.test('a read is as large as was asked for, but at least one batch', async (t) => {
  const log = await filled();
  const { engine } = log;
  const one = await engine.read('a', 0, { offset: 0, maxBytes: 1 });
  t.match(one, { nextOffset: 3, highWatermark: 90, logStartOffset: 0 });
  t.equal(
    one.bytes,
    one.chunks.reduce((sum, chunk) => sum + chunk.length, 0),
  );
  t.match(await engine.read('a', 0, { offset: 0, maxBytes: 2 * one.bytes + 50 }), { nextOffset: 6 });
  const middle = await engine.read('a', 0, { offset: 4, maxBytes: 1 });
  t.match(middle, { nextOffset: 6 });
  t.same(
    decodeRecords(middle.chunks, 4).map(({ offset }) => offset),
    [4, 5],
    'records before the one that was asked for are passed over',
  );
  for (const maxBytes of [0, -1, 1.5, Number.NaN]) {
    await t.rejects(engine.read('a', 0, { offset: 0, maxBytes }), { code: 'INVALID_REQUEST' });
  }
});

t.test('a read goes into the memory that it is given', async (t) => {
  const log = await filled();
  const into = Buffer.alloc(8192);
  const found: number[] = [];
  for (let offset = 0; offset < 90; ) {
    const { chunks, nextOffset } = await log.engine.read('a', 0, { offset, into });
    t.ok(chunks.every((chunk) => chunk.buffer === into.buffer));
    found.push(...decodeRecords(chunks, offset).map(({ value }) => Number(value)));
    offset = nextOffset;
  }
  t.same(found, range(0, 90));
  const tiny = await log.engine.read('a', 0, { offset: 0, into: Buffer.alloc(100) });
  t.match(tiny, { nextOffset: 3 }, 'a batch that is larger than it comes in memory of its own');
});

t.test('offsets outside of the log', async (t) => {
  const { engine } = await filled();
  t.match(await engine.read('a', 0, { offset: 90 }), { chunks: [], nextOffset: 90 });
  await t.rejects(engine.read('a', 0, { offset: 91 }), {
    code: 'OFFSET_OUT_OF_RANGE',
    details: { offset: 91, logStartOffset: 0, highWatermark: 90 },
  });
  for (const offset of [-1, 0.5, Number.NaN, 2 ** 53]) {
    await t.rejects(engine.read('a', 0, { offset }), { code: 'INVALID_REQUEST' }, `${offset}`);
  }
  await t.rejects(engine.read('b', 0, { offset: 0 }), {
    code: 'UNKNOWN_TOPIC_OR_PARTITION',
    details: { topic: 'b' },
  });
  await t.rejects(engine.read('a', 1, { offset: 0 }), {
    code: 'UNKNOWN_TOPIC_OR_PARTITION',
    details: { topic: 'a', partition: 1 },
  });
});

t.test('readers go on while others append, roll and seal', async (t) => {
  const log = await SimEngine.open({ 'journal.files': 2 });
  await log.engine.createTopic('a', { config: CONFIG });
  const reading = Array.from({ length: 4 }, async () => {
    const found: number[] = [];
    while (found.length < 300) {
      t.ok(await log.engine.waitForRecords('a', 0, found.length, 3_600_000));
      const { chunks } = await log.engine.read('a', 0, { offset: found.length, maxBytes: 2000 });
      found.push(...decodeRecords(chunks, found.length).map(({ value }) => Number(value)));
    }
    return found;
  });
  for (let i = 0; i < 300; i++) await log.append('a', `${i}`.padEnd(200));
  for (const found of await Promise.all(reading)) t.same(found, range(0, 300));
  await log.engine.close();
  t.equal(log.disk.openHandles, 0);
});

t.test('a reader of a topic that is deleted is told so, however far that has come', async (t) => {
  for (let turns = 0; turns < 30; turns++) {
    const log = await filled();
    await log.reopen();
    const deleting = log.engine.deleteTopic('a');
    for (let turn = 0; turn < turns; turn++) await null;
    for (const read of [
      () => log.engine.read('a', 0, { offset: 0 }),
      () => log.engine.offsetForTimestamp('a', 0, 1),
    ]) {
      const outcome = await read().then(
        () => 'read',
        (error) => error.code,
      );
      t.match(outcome, /^(read|UNKNOWN_TOPIC_OR_PARTITION)$/, `${turns}`);
    }
    await deleting;
    await log.engine.createTopic('a', { config: CONFIG });
    await log.append('a', 'new');
    t.same(await log.values('a'), ['new'], 'nothing of the old one is read from the new');
  }
});

t.test('indexes that are missing or damaged are made again, with the same answers', async (t) => {
  const log = await filled();
  await log.engine.close();
  for (const path of log.disk.paths()) {
    if (/0\d\.(index|timeindex|summary)$/.test(path)) await log.disk.remove(path);
    else if (/\.(index|timeindex|summary)$/.test(path)) log.disk.plant(path, Buffer.from('damage'));
  }
  await log.reopen();
  for (const offset of [0, 1, 31, 50, 89]) {
    t.same(numbers(await log.values('a', offset)), range(offset, 90));
  }
  await log.reopen();
  t.same(numbers(await log.values('a')), range(0, 90));
});
