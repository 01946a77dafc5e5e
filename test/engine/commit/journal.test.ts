/** The journal's pool of files: none is used again before all that it covers is safe elsewhere. */
import t, { type Test } from 'tap';
import { Journal, type JournalOptions } from '../../../src/engine/commit/journal.ts';
import { isSeglogError } from '../../../src/engine/common/errors.ts';
import { silentLogger } from '../../../src/engine/common/logger.ts';
import { frameBytes, type JournalEntry } from '../../../src/engine/format/journal-format.ts';
import { BATCH_HEADER_BYTES, stampBatch } from '../../../src/engine/format/record-batch.ts';
import { RecordBatchBuilder } from '../../../src/engine/format/record-batch-builder.ts';
import { JournalScanner } from '../../../src/engine/recovery/journal-scanner.ts';
import { SimClock, settled } from '../../crash/sim-clock.ts';
import { SimFileSystem } from '../../crash/sim-file-system.ts';
import { journalContent } from '../../helpers/journal-frames.ts';
import { memoryFile } from '../../helpers/memory-file.ts';

const FILE_BYTES = 4096;
const DIRECTORY = '/data';

interface Setup {
  files: SimFileSystem;
  clock: SimClock;
  journal: Journal<string>;
  /** What was asked to be synced, in order. */
  asked: [client: string, offset: number][];
}

async function setUp(options: Partial<JournalOptions<string>> = {}): Promise<Setup> {
  const files = new SimFileSystem();
  const clock = new SimClock();
  const asked: Setup['asked'] = [];
  await files.makeDirectory(DIRECTORY);
  await files.makeDirectory(`${DIRECTORY}/journal`);
  const journal = new Journal<string>({
    directory: DIRECTORY,
    fileSystem: files,
    clock,
    logger: silentLogger,
    observer: {},
    fileBytes: FILE_BYTES,
    maxFiles: 2,
    nextSequence: 0,
    takeRoom: () => true,
    syncTo: async (client, offset) => void asked.push([client, offset]),
    ...options,
  });
  return { files, clock, journal, asked };
}

function entry(offset: number): JournalEntry {
  const builder = new RecordBatchBuilder(BATCH_HEADER_BYTES);
  builder.add(1, null, `record ${offset}`, undefined);
  const { bytes } = builder.finish('none');
  stampBatch(bytes, offset, 0);
  return { topicId: Buffer.alloc(16, 1), partition: 0, batch: bytes };
}

/** Appends one batch of `client` that ends at `offset` + 1; false while there is no room. */
async function append({ journal }: Setup, client: string, offset: number): Promise<boolean> {
  const each = entry(offset);
  if (!journal.canTake(1, each.batch.length)) return false;
  await journal.append([each], new Map([[client, offset + 1]]));
  return true;
}

/** How many of `count` tries in turn were appended, with all that the journal does meanwhile done in between. */
async function appendMany(setup: Setup, count: number, from = 0): Promise<number> {
  let appended = 0;
  for (let offset = from; offset < from + count; offset++) {
    if (await append(setup, 'a', offset)) appended++;
    for (let turn = 0; turn < 20; turn++) await settled();
  }
  return appended;
}

const journalFiles = ({ files }: Setup) => files.paths().filter((path) => path.endsWith('.journal'));
const PER_FILE = (FILE_BYTES - 512) / frameBytes(1, entry(0).batch.length);

for (const maxFiles of [1, 2, 4]) {
  t.test(`with ${maxFiles} file(s) the journal goes on for ever`, async (t) => {
    const setup = await setUp({ maxFiles });
    const tries = PER_FILE * 40;
    const appended = await appendMany(setup, tries);
    // With a single file there is nowhere to append while it is made fit for use again.
    t.ok(appended >= tries * (maxFiles === 1 ? 0.8 : 0.95), `${appended} of ${tries}`);
    t.ok(setup.journal.files <= maxFiles);
    t.equal(journalFiles(setup).length, setup.journal.files);
    await setup.journal.close();
    t.equal(setup.files.openHandles, 0);
  });
}

t.test('the first frame of a file tells where the file before it ended', async (t) => {
  const setup = await setUp({ maxFiles: 4 });
  await appendMany(setup, PER_FILE * 3);
  const told: unknown[] = [];
  for (const [sequence, path] of journalFiles(setup).entries()) {
    const bytes = setup.files.contents(path);
    told.push(await new JournalScanner(memoryFile(bytes), sequence, bytes.length).endBefore());
  }
  t.same(told, [undefined, { sequence: 0, end: FILE_BYTES }, { sequence: 1, end: FILE_BYTES }, undefined]);
});

t.test('with no files it takes nothing', async (t) => {
  const setup = await setUp({ maxFiles: 0 });
  t.equal(await appendMany(setup, 5), 0);
  t.same(journalFiles(setup), []);
});

