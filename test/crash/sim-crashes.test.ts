/** The simulated disk loses what a crash may lose, and nothing else: each loss shown alone. */
import t from 'tap';
import { createSynced, writeFully } from '../../src/engine/files/file-operations.ts';
import { CRASH_VARIANTS } from './sim/crash-image.ts';
import { Random } from './sim/random.ts';
import { diskWithFile, fill, outcomes, SEEDS } from './sim/small-disk.ts';
import { SimFileSystem } from './sim-file-system.ts';

t.test('what is synced survives every crash; what is not is there only as the variant says', async (t) => {
  const { files, file } = await diskWithFile();
  await writeFully(file, fill(1000, 2), 1500);
  const after = Buffer.concat([Buffer.alloc(1500, 1), Buffer.alloc(1000, 2)]);
  t.same(outcomes(files, 'only what was synced'), [after.subarray(0, 1500)]);
  t.same(outcomes(files, 'kill'), [after]);
  t.same(outcomes(files, 'everything'), [after]);
  await file.sync();
  for (const variant of CRASH_VARIANTS) t.same(outcomes(files, variant), [after], variant);
});

t.test('any subset of unsynced pieces survives, in any version since the last sync', async (t) => {
  const { files, file } = await diskWithFile();
  await file.truncate(2048);
  await file.sync();
  for (const value of [2, 3]) await writeFully(file, fill(2048, value), 0);
  const seen = outcomes(files, 'some pieces').map((content) => {
    t.equal(content.length, 2048);
    const pieces = [0, 512, 1024].map((position) => content.subarray(position, position + 476));
    t.ok(
      pieces.every((piece) => piece.every((byte) => byte === piece[0])),
      'pieces are whole',
    );
    return pieces.map((piece) => piece[0]).join('');
  });
  for (const mixture of ['111', '121', '333', '323']) t.ok(seen.includes(mixture), `${mixture} of ${seen}`);
});

t.test('a write is torn at a sector or at any byte, and what is before it is whole', async (t) => {
  const { files, file } = await diskWithFile();
  await writeFully(file, fill(1000, 2), 1500);
  await writeFully(file, fill(1000, 3), 2500);
  const all = Buffer.concat([Buffer.alloc(1500, 1), Buffer.alloc(1000, 2), Buffer.alloc(1000, 3)]);
  for (const [variant, unit] of [
    ['cut at a sector', 512],
    ['cut at a byte', 1],
  ] as const) {
    const contents = outcomes(files, variant);
    for (const content of contents) t.ok(content.equals(all.subarray(0, content.length)), 'a prefix');
    const torn = contents
      .map(({ length }) => length)
      .filter((length) => ![1500, 2500, 3500].includes(length));
    t.ok(torn.length > 3);
    t.ok(torn.every((length) => length % unit === 0));
    t.equal(
      unit === 1,
      torn.some((length) => length % 512 !== 0),
    );
  }
});

t.test('the size may arrive before the data: zeros, or garbage that is not zeros', async (t) => {
  const { files, file } = await diskWithFile();
  await writeFully(file, fill(2000, 2), 1500);
  t.same(outcomes(files, 'size before data, zeros'), [
    Buffer.concat([Buffer.alloc(1500, 1), Buffer.alloc(2000)]),
  ]);
  const garbage = outcomes(files, 'size before data, garbage');
  t.ok(garbage.length > 1);
  for (const content of garbage) {
    t.equal(content.length, 3500);
    t.ok(content.subarray(0, 1500).every((byte) => byte === 1));
    t.ok(content.subarray(1500).some((byte) => byte !== 0 && byte !== 2));
  }
});

t.test('the last write may survive alone', async (t) => {
  const { files, file } = await diskWithFile();
  await writeFully(file, fill(548, 2), 1500);
  await writeFully(file, fill(512, 3), 2048);
  const expected = Buffer.concat([Buffer.alloc(1500, 1), Buffer.alloc(548), Buffer.alloc(512, 3)]);
  t.same(outcomes(files, 'last write only'), [expected]);
});

t.test('a truncation is lost or kept, and never mixes old bytes with new ones behind it', async (t) => {
  const { files, file } = await diskWithFile();
  await file.truncate(512);
  await writeFully(file, fill(1024, 2), 512);
  for (const variant of CRASH_VARIANTS.filter((variant) => !variant.includes('garbage'))) {
    for (const content of outcomes(files, variant)) {
      const rest = new Set(content.subarray(512));
      t.notOk(rest.has(1) && rest.has(2), variant);
    }
  }
  const sizes = new Set(outcomes(files, 'some pieces').map((content) => content.length));
  t.same([...sizes].sort(), [1500, 1536, 512]);
});

t.test('names are lost, each by itself, unless their directory was synced', async (t) => {
  const { files } = await diskWithFile();
  for (const name of ['a', 'b', 'c']) await createSynced(files, `/d/${name}`, fill(10, 7));
  await files.remove('/d/file');
  const seen = new Set<string>();
  for (const seed of SEEDS) seen.add(files.crashImage({ variant: 'some names', seed }).paths().join(' '));
  t.ok(seen.has('/d/a /d/b /d/c'));
  t.ok(seen.has('/d/a /d/c /d/file') || seen.has('/d/a /d/c'), 'not only prefixes');
  t.ok(seen.has('/d/file'), 'all of them');
  t.same(files.crashImage({ variant: 'data without names' }).paths(), ['/d/file']);
  await files.syncDirectory('/d');
  for (const variant of CRASH_VARIANTS)
    t.same(files.crashImage({ variant }).paths(), ['/d/a', '/d/b', '/d/c']);
});

