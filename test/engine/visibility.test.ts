/** When a record is acknowledged, when it becomes readable, and who is woken then. */
import t from 'tap';
import type { Acks } from '../../src/engine/common/types.ts';
import { SimEngine } from '../helpers/sim-engine.ts';

const SEGMENT = /\.log$/;

interface Policy {
  readonly flush: 'sync' | 'interval' | 'os';
  readonly acks: Acks;
  /** What is so before the sync is done. */
  readonly acknowledged: boolean;
  readonly readable: boolean;
}

const POLICIES: readonly Policy[] = [
  { flush: 'sync', acks: 'all', acknowledged: false, readable: false },
  { flush: 'sync', acks: 1, acknowledged: true, readable: false },
  { flush: 'sync', acks: 0, acknowledged: true, readable: false },
  { flush: 'interval', acks: 'all', acknowledged: false, readable: true },
  { flush: 'interval', acks: 1, acknowledged: true, readable: true },
  { flush: 'os', acks: 'all', acknowledged: false, readable: true },
  { flush: 'os', acks: 1, acknowledged: true, readable: true },
  { flush: 'os', acks: 0, acknowledged: true, readable: true },
];

for (const { flush, acks, acknowledged, readable } of POLICIES) {
  t.test(`flush=${flush}, acks=${acks}`, async (t) => {
    const log = await SimEngine.open();
    await log.engine.createTopic('a', { config: { flush, 'flush.ms': 500 } });
    await log.append('a', 'first');
    const woken: unknown[] = [];
    const waits = log.engine.waitForRecords('a', 0, 1, 60_000).then((ready) => woken.push(ready));
    log.syncs.hold(SEGMENT);
    let answered = false;
    const appending = log.append('a', 'second', { acks }).then((answer) => {
      answered = true;
      return answer;
    });
    await log.settle();
    if (flush === 'interval') await log.clock.advance(500);
    t.equal(log.syncs.waiting, flush === 'os' && acks !== 'all' ? 0 : 1, 'the sync is under way');
    t.equal(answered, acknowledged, `acknowledged: ${acknowledged}`);
    t.same(await log.values('a'), readable ? ['first', 'second'] : ['first']);
    t.same(woken, readable ? [true] : [], 'who waits for it is woken when it is readable');
    log.syncs.release();
    const { baseOffset, count } = await appending;
    t.same([baseOffset, count], [acks === 0 ? -1 : 1, 1]);
    await waits;
    t.same(woken, [true]);
    t.same(await log.values('a'), ['first', 'second']);
    await log.engine.close();
  });
}

t.test('under flush=interval the sync comes once in flush.ms, however much is written', async (t) => {
  const log = await SimEngine.open();
  await log.engine.createTopic('a', { config: { flush: 'interval', 'flush.ms': 500 } });
  await log.append('a', 'first');
  const syncs = () =>
    log.disk.operations.filter(({ kind, path }) => kind === 'sync' && SEGMENT.test(path)).length;
  const before = syncs();
  for (let i = 0; i < 10; i++) {
    await log.append('a', `${i}`, { acks: 1 });
    await log.clock.advance(100);
  }
  await log.settle();
  t.equal(syncs() - before, 2, 'in a second');
  await log.clock.advance(10_000);
  t.equal(syncs() - before, 2, 'and none while nothing comes');
});

t.test('a reader never passes the high watermark', async (t) => {
  const log = await SimEngine.open();
  await log.engine.createTopic('a');
  for (const value of ['0', '1', '2']) await log.append('a', value);
  log.syncs.hold(SEGMENT);
  const appending = log.append('a', [
    { value: '3', timestamp: 1 },
    { value: '4', timestamp: 9e12 },
  ]);
  await log.settle();
  t.match(log.engine.offsets('a', 0), { highWatermark: 3 });
  t.match(await log.engine.read('a', 0, { offset: 3 }), {
    chunks: [],
    bytes: 0,
    nextOffset: 3,
    highWatermark: 3,
  });
  t.equal((await log.records('a', 1)).at(-1)!.offset, 2);
  t.equal(await log.engine.offsetForTimestamp('a', 0, 8e12), 3, 'nor does a search by time');
  t.match(await log.engine.describeTopic('a'), { partitions: [{ highWatermark: 3 }] });
  log.syncs.release();
  await appending;
  t.same(await log.values('a'), ['0', '1', '2', '3', '4']);
  t.equal(await log.engine.offsetForTimestamp('a', 0, 8e12), 4);
});

