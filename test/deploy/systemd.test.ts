/** The unit, by systemd's own checks where they are installed, and by what the program takes. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { loadConfig } from '../../src/server/config.ts';

const UNIT = fileURLToPath(new URL('../../deploy/seglog.service', import.meta.url));
const text = readFileSync(UNIT, 'utf8');
const analyze = (...args: string[]) => spawnSync('systemd-analyze', args, { encoding: 'utf8' });
const missing = analyze('--version').status === 0 ? false : 'systemd-analyze is not installed';
const value = (name: string) => new RegExp(`^${name}=(.*)$`, 'm').exec(text)![1]!;

t.test('systemd finds nothing wrong with it', { skip: missing }, async (t) => {
  // The program need not be installed here: another one that is stands in its place.
  const dir = t.testdir({ 'seglog.service': text.replaceAll('/usr/local/bin/seglog', '/bin/true') });
  const { stdout, stderr } = analyze('verify', '--man=no', `${dir}/seglog.service`);
  t.equal(
    (stdout + stderr)
      .split('\n')
      .filter((line) => line.includes('seglog'))
      .join('\n'),
    '',
  );
});

t.test('systemd calls it well protected', { skip: missing }, async (t) => {
  const { status, stdout } = analyze('security', '--offline=true', '--threshold=20', UNIT);
  t.equal(status, 0, stdout.trimEnd().split('\n').at(-1));
});

t.test('what it starts is a command line of seglog, and has time to stop', async (t) => {
  const [program, ...words] = value('ExecStart').split(' ');
  t.equal(program, '/usr/local/bin/seglog');
  t.same(words.slice(0, -1), ['serve', '--config', '/etc/seglog/seglog.yaml', '--data']);
  t.match(words.at(-1), /^\$\{STATE_DIRECTORY\}$/, 'which is there before it starts');
  t.match(value('Environment'), /^SEGLOG_CACHE_DIR=%C\/seglog$/, 'where its native code may be unpacked');
  t.ok(Number(value('TimeoutStopSec')) * 1000 > loadConfig().settings['shutdown.timeout.ms']);
});