t.test('a name may survive without the bytes of its file', async (t) => {
  const { files } = await diskWithFile();
  const file = await files.open('/d/new~', 'create');
  await writeFully(file, fill(10, 7), 0);
  await files.rename('/d/new~', '/d/file');
  const image = files.crashImage({ variant: 'names without data' });
  t.same(image.paths(), ['/d/file']);
  t.equal(image.contents('/d/file').length, 0);
});

t.test('a file is replaced or not, whatever survives', async (t) => {
  const { files } = await diskWithFile();
  await createSynced(files, '/d/file~', fill(20, 2));
  await files.rename('/d/file~', '/d/file');
  for (const variant of CRASH_VARIANTS) {
    for (const content of outcomes(files, variant)) t.ok([20, 1500].includes(content.length), variant);
  }
  t.equal(outcomes(files, 'some names').length, 2);
});

t.test('a rename to another directory never loses the file', async (t) => {
  const { files } = await diskWithFile();
  await files.makeDirectory('/e');
  await files.syncDirectory('/');
  await files.rename('/d/file', '/e/file');
  await files.syncDirectory('/d');
  for (const seed of SEEDS) t.not(files.crashImage({ variant: 'some names', seed }).paths().length, 0);
  await files.syncDirectory('/e');
  await files.syncDirectory('/d');
  t.same(files.crashImage({ variant: 'only what was synced' }).paths(), ['/e/file']);
});

t.test('a directory that was not synced takes all below it along', async (t) => {
  const files = new SimFileSystem();
  await files.makeDirectory('/d');
  await createSynced(files, '/d/file', fill(1, 1));
  await files.syncDirectory('/d');
  t.same(files.crashImage({ variant: 'only what was synced' }).paths(), []);
  t.same(files.crashImage({ variant: 'everything' }).paths(), ['/d/file']);
});

t.test('a sync covers only the writes that had completed when it was asked for', async (t) => {
  const { files, file } = await diskWithFile();
  await Promise.all([file.write(fill(100, 2), 1500), file.sync()]);
  t.equal(outcomes(files, 'only what was synced')[0]!.length, 1500);
});

t.test('memory that is reused before the write completes is written as it is then', async (t) => {
  const { files, file } = await diskWithFile();
  const buffer = Buffer.alloc(10, 2);
  const write = file.write([buffer], 0);
  buffer.fill(9);
  await write;
  t.ok(files.contents('/d/file').subarray(0, 10).equals(Buffer.alloc(10, 9)));
});

t.test('a crash can be put before any operation of a run that went on', async (t) => {
  const { files, file } = await diskWithFile();
  const sizes: number[] = [];
  const start = files.operations.length;
  for (let i = 0; i < 5; i++) {
    await writeFully(file, fill(10, 2), 1500 + 10 * i);
    await file.sync();
  }
  for (let at = start; at <= files.operations.length; at++) {
    sizes.push(outcomes(files, 'only what was synced', { at })[0]!.length);
  }
  t.same(sizes, [1500, 1500, 1510, 1510, 1520, 1520, 1530, 1530, 1540, 1540, 1550]);
  t.equal(outcomes(files, 'everything', { at: start + 1 })[0]!.length, 1510, 'going back in time');
});

t.test('the same seed gives the same image, and an image is a disk of its own', async (t) => {
  const { files, file } = await diskWithFile();
  await writeFully(file, [new Random(5).bytes(9000)], 0);
  for (const variant of CRASH_VARIANTS) {
    const [one, two] = [1, 1].map((seed) => files.crashImage({ variant, seed }));
    const before = two!.contents('/d/file');
    t.ok(one!.contents('/d/file').equals(before), variant);
    const inOne = await one!.open('/d/file', 'write');
    await writeFully(inOne, fill(9000, 0xee), 0);
    await one!.remove('/d/file');
    t.ok(two!.contents('/d/file').equals(before));
  }
  t.same(files.paths(), ['/d/file']);
});

t.test('after a crash nothing of the old process goes on, and its lock is free', async (t) => {
  const { files, file } = await diskWithFile();
  await files.lock('/d/lock');
  let went = 0;
  for (const call of [file.write(fill(1, 1), 0), file.sync(), files.list('/d')])
    void call.finally(() => went++);
  const image = files.crash('kill');
  void files.list('/').finally(() => went++);
  await (await image.lock('/d/lock')).release();
  await image.list('/d');
  t.equal(went, 0);
});

t.test(
  'delays change the order in which concurrent calls complete, the same for the same seed',
  async (t) => {
    const order = async (seed: number) => {
      const files = new SimFileSystem({ seed, delays: 6 });
      await Promise.all(['a', 'b', 'c', 'd', 'e'].map((name) => files.makeDirectory(`/${name}`)));
      return files.operations.map((operation) => operation.path).join('');
    };
    t.equal(await order(1), await order(1));
    t.ok(new Set(await Promise.all(SEEDS.map(order))).size > 20);
    const inOrder = new SimFileSystem();
    await Promise.all(['b', 'a'].map((name) => inOrder.makeDirectory(`/${name}`)));
    t.same(
      inOrder.operations.map(({ kind, path, call }) => [kind, path, call]),
      [
        ['makeDirectory', '/b', 0],
        ['makeDirectory', '/a', 1],
      ],
    );
  },
);