t.test('what is in the journal only is read from memory', async (t) => {
  const log = await SimEngine.open({ 'journal.files': 2, 'housekeeping.interval.ms': 3_600_000 });
  await log.engine.createTopic('a');
  const values: string[] = [];
  for (let i = 0; i < 20; i++) {
    values.push(`${i}`);
    await log.append('a', `${i}`);
    await log.settle(3);
  }
  t.ok(log.engine.stats().journaledBytes > 0);
  const reads = () => log.disk.operations.filter(({ kind }) => kind === 'read').length;
  const before = reads();
  t.same(await log.values('a', 15), values.slice(15));
  t.equal(reads(), before, 'no file is read for it');
  for (let offset = 0; offset < 20; offset++) t.same(await log.values('a', offset), values.slice(offset));
  t.match(await log.engine.listSegments('a', 0), [{ baseOffset: 0, sealed: false }]);
});

t.test('a long poll', async (t) => {
  const log = await SimEngine.open();
  const { engine, clock } = log;
  await engine.createTopic('a', { partitions: 2 });
  await log.append('a', 'first');

  t.test('is answered at once where there is something', async (t) => {
    t.equal(await engine.waitForRecords('a', 0, 0, 1000), true);
    t.equal(await engine.waitForRecords('a', 0, 1, 0), false, 'or when it does not want to wait');
  });

  t.test('ends when its time is up', async (t) => {
    const waiting = engine.waitForRecords('a', 0, 1, 1000);
    await clock.advance(1000);
    t.equal(await waiting, false);
  });

  t.test('ends when it is given up', async (t) => {
    const leaver = new AbortController();
    const waiting = engine.waitForRecords('a', 0, 1, 1000, leaver.signal);
    leaver.abort();
    t.equal(await waiting, false);
    t.equal(await engine.waitForRecords('a', 0, 1, 1000, AbortSignal.abort()), false);
  });

  t.test('wakes those who wait for what came, and no others', async (t) => {
    const woken: number[] = [];
    const end = engine.offsets('a', 0).highWatermark;
    const waits = [0, 1, 2, 3].map((ahead) =>
      engine.waitForRecords('a', 0, end + ahead, 1000).then((ready) => ready && woken.push(ahead)),
    );
    const other = engine.waitForRecords('a', 1, 0, 1000);
    await log.append('a', [{ value: 'x' }, { value: 'y' }]);
    await log.settle();
    t.same(woken, [0, 1]);
    await clock.advance(1000);
    t.same(await Promise.all([...waits, other]), [1, 2, false, false, false]);
  });

  t.test('ends when the topic is deleted', async (t) => {
    const waiting = engine.waitForRecords('a', 0, 1000, 60_000);
    await engine.deleteTopic('a');
    t.equal(await waiting, true);
    await t.rejects(engine.waitForRecords('a', 0, 0, 1000), { code: 'UNKNOWN_TOPIC_OR_PARTITION' });
  });
});

t.test('records of one append are stored together, in the order in which they were given', async (t) => {
  const log = await SimEngine.open();
  await log.engine.createTopic('a');
  const batches = Array.from({ length: 50 }, (_, i) =>
    Array.from({ length: 4 }, (_, j) => ({ value: `${i}.${j}` })),
  );
  const answers = await Promise.all(batches.map((records) => log.append('a', records)));
  t.same(
    answers.map(({ baseOffset, lastOffset }) => [baseOffset, lastOffset]),
    batches.map((_, i) => [i * 4, i * 4 + 3]),
  );
  t.same(
    await log.values('a'),
    batches.flat().map(({ value }) => value),
  );
});
