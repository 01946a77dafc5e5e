import { spawnSync } from 'node:child_process';
import t from 'tap';
import { runCli } from '../../helpers/cli.ts';
import { FakeDaemon } from '../../helpers/fake-daemon.ts';

const daemon = await FakeDaemon.start();
t.teardown(() => daemon.stop());
daemon.addTopic('access');
daemon.addTopic('audit');
daemon.addTopic('other');

async function complete(...words: string[]): Promise<string[]> {
  const { code, stdout, stderr } = await runCli(['complete', '--', ...words], {
    env: { SEGLOG_SERVER: daemon.url },
  });
  t.equal(code, 0);
  t.equal(stderr, '');
  return stdout
    .toString()
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => line.split('\t')[0]!);
}

t.test('commands, and the commands of commands', async (t) => {
  const all = await complete('');
  for (const command of [
    'serve',
    'topics',
    'produce',
    'consume',
    'dump',
    'verify',
    'repair',
    'health',
    'completion',
  ]) {
    t.ok(all.includes(command), command);
  }
  t.notOk(all.includes('complete'), 'what only scripts call is not shown');
  t.same(await complete('con'), ['consume']);
  t.same(await complete('topics', 'de'), ['describe', 'delete']);
  t.same(await complete('completion', ''), ['bash', 'zsh', 'fish']);
});

t.test('flags and their values', async (t) => {
  t.same(await complete('consume', 'access', '--exit'), ['--exit-at-end']);
  t.same(await complete('produce', 'access', '--acks', ''), ['all', '1', '0']);
  t.same(await complete('consume', 'access', '-o', 'b'), ['beginning']);
  t.same(await complete('serve', '--data', ''), [':directories']);
  t.same(await complete('serve', '--config', ''), [':files']);
  t.same(await complete('serve', '--segment.by'), ['--segment.bytes'], 'a setting is a flag of serve');
});

t.test('topics, asked from the daemon', async (t) => {
  t.same(await complete('consume', 'a'), ['access', 'audit']);
  t.same(
    await complete('consume', '-o', 'end', '-e', 'a'),
    ['access', 'audit'],
    'flags before it do not count',
  );
  t.same(await complete('topics', 'describe', 'o'), ['other']);
  t.same(await complete('produce', 'access', ''), [':files'], 'after the topic come files');
  t.same(await complete('consume', 'access', ''), [], 'and after that of consume nothing');
  t.same(
    await complete('consume', '--server', 'http://127.0.0.1:1', ''),
    [],
    'no daemon, no names, no error',
  );
});

for (const [shell, check] of [
  ['bash', ['-n']],
  ['zsh', ['-n']],
  ['fish', ['--no-execute']],
] as const) {
  const found = spawnSync(shell, ['-c', 'true']).error === undefined;
  t.test(`the script is valid ${shell}`, { skip: found ? false : `${shell} is not installed` }, async (t) => {
    const { stdout, code } = await runCli(['completion', shell]);
    t.equal(code, 0);
    const dir = t.testdir({ script: stdout.toString() });
    const checked = spawnSync(shell, [...check, `${dir}/script`]);
    t.equal(checked.stderr.toString(), '');
    t.equal(checked.status, 0);
  });
}

const hasBash = spawnSync('bash', ['-c', 'true']).error === undefined;
t.test('bash completes with it', { skip: hasBash ? false : 'bash is not installed' }, async (t) => {
  const { stdout } = await runCli(['completion', 'bash']);
  const dir = t.testdir({ 'file one': '', 'file two': '' });
  // The program's place is taken by a function that answers as it would.
  const script = `${stdout}
    seglog() { if [ "\${@: -1}" = con ]; then printf 'consume\\tx\\n'; else printf ':files\\t\\n'; fi; }
    cd '${dir}'
    COMP_WORDS=(seglog con) COMP_CWORD=1; _seglog; printf '%s\\n' "\${COMPREPLY[@]}"
    COMP_WORDS=(seglog dump fi) COMP_CWORD=2; _seglog; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const ran = spawnSync('bash', ['--norc', '-c', script]);
  t.same(ran.stdout.toString().trim().split('\n').sort(), ['consume', 'file one', 'file two']);
});

t.test('another shell is misuse', async (t) => {
  t.match(await runCli(['completion', 'tcsh']), { code: 2, stderr: /Allowed choices are bash, zsh, fish/ });
});
