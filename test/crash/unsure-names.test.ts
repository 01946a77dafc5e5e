/**
 * Names of files that may not be durable: a sync of a directory that fails, or has not happened yet. Whatever else goes on
 * in that directory, nothing is acknowledged that a power cut can take, and no file goes before the log start says so.
 */
import t from 'tap';
import type { AppendOptions } from '../../src/engine/common/types.ts';
import { Engine } from '../../src/engine/engine.ts';
import { decodeRecords } from '../../src/engine/format/record-batch-reader.ts';
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
