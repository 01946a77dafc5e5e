/** `seglog retain`: deletes now what has expired of a topic of a running daemon, or tells what that is. */
import { Command } from 'commander';
import type { ExpiredSegments } from '../../engine/index.ts';
import { HttpClient } from '../http-client.ts';
import type { Io } from '../io.ts';
import { runJob } from '../job-watch.ts';
import { jsonOption, type ServerFlag, serverOption } from '../options.ts';
import { bytesFor, count, humanBytes, table } from '../text.ts';

interface RetainFlags extends ServerFlag {
  dryRun?: boolean;
  json?: boolean;
}

interface RetentionResult {
  dryRun: boolean;
  partitions: ExpiredSegments[];
}

export function retainCommand(io: Io): Command {
  return new Command('retain')
    .description('delete now what has expired of a topic by age or size, or tell what that is')
    .argument('<topic>')
    .option('-n, --dry-run', 'delete nothing: tell what would be')
    .addOption(serverOption())
    .addOption(jsonOption('print the job and its result as JSON'))
    .addHelpText(
      'after',
      `
A daemon does this by itself all the time (housekeeping.interval.ms). What goes is said by retention.ms and retention.bytes of
the topic, and by log.dir.max.bytes and log.dir.max.used.percent of the daemon. Whole segments go, the oldest first, and an
active one only when all of it has expired. \`seglog topics describe\` shows what goes next.

Examples:
  seglog retain access --dry-run
  seglog retain access
  seglog retain access --dry-run --json | jq .result.partitions`,
    )
    .action((topic: string, flags: RetainFlags) => retain(topic, flags, io));
}

async function retain(topic: string, flags: RetainFlags, io: Io): Promise<void> {
  const client = new HttpClient(flags.server, io.env);
  const query = { dry_run: String(flags.dryRun === true) };
  const request = { topic, route: 'retain', query, json: flags.json } as const;
  const { result } = await runJob<RetentionResult>(client, request, io);
  if (!flags.json) report(topic, result, io);
}

function report(topic: string, { dryRun, partitions }: RetentionResult, io: Io): void {
  if (partitions.length === 0) {
    io.stderr.write(`nothing of ${topic} has expired\n`);
    return;
  }
  const rows = partitions.map((each) => [
    String(each.partition),
    String(each.segments),
    bytesFor(io.stdout, each.bytes),
    String(each.logStartOffset),
  ]);
  io.stdout.write(table(['PARTITION', 'SEGMENTS', 'BYTES', 'LOG-START'], rows));
  const sum = (field: 'segments' | 'bytes') => partitions.reduce((total, each) => total + each[field], 0);
  const what = `${count(sum('segments'), 'segment')} of ${topic}, ${humanBytes(sum('bytes'))}`;
  io.stderr.write(dryRun ? `would delete ${what}; nothing was changed\n` : `deleted ${what}\n`);
}
