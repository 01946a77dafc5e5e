/** What the engine takes for granted of a FileSystem, held by the real one and by the simulated one alike. */
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { errnoOf } from '../../../src/engine/common/errors.ts';
import { blockingFileSystem } from '../../../src/engine/files/blocking-file-system.ts';
import {
  readFully,
  readInto,
  replaceFile,
  writeAndSync,
  writeFully,
} from '../../../src/engine/files/file-operations.ts';
import type { FileSystem } from '../../../src/engine/files/file-system.ts';
import { nodeFileSystem } from '../../../src/engine/files/node-file-system.ts';
import { SimFileSystem } from '../../crash/sim-file-system.ts';

interface Fixture {
  readonly t: Test;
  readonly files: FileSystem;
  /** An empty directory. */
  readonly root: string;
}

const bytes = (text: string) => [Buffer.from(text)];

async function put({ files, root }: Fixture, name: string, text: string): Promise<string> {
  const path = join(root, name);
  const file = await files.open(path, 'create');
  await writeFully(file, bytes(text), 0);
  await file.close();
  return path;
}

async function textOf({ files }: Fixture, path: string): Promise<string> {
  const file = await files.open(path, 'read');
  const text = (await readFully(file, await file.size(), 0)).toString();
  await file.close();
  return text;
}

const errno = (promise: Promise<unknown>) =>
  promise.then(
    () => 'no error',
    (error: unknown) => errnoOf(error),
  );

