/**
 * Names of files that may not be durable: a sync of a directory that fails, or has not happened yet. Whatever else goes on
 * in that directory, nothing is acknowledged that a power cut can take, and no file goes before the log start says so.
 */
import t from 'tap';
import type { AppendOptions } from '../../src/engine/common/types.ts';
import { Engine } from '../../src/engine/engine.ts';
import { decodeRecords } from '../../src/engine/format/record-batch-reader.ts';
import { verifyDirectory } from '../../src/engine/inspection/verify.ts';
import { SimClock, settled } from './sim-clock.ts';
import { SimFileSystem } from './sim-file-system.ts';

const DIRECTORY = '/data';
const DIRECT = { 'journal.files': 0 };
const EIO = { error: 'EIO' } as const;
const EMFILE = { error: 'EMFILE' } as const;

const open = (disk: SimFileSystem, settings: Record<string, number> = DIRECT) =>
  Engine.open({ directory: DIRECTORY, fileSystem: disk, clock: new SimClock(), settings });

const outcome = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'done',
    (error) => error.code,
  );

const append = (engine: Engine, topic: string, value: string, options: AppendOptions = {}) =>
  outcome(engine.append(topic, [{ value }], { partition: 0, ...options }));

async function values(engine: Engine, topic: string, partition = 0): Promise<string[]> {
  const { logStartOffset, highWatermark } = engine.offsets(topic, partition);
  const found: string[] = [];
  for (let offset = logStartOffset; offset < highWatermark; ) {
    const read = await engine.read(topic, partition, { offset });
    found.push(...decodeRecords(read.chunks, offset).map(({ value }) => String(value)));
    offset = read.nextOffset;
  }
  return found;
}

for (const [name, fault] of [
  ['fails', EIO],
  ['finds no descriptor', EMFILE],
] as const) {
  for (const [way, settings] of [
    ['straight to segments', DIRECT],
    ['through the journal', { 'journal.files': 2, 'journal.file.bytes': 65_536 }],
  ] as const) {
    t.test(`a deletion of a topic of which the sync ${name}, appends ${way}`, async (t) => {
      const disk = new SimFileSystem();
      const engine = await open(disk, settings);
      await engine.createTopic('a', { partitions: 1 });
      for (const value of ['first', 'second']) t.equal(await append(engine, 'a', value), 'done');
      await settled();
      disk.failAt({ kind: 'syncDirectory', path: /topics$/, fault });
      t.not(await outcome(engine.deleteTopic('a')), 'done');
      const later = await append(engine, 'a', 'third');
      const after = await open(disk.crash('kill'), settings);
      const isThere = after.listTopics().length > 0;
      if (later === 'done') t.same(isThere && (await values(after, 'a')), ['first', 'second', 'third']);
      else t.equal(later, 'UNKNOWN_TOPIC_OR_PARTITION', 'who appends is told that it is gone');
      await after.close();
    });
  }
}

for (const again of [false, true]) {
  const what = again ? ', and another topic has its name' : '';
  t.test(`what is left of a deletion that was not made durable${what}`, async (t) => {
    const disk = new SimFileSystem();
    const engine = await open(disk);
    await engine.createTopic('a', { partitions: 1 });
    for (const value of ['first', 'second']) t.equal(await append(engine, 'a', value), 'done');
    disk.failAt({ kind: 'syncDirectory', path: /topics$/, fault: EIO });
    t.equal(await outcome(engine.deleteTopic('a')), 'OUTCOME_UNKNOWN');
    if (again) await engine.createTopic('a', { partitions: 2 });
    const begun = disk.operations.length;
    await engine.close();
    const next = await open(disk);
    const opened = disk.operations.length;
    t.equal(next.listTopics().length, again ? 1 : 0);
    t.notOk(
      disk.paths().some((path) => path.includes('~')),
      'nothing is left',
    );
    await next.close();
    const end = disk.operations.length;
    for (let at = begun; at <= end; at++) {
      if (at < end && !disk.operations[at]!.change) continue;
      for (const variant of ['only what was synced', 'everything', 'some names', 'some pieces'] as const) {
        for (let seed = 0; seed < 4; seed++) {
          const image = disk.crashImage({ at, variant, seed });
          const { findings } = await verifyDirectory({ directory: DIRECTORY, fileSystem: image });
          const after = await open(image);
          const [topic] = after.listTopics();
          const isWhole = topic && at < opened && (await values(after, 'a')).length === 2;
          const isRight = again ? topic?.partitions === 2 : topic === undefined || isWhole;
          const isWell = isRight && findings.every(({ severity }) => severity === 'note');
          if (!isWell) t.fail(`at ${at}, ${variant}, seed ${seed}: ${JSON.stringify([topic, findings])}`);
          await after.close();
        }
      }
    }
  });
}

