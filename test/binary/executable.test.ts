/** What only the single executable has to show: that it needs nothing else, and where its native code goes. */
import { type ChildProcess, execFileSync, type SpawnOptions, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import t, { type Test } from 'tap';
import { FORMAT_VERSION } from '../../src/engine/index.ts';
import { ended } from '../helpers/cli.ts';
import { BINARY } from '../helpers/program.ts';
import { Tmpfs } from '../helpers/tmpfs.ts';
import { until } from '../helpers/until.ts';

const skip = BINARY === undefined ? 'npm run test:binary tests it' : false;
const noRoot = skip || (process.getuid?.() === 0 ? false : 'only root can become another user');
/** One that the list of users does not have, as in a container. */
const NOBODY = { uid: 47_110, gid: 47_110 };
/** Loads all there is, and ends. */
const LOADING = ['serve', '--print-config'];

const run = (args: readonly string[], options: SpawnOptions) =>
  ended(spawn(BINARY!, args, { stdio: ['ignore', 'pipe', 'pipe'], ...options }));

function home(t: Test): { HOME: string; cache: string } {
  const path = t.testdir();
  chmodSync(path, 0o700);
  return { HOME: path, cache: join(path, '.cache/seglog') };
}

t.test('it runs alone: elsewhere, with no Node, no packages, no environment', { skip }, async (t) => {
  const { HOME } = home(t);
  const copy = join(HOME, 'seglog');
  copyFileSync(BINARY!, copy);
  const output = execFileSync(copy, ['--version'], { cwd: '/', env: {}, encoding: 'utf8' });
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  const [, ...facts] = /^seglog (\S+) \(commit ([\w-]+), Node (\S+), format (\d+)\)\n$/.exec(output)!;
  t.match(facts, [version, /^([0-9a-f]{12}(-dirty)?|unknown)$/, process.version, String(FORMAT_VERSION)]);
});

t.test('beside it lie the licenses of all packages that are in it', { skip }, async (t) => {
  const text = readFileSync(join(dirname(BINARY!), 'THIRD-PARTY-LICENSES'), 'utf8');
  const { dependencies } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  for (const name of Object.keys(dependencies)) t.ok(text.includes(`\n${name} `), name);
  t.match(text, /\nfastq \d.*Copyright \(c\)/s, 'also of what these need');
});

t.test('it links to what every system with glibc has, and nothing else', { skip }, async (t) => {
  const names = execFileSync('ldd', [BINARY!], { encoding: 'utf8' })
    .split('\n')
    .flatMap((line) => /^\s*(?:\S*\/)?([\w+-]+)\.so/.exec(line)?.[1] ?? [])
    .filter((name) => !/^(linux-vdso|ld-linux)/.test(name));
  t.same(names.sort(), ['libc', 'libdl', 'libgcc_s', 'libm', 'libpthread', 'libstdc++']);
});

t.test('native code is unpacked when it is first needed, once, for its user alone', { skip }, async (t) => {
  const { HOME, cache } = home(t);
  t.equal((await run(['--help'], { env: { HOME } })).code, 0);
  t.notOk(existsSync(cache), 'to tell how it is used needs none');
  t.match(await run(LOADING, { env: { HOME } }), { code: 0, stderr: '' });
  t.equal(statSync(cache).mode & 0o777, 0o700);
  const files = readdirSync(cache);
  t.equal(files.length, 3);
  const made = files.map((file) => statSync(join(cache, file)).ino);
  t.match(await run(LOADING, { env: { HOME } }), { code: 0, stderr: '' });
  t.same(
    files.map((file) => statSync(join(cache, file)).ino),
    made,
  );
});

t.test('native code that was changed is not run, but unpacked again', { skip }, async (t) => {
  const { HOME, cache } = home(t);
  await run(LOADING, { env: { HOME } });
  const file = join(cache, readdirSync(cache).find((name) => name.startsWith('addon'))!);
  const right = readFileSync(file);
  writeFileSync(file, 'something else');
  t.match(await run(LOADING, { env: { HOME } }), { code: 0, stderr: '' });
  t.ok(readFileSync(file).equals(right));
});

t.test('many that start at the same time do not meet', { skip }, async (t) => {
  const { HOME, cache } = home(t);
  const runs = await Promise.all(Array.from({ length: 6 }, () => run(LOADING, { env: { HOME } })));
  for (const each of runs) t.match(each, { code: 0, stderr: '' });
  t.equal(readdirSync(cache).length, 3);
});

t.test('without a home it leaves nothing behind', { skip: noRoot }, async (t) => {
  const { HOME } = home(t);
  chownSync(HOME, NOBODY.uid, NOBODY.gid);
  t.match(await run(LOADING, { ...NOBODY, cwd: '/', env: { TMPDIR: HOME } }), { code: 0, stderr: '' });
  t.same(readdirSync(HOME), []);
});

t.test('code that lies where it is started is not run, in threads neither', { skip }, async (t) => {
  const { HOME, cache } = home(t);
  await run(LOADING, { env: { HOME } });
  const [lz4, snappy] = ['lz4', 'snappy'].map(
    (name) => readdirSync(cache).find((file) => file.startsWith(name))!,
  );
  // What the package looks for beside itself, before all else.
  copyFileSync(join(cache, lz4!), join(HOME, snappy!.replace(/-[0-9a-f]+\.node$/, '.node')));
  const daemon = spawn(BINARY!, ['serve', '--data', join(HOME, 'data'), '--listen', '127.0.0.1:0'], {
    cwd: HOME,
    env: { HOME },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const end = ended(daemon);
  try {
    await compactThrough(t, HOME, daemon);
  } finally {
    daemon.kill('SIGKILL');
    // It writes to what is removed behind the test until it is gone.
    await end;
  }
});

/** Has a daemon's threads load what they need for records with snappy. */
async function compactThrough(t: Test, HOME: string, daemon: ChildProcess): Promise<void> {
  const [line] = (await once(createInterface(daemon.stderr!), 'line')) as [string];
  const env = { HOME, SEGLOG_SERVER: JSON.parse(line).url };
  const config = ['cleanup.policy=compact', 'compression.type=snappy', 'segment.bytes=100000'];
  const flags = config.flatMap((each) => ['--config', each]);
  t.match(await run(['topics', 'create', 'a', ...flags], { env }), { code: 0 });
  const lines = Array.from({ length: 2_000 }, (_, i) => `${i % 100}:${randomBytes(200).toString('hex')}`);
  writeFileSync(join(HOME, 'lines'), lines.join('\n'));
  const produce = ['produce', 'a', join(HOME, 'lines'), '--key-separator', ':', '--batch-bytes', '50000'];
  t.match(await run(produce, { env }), { code: 0 });
  const compacted = await run(['compact', 'a', '--json'], { env });
  t.equal(compacted.code, 0, compacted.stderr);
  t.match(compacted.stdout.toString(), /"recordsAfter": ?\d+/);
}

t.test('its threads do not either', { skip: noRoot }, async (t) => {
  const { HOME } = home(t);
  chownSync(HOME, NOBODY.uid, NOBODY.gid);
  const args = ['serve', '--data', join(HOME, 'data'), '--listen', '127.0.0.1:0'];
  const stdio: SpawnOptions['stdio'] = ['ignore', 'pipe', 'pipe'];
  const daemon = spawn(BINARY!, args, { ...NOBODY, cwd: '/', env: { TMPDIR: HOME }, stdio });
  const end = ended(daemon);
  const [line] = (await once(createInterface(daemon.stderr!), 'line')) as [string];
  const { url } = JSON.parse(line);
  const send = async (method: string, path: string, type: string, body: string | Buffer) => {
    const answer = await fetch(url + path, { method, headers: { 'content-type': type }, body });
    t.ok(answer.ok, `${method} ${path}`);
  };
  const config = { 'segment.bytes': 100_000, 'compression.type': 'snappy' };
  await send('PUT', '/api/topics/a', 'application/json', JSON.stringify({ config }));
  const path = '/api/topics/a/records';
  for (let i = 0; i < 5; i++) await send('POST', path, 'application/octet-stream', randomBytes(40_000));
  const tasks = await until('a thread has sealed a segment', async () => {
    const page = await (await fetch(`${url}/metrics`)).text();
    return [...page.matchAll(/^seglog_background_tasks_total\{task="seal",outcome="(\w+)"\} [1-9]/gm)][0];
  });
  t.equal(tasks[1], 'done');
  daemon.kill('SIGTERM');
  t.match(await end, { code: 0, signal: null });
  t.same(readdirSync(HOME), ['data']);
});

t.test(
  'a directory that was prepared is enough where nothing can be written',
  { skip: noRoot },
  async (t) => {
    const { HOME } = home(t);
    const prepared = join(HOME, 'prepared');
    const env = { SEGLOG_CACHE_DIR: prepared };
    await run(LOADING, { env });
    execFileSync('chmod', ['-R', 'a=rX', prepared]);
    chmodSync(HOME, 0o755);
    t.match(await run(LOADING, { ...NOBODY, cwd: '/', env }), { code: 0, stderr: '' });
  },
);

t.test(
  'where there is no place for it, it says what was tried, and what to do',
  { skip: noRoot },
  async (t) => {
    const { HOME } = home(t);
    mkdirSync(join(HOME, 'open'));
    chmodSync(join(HOME, 'open'), 0o777);
    const named = await run(LOADING, { env: { SEGLOG_CACHE_DIR: join(HOME, 'open') } });
    t.equal(named.code, 1);
    t.match(
      named.stderr,
      /^seglog: .*Set SEGLOG_CACHE_DIR to a directory.* Tried:\s+\S+\/open: others can write to it/s,
    );
    const none = await run(LOADING, { ...NOBODY, cwd: '/', env: { HOME: '/proc', TMPDIR: '/proc' } });
    t.equal(none.code, 1);
    t.match(none.stderr, /\n +\/proc\/\.cache\/seglog: .*\n +\/proc: /);
  },
);

t.test('a file system that lets no code be loaded is named as such', { skip }, async (t) => {
  const disk = Tmpfs.mount(16 * 1024 * 1024, 'noexec');
  if (disk === undefined) {
    t.comment('nothing can be mounted here');
    return;
  }
  t.teardown(() => disk.unmount());
  const { code, stderr } = await run(LOADING, { env: { SEGLOG_CACHE_DIR: join(disk.path, 'seglog') } });
  t.equal(code, 1);
  t.match(stderr, /seglog: its file system lets no code be loaded \(noexec\)/);
});