const CASES: Record<string, (fixture: Fixture) => Promise<void>> = {
  'what was written is read back, across buffers and at any position': async ({ t, files, root }) => {
    const file = await files.open(join(root, 'file'), 'create');
    const data = Buffer.from(Array.from({ length: 200_000 }, (_, i) => (i * 7 + (i >> 8)) % 256));
    await writeFully(
      file,
      [data.subarray(0, 1), data.subarray(1, 600), Buffer.alloc(0), data.subarray(600)],
      0,
    );
    t.equal(await file.size(), data.length);
    for (const [position, length] of [
      [0, 10],
      [1, 511],
      [511, 2],
      [512, 512],
      [1000, 70_000],
      [199_990, 10],
    ] as const) {
      t.ok((await readFully(file, length, position)).equals(data.subarray(position, position + length)));
    }
    const into = Buffer.alloc(8, 0x2e);
    t.equal(await file.read(into, 2, 4, 700), 4);
    t.ok(into.equals(Buffer.concat([Buffer.from('..'), data.subarray(700, 704), Buffer.from('..')])));
    await file.close();
  },

  'reading at and past the end gives fewer bytes, then none': async ({ t, files, root }) => {
    const file = await files.open(join(root, 'file'), 'create');
    await writeFully(file, bytes('abcdef'), 0);
    t.equal(await readInto(file, Buffer.alloc(10), 2), 4);
    t.equal(await readInto(file, Buffer.alloc(10), 6), 0);
    t.equal(await readInto(file, Buffer.alloc(10), 1000), 0);
    await file.close();
  },

  'writing with a sync in one call writes all, small and large, and fails as write does': async ({
    t,
    files,
    root,
  }) => {
    const file = await files.open(join(root, 'file'), 'create');
    const parts = [Buffer.alloc(10, 1), Buffer.alloc(100_000, 2), Buffer.alloc(0), Buffer.alloc(3, 3)];
    await writeAndSync(file, parts, 5);
    await writeAndSync(file, [Buffer.from('small')], 0);
    await writeAndSync(file, [], 50);
    t.ok((await readFully(file, 200_000, 0)).equals(Buffer.concat([Buffer.from('small'), ...parts])));
    const reader = await files.open(join(root, 'file'), 'read');
    t.equal(await errno(writeAndSync(reader, parts, 0)), 'EBADF');
    for (const handle of [file, reader]) await handle.close();
    t.equal(await errno(writeAndSync(file, parts, 0)), 'EBADF');
  },

  'a write past the end leaves zeros between': async ({ t, files, root }) => {
    const file = await files.open(join(root, 'file'), 'create');
    await writeFully(file, bytes('a'), 0);
    await writeFully(file, bytes('b'), 2000);
    const all = await readFully(file, 5000, 0);
    t.ok(all.equals(Buffer.concat([Buffer.from('a'), Buffer.alloc(1999), Buffer.from('b')])));
    await file.close();
  },

  'an empty write writes nothing': async ({ t, files, root }) => {
    const file = await files.open(join(root, 'file'), 'create');
    t.equal(await file.write([], 5), 0);
    t.equal(await file.write([Buffer.alloc(0)], 5), 0);
    t.equal(await file.size(), 0);
    await file.close();
  },

  'truncating cuts, and growing again gives zeros': async ({ t, files, root }) => {
    const file = await files.open(join(root, 'file'), 'create');
    await writeFully(file, [Buffer.alloc(3000, 1)], 0);
    await file.truncate(700);
    t.equal(await file.size(), 700);
    await file.truncate(2000);
    t.ok((await readFully(file, 5000, 0)).equals(Buffer.concat([Buffer.alloc(700, 1), Buffer.alloc(1300)])));
    await file.truncate(512);
    await file.truncate(514);
    t.ok((await readFully(file, 5000, 510)).equals(Buffer.from([1, 1, 0, 0])));
    await file.truncate(0);
    t.equal(await file.size(), 0);
    await file.sync();
    await file.close();
  },

  'a handle for reading does not write, a closed one does nothing': async (fixture) => {
    const { t, files } = fixture;
    const path = await put(fixture, 'file', 'text');
    const reader = await files.open(path, 'read');
    t.equal(await errno(reader.write(bytes('x'), 0)), 'EBADF');
    await reader.close();
    for (const call of [
      reader.read(Buffer.alloc(1), 0, 1, 0),
      reader.size(),
      reader.sync(),
      reader.close(),
    ]) {
      t.equal(await errno(call), 'EBADF');
    }
    const writer = await files.open(path, 'write');
    await writeFully(writer, bytes('T'), 0);
    await writer.close();
    t.equal(await textOf(fixture, path), 'Text');
  },

  'create makes what is not there, read and write open what is': async (fixture) => {
    const { t, files, root } = fixture;
    const path = await put(fixture, 'file', 'text');
    await files.makeDirectory(join(root, 'directory'));
    t.equal(await errno(files.open(path, 'create')), 'EEXIST');
    t.equal(await errno(files.open(join(root, 'directory'), 'create')), 'EEXIST');
    t.equal(await errno(files.open(join(root, 'directory'), 'write')), 'EISDIR');
    for (const mode of ['read', 'write'] as const) {
      t.equal(await errno(files.open(join(root, 'missing'), mode)), 'ENOENT');
      t.equal(await errno(files.open(join(path, 'below'), mode)), 'ENOTDIR');
    }
    t.equal(await errno(files.open(join(root, 'missing', 'file'), 'create')), 'ENOENT');
    t.equal(await errno(files.open(join(path, 'below'), 'create')), 'ENOTDIR');
  },

  'status tells files, directories and nothing apart': async (fixture) => {
    const { t, files, root } = fixture;
    const path = await put(fixture, 'file', 'text');
    t.same(await files.status(path), { size: 4, isDirectory: false });
    t.equal((await files.status(root))?.isDirectory, true);
    t.equal(await files.status(join(root, 'missing')), undefined);
    t.equal(await files.status(join(root, 'missing', 'below')), undefined);
    t.equal(await files.status(join(path, 'below')), undefined);
  },

  'directories are made, listed and removed': async (fixture) => {
    const { t, files, root } = fixture;
    const directory = join(root, 'directory');
    await files.makeDirectory(directory);
    t.equal(await errno(files.makeDirectory(directory)), 'EEXIST');
    t.equal(await errno(files.makeDirectory(join(root, 'missing', 'below'))), 'ENOENT');
    const path = await put(fixture, 'directory/file', '');
    t.equal(await errno(files.makeDirectory(path)), 'EEXIST');
    t.equal(await errno(files.makeDirectory(join(path, 'below'))), 'ENOTDIR');
    await files.makeDirectory(join(directory, 'inner'));
    t.same((await files.list(directory)).sort(), ['file', 'inner']);
    t.equal(await errno(files.list(path)), 'ENOTDIR');
    t.equal(await errno(files.list(join(root, 'missing'))), 'ENOENT');
    t.equal(await errno(files.removeDirectory(directory)), 'ENOTEMPTY');
    t.equal(await errno(files.removeDirectory(path)), 'ENOTDIR');
    t.equal(await errno(files.remove(directory)), 'EISDIR');
    await files.syncDirectory(directory);
    t.equal(await errno(files.syncDirectory(path)), 'ENOTDIR');
    t.equal(await errno(files.syncDirectory(join(root, 'missing'))), 'ENOENT');
    await files.remove(path);
    await files.removeDirectory(join(directory, 'inner'));
    await files.removeDirectory(directory);
    t.equal(await errno(files.remove(path)), 'ENOENT');
    t.equal(await errno(files.removeDirectory(directory)), 'ENOENT');
    t.same(await files.list(root), []);
  },

  'rename moves and replaces': async (fixture) => {
    const { t, files, root } = fixture;
    const a = await put(fixture, 'a', 'from a');
    const b = await put(fixture, 'b', 'from b');
    await files.rename(a, b);
    t.same(await files.list(root), ['b']);
    t.equal(await textOf(fixture, b), 'from a');
    await files.rename(b, b);
    t.equal(await errno(files.rename(a, b)), 'ENOENT');
    await files.makeDirectory(join(root, 'directory'));
    await files.rename(b, join(root, 'directory', 'c'));
    t.equal(await textOf(fixture, join(root, 'directory', 'c')), 'from a');
    await files.rename(join(root, 'directory'), join(root, 'renamed'));
    t.equal(await textOf(fixture, join(root, 'renamed', 'c')), 'from a');
    await replaceFile(files, join(root, 'renamed', 'c'), bytes('anew'));
    t.equal(await textOf(fixture, join(root, 'renamed', 'c')), 'anew');
    t.same(await files.list(join(root, 'renamed')), ['c']);
  },

  'rename is refused where the kinds do not fit': async (fixture) => {
    const { t, files, root } = fixture;
    const file = await put(fixture, 'file', '');
    const [full, empty] = [join(root, 'full'), join(root, 'empty')];
    await files.makeDirectory(full);
    await files.makeDirectory(empty);
    await put(fixture, 'full/inner', '');
    t.equal(await errno(files.rename(file, full)), 'EISDIR');
    t.equal(await errno(files.rename(full, file)), 'ENOTDIR');
    t.equal(await errno(files.rename(empty, full)), 'ENOTEMPTY');
    t.equal(await errno(files.rename(full, join(full, 'below'))), 'EINVAL');
    t.equal(await errno(files.rename(file, join(root, 'missing', 'x'))), 'ENOENT');
    await files.rename(full, empty);
    t.same((await files.list(root)).sort(), ['empty', 'file']);
    t.same(await files.list(empty), ['inner']);
  },

  'a removed or replaced file lives on in its handles': async (fixture) => {
    const { t, files } = fixture;
    const removed = await put(fixture, 'removed', 'one');
    const replaced = await put(fixture, 'replaced', 'two');
    const handles = await Promise.all([removed, replaced].map((path) => files.open(path, 'write')));
    await files.remove(removed);
    await replaceFile(files, replaced, bytes('new'));
    t.equal((await readFully(handles[0]!, 10, 0)).toString(), 'one');
    t.equal((await readFully(handles[1]!, 10, 0)).toString(), 'two');
    await writeFully(handles[1]!, bytes('!'), 3);
    await handles[1]!.sync();
    for (const handle of handles) await handle.close();
    t.equal(await textOf(fixture, replaced), 'new');
    t.equal(await files.status(removed), undefined);
  },

  'space tells free and total bytes': async ({ t, files, root }) => {
    const { freeBytes, totalBytes } = await files.space(root);
    t.ok(freeBytes > 0 && freeBytes <= totalBytes);
    t.equal(await errno(files.space(join(root, 'missing'))), 'ENOENT');
  },

  'the lock is exclusive until it is released': async ({ t, files, root }) => {
    const path = join(root, 'lock');
    const lock = await files.lock(path);
    t.equal(await errno(files.lock(path)), 'DIRECTORY_LOCKED');
    const other = await files.lock(join(root, 'other'));
    await lock.release();
    await (await files.lock(path)).release();
    await other.release();
    t.same((await files.list(root)).sort(), ['lock', 'other']);
    t.equal(await errno(files.lock(join(root, 'missing', 'lock'))), 'ENOENT');
  },
};

const IMPLEMENTATIONS: Record<string, (t: Test) => Promise<Fixture>> = {
  'the real file system': async (t) => ({ t, files: nodeFileSystem, root: t.testdir() }),
  'the real file system of a thread of its own': async (t) => ({
    t,
    files: blockingFileSystem,
    root: t.testdir(),
  }),
  'the simulated file system': async (t) => {
    const files = new SimFileSystem();
    await files.makeDirectory('/data');
    return { t, files, root: '/data' };
  },
  'the simulated file system with delays': async (t) => {
    const files = new SimFileSystem({ seed: 7, delays: 5 });
    await files.makeDirectory('/data');
    return { t, files, root: '/data' };
  },
};

for (const [implementation, make] of Object.entries(IMPLEMENTATIONS)) {
  t.test(implementation, async (t) => {
    for (const [name, run] of Object.entries(CASES)) t.test(name, async (t) => run(await make(t)));
  });
}
