import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { ended } from '../helpers/cli.ts';

const DEMO = fileURLToPath(new URL('../../src/cli/demo.ts', import.meta.url));
const demo = (directory: string) => ended(spawn(process.execPath, [DEMO, directory]));

t.test('the demo does what it promises', async (t) => {
  const { code, stdout, stderr } = await demo(`${t.testdir()}/data`);
  t.equal(code, 0, stderr);
  const text = stdout.toString();
  t.match(text, /lines are stored: all that were acknowledged/);
  t.match(text, /all of it: .* identical\n/);
  t.match(text, /from offset \d+ on: .* identical\n/);
  t.match(text, /by time: .* identical\n/);
  t.match(text, /SIGTERM: exit code 0/);
  t.match(text, /\nok/, 'the directory verifies');
  t.match(text, /where to look next/);
});

t.test('it takes no directory that exists', async (t) => {
  t.match(await demo(t.testdir()), { code: 1, stderr: /exists already/ });
});
