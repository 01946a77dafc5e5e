/** The engine as a whole: limits on memory, stopping, what it reports. */
import t from 'tap';
import { murmur2 } from '../../src/engine/commit/partitioner.ts';
import type { CommitReport } from '../../src/engine/common/types.ts';
import { Engine } from '../../src/engine/engine.ts';
import { SimClock } from '../crash/sim-clock.ts';
import { SimFileSystem } from '../crash/sim-file-system.ts';
import { SimEngine } from '../helpers/sim-engine.ts';
import { verifyNow } from '../helpers/verify-after.ts';

const KIB = 1024;

t.test('bytes in flight are bounded', async (t) => {
  const log = await SimEngine.open({
    'max.in.flight.bytes': 128 * KIB,
    'max.in.flight.partition.bytes': 64 * KIB,
    'max.in.flight.wait.ms': 1000,
  });
  await log.engine.createTopic('a', { partitions: 3 });
  const value = 'x'.repeat(40 * KIB);
  const outcome = (partition: number, signal?: AbortSignal) =>
    log.engine.append('a', [{ value }], { partition, signal }).then(
      () => 'stored',
      (error) => error.code,
    );
  log.syncs.hold(/\.log$/);
  const first = [outcome(0), outcome(1), outcome(2)];
  await log.settle();
  t.ok(log.engine.stats().inFlightBytes <= 128 * KIB, `${log.engine.stats().inFlightBytes}`);
  const leaver = new AbortController();
  const waiting = [outcome(0), outcome(0, leaver.signal)];
  leaver.abort();
  await log.clock.advance(1000);
  t.same(await Promise.all(waiting), ['THROTTLED', 'REQUEST_TIMED_OUT']);
  log.syncs.release();
  t.same(await Promise.all(first), ['stored', 'stored', 'stored']);
  t.equal(await outcome(0), 'stored');
  t.equal(log.engine.stats().inFlightBytes, 0, 'all is given back');
  t.same(
    [0, 1, 2].map((partition) => log.engine.offsets('a', partition).highWatermark),
    [2, 1, 1],
  );
});

t.test('a batch that is too large is refused before anything is stored', async (t) => {
  const log = await SimEngine.open();
  await log.engine.createTopic('a', { config: { 'max.message.bytes': 1024 } });
  for (const records of [[{ value: 'x'.repeat(2000) }], Array(50).fill({ value: 'x'.repeat(50) })]) {
    await t.rejects(async () => log.append('a', records), {
      code: 'MESSAGE_TOO_LARGE',
      details: { limit: 1024 },
    });
  }
  t.equal(log.engine.offsets('a', 0).logEndOffset, 0);
  await log.append('a', 'small');
});

t.test('nothing is added behind a seal, and without records there is nothing to seal', async (t) => {
  const log = await SimEngine.open();
  await log.engine.createTopic('a', { partitions: 2 });
  const pending = log.engine.startAppend('a', { partition: 0 });
  pending.seal();
  t.same(await pending.commit(), []);
  pending.addBytes(null, 'x');
  pending.seal();
  t.throws(() => pending.addBytes(null, 'y'), /sealed/);
  t.match(await pending.commit(), [{ partition: 0, count: 1 }]);
});

/** One for the first partition, and for the second as many as fit until an older one makes all of them larger. */
const GROWING = [
  { partition: 0, value: 'a', timestamp: 1e12 },
  ...Array(98).fill({ partition: 1, value: '', timestamp: 1e12 }),
  { partition: 1, value: '', timestamp: 9e11 },
];

t.test('a batch that becomes too large as its last record comes has nothing stored anywhere', async (t) => {
  const log = await SimEngine.open();
  await log.engine.createTopic('a', { partitions: 2, config: { 'max.message.bytes': 1024 } });
  const ends = () => [0, 1].map((partition) => log.engine.offsets('a', partition).logEndOffset);
  const idempotency = { key: 'k', fingerprint: 7 };
  for (const options of [{}, { idempotency }, { idempotency }]) {
    await t.rejects(log.engine.append('a', GROWING, options), { code: 'MESSAGE_TOO_LARGE' });
    t.same(ends(), [0, 0]);
  }
  await log.engine.alterTopic('a', { config: { 'max.message.bytes': 4096 } });
  const pending = log.engine.startAppend('a');
  for (const record of GROWING) pending.add(record);
  await log.engine.alterTopic('a', { config: { 'max.message.bytes': 1024 } });
  await t.rejects(pending.commit(), { code: 'MESSAGE_TOO_LARGE', details: { limit: 1024 } });
  t.same(ends(), [0, 0], 'nor where the limit was lowered meanwhile');
  await log.engine.alterTopic('a', { config: { 'max.message.bytes': 4096 } });
  await log.engine.append('a', GROWING, { idempotency });
  t.same(ends(), [1, 99]);
});

