import { readFileSync } from 'node:fs';
import { PassThrough } from 'node:stream';
import type { Command } from 'commander';
import t from 'tap';
import { buildProgram } from '../../src/cli/program.ts';
import { runCli } from '../helpers/cli.ts';

const program = buildProgram({
  stdin: new PassThrough(),
  stdout: new PassThrough(),
  stderr: new PassThrough(),
  env: {},
  interruption: () => new AbortController().signal,
  onOutputLost() {},
  abandon() {},
});

const shown = (command: Command) =>
  command
    .createHelp()
    .visibleCommands(command)
    .filter((each) => each.name() !== 'help');

t.test('every command has a description and help with examples', async (t) => {
  for (const command of shown(program)) {
    t.not(command.description(), '', command.name());
    const { code, stdout, stderr } = await runCli([command.name(), '--help']);
    t.equal(code, 0);
    t.equal(stderr, '');
    t.match(stdout.toString(), /^Usage: seglog /);
    t.match(stdout.toString(), /\nExamples:\n {2}\S/, `${command.name()} --help has examples`);
  }
});

t.test('so has every command of topics', async (t) => {
  for (const name of ['list', 'create', 'describe', 'alter', 'delete']) {
    const { stdout } = await runCli(['topics', name, '--help']);
    t.match(stdout.toString(), new RegExp(`\\nExamples:\\n {2}seglog topics ${name}`));
  }
});

t.test('and of groups', async (t) => {
  for (const name of ['list', 'describe', 'reset', 'delete']) {
    const { stdout } = await runCli(['groups', name, '--help']);
    t.match(stdout.toString(), new RegExp(`\\nExamples:\\n {2}seglog groups ${name}`));
  }
});

t.test('and every kind of load', async (t) => {
  for (const name of ['steady', 'burst', 'ramp', 'mixed']) {
    const { stdout } = await runCli(['load', name, '--help']);
    t.match(stdout.toString(), new RegExp(`\\nExamples:\\n {2}seglog load ${name}`));
  }
});

t.test('a command that talks to a daemon takes --server', async (t) => {
  const families = program.commands.filter((each) => /^(topics|groups|load)$/.test(each.name()));
  const talking = [
    ...families.flatMap((each) => each.commands),
    ...program.commands.filter((each) => /^(produce|consume|compact|retain|health)$/.test(each.name())),
  ];
  for (const command of talking.filter((each) => each.name() !== 'help')) {
    t.ok(
      command.options.some((each) => each.long === '--server'),
      command.name(),
    );
  }
});

t.test('the README names each command, and no command or flag that does not exist', async (t) => {
  const page = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
  const rows = [...page.matchAll(/^\| `seglog (\w+)` \| (.*) \|$/gm)];
  t.same(
    rows.map(([, name]) => name),
    shown(program).map((each) => each.name()),
  );
  for (const [, name, text] of rows) {
    const command = program.commands.find((each) => each.name() === name)!;
    const options = [command, ...command.commands].flatMap((each) => each.options);
    for (const [flag] of text!.matchAll(/--[a-z-]+/g)) {
      t.ok(
        options.some(({ long }) => long === flag),
        `${name} ${flag}`,
      );
    }
  }
});

t.test('the version', async (t) => {
  for (const flag of ['--version', '-V', '-v']) {
    const { code, stdout } = await runCli([flag]);
    t.equal(code, 0);
    t.match(stdout.toString(), /^seglog \d+\.\d+\.\d+ \(commit [\w-]+, Node v\d+\.\d+\.\d+, format \d+\)\n$/);
  }
});

t.test('misuse is told with the nearest name, on standard error, and with exit code 2', async (t) => {
  for (const [args, message] of [
    [[], /^Usage: seglog/],
    [['consme'], /unknown command 'consme'\n\(Did you mean consume\?\)/],
    [['consume', 't', '--form', 'x'], /unknown option '--form'\n\(Did you mean --format\?\)/],
    [['consume'], /missing required argument 'topic'/],
    [['consume', 't', 'u'], /too many arguments/],
    [['topics'], /^Usage: seglog topics/],
    [['topics', 'lst'], /Did you mean list/],
    [['consume', 't', '-c', 'x'], /'x' is invalid.*It takes a whole number/],
    [['topics', 'list', '--server', 'nonsense'], /--server takes a URL/],
  ] as const) {
    const { code, stdout, stderr } = await runCli(args);
    t.equal(code, 2, args.join(' '));
    t.equal(stdout.length, 0);
    t.match(stderr, message);
  }
  t.match((await runCli(['consume'])).stderr, /\(`seglog consume --help` tells more\)/);
});
