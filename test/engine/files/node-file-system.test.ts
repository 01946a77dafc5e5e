/** What the real disk and the real kernel do; what every FileSystem does is in file-system-contract.test.ts. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { errnoOf, isSeglogError } from '../../../src/engine/common/errors.ts';
import { writeFully } from '../../../src/engine/files/file-operations.ts';
import type { FileHandle } from '../../../src/engine/files/file-system.ts';
import { nodeFileSystem as files } from '../../../src/engine/files/node-file-system.ts';

const MODULE = new URL('../../../src/engine/files/node-file-system.ts', import.meta.url).href;

/** A child that takes the lock, says so (or says the code of the error), and then stays. */
function lockInChild(path: string): ChildProcess {
  const script = `
    import { nodeFileSystem } from ${JSON.stringify(MODULE)};
    nodeFileSystem.lock(${JSON.stringify(path)}).then(
      (lock) => { globalThis.held = lock; console.log('locked'); setInterval(() => {}, 60_000); },
      (error) => console.log(error.code),
    );`;
  return spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
}

async function firstLine(child: ChildProcess): Promise<string> {
  const [chunk] = await once(child.stdout!, 'data');
  return String(chunk).trim();
}

const rejectedWith = (t: Test, code: string, promise: Promise<unknown>) =>
  promise.then(
    () => t.fail(`expected ${code}`),
    (error: unknown) => t.equal(errnoOf(error), code),
  );

t.test('the lock', async (t) => {
  t.test('is refused to a second taker in the same process, with advice', async (t) => {
    const directory = t.testdir();
    const lock = await files.lock(join(directory, 'seglog.lock'));
    t.same(readdirSync(directory), ['seglog.lock'], 'held, it is one file');
    const error = await files.lock(join(directory, 'seglog.lock')).catch((error: unknown) => error);
    t.ok(isSeglogError(error, 'DIRECTORY_LOCKED'));
    t.match((error as Error).message, directory);
    t.match((error as Error).message, /stop that one/);
    await rejectedWith(t, 'DIRECTORY_LOCKED', files.lock(join(directory, 'seglog.lock')));
    await lock.release();
    await (await files.lock(join(directory, 'seglog.lock'))).release();
    t.same(readdirSync(directory), ['seglog.lock'], 'nothing but the lock file is left');
  });

  t.test('is refused to another process', async (t) => {
    const path = join(t.testdir(), 'seglog.lock');
    const lock = await files.lock(path);
    await rejectedWith(t, 'DIRECTORY_LOCKED', files.lock(path));
    const child = lockInChild(path);
    t.equal(await firstLine(child), 'DIRECTORY_LOCKED');
    await once(child, 'close');
    await lock.release();
  });

  t.test('is free again when its owner was killed', async (t) => {
    const path = join(t.testdir(), 'seglog.lock');
    const child = lockInChild(path);
    t.equal(await firstLine(child), 'locked');
    await rejectedWith(t, 'DIRECTORY_LOCKED', files.lock(path));
    child.kill('SIGKILL');
    await once(child, 'close');
    await (await files.lock(path)).release();
  });

  t.test('names the reason when the lock file cannot be opened', async (t) => {
    const directory = t.testdir({ 'seglog.lock': 'something else of somebody else'.repeat(100) });
    await rejectedWith(t, 'ENOENT', files.lock(join(directory, 'missing', 'seglog.lock')));
    const error = await files.lock(join(directory, 'seglog.lock')).catch((error: unknown) => error);
    t.match(error, { code: 'EIO', message: directory, cause: { message: /not a database/ } });
  });
});

t.test('more buffers than one system call takes are written whole, small and large', async (t) => {
  const path = join(t.testdir(), 'file');
  const file = await files.open(path, 'create');
  for (const size of [3, 300]) {
    const buffers = Array.from({ length: 5000 }, (_, i) => Buffer.alloc(size, i % 251));
    await writeFully(file, buffers, 0);
    await file.truncate(5000 * size);
    t.ok(readFileSync(path).equals(Buffer.concat(buffers)));
  }
  await file.close();
});

t.test('a closed handle is refused, not passed on to whatever has its number now', async (t) => {
  const directory = t.testdir({ a: 'a', b: 'b' });
  const a = await files.open(join(directory, 'a'), 'write');
  await a.close();
  const b = await files.open(join(directory, 'b'), 'write');
  await rejectedWith(t, 'EBADF', a.write([Buffer.from('x')], 0));
  await rejectedWith(t, 'EBADF', a.close());
  t.equal(await b.size(), 1);
  t.equal(readFileSync(join(directory, 'b'), 'utf8'), 'b');
  await b.close();
});

t.test('a full disk', async (t) => {
  const mount = join(t.testdir({ mount: {} }), 'mount');
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'tmpfs', mount]);
  if (mounted.status !== 0) return t.plan(0, `mounting a tmpfs is not permitted: ${mounted.stderr}`);
  try {
    await fillAndFree(t, mount);
  } finally {
    spawnSync('umount', ['--lazy', mount]);
  }
});

async function fillAndFree(t: Test, mount: string): Promise<void> {
  const file = await files.open(join(mount, 'file'), 'create');
  for (const size of [4096, 100_000]) {
    await rejectedWith(t, 'ENOSPC', writeFully(file, [Buffer.alloc(size, 1), Buffer.alloc(300_000)], 0));
    t.same(await files.space(mount), { freeBytes: 0, totalBytes: 256 * 1024 });
    await file.truncate(0);
    t.ok((await files.space(mount)).freeBytes > 200_000, 'space is back');
    await writeFully(file, [Buffer.alloc(4096, 2)], 0);
    await rejectedWith(t, 'ENOSPC', fillBySmallWrites(file));
  }
  await file.close();
}

async function fillBySmallWrites(file: FileHandle): Promise<void> {
  for (let position = 0; position < 1_000_000; position += 4096) {
    await writeFully(file, [Buffer.alloc(4000, 3), Buffer.alloc(96, 4)], position);
  }
}
