/** Open files, bounded: who uses one keeps it, and a name that goes to other content is opened anew. */
import t from 'tap';
import { errnoOf } from '../../../src/engine/common/errors.ts';
import type { FileLease } from '../../../src/engine/files/descriptor-cache.ts';
import { DescriptorCache } from '../../../src/engine/files/descriptor-cache.ts';
import { createSynced, readFully } from '../../../src/engine/files/file-operations.ts';
import { settled } from '../../crash/sim-clock.ts';
import { SimFileSystem } from '../../crash/sim-file-system.ts';

async function setUp(maxOpenFiles: number, names: readonly string[]) {
  const disk = new SimFileSystem();
  for (const name of names) await createSynced(disk, `/${name}`, [Buffer.from(name)]);
  const opens: string[] = [];
  const counting = Object.assign(Object.create(disk), {
    open: (path: string, mode: 'write') => {
      opens.push(path.slice(1));
      return disk.open(path, mode);
    },
  });
  return { disk, opens, cache: new DescriptorCache(counting, maxOpenFiles) };
}

const contentOf = async ({ file }: FileLease) => (await readFully(file, 100, 0)).toString();

async function use(cache: DescriptorCache, name: string): Promise<string> {
  const lease = await cache.lease(`/${name}`);
  const content = await contentOf(lease);
  lease.release();
  return content;
}

t.test('a file is opened once, also by those who ask at the same time', async (t) => {
  const { cache, opens } = await setUp(4, ['a', 'b']);
  const leases = await Promise.all(['/a', '/a', '/b', '/a'].map((path) => cache.lease(path)));
  t.same(await Promise.all(leases.map(contentOf)), ['a', 'a', 'b', 'a']);
  for (const lease of leases) lease.release();
  await use(cache, 'a');
  t.same(opens, ['a', 'b']);
  t.equal(cache.openFiles, 2);
});

t.test('the least recently used file is closed', async (t) => {
  const { disk, cache, opens } = await setUp(2, ['a', 'b', 'c']);
  for (const name of ['a', 'b', 'a', 'c']) await use(cache, name);
  await settled();
  t.equal(disk.openHandles, 2);
  opens.length = 0;
  for (const name of ['a', 'c']) await use(cache, name);
  t.same(opens, [], 'these two are open');
  await use(cache, 'b');
  t.same(opens, ['b']);
});

t.test('a file that is in use stays open, whatever else is opened', async (t) => {
  const { disk, cache } = await setUp(2, ['a', 'b', 'c', 'd']);
  const kept = await cache.lease('/a');
  for (const name of ['b', 'c', 'd']) await use(cache, name);
  await settled();
  t.equal(cache.openFiles, 3, 'one more than the limit while it is used');
  t.equal(await contentOf(kept), 'a');
  kept.release();
  await settled();
  t.equal(cache.openFiles, 2);
  t.equal(disk.openHandles, 2);
});

t.test('more files in use than the limit: all work', async (t) => {
  const names = ['a', 'b', 'c', 'd', 'e'];
  const { disk, cache } = await setUp(2, names);
  const leases = await Promise.all(names.map((name) => cache.lease(`/${name}`)));
  t.same(await Promise.all(leases.map(contentOf)), names);
  for (const lease of leases) lease.release();
  await settled();
  t.equal(disk.openHandles, 2);
});

t.test('a name that was forgotten is opened anew, and who reads the old file goes on', async (t) => {
  const { disk, cache } = await setUp(4, ['a', 'b']);
  const old = await cache.lease('/a');
  await disk.rename('/b', '/a');
  cache.forget('/a');
  t.equal(await use(cache, 'a'), 'b');
  t.equal(await contentOf(old), 'a', 'a reader keeps its bytes');
  old.release();
  await settled();
  t.equal(disk.openHandles, 1);
});

t.test('a name that is forgotten while it is being opened', async (t) => {
  const { disk, cache, opens } = await setUp(4, ['a', 'b']);
  const early = cache.lease('/a');
  await disk.rename('/b', '/a');
  cache.forget('/a');
  const late = await cache.lease('/a');
  t.equal(await contentOf(late), 'b');
  late.release();
  (await early).release();
  t.equal(await use(cache, 'a'), 'b', 'what was opened before is not what later users get');
  t.ok(opens.length >= 2);
  await settled();
  t.equal(disk.openHandles, 1);
  t.equal(cache.openFiles, 1);
});

t.test('an open that fails is reported to all who wait, and tried again by the next', async (t) => {
  const { disk, cache } = await setUp(4, ['a']);
  disk.failAt({ kind: 'open', path: /a$/, fault: { error: 'EMFILE' } });
  const outcomes = await Promise.allSettled([cache.lease('/a'), cache.lease('/a')]);
  t.same(
    outcomes.map((outcome) => outcome.status === 'rejected' && errnoOf(outcome.reason)),
    ['EMFILE', 'EMFILE'],
  );
  t.equal(await use(cache, 'a'), 'a');
});

t.test('closing closes all, also what closes with an error', async (t) => {
  const { disk, cache } = await setUp(4, ['a', 'b', 'c']);
  for (const name of ['a', 'b', 'c']) await use(cache, name);
  disk.failAt({ kind: 'close', fault: { error: 'EIO' } });
  await cache.close();
  t.equal(disk.openHandles, 0);
  t.equal(cache.openFiles, 0);
});
