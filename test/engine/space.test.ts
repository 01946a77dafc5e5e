/** The reserve: what the log leaves free for itself, and what it can still do with that. */
import t from 'tap';
import { SimEngine } from '../helpers/sim-engine.ts';

const KIB = 1024;

/** Appends to all partitions until one is refused. */
async function fill(log: SimEngine, partitions: number, bytes: number): Promise<void> {
  for (;;) {
    const appends = Array.from({ length: partitions }, (_, partition) =>
      log.append('a', 'x'.repeat(bytes), { partition }).then(
        () => 'stored',
        (error) => error.code,
      ),
    );
    const outcomes = await Promise.all(appends);
    await log.settle(3);
    if (outcomes.every((outcome) => outcome === 'stored')) continue;
    t.ok(outcomes.every((outcome) => outcome === 'stored' || outcome === 'STORAGE_FULL'));
    return;
  }
}

t.test('the reserve stays free, whatever the log writes: batches, journal files, indexes', async (t) => {
  const journaled = { 'journal.files': 4, 'journal.max.partition.bytes': 4 * KIB };
  for (const settings of [{ 'journal.files': 0 }, journaled] as Record<string, number>[]) {
    const log = await SimEngine.open({
      ...settings,
      'log.dir.reserve.bytes': 100 * KIB,
      'housekeeping.interval.ms': 3_600_000,
    });
    await log.engine.createTopic('a', { partitions: 4, config: { 'segment.bytes': 64 * KIB } });
    log.disk.capacityBytes = log.disk.usedBytes + 600 * KIB;
    // It learns how much that is, and then asks no more until space is short.
    await log.reopen();
    await fill(log, 4, 3000);
    const { freeBytes } = await log.disk.space('/data');
    // Indexes, summaries and pieces of the last sectors are small, and not foreseen.
    t.ok(freeBytes > 70 * KIB, `${Math.round(freeBytes / KIB)} KiB are free`);
    t.match(log.engine.health(), { storageFull: true, reasons: [/disk is full/] });
    await log.engine.close();
  }
});

t.test('with less space than the reserve it is not ready, also when nobody has appended yet', async (t) => {
  const log = await SimEngine.open({ 'log.dir.reserve.bytes': 100 * KIB });
  await log.engine.createTopic('a');
  log.disk.capacityBytes = log.disk.usedBytes + 50 * KIB;
  await log.reopen();
  t.match(log.engine.health(), { ready: false, storageFull: true, reasons: [/disk is full/] });
  log.disk.capacityBytes = log.disk.usedBytes + 150 * KIB;
  await log.clock.advance(1000);
  await log.settle();
  t.match(log.engine.health(), { ready: true, storageFull: false });
  await log.append('a', 'x');
});

t.test('after a kill, space for the end of one partition is enough for all of them', async (t) => {
  const partitions = 6;
  const log = await SimEngine.open({ 'recovery.parallel.partitions': partitions });
  await log.engine.createTopic('a', { partitions, config: { 'segment.bytes': 1024 * KIB } });
  // A checkpoint, so that the segment stays and its end is written anew; then the end.
  for (let partition = 0; partition < partitions; partition++) {
    for (const bytes of [40, 40, 20]) {
      await log.append('a', 'x'.repeat(bytes * KIB), { partition });
      await log.settle();
    }
  }
  const before = await Promise.all(
    Array.from({ length: partitions }, (_, partition) => log.values('a', 0, partition)),
  );
  log.disk.capacityBytes = log.disk.usedBytes + 50 * KIB;
  await log.reopenAfterKill();
  for (let partition = 0; partition < partitions; partition++) {
    t.same(await log.values('a', 0, partition), before[partition]);
  }
  t.same(
    log.disk.paths().filter((path) => path.endsWith('~')),
    [],
  );
  await log.engine.close();
});
