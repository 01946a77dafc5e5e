/**
 * A topic.json of an old backup: whole, and it knows fewer partitions than there are. None of them is hidden, nothing is
 * appended until that is put right, and repair does it without a loss.
 */
import fs from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { decodeJsonFile, encodeJsonFile } from '../../src/engine/format/json-file.ts';
import { Engine, repairDirectory, verifyDirectory } from '../../src/engine/index.ts';
import { readBack, type SampleLog, sampleLog, TOPIC } from '../helpers/sample-log.ts';
import { SimEngine } from '../helpers/sim-engine.ts';

const STALE = /topic\.json knows 1 partition, and 2 are in use.*seglog repair/;

function makeStale({ directory }: SampleLog): void {
  const path = join(directory, 'topics', TOPIC, 'topic.json');
  const file = decodeJsonFile(fs.readFileSync(path)) as object;
  fs.writeFileSync(path, encodeJsonFile({ ...file, partitions: 1 }));
}

for (const clean of [true, false]) {
  t.test(`after a ${clean ? 'clean stop' : 'crash'}`, async (t) => {
    const log = await sampleLog(t, { clean, journal: true });
    makeStale(log);
    const found = await verifyDirectory({ directory: log.directory });
    t.equal(found.ok, false);
    const damage = found.findings.filter(({ severity }) => severity === 'damage');
    t.match(damage, [{ topic: TOPIC, partition: null, file: /topic\.json$/, message: STALE }]);
    t.equal(damage.length, 1);
    t.equal(found.counts.partitions, 2, 'the others are checked too');

    const engine = await Engine.open({ directory: log.directory });
    t.match(engine.health(), {
      ready: false,
      fencedPartitions: [{ partition: 0, reason: STALE }, { partition: 1 }],
      damagedPartitions: [],
    });
    for (const [partition, values] of log.values) {
      t.same([...(await readBack(engine, partition)).values.values()], values, 'all of it is served');
      await t.rejects(engine.append(TOPIC, [{ value: 'x' }], { partition }), { code: 'KAFKA_STORAGE_ERROR' });
    }
    await t.rejects(engine.alterTopic(TOPIC, { partitions: 2 }), { code: 'CORRUPT_MESSAGE' });
    await engine.close();

    t.match(await repairDirectory({ directory: log.directory, acceptLoss: false }), {
      ok: true,
      losses: [],
      actions: [{ file: /topic\.json$/, message: /raised its partitions from 1 to 2/ }],
      keptIn: /^repair/,
    });
    t.match(await verifyDirectory({ directory: log.directory }), { ok: true, findings: [] });
    const repaired = await Engine.open({ directory: log.directory });
    t.match(repaired.health(), { ready: true });
    for (const [partition, values] of log.values) {
      t.same([...(await readBack(repaired, partition)).values.values()], values);
      const [appended] = await repaired.append(TOPIC, [{ value: 'goes on' }], { partition });
      t.equal(appended!.baseOffset, values.length);
    }
    await repaired.close();
  });
}

const TOPIC_FILE = '/data/topics/a/topic.json';

/** Puts the topic.json back that was there before the topic got its second partition. */
function restore(log: SimEngine, backup: Buffer): void {
  log.disk = log.disk.crash('kill');
  log.disk.plant(TOPIC_FILE, backup);
}

t.test('a partition of which only the journal tells', async (t) => {
  const log = await SimEngine.open({ 'journal.files': 2 });
  log.leaveDamaged();
  await log.engine.createTopic('a', { partitions: 1 });
  const backup = log.disk.contents(TOPIC_FILE);
  await log.engine.alterTopic('a', { partitions: 2 });
  // The first commit finds no journal file yet, and has one made.
  await log.append('a', 'elsewhere');
  await log.settle();
  await log.append('a', 'journaled', { partition: 1 });
  t.same(await log.disk.list('/data/topics/a/1'), []);
  restore(log, backup);
  await log.reopenAfterKill();
  t.same(await log.values('a', 0, 1), ['journaled']);
  t.match(log.engine.health().fencedPartitions, [{ partition: 0, reason: STALE }, { partition: 1 }]);
});

t.test('an empty partition of which only the clean marker tells', async (t) => {
  const log = await SimEngine.open();
  log.leaveDamaged();
  await log.engine.createTopic('a', { partitions: 1 });
  const backup = log.disk.contents(TOPIC_FILE);
  await log.engine.alterTopic('a', { partitions: 2 });
  await log.engine.close();
  restore(log, backup);
  await log.reopenAfterKill();
  t.match(log.engine.health().fencedPartitions, [{ partition: 0, reason: STALE }, { partition: 1 }]);
});

t.test('the segments of another topic are no partition of this one', async (t) => {
  const log = await SimEngine.open();
  log.leaveDamaged();
  for (const topic of ['a', 'b']) await log.engine.createTopic(topic, { partitions: 1 });
  await log.append('b', 'of b');
  const segment = log.disk.contents('/data/topics/b/0/00000000000000000000.log');
  await log.engine.close();
  await log.disk.makeDirectory('/data/topics/a/1');
  await (await log.disk.open('/data/topics/a/1/00000000000000000000.log', 'create')).close();
  log.disk.plant('/data/topics/a/1/00000000000000000000.log', segment);
  await log.reopenAfterKill();
  t.match(log.engine.health(), { ready: true, fencedPartitions: [] });
  t.equal((await log.engine.describeTopic('a')).partitions.length, 1);
  await log.engine.close();
  const { findings } = await verifyDirectory({ directory: '/data', fileSystem: log.disk });
  t.match(findings, [{ severity: 'damage', topic: 'a', partition: 1, message: /this is none of them/ }]);
});
