/** `seglog compact`: compacts a topic of a running daemon now, and tells what that freed. */
import { Command } from 'commander';
import type { SegmentsRewritten } from '../../engine/index.ts';
import { HttpClient } from '../http-client.ts';
import type { Io } from '../io.ts';
import { type JobInfo, runJob } from '../job-watch.ts';
import { jsonOption, type ServerFlag, serverOption } from '../options.ts';
import { bytesFor, count, humanBytes, humanDuration, table } from '../text.ts';

interface CompactFlags extends ServerFlag {
  json?: boolean;
}

type CompactionJob = JobInfo<CompactionResult> & { result: CompactionResult };

interface CompactionResult {
  partitions: SegmentsRewritten[];
}

export function compactCommand(io: Io): Command {
  return new Command('compact')
    .description('keep only the newest record of each key of a topic, now')
    .argument('<topic>', 'a topic whose cleanup.policy is compact, or compact,delete')
    .addOption(serverOption())
    .addOption(jsonOption('print the job and its result as JSON'))
    .addHelpText(
      'after',
      `
A daemon compacts by itself what is due; this does it whether or not it is. Active segments stay as they are, and so do
records younger than min.compaction.lag.ms. Ctrl-C cancels: what was compacted by then stays so.

Examples:
  seglog compact prices
  seglog compact prices --json | jq .result.partitions
  seglog topics alter prices --config cleanup.policy=compact    # first, where it is not`,
    )
    .action((topic: string, flags: CompactFlags) => compact(topic, flags, io));
}

async function compact(topic: string, flags: CompactFlags, io: Io): Promise<void> {
  const client = new HttpClient(flags.server, io.env);
  const job = await runJob<CompactionResult>(client, { topic, route: 'compact', json: flags.json }, io);
  if (!flags.json) report(job, io);
}

function report({ topic, result, startedAt, endedAt }: CompactionJob, io: Io): void {
  const { partitions } = result;
  const bytes = (number: number) => bytesFor(io.stdout, number);
  const rows = partitions.map((each) => [
    String(each.partition),
    `${each.segmentsBefore} → ${each.segmentsAfter}`,
    `${each.recordsBefore} → ${each.recordsAfter}`,
    `${bytes(each.bytesBefore)} → ${bytes(each.bytesAfter)}`,
    String(each.tombstones),
    String(each.rounds),
  ]);
  io.stdout.write(table(['PARTITION', 'SEGMENTS', 'RECORDS', 'BYTES', 'TOMBSTONES', 'ROUNDS'], rows));
  const sum = (field: keyof SegmentsRewritten) => partitions.reduce((total, each) => total + each[field], 0);
  const withoutKey = sum('recordsWithoutKey');
  if (withoutKey > 0)
    io.stderr.write(`${count(withoutKey, 'record')} without a key went: they came before it was compacted\n`);
  const [before, after] = [sum('bytesBefore'), sum('bytesAfter')];
  const took = humanDuration(Date.parse(endedAt!) - Date.parse(startedAt!));
  io.stderr.write(
    before === 0
      ? `nothing of ${topic} can be compacted yet: active segments and young records stay as they are\n`
      : `compacted ${topic} in ${took}: ${humanBytes(before)} → ${humanBytes(after)}, ${freed(before - after)}\n`,
  );
}

const freed = (bytes: number) => (bytes < 0 ? `${humanBytes(-bytes)} more` : `${humanBytes(bytes)} freed`);
