/** Retention and deletion of records through an engine: what goes, what stays, and what readers meet. */
import t, { type Test } from 'tap';
import { Engine } from '../../src/engine/engine.ts';
import { verifyDirectory } from '../../src/engine/inspection/verify.ts';
import { SimClock } from '../crash/sim-clock.ts';
import { SimFileSystem } from '../crash/sim-file-system.ts';
import { SimEngine } from '../helpers/sim-engine.ts';

const ROLLING = { 'segment.bytes': 4096, 'index.interval.bytes': 256 };
const VALUE = 'x'.repeat(1000);
const HOUR = 3_600_000;

/** Three batches of a kilobyte fill a segment. */
async function fill(log: SimEngine, batches: number, topic = 'a'): Promise<void> {
  for (let i = 0; i < batches; i++) {
    await log.append(topic, [{ value: VALUE, timestamp: log.clock.now() }]);
    await log.settle();
  }
}

const startOf = (log: SimEngine, topic = 'a') => log.engine.offsets(topic, 0).logStartOffset;
const logFiles = (log: SimEngine) => log.disk.paths().filter((path) => path.endsWith('.log'));

async function verified(t: Test, log: SimEngine): Promise<void> {
  await log.engine.close();
  const { ok, findings } = await verifyDirectory({ directory: '/data', fileSystem: log.disk });
  t.ok(ok, JSON.stringify(findings));
}

t.test('old segments go by time, and at last the active one', async (t) => {
  const log = await SimEngine.open();
  await log.engine.createTopic('a', { config: { ...ROLLING, 'retention.ms': HOUR } });
  await fill(log, 7);
  await log.clock.advance(HOUR / 2);
  await fill(log, 1);
  t.equal(startOf(log), 0);
  await log.clock.advance(HOUR / 2 + 2000);
  t.equal(startOf(log), 6, 'the third segment has something younger');
  t.equal(logFiles(log).length, 1);
  await t.rejects(log.engine.read('a', 0, { offset: 5 }), {
    code: 'OFFSET_OUT_OF_RANGE',
    details: { logStartOffset: 6, highWatermark: 8 },
  });
  t.equal((await log.values('a', 6)).length, 2);
  t.equal(await log.engine.offsetForTimestamp('a', 0, 0), 6);
  for (let minute = 0; minute < 60; minute += 10) await log.clock.advance(HOUR / 6);
  t.equal(startOf(log), 8, 'all of it has expired');
  t.same(await log.values('a', 8), []);
  await fill(log, 1);
  t.equal((await log.append('a', 'goes on')).baseOffset, 9);
  await verified(t, log);
});

t.test('by size the log keeps at least what was asked for', async (t) => {
  const log = await SimEngine.open();
  await log.engine.createTopic('a', { config: { ...ROLLING, 'retention.bytes': 6000 } });
  await fill(log, 14);
  await log.clock.advance(2000);
  const { partitions } = await log.engine.describeTopic('a');
  t.equal(partitions[0]!.logStartOffset, 6);
  t.ok(partitions[0]!.bytes >= 6000 && partitions[0]!.bytes < 6000 + 4096, `${partitions[0]!.bytes} bytes`);
  await log.engine.alterTopic('a', { config: { 'retention.bytes': null } });
  await fill(log, 6);
  await log.clock.advance(2000);
  t.equal(startOf(log), 6, 'no limit, no deletion');
  await verified(t, log);
});

t.test('the data directory has a budget: the least important topic pays first', async (t) => {
  const log = await SimEngine.open({ 'log.dir.max.bytes': 20_000 });
  await log.engine.createTopic('a', { config: { ...ROLLING, 'retention.priority': 90 } });
  await log.engine.createTopic('b', { config: { ...ROLLING, 'retention.priority': 10 } });
  for (let i = 0; i < 10; i++) {
    await fill(log, 1, 'a');
    await fill(log, 1, 'b');
  }
  await log.clock.advance(2000);
  t.equal(startOf(log, 'a'), 0);
  t.equal(startOf(log, 'b'), 3);
  await fill(log, 15, 'a');
  await log.clock.advance(2000);
  t.equal(startOf(log, 'b'), 9, 'its active segment stays');
  t.ok(startOf(log, 'a') > 0, 'then the other one pays');
  await verified(t, log);
});

t.test('a full disk is freed by retention, and appends resume', async (t) => {
  const log = await SimEngine.open({ 'log.dir.max.used.percent': 50, 'log.dir.reserve.bytes': 4096 });
  await log.engine.createTopic('a', { config: ROLLING });
  await fill(log, 12);
  log.disk.capacityBytes = log.disk.usedBytes + 4096;
  await t.rejects(log.append('a', VALUE.repeat(5)), { code: 'STORAGE_FULL' });
  await log.clock.advance(2000);
  t.ok(startOf(log) > 0);
  await fill(log, 1);
  log.disk.capacityBytes = Number.MAX_SAFE_INTEGER;
  await verified(t, log);
});