t.test('what is left of a deletion stays while there is no space to take its name', async (t) => {
  const disk = new SimFileSystem();
  const engine = await open(disk);
  await engine.createTopic('a', { partitions: 1 });
  disk.failAt({ kind: 'syncDirectory', path: /topics$/, fault: EIO });
  t.equal(await outcome(engine.deleteTopic('a')), 'OUTCOME_UNKNOWN');
  await engine.close();
  const isLeft = () => disk.paths().some((path) => path.includes('/deleted-'));
  disk.failAt({ kind: 'makeDirectory', path: /topics\/a$/, fault: { error: 'ENOSPC' } });
  await (await open(disk)).close();
  t.ok(isLeft());
  await (await open(disk)).close();
  t.notOk(isLeft(), 'gone when there was space again');
});

t.test('a topic of which the name may not be durable can be made again', async (t) => {
  for (const fault of [EIO, EMFILE]) {
    const disk = new SimFileSystem();
    const engine = await open(disk);
    disk.failAt({ kind: 'syncDirectory', path: /topics$/, fault });
    t.not(await outcome(engine.createTopic('a', { partitions: 1 })), 'done');
    t.equal(await outcome(engine.createTopic('a', { partitions: 2 })), 'done');
    t.equal(await append(engine, 'a', 'first'), 'done');
    const after = await open(disk.crash('only what was synced'));
    t.same(await values(after, 'a'), ['first']);
    await after.close();
  }
});

t.test('partitions that were added although a sync had failed before', async (t) => {
  const disk = new SimFileSystem();
  const engine = await open(disk);
  await engine.createTopic('a', { partitions: 1 });
  disk.failAt({ kind: 'syncDirectory', path: /\/a$/, fault: EIO });
  t.not(await outcome(engine.alterTopic('a', { partitions: 2 })), 'done');
  t.equal(await outcome(engine.alterTopic('a', { partitions: 2 })), 'done');
  t.equal(await append(engine, 'a', 'first', { partition: 1 }), 'done');
  const after = await open(disk.crash('only what was synced'));
  t.same(await values(after, 'a', 1), ['first']);
  await after.close();
});

t.test(
  'partitions that could not be added for good are not there after a start without a power cut',
  async (t) => {
    const disk = new SimFileSystem();
    const engine = await open(disk);
    await engine.createTopic('a', { partitions: 1 });
    // The first one is for their directories, the second one for topic.json.
    disk.failAt({ kind: 'syncDirectory', path: /\/a$/, nth: 1, fault: { error: 'ENOSPC' } });
    t.equal(await outcome(engine.alterTopic('a', { partitions: 2 })), 'STORAGE_FULL');
    await engine.close();
    const next = await open(disk);
    const stored = await append(next, 'a', 'first', { partition: 1 });
    const after = await open(disk.crash('only what was synced'));
    const [topic] = after.listTopics();
    t.same([stored, topic!.partitions], ['UNKNOWN_TOPIC_OR_PARTITION', 1]);
    await after.close();
  },
);

