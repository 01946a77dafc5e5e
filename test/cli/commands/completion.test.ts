import { spawnSync } from 'node:child_process';
import { chmodSync } from 'node:fs';
import t from 'tap';
import { runCli } from '../../helpers/cli.ts';
import { FakeDaemon, sendJson } from '../../helpers/fake-daemon.ts';
import { SHELL_PROGRAM } from '../../helpers/program.ts';

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
    'groups',
    'compact',
    'retain',
    'dump',
    'verify',
    'repair',
    'health',
    'load',
    'completion',
  ]) {
    t.ok(all.includes(command), command);
  }
  t.notOk(all.includes('complete'), 'what only scripts call is not shown');
  t.same(await complete('con'), ['consume']);
  t.same(await complete('topics', 'de'), ['describe', 'delete']);
  t.same(await complete('load', 'st'), ['steady']);
  t.same(await complete('completion', ''), ['bash', 'zsh', 'fish']);
});

t.test('flags and their values', async (t) => {
  t.same(await complete('consume', 'access', '--exit'), ['--exit-at-end']);
  t.same(await complete('retain', 'access', '--dry'), ['--dry-run']);
  t.same(await complete('produce', 'access', '--acks', ''), ['all', '1', '0']);
  t.same(await complete('load', 'steady', '--acks', ''), ['all', '1', '0']);
  t.same(await complete('load', 'steady', '--html', ''), [':files']);
  t.same(await complete('load', 'burst', '--bur'), ['--burst-duration']);
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
  t.same(await complete('compact', 'o'), ['other']);
  t.same(await complete('load', 'ramp', '--from', '5', 'o'), ['other']);
  t.same(await complete('retain', '--dry-run', 'o'), ['other']);
  t.same(await complete('produce', 'access', ''), [':files'], 'after the topic come files');
  t.same(await complete('consume', 'access', ''), [], 'and after that of consume nothing');
  t.same(
    await complete('groups', 'reset', 'g', '--topic', 'a'),
    ['access', 'audit'],
    'as the value of an option',
  );
  t.same(
    await complete('consume', '--server', 'http://127.0.0.1:1', ''),
    [],
    'no daemon, no names, no error',
  );
});

t.test('groups, asked from the daemon', async (t) => {
  daemon.intercept = ({ path }, response) => {
    if (path !== '/api/groups') return false;
    const group = (groupId: string, members: number) => ({
      groupId,
      members,
      state: 'Stable',
      generation: 1,
    });
    sendJson(response, 200, { groups: [group('billing', 2), group('search', 1)] });
    return true;
  };
  t.same(await complete('groups', 'describe', ''), ['billing', 'search']);
  t.same(await complete('groups', 'reset', 'b'), ['billing']);
  t.same(await complete('consume', 'access', '-g', ''), ['billing', 'search']);
  t.same(await complete('consume', 'access', '--assignor', 'r'), ['range', 'roundrobin']);
  t.same(await complete('groups', 'reset', 'billing', '--to'), [
    '--topic',
    '--to-earliest',
    '--to-latest',
    '--to-offset',
    '--to-timestamp',
  ]);
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

/** How each shell is asked what it would offer for the words `seglog …`. */
const ASK: Readonly<Record<string, (...words: string[]) => string>> = {
  bash: (...words) =>
    `source ./script; COMP_WORDS=(seglog ${quoted(words)}); COMP_CWORD=${words.length}; _seglog; printf '%s\n' "\${COMPREPLY[@]}"`,
  // Outside of a line editor zsh's own helpers are not at hand: these take their place.
  zsh: (...words) =>
    `compdef() { : }; _describe() { print -l -- "\${(@P)3}" }; _files() { ls }; source ./script;
     words=(seglog ${quoted(words)}); CURRENT=$#words; _seglog`,
  fish: (...words) => `source ./script; complete -C 'seglog ${words.join(' ')}'`,
};
const quoted = (words: readonly string[]) => words.map((each) => `'${each}'`).join(' ');

for (const [shell, ask] of Object.entries(ASK)) {
  const found = spawnSync(shell, ['-c', 'true']).error === undefined;
  t.test(`${shell} completes with it`, { skip: found ? false : `${shell} is not installed` }, async (t) => {
    const { stdout } = await runCli(['completion', shell]);
    const program = `#!/bin/sh\nexec ${SHELL_PROGRAM} "$@"\n`;
    const dir = t.testdir({ script: stdout, 'file one': '', 'file two': '', bin: { seglog: program } });
    chmodSync(`${dir}/bin/seglog`, 0o755);
    const offered = (...words: string[]) => {
      const env = { ...process.env, PATH: `${dir}/bin:${process.env.PATH}`, HOME: dir };
      const ran = spawnSync(shell, ['-c', ask(...words)], { cwd: dir, env, encoding: 'utf8' });
      const lines = ran.stdout.trim().split('\n');
      // After a tab, or a colon in zsh, comes the description.
      return lines.map((line) => line.split(/[\t:]/)[0]!.replaceAll('\\', '')).sort();
    };
    t.same(offered('con'), ['consume']);
    t.same(offered('comp'), ['compact', 'completion']);
    t.same(offered('retain', '--dry'), ['--dry-run']);
    t.same(offered('topics', 'de'), ['delete', 'describe']);
    const files = offered('dump', 'fi').filter((each) => each.startsWith('file'));
    t.same(files, ['file one', 'file two']);
  });
}

t.test('another shell is misuse', async (t) => {
  t.match(await runCli(['completion', 'tcsh']), { code: 2, stderr: /Allowed choices are bash, zsh, fish/ });
});
