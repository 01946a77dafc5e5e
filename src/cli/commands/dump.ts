/** `seglog dump`: shows what is in one file of a data directory. */
import { Command } from 'commander';
import { ReportedFailure } from '../errors.ts';
import { type Io, write } from '../io.ts';
import { jsonOption } from '../options.ts';

interface DumpFlags {
  records?: boolean;
  json?: boolean;
}

export function dumpCommand(io: Io): Command {
  return new Command('dump')
    .description(
      'show what is in a file of a data directory: a segment, an index, a journal, a checkpoint, …',
    )
    .argument('<file>')
    .option('-r, --records', 'of segments and journals every record, not only the batches')
    .addOption(jsonOption('one JSON object a line'))
    .addHelpText(
      'after',
      `
The exit code is 1 when something in the file fails its checks; what follows it is shown all the same.

Examples:
  seglog dump data/topics/access/0/00000000000000000000.log
  seglog dump --records --json data/topics/access/0/00000000000000000000.log |
    jq 'select(.kind == "record").value'
  seglog dump data/topics/access/0/00000000000000000000.timeindex`,
    )
    .action((file: string, flags: DumpFlags) => dump(file, flags, io));
}

async function dump(file: string, flags: DumpFlags, io: Io): Promise<void> {
  const { dumpFile } = await import('../../engine/index.ts');
  let damaged = false;
  for await (const item of dumpFile(file, { records: flags.records })) {
    damaged ||= item.damaged;
    await write(io.stdout, `${flags.json ? JSON.stringify(item.data) : item.line}\n`);
  }
  if (damaged) throw new ReportedFailure();
}
