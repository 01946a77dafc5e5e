/** What only the real program in a process of its own can show: exit codes, signals, closed pipes, old Nodes. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, openSync, readFileSync } from 'node:fs';
import t from 'tap';
import { ended, startCli } from '../helpers/cli.ts';
import { FakeDaemon } from '../helpers/fake-daemon.ts';
import { BINARY, MAIN, PROGRAM, SHELL_PROGRAM } from '../helpers/program.ts';

const [command, ...first] = PROGRAM;

const daemon = await FakeDaemon.start();
t.teardown(() => daemon.stop());
daemon.addTopic('a');
for (let i = 0; i < 1000; i++) daemon.append('a', 0, `${i} ${'x'.repeat(1000)}`);
const env = { SEGLOG_SERVER: daemon.url };

t.test('exit codes reach the shell', async (t) => {
  const [version, misuse, failure] = await Promise.all([
    ended(startCli(['--version'])),
    ended(startCli(['--vresion'])),
    ended(startCli(['topics', 'describe', 'nope'], env)),
  ]);
  t.match(version, { code: 0, stderr: '' });
  t.match(version.stdout.toString(), /^seglog \d/);
  t.match(misuse, { code: 2, stderr: /Did you mean --version/ });
  t.match(failure, { code: 1, stderr: /seglog topics create nope/ });
});

t.test('a reader that has seen enough is no error', async (t) => {
  const consume = spawn(command, [...first, 'consume', 'a', '-o', 'beginning'], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
  });
  consume.stdout.once('data', () => consume.stdout.destroy());
  t.match(await ended(consume), { code: 0, signal: null, stderr: '' });
});

const noFull = existsSync('/dev/full') ? false : 'there is no /dev/full';
t.test('output that cannot be written is an error that says why', { skip: noFull }, async (t) => {
  const full = openSync('/dev/full', 'w');
  t.teardown(() => closeSync(full));
  const consume = spawn(command, [...first, 'consume', 'a', '-o', 'beginning', '-e'], {
    stdio: ['ignore', full, 'pipe'],
    env: { ...process.env, ...env },
  });
  t.match(await ended(consume), {
    code: 1,
    stderr: /^seglog: cannot write to standard output: ENOSPC: no space left on device/,
  });
});

t.test('Ctrl-C ends it cleanly and says how far it came', async (t) => {
  const consume = startCli(['consume', 'a', '-o', '998'], env);
  const result = ended(consume);
  let bytes = 0;
  consume.stdout!.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes >= 2 * 1005) consume.kill('SIGINT');
  });
  t.match(await result, {
    code: 0,
    signal: null,
    stderr: /interrupted after 2 records; next offset of partition 0: 1000\n/,
  });
});

t.test('a second Ctrl-C kills', async (t) => {
  // Nobody reads what it writes, so it cannot end cleanly.
  const consume = startCli(['consume', 'a', '-o', 'beginning'], env);
  consume.stdout!.pause();
  await once(consume.stdout!, 'readable');
  consume.kill('SIGINT');
  const [said] = await once(consume.stderr!, 'data');
  t.match(String(said), /interrupted after/);
  consume.kill('SIGINT');
  const [code, signal] = await once(consume, 'exit');
  t.same([code, signal], [null, 'SIGINT']);
  consume.stdout!.destroy();
});

t.test('lines come in through a pipe and out through another', async (t) => {
  daemon.addTopic('pipe');
  const produce = startCli(['produce', 'pipe'], env);
  produce.stdin!.end('one\ntwo');
  t.match(await ended(produce), { code: 0, stderr: /^2 records, 7 bytes/ });
  const { stdout } = await ended(startCli(['consume', 'pipe', '-o', 'beginning', '-e'], env));
  t.equal(stdout.toString(), 'one\ntwo\n');
});

t.test('without a terminal there are neither colours nor progress bars', async (t) => {
  const dir = t.testdir({ lines: 'x\n'.repeat(10_000) });
  const produce = await ended(startCli(['produce', 'pipe', `${dir}/lines`], env));
  t.notMatch(produce.stderr, /\u001b/);
  t.notMatch((await ended(startCli(['topics', 'describe', 'nope'], env))).stderr, /\u001b/);
});

const hasScript = spawnSync('script', ['--version']).error === undefined;
const skip = hasScript ? false : 'script(1) is not installed';
t.test('with NO_COLOR there are no colours on a terminal either', { skip }, async (t) => {
  const inTerminal = (more: Record<string, string>) =>
    ended(
      spawn('script', ['-qec', `${SHELL_PROGRAM} topics describe nope`, '/dev/null'], {
        // CI counts as a terminal without colours.
        env: {
          ...process.env,
          ...env,
          TERM: 'xterm',
          CI: undefined,
          NO_COLOR: undefined,
          FORCE_COLOR: undefined,
          ...more,
        },
        stdio: ['ignore', 'pipe', 'pipe'],
      }),
    );
  t.match((await inTerminal({})).stdout.toString(), /\u001b\[31mseglog:/);
  t.match((await inTerminal({ NO_COLOR: '1' })).stdout.toString(), /^seglog: there is no topic/);
});

const noNode = BINARY === undefined ? false : 'the executable brings its own';
t.test('an old Node gets one clear line', { skip: noNode }, async (t) => {
  // The version is a property of the process: it is changed before the program starts.
  const disguise = `Object.defineProperty(process.versions, 'node', { value: '20.1.0' });`;
  const child = spawn(process.execPath, [
    '--import',
    `data:text/javascript,${encodeURIComponent(disguise)}`,
    MAIN,
  ]);
  const { code, stderr, stdout } = await ended(child);
  t.equal(code, 1);
  t.match(stderr, /^seglog needs Node\.js 24 or later; .* install a newer one\n$/);
  t.equal(stdout.length, 0);
  t.notMatch(readFileSync(MAIN, 'utf8'), /^import /m, 'nothing is imported before the version is looked at');
});
