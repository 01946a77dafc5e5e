/** A directory with anything in it that a newer program wrote is refused, and left byte for byte as it was. */
import t, { type Test } from 'tap';
import { Engine } from '../../src/engine/engine.ts';
import { checksumInto } from '../../src/engine/format/checksum.ts';
import { decodeJsonFile, encodeJsonFile } from '../../src/engine/format/json-file.ts';
import { SEGMENT_HEADER_BYTES } from '../../src/engine/format/segment-header.ts';
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
  if (end === 'closed') await engine.close();
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

/** What is read before anything is written, however the log was left. */
const READ_FIRST: readonly [name: string, path: RegExp, change: Change][] = [
  ['meta.json', /meta\.json$/, newerJson('formatVersion')],
  ['topic.json', /c\/topic\.json$/, newerJson('version')],
  ['the clean marker', /clean-shutdown$/, newerHeader()],
];

/** What is read when a log is recovered. */
const RECOVERED: readonly [name: string, path: RegExp, change: Change][] = [
  ['a journal file', /\.journal$/, newerHeader(32)],
  ['a checkpoint', /a\/0\/checkpoint$/, newerHeader()],
  ['a summary', /a\/0\/\d+\.summary$/, newerHeader()],
  ['the active segment', /a\/0\/\d+\.log$/, newerHeader(SEGMENT_HEADER_BYTES)],
];

const contents = (disk: SimFileSystem, without?: RegExp) =>
  Object.fromEntries(
    disk
      .paths()
      .filter((path) => !without?.test(path))
      .map((path) => [path, disk.contents(path).toString('base64')]),
  );

/** `touched`: files that may be other ones afterwards. */
async function isRefused(t: Test, disk: SimFileSystem, touched?: RegExp): Promise<void> {
  const before = contents(disk, touched);
  const clock = new SimClock();
  const error = await Engine.open({
    directory: DIRECTORY,
    fileSystem: disk,
    clock,
    settings: SETTINGS,
  }).catch((error) => error);
  t.match(error, { code: 'UNSUPPORTED_VERSION', details: { version: NEWER } });
  t.match(error.message, /version 999.*up to 1/);
  t.same(contents(disk, touched), before, 'nothing is touched');
  t.equal(disk.openHandles, 0);
}

for (const end of ['killed', 'closed'] as const) {
  t.test(`a log that was ${end}`, async (t) => {
    const disk = await usedLog(end);
    const kinds = end === 'killed' ? [...READ_FIRST, ...RECOVERED] : READ_FIRST;
    for (const [name, pattern, change] of kinds) {
      const path = disk.paths().findLast((each) => pattern.test(each));
      if (path === undefined) continue;
      t.test(`and has ${name} of a newer version`, async (t) => {
        const copy = disk.crashImage({ variant: 'kill' });
        copy.plant(path, change(copy.contents(path)));
        // A partition is recovered without a look at the others; its own files stay.
        await isRefused(t, copy, path.includes('/a/0/') ? /\/topics\/(a\/1|[bc])\// : undefined);
      });
    }
  });
}