t.test('records are deleted on request, for good', async (t) => {
  const log = await SimEngine.open();
  await log.engine.createTopic('a', { config: ROLLING });
  await fill(log, 8);
  t.match(await log.engine.deleteRecords('a', 0, 4), { logStartOffset: 4, segments: 1, bytes: 3331 });
  await t.rejects(log.engine.read('a', 0, { offset: 3 }), { code: 'OFFSET_OUT_OF_RANGE' });
  t.equal((await log.records('a', 4))[0]!.offset, 4, 'in the middle of a segment');
  t.match(await log.engine.deleteRecords('a', 0, 2), { logStartOffset: 4, segments: 0 }, 'gone already');
  for (const [offset, code] of [
    [9, 'OFFSET_OUT_OF_RANGE'],
    [-2, 'INVALID_REQUEST'],
    [1.5, 'INVALID_REQUEST'],
  ] as const) {
    await t.rejects(log.engine.deleteRecords('a', 0, offset), { code }, String(offset));
  }
  await t.rejects(log.engine.deleteRecords('b', 0, 0), { code: 'UNKNOWN_TOPIC_OR_PARTITION' });
  await t.rejects(log.engine.deleteRecords('a', 1, 0), { code: 'UNKNOWN_TOPIC_OR_PARTITION' });
  await log.reopenAfterKill();
  t.equal(startOf(log), 4, 'also after a crash');
  t.match(await log.engine.deleteRecords('a', 0, -1), { logStartOffset: 8 });
  await log.clock.advance(2000);
  t.match(await log.engine.describeTopic('a'), { partitions: [{ logStartOffset: 8, highWatermark: 8 }] });
  t.same(logFiles(log), [], 'the active segment rolled, and is gone');
  t.equal((await log.append('a', 'next')).baseOffset, 8);
  await log.reopen();
  t.equal(startOf(log), 8);
  t.same(await log.values('a', 8), ['next']);
  await log.engine.close();
  await t.rejects(log.engine.deleteRecords('a', 0, 8), { code: 'NOT_READY' });
});

t.test('every deletion is logged, whoever asked for it', async (t) => {
  const logged: object[] = [];
  const ignore = () => {};
  const info = (fields: object, message: string) => void logged.push({ ...fields, message });
  const clock = new SimClock();
  const engine = await Engine.open({
    directory: '/data',
    fileSystem: new SimFileSystem(),
    clock,
    logger: { debug: ignore, info, warn: ignore, error: ignore },
  });
  await engine.createTopic('a', { config: ROLLING });
  for (let i = 0; i < 12; i++) {
    await engine.append('a', [{ value: VALUE }]);
    await clock.advance(0);
  }
  logged.length = 0;
  const partition = { topic: 'a', partition: 0 };
  await engine.deleteRecords('a', 0, 1);
  const none = { ...partition, logStartOffset: 1, segments: 0, bytes: 0, message: 'deleted records' };
  t.same(logged.splice(0), [none]);
  await engine.deleteRecords('a', 0, 4);
  t.match(logged.splice(0), [{ ...partition, logStartOffset: 4, segments: 1, message: 'deleted segments' }]);
  await engine.deleteRecords('a', 0, 2);
  t.same(logged.splice(0), [], 'what is gone already');
  await engine.alterTopic('a', { config: { 'retention.bytes': 1 } });
  await clock.advance(2000);
  t.match(logged, [{ ...partition, logStartOffset: 9, segments: 2, message: 'deleted segments' }]);
  await engine.close();
});

t.test('where the log begins is known without its checkpoint', async (t) => {
  for (const lost of ['checkpoint', 'log-start']) {
    const log = await SimEngine.open();
    await log.engine.createTopic('a', { config: ROLLING });
    await fill(log, 8);
    await log.engine.deleteRecords('a', 0, 4);
    await log.disk.remove(`/data/topics/a/0/${lost}`);
    await log.reopenAfterKill();
    t.equal(startOf(log), 4, `without ${lost}`);
    t.match(log.engine.health(), { ready: true });
    await verified(t, log);
  }
});

t.test('a reader that has a segment open keeps its bytes', async (t) => {
  const log = await SimEngine.open();
  await log.engine.createTopic('a', { config: ROLLING });
  await fill(log, 8);
  const reads = [0, 1, 2].map((offset) => log.engine.read('a', 0, { offset }));
  const deleted = log.engine.deleteRecords('a', 0, 6);
  for (const [i, outcome] of (await Promise.allSettled(reads)).entries()) {
    // Begun before the deletion, a read gets its records, or learns that they are gone; nothing else.
    if (outcome.status === 'fulfilled') t.equal(outcome.value.nextOffset, 3, `read ${i}`);
    else t.match(outcome.reason, { code: 'OFFSET_OUT_OF_RANGE' }, `read ${i}`);
  }
  await deleted;
  await log.settle();
  t.equal(log.engine.stats().segments, 1);
  await verified(t, log);
});

t.test('a compacted topic takes no records without a key, and loses none by offset', async (t) => {
  const log = await SimEngine.open();
  await log.engine.createTopic('a', { config: { 'cleanup.policy': 'compact' } });
  await t.rejects(async () => log.append('a', [{ value: 'x' }]), {
    code: 'INVALID_RECORD',
    message: /without a key: topic "a" is compacted \(cleanup.policy\)/,
  });
  await log.append('a', [{ key: 'k', value: 'x' }]);
  await t.rejects(log.engine.deleteRecords('a', 0, 1), { code: 'POLICY_VIOLATION', message: /null value/ });
  await log.engine.alterTopic('a', { config: { 'cleanup.policy': 'compact,delete' } });
  await t.rejects(async () => log.append('a', [{ value: 'x' }]), { code: 'INVALID_RECORD' });
  t.equal((await log.engine.deleteRecords('a', 0, 1)).logStartOffset, 1);
  await log.engine.alterTopic('a', { config: { 'cleanup.policy': 'delete' } });
  await log.append('a', [{ value: 'x' }]);
  await verified(t, log);
});
