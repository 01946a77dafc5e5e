/**
 * `npm run test:long -- SIZE`: the tests whose length is open (crashes, kills, the model), SIZE times as long as
 * `npm test` runs them. 1 is a minute or two, so 30 (the default) is about an hour.
 */
import { spawn } from 'node:child_process';
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
spawn('tap', [`--timeout=${secondsPerFile}`, '--jobs=1', ...files], {
  cwd: ROOT,
  stdio: 'inherit',
  env: { ...process.env, SEGLOG_TEST_SIZE: String(size) },
}).on('exit', (code) => {
  process.exitCode = code ?? 1;
});
