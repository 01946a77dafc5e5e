/**
 * `npm run test:binary`: the tests that start the program, with the single executable in its place, and those of the
 * executable itself. They are the command line's, and the crash tests that kill real daemons; all others test functions, which
 * are the same in there.
 */
import { spawnSync } from 'node:child_process';
import { globSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../', import.meta.url));
/** What starts it, by the names of the helpers. */
const STARTS = /\b(runCli|startCli|Daemon|MortalDaemon|PROGRAM)\b/;

const files = [
  ...globSync('test/binary/*.test.ts', { cwd: ROOT }),
  ...globSync('test/{cli,crash}/**/*.test.ts', { cwd: ROOT }).filter((file) =>
    STARTS.test(readFileSync(ROOT + file, 'utf8')),
  ),
].sort();
const env = { ...process.env, SEGLOG_TEST_BINARY: `${ROOT}dist/seglog-${process.platform}-${process.arch}` };
const { status } = spawnSync('tap', files, { cwd: ROOT, stdio: 'inherit', env });
process.exitCode = status ?? 1;
