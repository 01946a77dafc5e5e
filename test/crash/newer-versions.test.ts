/** A directory with anything in it that a newer program wrote is refused, and left byte for byte as it was. */
import t, { type Test } from 'tap';
import { Engine } from '../../src/engine/engine.ts';
import { createSynced } from '../../src/engine/files/file-operations.ts';
import { checksumInto } from '../../src/engine/format/checksum.ts';
import { decodeJsonFile, encodeJsonFile } from '../../src/engine/format/json-file.ts';
import { SEGMENT_HEADER_BYTES } from '../../src/engine/format/segment-header.ts';
import { cleanedFile } from '../../src/engine/partition/cleaned-file.ts';
import { NEVER_CLEANED } from '../../src/engine/partition/compaction.ts';
import { gapsFile } from '../../src/engine/partition/gaps.ts';
import { IdempotencyKeys } from '../../src/engine/partition/idempotency-keys.ts';
import { ProducerStates } from '../../src/engine/partition/producer-states.ts';
import { producersFile } from '../../src/engine/partition/producers-file.ts';
import { SimClock, settled } from './sim-clock.ts';
import { SimFileSystem } from './sim-file-system.ts';

const DIRECTORY = '/data';
const SETTINGS = { 'journal.file.bytes': 65_536, 'journal.files': 2, 'checkpoint.bytes': 65_536 };
const NEWER = 999;

/** A log with sealed segments, a checkpoint, a journal and unfinished files. */
async function usedLog(end: 'killed' | 'closed'): Promise<SimFileSystem> {
  const disk = new SimFileSystem();
  const clock = new SimClock();
  const engine = await Engine.open({ directory: DIRECTORY, fileSystem: disk, clock, settings: SETTINGS });
  for (const topic of ['a', 'b', 'c']) {
    await engine.createTopic(topic, { partitions: 2, config: { 'segment.bytes': 4096 } });
  }
  for (let round = 0; round < 12; round++) {
    const appends = ['a', 'b', 'c'].flatMap((topic) =>
      [0, 1].map((partition) => engine.append(topic, [{ value: 'x'.repeat(700) }], { partition })),
    );
    await Promise.all(appends);
    for (let turn = 0; turn < 30; turn++) await settled();
  }
  // Sealing comes behind the appends.
  for (let turn = 0; turn < 1000; turn++) await settled();
  if (end === 'closed') await engine.close();
  // What opening removes or makes, once it is sure.
  await createSynced(disk, '/data/topics/a/0/next.log~', []);
  await disk.makeDirectory('/data/topics/new-1~');
  const owner = { topicId: String((await engine.describeTopic('b')).id), partition: 1 };
  const cleaned = cleanedFile('/data/topics/b/0', { ...owner, partition: 0 }, NEVER_CLEANED);
  await createSynced(disk, cleaned.path, cleaned.buffers);
  const none = [new ProducerStates(), new IdempotencyKeys(), async () => {}] as const;
  const producers = await producersFile('/data/topics/b/1', owner, 0, ...none);
  await createSynced(disk, producers.path, producers.buffers);
  const [gaps] = gapsFile('/data/topics/b/1', owner, []).buffers;
  await createSynced(disk, '/data/topics/b/1/gaps.json', [gaps!]);
  return disk.crash('kill');
}

type Change = (bytes: Buffer) => Buffer;

/** The version in the header that most files begin with; its checksum protects the first `length` bytes. */
const newerHeader =
  (length?: number): Change =>
  (bytes) => {
    const changed = Buffer.from(bytes);
    const protectedBytes = changed.subarray(0, length);
    changed.writeUInt16LE(NEWER, 4);
    changed.fill(0, 8, 16);
    checksumInto(protectedBytes, changed, 8);
    return changed;
  };

const newerJson =
  (field: string): Change =>
  (bytes) =>
    encodeJsonFile({ ...(decodeJsonFile(bytes) as object), [field]: NEWER });

type Row = readonly [name: string, path: RegExp, change: Change];

/** What is read however the log was left. */
const ALWAYS: readonly Row[] = [
  ['meta.json', /meta\.json$/, newerJson('formatVersion')],
  ['topic.json', /c\/topic\.json$/, newerJson('version')],
  ['a note of what was compacted', /b\/0\/cleaned$/, newerHeader()],
  ['a snapshot of producers', /b\/1\/producers$/, newerHeader()],
  ['gaps.json', /b\/1\/gaps\.json$/, newerJson('version')],
  ['the active segment of the first partition', /a\/0\/\d+\.log$/, newerHeader(SEGMENT_HEADER_BYTES)],
  ['the active segment of the last partition', /c\/1\/\d+\.log$/, newerHeader(SEGMENT_HEADER_BYTES)],
];

const CLOSED: readonly Row[] = [['the clean marker', /clean-shutdown$/, newerHeader()]];

/** What is read when a log is recovered; files that recovery would put others in place of. */
const KILLED: readonly Row[] = [
  ['a journal file', /\.journal$/, newerHeader(32)],
  ['a checkpoint', /c\/1\/checkpoint$/, newerHeader()],
  ['a summary', /c\/1\/\d+\.summary$/, newerHeader()],
];

/** Beside the active segment: recovery puts others in their place. */
const DERIVED = ['.index', '.timeindex', '.summary'];

const contents = (disk: SimFileSystem) =>
  Object.fromEntries(disk.paths().map((path) => [path, disk.contents(path).toString('base64')]));

async function isRefused(t: Test, disk: SimFileSystem): Promise<void> {
  const before = contents(disk);
  const clock = new SimClock();
  const error = await Engine.open({
    directory: DIRECTORY,
    fileSystem: disk,
    clock,
    settings: SETTINGS,
  }).catch((error) => error);
  t.match(error, { code: 'UNSUPPORTED_VERSION', details: { version: NEWER } });
  t.match(error.message, /version 999.*up to 1/);
  t.same(contents(disk), before, 'nothing is touched');
  t.equal(disk.openHandles, 0);
}

for (const end of ['killed', 'closed'] as const) {
  t.test(`a log that was ${end}`, async (t) => {
    const disk = await usedLog(end);
    for (const [name, pattern, change] of [...ALWAYS, ...(end === 'killed' ? KILLED : CLOSED)]) {
      t.test(`and has ${name} of a newer version`, async (t) => {
        const path = disk.paths().findLast((each) => pattern.test(each))!;
        const copy = disk.crashImage({ variant: 'kill' });
        copy.plant(path, change(copy.contents(path)));
        await isRefused(t, copy);
      });
    }
    for (const suffix of end === 'killed' ? DERIVED : []) {
      t.test(`and has a ${suffix} of a newer version beside its active segment`, async (t) => {
        const copy = disk.crashImage({ variant: 'kill' });
        const active = copy.paths().findLast((path) => /c\/1\/\d+\.log$/.test(path))!;
        const path = active.replace(/\.log$/, suffix);
        const sealed = copy.paths().find((each) => each.endsWith(suffix))!;
        if (!copy.paths().includes(path)) await createSynced(copy, path, []);
        copy.plant(path, newerHeader()(copy.contents(sealed)));
        await isRefused(t, copy);
      });
    }
    t.test('and is of a newer version as a whole, and has no lock', async (t) => {
      const copy = disk.crashImage({ variant: 'kill' });
      await copy.remove(`${DIRECTORY}/seglog.lock`);
      const path = `${DIRECTORY}/meta.json`;
      copy.plant(path, newerJson('formatVersion')(copy.contents(path)));
      await isRefused(t, copy);
    });
  });
}
