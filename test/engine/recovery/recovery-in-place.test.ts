/**
 * A log that crashed on a full disk opens on the full disk: all that was acknowledged is served and durable, appends are
 * refused until there is space, and then everything goes on by itself.
 */
import t, { type Test } from 'tap';
import { SimEngine } from '../../helpers/sim-engine.ts';

const KIB = 1024;
const DIRECT = { 'log.dir.reserve.bytes': 16 * KIB };
const JOURNALED = { ...DIRECT, 'journal.files': 2 };
const FULL = { ready: false, storageFull: true, fencedPartitions: [], damagedPartitions: [] };

/** Kills it and opens what is left, with this much space. */
async function reopenWith(log: SimEngine, freeBytes: number): Promise<void> {
  log.disk = log.disk.crash('kill');
  log.disk.capacityBytes = log.disk.usedBytes + freeBytes;
  await log.reopenAfterKill();
}

async function servesAndGoesOn(t: Test, log: SimEngine, expected: string[][]): Promise<void> {
  const check = async (what: string) => {
    for (const [partition, values] of expected.entries())
      t.same(await log.values('a', 0, partition), values, `${what}, partition ${partition}`);
  };
  await check('served');
  t.match(log.engine.health(), FULL);
  t.match(log.engine.health().reasons, [/disk is full/]);
  for (const partition of expected.keys())
    await t.rejects(log.append('a', 'x'.repeat(10 * KIB), { partition }), { code: 'STORAGE_FULL' });
  const image = log.disk;
  log.disk = image.crashImage({ variant: 'only what was synced' });
  const running = log.engine;
  await log.reopenAfterKill();
  await check('all of it is durable');
  log.disk = image;
  log.engine = running;
  image.capacityBytes = image.usedBytes + 500 * KIB;
  await log.clock.advance(2000);
  t.match(log.engine.health(), { ready: true, reasons: [] });
  t.equal(log.engine.stats().journaledBytes, 0, 'all of it is in its segments');
  for (const [partition, values] of expected.entries()) {
    t.equal((await log.append('a', 'more', { partition })).baseOffset, values.length);
    values.push('more');
  }
  await check('goes on');
  await log.reopen();
  await check('after a clean stop');
  await log.reopenAfterKill();
  await check('after another kill');
}

for (const freeBytes of [0, 1, 3]) {
  t.test(`ends of several segments in their files, ${freeBytes} KiB free`, async (t) => {
    const log = await SimEngine.open(DIRECT);
    await log.engine.createTopic('a', { partitions: 2, config: { 'segment.bytes': 16 * KIB } });
    const expected: string[][] = [[], []];
    for (let i = 0; i < 9; i++) {
      for (const [partition, values] of expected.entries()) {
        const value = `${i}`.padEnd(5 * KIB);
        await log.append('a', value, { partition });
        values.push(value);
        if (i === 3) await log.settle();
      }
    }
    await reopenWith(log, freeBytes * KIB);
    await servesAndGoesOn(t, log, expected);
  });

  t.test(`batches that only the journal has, ${freeBytes} KiB free`, async (t) => {
    const log = await SimEngine.open(JOURNALED);
    await log.engine.createTopic('a', { partitions: 3, config: { 'segment.bytes': 4 * KIB } });
    const expected: string[][] = [[], [], []];
    // The first commit finds no journal file yet, and has one made.
    for (let i = 0; i < 8; i++) {
      for (const [partition, values] of expected.entries()) {
        const value = `${i}`.padEnd(i < 6 ? 900 : 1800);
        await log.append('a', value, { partition });
        values.push(value);
      }
      if (i < 2) await log.settle();
    }
    t.ok(log.engine.stats().journaledBytes > 0);
    await reopenWith(log, freeBytes * KIB);
    await servesAndGoesOn(t, log, expected);
  });
}

t.test('killed again and again while the disk is full', async (t) => {
  const log = await SimEngine.open(JOURNALED);
  await log.engine.createTopic('a', { partitions: 2, config: { 'segment.bytes': 4 * KIB } });
  const expected: string[][] = [[], []];
  for (let i = 0; i < 12; i++) {
    for (const [partition, values] of expected.entries()) {
      await log.append('a', `${i}`.padEnd(700), { partition });
      values.push(`${i}`.padEnd(700));
    }
    if (i % 4 === 0) await log.settle();
  }
  for (let life = 0; life < 4; life++) await reopenWith(log, 600);
  await servesAndGoesOn(t, log, expected);
});

