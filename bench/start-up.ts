/**
 * Question: how long does the single executable take from its start to `--version`, and to a `/readyz` that says 200, on an
 * empty directory?
 *
 * Limit: `node -e 0`, the same Node that starts and does nothing. Beside it stands the program as npm installs it. Whoever waits
 * for `/readyz` asks every other millisecond, so that the asking leaves both cores to the start. `npm run build:binary` first:
 * without it there is nothing to measure, and it says so.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { get } from 'node:http';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { freePort } from './free-port.ts';
import { below, benchmark, type Side } from './harness.ts';

const DIST = fileURLToPath(new URL('../dist/', import.meta.url));
const BINARY = `${DIST}seglog-${process.platform}-${process.arch}`;
const PACKAGE = [process.execPath, `${DIST}cli/main.js`] as const;
const POLL_MS = 2;

await benchmark('start-up', async (bench) => {
  if (!existsSync(BINARY)) {
    const note = `left out: there is no ${BINARY} (npm run build:binary makes it)`;
    bench.note(bench.report('the executable', []), note);
    return;
  }
  const rounds = bench.size(31, 11);
  const directory = bench.directory();
  const bare = ended('node -e 0', process.execPath, '-e', '0');
  await bench.compare({
    title: 'from the start to the end of --version',
    unit: 'ms',
    lowerIsBetter: true,
    candidate: ended('executable', BINARY, '--version'),
    wanted: below(150),
    limits: [{ side: bare }, { side: ended('package', ...PACKAGE, '--version') }],
    rounds,
  });
  await bench.compare({
    title: 'from the start to /readyz on an empty directory',
    unit: 'ms',
    lowerIsBetter: true,
    candidate: ready('executable', directory, BINARY),
    wanted: below(400),
    limits: [{ side: bare }, { side: ready('package', directory, ...PACKAGE) }],
    rounds,
  });
});

/** The time until it has ended. */
function ended(name: string, command: string, ...args: string[]): Side {
  const round = async () => {
    const start = performance.now();
    const child = spawn(command, args, { stdio: 'ignore' });
    const [code] = await once(child, 'exit');
    if (code !== 0) throw new Error(`${name} ended with ${code}`);
    return performance.now() - start;
  };
  return { name, round };
}

/** The time until the daemon is ready. */
function ready(name: string, directory: string, command: string, ...first: string[]): Side {
  let number = 0;
  const round = async () => {
    const port = await freePort();
    const data = join(directory, `${name}-${number++}`);
    const start = performance.now();
    const args = [...first, 'serve', '--data', data, '--listen', `127.0.0.1:${port}`];
    const child = spawn(command, args, { stdio: 'ignore' });
    const end = once(child, 'exit');
    while (!(await isReady(port))) {
      if (child.exitCode !== null) throw new Error(`${name} ended with ${child.exitCode}`);
      await delay(POLL_MS);
    }
    const ms = performance.now() - start;
    child.kill();
    await end;
    return ms;
  };
  return { name, round };
}

function isReady(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const request = get({ host: '127.0.0.1', port, path: '/readyz', agent: false }, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    });
    request.on('error', () => resolve(false));
  });
}