t.test('stopping answers what is in flight, and takes no more', async (t) => {
  const log = await SimEngine.open({ 'journal.files': 2 });
  await log.engine.createTopic('a', { partitions: 4 });
  const appends = Array.from({ length: 40 }, (_, i) =>
    log.append('a', `${i}`, { partition: i % 4, acks: i % 3 ? 'all' : 0 }),
  );
  const closing = log.engine.close();
  t.equal(log.engine.close(), closing, 'once is enough');
  await t.rejects(log.append('a', 'late'), { code: 'NOT_READY', retriable: true });
  await t.rejects(log.engine.createTopic('b'), { code: 'NOT_READY' });
  await t.rejects(log.engine.deleteTopic('a'), { code: 'NOT_READY' });
  t.match(log.engine.health(), { ready: false, reasons: [/closing/] });
  await Promise.all(appends);
  await closing;
  t.equal(log.disk.openHandles, 0);
  await log.reopen();
  const values = await Promise.all([0, 1, 2, 3].map((partition) => log.values('a', 0, partition)));
  t.equal(values.flat().length, 40, 'all that was accepted is there');
});

t.test('stopping does not wait for a group to grow that has begun to gather', async (t) => {
  const directory = t.testdir();
  const engine = await Engine.open({ directory });
  await engine.createTopic('t');
  const append = (value: string) => engine.append('t', [{ value }]);
  // After a group of many, few wait for the next turn of the event loop: more may come until then.
  await append('first');
  await Promise.all(Array.from({ length: 50 }, (_, i) => append(`${i}`)));
  const last = append('last');
  await engine.close();
  t.match(await last, [{ baseOffset: 51 }]);
  await verifyNow(directory);
});

t.test('the observer is told of appends, reads, commits, syncs and rolls', async (t) => {
  const told = { appended: 0, bytes: 0, fetched: 0, rolled: 0, segmentSyncs: 0, journalSyncs: 0 };
  const commits: CommitReport[] = [];
  const disk = new SimFileSystem();
  const engine = await Engine.open({
    directory: '/data',
    fileSystem: disk,
    clock: new SimClock(),
    settings: { 'journal.file.bytes': 65_536 },
    observer: {
      appended: (topic, records, bytes) => {
        t.equal(topic, 'a');
        told.appended += records;
        told.bytes += bytes;
      },
      fetched: (_topic, bytes) => {
        told.fetched += bytes;
      },
      committed: (report) => commits.push(report),
      synced: (file) => told[`${file}Syncs`]++,
      rolled: () => told.rolled++,
    },
  });
  await engine.createTopic('a', { partitions: 2, config: { 'segment.bytes': 4096 } });
  for (let i = 0; i < 20; i++) {
    await Promise.all(
      [0, 1].map((partition) => engine.append('a', [{ value: 'x'.repeat(1000) }], { partition })),
    );
  }
  const { bytes } = await engine.read('a', 0, { offset: 0 });
  t.equal(told.appended, 40);
  t.equal(told.fetched, bytes);
  t.ok(told.rolled > 5 && told.segmentSyncs > 0 && told.journalSyncs > 0, JSON.stringify(told));
  t.equal(
    commits.reduce((sum, { batches }) => sum + batches, 0),
    40,
  );
  t.equal(
    commits.reduce((sum, each) => sum + each.bytes, 0),
    told.bytes,
  );
  t.ok(commits.some(({ journaledBatches, partitions }) => journaledBatches === partitions));
  t.match(engine.stats(), { topics: 1, partitions: 2, inFlightBytes: 0 });
  await engine.close();
  await verifyNow('/data', disk);
});

t.test('a topic of ten segments needs no more descriptors than it is given', async (t) => {
  const log = await SimEngine.open({ 'max.open.files': 16 });
  await log.engine.createTopic('a', { partitions: 8, config: { 'segment.bytes': 4096 } });
  for (let i = 0; i < 40; i++) {
    await Promise.all(
      Array.from({ length: 8 }, (_, partition) => log.append('a', 'x'.repeat(1500), { partition })),
    );
  }
  t.ok(log.engine.stats().segments > 100);
  for (let partition = 0; partition < 8; partition++)
    t.equal((await log.values('a', 0, partition)).length, 40);
  await log.settle();
  t.ok(log.engine.stats().openFiles <= 16, `${log.engine.stats().openFiles} open files`);
});

t.test('records that are slices of some bytes are stored as others are', async (t) => {
  const log = await SimEngine.open();
  await log.engine.createTopic('plain', { partitions: 7 });
  await log.engine.createTopic('sliced', { partitions: 7 });
  const [plain, sliced] = [log.engine.startAppend('plain'), log.engine.startAppend('sliced')];
  for (let i = 0; i < 50; i++) {
    const [key, value] = [Buffer.from(`key ${i}`), Buffer.from(`value ${i}`)];
    const bytes = Buffer.concat([key, value]);
    plain.addBytes(key, value, 1000 + i);
    sliced.addSlices(bytes, 0, key.length, murmur2(key), key.length, bytes.length, 1000 + i);
  }
  t.equal(sliced.recordCount, 50);
  t.same(await sliced.commit(), await plain.commit());
  const fixed = log.engine.startAppend('sliced', { partition: 3 });
  t.throws(() => fixed.addSlices(Buffer.from('kv'), 0, 1, 0, 1, 2, -1), { code: 'INVALID_RECORD' });
  fixed.addSlices(Buffer.from('kv'), 0, 1, 0, 1, 2);
  t.match(await fixed.commit(), [{ partition: 3, count: 1 }]);
});
