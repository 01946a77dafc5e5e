/** The simulated disk fails as it is told to: each fault shown alone. */
import t from 'tap';
import { createSynced, writeFully } from '../../src/engine/files/file-operations.ts';
import type { FileHandle } from '../../src/engine/files/file-system.ts';
import { CRASH_VARIANTS } from './sim/crash-image.ts';
import { diskWithFile, errno, fill, outcomes } from './sim/small-disk.ts';
import { SimFileSystem } from './sim-file-system.ts';

t.test('calls fail by number, once', async (t) => {
  const { files, file } = await diskWithFile();
  files.failAt({ call: files.calls + 1, fault: { error: 'EIO' } });
  t.equal(await errno(file.size()), 'no error');
  t.equal(await errno(file.size()), 'EIO');
  t.equal(await errno(file.size()), 'no error');
});

t.test('calls fail by kind, path and count, for ever, until it ends', async (t) => {
  const { files } = await diskWithFile();
  await createSynced(files, '/d/other', []);
  const end = files.failAt({ kind: 'open', path: /file/, nth: 1, forever: true, fault: { error: 'EMFILE' } });
  const opened = async () => [
    await errno(files.open('/d/other', 'read')),
    await errno(files.open('/d/file', 'read')),
  ];
  t.same(await opened(), ['no error', 'no error']);
  t.same(await opened(), ['no error', 'EMFILE']);
  t.same(await opened(), ['no error', 'EMFILE']);
  t.equal(await errno(files.list('/d')), 'no error');
  end();
  t.same(await opened(), ['no error', 'no error']);
});

t.test('every kind of call fails without effect, except that close closes', async (t) => {
  const kinds: Record<string, (files: SimFileSystem, file: FileHandle) => Promise<unknown>> = {
    open: (files) => files.open('/d/new', 'create'),
    read: (_, file) => file.read(Buffer.alloc(1), 0, 1, 0),
    truncate: (_, file) => file.truncate(3),
    size: (_, file) => file.size(),
    makeDirectory: (files) => files.makeDirectory('/d/new'),
    list: (files) => files.list('/d'),
    status: (files) => files.status('/d'),
    rename: (files) => files.rename('/d/file', '/d/new'),
    remove: (files) => files.remove('/d/file'),
    removeDirectory: (files) => files.removeDirectory('/d/empty'),
    space: (files) => files.space('/d'),
    lock: (files) => files.lock('/d/lock'),
    close: (_, file) => file.close(),
  };
  for (const [kind, call] of Object.entries(kinds)) {
    const { files, file } = await diskWithFile();
    await files.makeDirectory('/d/empty');
    files.failAt({ call: files.calls, fault: { error: 'EIO' } });
    t.equal(await errno(call(files, file)), 'EIO', kind);
    t.same((await files.list('/d')).sort(), ['empty', 'file'], kind);
    t.equal(files.contents('/d/file').length, 1500, kind);
    t.equal(files.openHandles, kind === 'close' ? 0 : 1, kind);
  }
});

t.test('a short write stores some bytes and says how many', async (t) => {
  const { files, file } = await diskWithFile();
  files.failAt({ kind: 'write', nth: 1, fault: { short: true } });
  t.equal(await file.write(fill(1000, 2), 1500), 1000);
  const written = await file.write(fill(1000, 3), 2500);
  t.ok(written > 0 && written < 1000);
  t.equal(await file.size(), 2500 + written);
});

t.test('a failed write may have stored some bytes', async (t) => {
  const { files, file } = await diskWithFile();
  files.failAt({ kind: 'write', forever: true, fault: { error: 'EIO' } });
  const sizes = new Set<number>();
  for (let i = 0; i < 20; i++) {
    t.equal(await errno(file.write(fill(1000, 2), 1500)), 'EIO');
    sizes.add(await file.size());
    await file.truncate(1500);
  }
  t.ok(sizes.size > 3);
});

t.test('after a failed sync the bytes are visible, a later sync answers OK, and they are gone', async (t) => {
  const { files, file } = await diskWithFile();
  await writeFully(file, fill(1000, 2), 1500);
  files.failAt({ kind: 'sync', nth: 0, fault: { error: 'EIO' } });
  t.equal(await errno(file.sync()), 'EIO');
  await file.sync();
  t.equal(await file.size(), 2500);
  t.equal(outcomes(files, 'kill')[0]!.length, 2500);
  t.same(outcomes(files, 'everything'), [Buffer.alloc(1500, 1)]);
  await writeFully(file, fill(10, 3), 2500);
  await file.sync();
  const hole = Buffer.concat([
    Buffer.alloc(1500, 1),
    Buffer.alloc(548),
    Buffer.alloc(452, 2),
    Buffer.alloc(10, 3),
  ]);
  t.same(
    outcomes(files, 'everything'),
    [hole],
    'a new write to the same piece carries it, nothing else does',
  );
});

t.test('after a failed sync of a directory its new names are visible, and gone', async (t) => {
  const { files } = await diskWithFile();
  await createSynced(files, '/d/new', fill(1, 1));
  files.failAt({ kind: 'syncDirectory', nth: 0, fault: { error: 'EIO' } });
  t.equal(await errno(files.syncDirectory('/d')), 'EIO');
  await files.syncDirectory('/d');
  t.same((await files.list('/d')).sort(), ['file', 'new']);
  t.same(files.crashImage({ variant: 'everything' }).paths(), ['/d/file']);
});

t.test('a full disk stores what fits, then refuses, and takes again what was freed', async (t) => {
  const { files, file } = await diskWithFile();
  files.capacityBytes = files.usedBytes + 1024;
  t.equal(await file.write(fill(4000, 2), 1500), 36 + 1024);
  t.same(await files.space('/d'), { freeBytes: 0, totalBytes: files.usedBytes });
  t.equal(await errno(file.write(fill(10, 2), 2560)), 'ENOSPC');
  t.equal(await errno(files.open('/d/new', 'create')), 'ENOSPC');
  t.equal(await file.write(fill(100, 3), 0), 100, 'overwriting needs no space');
  await file.truncate(100);
  t.equal(await file.write(fill(1000, 2), 100), 1000);
  await files.remove('/d/file');
  t.ok(files.usedBytes > 0, 'an open handle keeps the space');
  await file.close();
  t.equal(files.usedBytes, 0);
});

t.test('more handles than allowed are refused', async (t) => {
  const files = new SimFileSystem({ maxOpenFiles: 2 });
  await createSynced(files, '/a', []);
  const handles = [await files.open('/a', 'read'), await files.open('/a', 'read')];
  t.equal(await errno(files.open('/a', 'read')), 'EMFILE');
  await handles[0]!.close();
  t.equal(await errno(files.open('/a', 'read')), 'no error');
});

t.test('damage at rest is durable, at once and in every later image', async (t) => {
  const { files, file } = await diskWithFile();
  const rotten = files.contents('/d/file');
  rotten[700]! ^= 4;
  files.plant('/d/file', rotten);
  files.plant('/d/stray', Buffer.from('misplaced'));
  await file.sync();
  for (const variant of CRASH_VARIANTS) {
    const image = files.crashImage({ variant });
    t.same(image.paths(), ['/d/file', '/d/stray']);
    t.ok(image.contents('/d/file').equals(rotten));
  }
});