t.test('an end that was never acknowledged is cut off all the same', async (t) => {
  const log = await SimEngine.open(DIRECT);
  await log.engine.createTopic('a', { config: { flush: 'os' } });
  await log.append('a', 'kept');
  const path = '/data/topics/a/0/00000000000000000000.log';
  const file = await log.disk.open(path, 'write');
  const size = await file.size();
  await file.write([Buffer.alloc(3000, 7)], size);
  await file.close();
  await reopenWith(log, 0);
  t.equal((await log.disk.status(path))!.size, size);
  await servesAndGoesOn(t, log, [['kept']]);
});

t.test('what a failed sync left in the page cache is made durable, not only synced again', async (t) => {
  const log = await SimEngine.open(DIRECT);
  await log.engine.createTopic('a');
  await log.append('a', 'first');
  log.disk.failAt({ kind: 'sync', path: /\.log$/, fault: { error: 'EIO' } });
  await t.rejects(log.append('a', 'second'), { code: 'OUTCOME_UNKNOWN' });
  await reopenWith(log, 0);
  await servesAndGoesOn(t, log, [['first', 'second']]);
});

t.test('a batch of the journal whose sync was not waited for', async (t) => {
  const log = await SimEngine.open(JOURNALED);
  await log.engine.createTopic('a');
  await log.append('a', 'first');
  await log.settle();
  await log.append('a', 'second');
  // The next file of the journal is made meanwhile, and synced as well.
  await log.settle(100);
  log.disk.failAt({ kind: 'sync', path: /\/journal\//, fault: { error: 'EIO' } });
  await t.rejects(log.append('a', 'third'), { code: 'OUTCOME_UNKNOWN' });
  await reopenWith(log, 0);
  await servesAndGoesOn(t, log, [['first', 'second', 'third']]);
});

/** What only a file has stands behind what only the journal has, and there is no space for that. */
t.test('a part in the middle that finds no space', async (t) => {
  const log = await SimEngine.open(JOURNALED);
  await log.engine.createTopic('a', { config: { 'segment.bytes': 4 * KIB } });
  await log.append('a', 'first');
  await log.settle();
  for (const value of ['second', 'third']) await log.append('a', value.padEnd(3000));
  await log.append('a', 'fourth'.padEnd(3000), { acks: 1 });
  await log.settle();
  const expected = await log.values('a');
  t.same(
    expected.map((value) => value.trim()),
    ['first', 'second', 'third', 'fourth'],
  );
  log.disk = log.disk.crash('kill');
  const [, third, fourth] = log.disk.paths().filter((path) => path.endsWith('.log'));
  // Of the third, nothing reached its segment; there is no checkpoint that says otherwise.
  for (const name of [
    third!,
    '/data/topics/a/0/checkpoint',
    ...log.disk.paths().filter((path) => path.endsWith('.summary')),
  ])
    await log.disk.remove(name);
  const before = log.disk.contents(fourth!);
  await reopenWith(log, 0);
  t.match(log.engine.offsets('a', 0), { highWatermark: 3, logEndOffset: 4 });
  t.same(await log.values('a'), expected.slice(0, 3));
  t.match(
    await log.engine.read('a', 0, { offset: 3 }),
    { chunks: [], nextOffset: 3 },
    'there is more to come',
  );
  t.match(log.engine.health(), {
    fencedPartitions: [{ reason: /the disk is full.*free space and start again, nothing is lost/ }],
  });
  await t.rejects(log.append('a', 'x'), { code: 'KAFKA_STORAGE_ERROR' });
  await log.engine.close();
  t.same(log.disk.contents(fourth!), before, 'nothing of it is touched');
  log.disk.capacityBytes = log.disk.usedBytes + 100 * KIB;
  await log.reopenAfterKill();
  t.same(await log.values('a'), expected);
  t.match(log.engine.health(), { ready: true });
});