t.test('a sync of names for what is derived, while a segment waits for its name', async (t) => {
  let caught = 0;
  // The failing one is that of a rolled segment's index and summary; the others are of the appends.
  for (let nth = 1; nth < 14; nth++) {
    const disk = new SimFileSystem({ seed: nth, delays: 6 });
    const engine = await open(disk);
    await engine.createTopic('a', { partitions: 1, config: { 'segment.bytes': 4096 } });
    disk.failAt({ kind: 'syncDirectory', path: /\/a\/0$/, nth, fault: EIO });
    const stored: string[] = [];
    for (let i = 0; i < 12; i++) {
      const value = `${i}`.padEnd(2500);
      if ((await append(engine, 'a', value)) === 'done') stored.push(value);
    }
    if (disk.operations.some(({ error }) => error === 'EIO')) caught++;
    const fenced = engine.health().fencedPartitions.length > 0;
    t.equal(
      fenced,
      disk.operations.some(({ error }) => error === 'EIO'),
      'fenced, whoever asked for it',
    );
    const after = await open(disk.crash('only what was synced'));
    t.same((await values(after, 'a')).slice(0, stored.length), stored, 'what was acknowledged is there');
    t.match(after.health(), { ready: true });
    await after.close();
  }
  t.ok(caught > 5);
});

t.test('a sync that fails beside one that finds no descriptor', async (t) => {
  const disk = new SimFileSystem();
  const clock = new SimClock();
  const settings = { ...DIRECT, 'max.open.files': 16 };
  const engine = await Engine.open({ directory: DIRECTORY, fileSystem: disk, clock, settings });
  const config = { flush: 'interval', 'flush.ms': 1000 };
  await engine.createTopic('a', { partitions: 20, config });
  // The last ones push the first one's file out: it must be opened again for its sync.
  for (let partition = 0; partition < 20; partition++)
    t.equal(await append(engine, 'a', 'first', { acks: 1, partition }), 'done');
  disk.failAt({ kind: 'open', path: /\/a\/0\//, fault: EMFILE });
  disk.failAt({ kind: 'syncDirectory', path: /\/a\/0$/, fault: EIO });
  await clock.advance(10_000);
  t.match(engine.health(), { fencedPartitions: [{ partition: 0 }] }, 'one of both has failed');
  t.equal(await append(engine, 'a', 'second'), 'KAFKA_STORAGE_ERROR');
});

t.test('segments go once the log start is durable, also after a crash', async (t) => {
  const disk = new SimFileSystem();
  const engine = await open(disk);
  await engine.createTopic('a', { partitions: 1, config: { 'segment.bytes': 4096 } });
  for (let i = 0; i < 6; i++) t.equal(await append(engine, 'a', `${i}`.padEnd(2500)), 'done');
  for (let turn = 0; turn < 200; turn++) await settled();
  t.equal(await outcome(engine.deleteRecords('a', 0, 3)), 'done');
  // Killed when the new log start had its name, but not for good.
  const at =
    1 + disk.operations.findIndex(({ kind, target }) => kind === 'rename' && target?.endsWith('log-start'));
  t.ok(at > 0);
  const second = disk.crashImage({ at, variant: 'kill' });
  const begun = second.operations.length;
  await (await open(second)).close();
  for (let place = begun; place <= second.operations.length; place++) {
    for (let seed = 0; seed < 8; seed++) {
      const after = await open(second.crashImage({ at: place, variant: 'some names', seed }));
      const { logStartOffset } = after.offsets('a', 0);
      const health = after.health();
      const where = `at ${place} ${JSON.stringify(second.operations[place - 1]?.path)}, seed ${seed}`;
      if (!health.ready || ![0, 3].includes(logStartOffset))
        t.fail(`${where}: ${health.reasons} ${logStartOffset}`);
      await after.close();
    }
  }
});

t.test('a deletion that finds no space for all of it deletes nothing', async (t) => {
  const disk = new SimFileSystem();
  const engine = await open(disk);
  await engine.createTopic('a', { partitions: 1, config: { 'segment.bytes': 4096 } });
  for (let i = 0; i < 6; i++) t.equal(await append(engine, 'a', `${i}`.padEnd(2500)), 'done');
  for (let turn = 0; turn < 200; turn++) await settled();
  disk.failAt({ kind: 'write', path: /checkpoint~$/, fault: { error: 'ENOSPC' } });
  t.equal(await outcome(engine.deleteRecords('a', 0, 3)), 'STORAGE_FULL');
  const after = await open(disk.crash('kill'));
  t.equal(after.offsets('a', 0).logStartOffset, 0, 'as the answer said');
  t.equal((await values(after, 'a')).length, 6);
  await after.close();
});
