/** The tree of commands. Each command lives in a file of its own and loads what it needs when it runs. */
import { Command, Option } from 'commander';
import { compactCommand } from './commands/compact.ts';
import { completeCommand, completionCommand } from './commands/completion.ts';
import { consumeCommand } from './commands/consume.ts';
import { dumpCommand } from './commands/dump.ts';
import { groupsCommand } from './commands/groups.ts';
import { healthCommand } from './commands/health.ts';
import { ingestCommand } from './commands/ingest.ts';
import { loadCommand } from './commands/load.ts';
import { produceCommand } from './commands/produce.ts';
import { queryCommand } from './commands/query.ts';
import { repairCommand } from './commands/repair.ts';
import { retainCommand } from './commands/retain.ts';
import { serveCommand } from './commands/serve.ts';
import { topicsCommand } from './commands/topics.ts';
import { verifyCommand } from './commands/verify.ts';
import { VersionAsked } from './errors.ts';
import type { Io } from './io.ts';

export function buildProgram(io: Io): Command {
  const program = new Command('seglog')
    .description('A durable, partitioned, append-only log in one program.')
    .option(
      '-V, --version',
      'print the version, the commit it was built from, and the format of data that it knows',
    )
    .addOption(new Option('-v').hideHelp())
    .addCommand(serveCommand(io))
    .addCommand(topicsCommand(io))
    .addCommand(produceCommand(io))
    .addCommand(consumeCommand(io))
    .addCommand(groupsCommand(io))
    .addCommand(queryCommand(io))
    .addCommand(ingestCommand(io))
    .addCommand(compactCommand(io))
    .addCommand(retainCommand(io))
    .addCommand(healthCommand(io))
    .addCommand(loadCommand(io))
    .addCommand(dumpCommand(io))
    .addCommand(verifyCommand(io))
    .addCommand(repairCommand(io))
    .addCommand(completionCommand(io))
    .addCommand(completeCommand(io), { hidden: true });
  program.helpCommand('help [command]', 'show what a command does, with examples');
  program.addHelpText(
    'after',
    `
Start here:
  seglog serve --data ./data                    # in one terminal
  seglog topics create access                   # in another
  seglog produce access /var/log/access.log
  seglog consume access -o beginning -e

Exit codes: 0 done, 1 failed, 2 misused. Results go to standard output, all else to standard error.`,
  );
  // Many programs know it by the small letter.
  for (const option of ['version', 'v']) {
    program.on(`option:${option}`, () => {
      throw new VersionAsked();
    });
  }
  settle(program, io);
  return program;
}

/** Gives every command the same manners: nothing ends the process, and output goes where the Io says. */
function settle(command: Command, io: Io): void {
  command.exitOverride().configureOutput({
    writeOut: (text) => void io.stdout.write(text),
    writeErr: (text) => void io.stderr.write(text),
    outputError: (text, write) => write(text.replace(/^error: /, 'seglog: ')),
    getOutHasColors: () => false,
    getErrHasColors: () => false,
  });
  command.showHelpAfterError(`(\`${commandPath(command)} --help\` tells more)`);
  for (const each of command.commands) settle(each, io);
}

function commandPath(command: Command): string {
  return command.parent === null ? command.name() : `${commandPath(command.parent)} ${command.name()}`;
}