t.test('a file is written again only after all that it covers is synced', async (t) => {
  const { promise: synced, resolve } = Promise.withResolvers<void>();
  const asked: unknown[] = [];
  const setup = await setUp({
    syncTo: (client, offset) => {
      asked.push([client, offset]);
      return synced;
    },
  });
  const appended = await appendMany(setup, PER_FILE * 5);
  t.equal(appended, PER_FILE * 2, 'two files full');
  t.same(asked, [['a', PER_FILE + 1]], 'the first one asks for what it covers');
  for (const [sequence, path] of journalFiles(setup).entries())
    t.equal((await journalContent(setup.files.contents(path), sequence)).frames.length, PER_FILE);
  resolve();
  t.ok((await appendMany(setup, PER_FILE, 1000)) > 0);
});

async function rejectedAs(t: Test, code: 'OUTCOME_UNKNOWN', work: Promise<unknown>): Promise<void> {
  const error = await work.catch((error: unknown) => error);
  t.ok(isSeglogError(error, code), String(error));
}

for (const kind of ['write', 'sync'] as const) {
  t.test(`a ${kind} that fails is final`, async (t) => {
    const setup = await setUp();
    t.equal(await appendMany(setup, 4), 3, 'the first finds no file yet');
    setup.files.failAt({ kind, fault: { error: 'EIO' } });
    await rejectedAs(t, 'OUTCOME_UNKNOWN', append(setup, 'a', 10));
    const { calls } = setup.files;
    t.equal(await appendMany(setup, 4, 11), 0);
    t.equal(setup.files.calls, calls, 'no file is touched any more');
    await setup.journal.close();
  });
}

t.test('what cannot be synced now is asked for again later', async (t) => {
  let failing = true;
  const setup = await setUp({
    syncTo: async () => {
      if (failing) throw new Error('no space');
    },
  });
  t.equal(await appendMany(setup, PER_FILE * 4), PER_FILE * 2);
  failing = false;
  t.equal(await appendMany(setup, PER_FILE, 1000), 0, 'not at once');
  await setup.clock.advance(10_000);
  t.ok((await appendMany(setup, PER_FILE, 2000)) > 0);
});

t.test('while the disk is full no file is made', async (t) => {
  let room = false;
  const setup = await setUp({ takeRoom: () => room });
  t.equal(await appendMany(setup, 5), 0);
  t.same(journalFiles(setup), []);
  room = true;
  await setup.clock.advance(10_000);
  t.ok((await appendMany(setup, 5)) > 0);
});

t.test('files of an earlier life are used again; those of another size go', async (t) => {
  const first = await setUp();
  await appendMany(first, 3);
  await first.journal.close();
  const { files, clock } = first;
  files.plant(`${DIRECTORY}/journal/00000000000000000007.journal`, Buffer.alloc(100));
  const journal = new Journal<string>({
    directory: DIRECTORY,
    fileSystem: files,
    clock,
    logger: silentLogger,
    observer: {},
    fileBytes: FILE_BYTES,
    maxFiles: 2,
    nextSequence: 8,
    takeRoom: () => true,
    syncTo: async () => {},
  });
  for (const sequence of [0, 1, 7]) await journal.adopt(sequence);
  t.equal(journal.files, 2);
  const setup = { ...first, journal };
  await appendMany(setup, 3);
  const names = journalFiles(setup).map((path) => path.split('/').at(-1));
  t.same(names, ['00000000000000000008.journal', '00000000000000000009.journal'], 'under new sequences');
  t.equal((await journalContent(files.contents(journalFiles(setup)[0]!), 8)).frames.length, 2);
});

t.test(
  'files of an earlier life that are still needed are used again once all they cover is synced',
  async (t) => {
    const first = await setUp();
    await appendMany(first, PER_FILE * 2);
    await first.journal.close();
    const { promise: synced, resolve } = Promise.withResolvers<void>();
    const asked: unknown[] = [];
    const journal = new Journal<string>({
      directory: DIRECTORY,
      fileSystem: first.files,
      clock: first.clock,
      logger: silentLogger,
      observer: {},
      fileBytes: FILE_BYTES,
      maxFiles: 2,
      nextSequence: 8,
      takeRoom: () => true,
      syncTo: (client, offset) => {
        asked.push([client, offset]);
        return synced;
      },
    });
    const before = journalFiles(first);
    for (const sequence of [1, 2]) await journal.adopt(sequence, new Map([['a', 7]]));
    const setup = { ...first, journal };
    t.equal(await appendMany(setup, 3), 0);
    t.same(asked, [['a', 7]]);
    t.same(journalFiles(setup), before);
    resolve();
    t.ok((await appendMany(setup, 3)) > 0);
    await journal.close();
  },
);
