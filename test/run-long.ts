/**
 * `npm run test:long -- SIZE`: the tests whose length is open (crashes, kills, the model), SIZE times as long as
 * `npm test` runs them, and then the soak for 2 × SIZE minutes. Size 1 is a few minutes; 30, the default, has the soak of
 * an hour after more than an hour of tests.
 */
import { spawnSync } from 'node:child_process';
import { globSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../', import.meta.url));
const size = Number(process.argv[2] ?? 30);
if (!(size > 0)) {
  process.stderr.write('usage: npm run test:long -- SIZE     (a number above 0)\n');
  process.exit(2);
}

const files = globSync('test/**/*.test.ts', { cwd: ROOT }).filter((file) =>
  readFileSync(ROOT + file, 'utf8').includes('/test-size.ts'),
);
process.stdout.write(`size ${size}: ${files.join(', ')}\n`);

const secondsPerFile = Math.ceil(600 * Math.max(1, size));
const commands = [
  ['tap', `--timeout=${secondsPerFile}`, '--jobs=1', ...files],
  [process.execPath, 'test/long/soak.ts', String(2 * size)],
] as const;
for (const [command, ...args] of commands) {
  const env = { ...process.env, SEGLOG_TEST_SIZE: String(size) };
  const { status } = spawnSync(command, args, { cwd: ROOT, stdio: 'inherit', env });
  // The soak runs whatever the tests found.
  if (status !== 0) process.exitCode = 1;
}
