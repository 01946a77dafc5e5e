/** `seglog consume`: writes the records of a topic to standard output, and follows it. */
import { Command, Option } from 'commander';
import type { ConsumeOptions } from '../consumer.ts';
import type { Io } from '../io.ts';
import { collectNumbers, parsePositiveNumber, parseSize, serverOption } from '../options.ts';
import { parsePosition, parseUntil } from '../positions.ts';

export function consumeCommand(io: Io): Command {
  return new Command('consume')
    .description('write the records of a topic to standard output, each value and a newline, and follow it')
    .argument('<topic>')
    .addOption(
      new Option('-o, --offset <position>', 'where to begin: beginning, end, offset N, the last -N, time @T')
        .default({ at: 'end' }, 'end')
        .argParser(parsePosition),
    )
    .addOption(
      new Option('--until <position>', 'where to stop, exclusive: offset N, time @T, end').argParser(
        parseUntil,
      ),
    )
    .option('-p, --partition <list>', 'only these partitions: 0 or 0,2 (default: all)', collectNumbers)
    .option('-c, --count <n>', 'stop after so many records', parsePositiveNumber)
    .option('-e, --exit-at-end', 'stop at the end that the log has now, one partition after the other')
    .addOption(
      new Option('-f, --format <format>', "kcat's: %s value, %k key, %o offset, … see below").conflicts(
        'json',
      ),
    )
    .option('--json', 'one JSON object a record, as `produce --json` takes it')
    .option('--null-marker <text>', 'what to write for a null key or value (default: nothing)')
    .option('--max-bytes <size>', 'how much to fetch at a time', parseSize, 1024 * 1024)
    .addOption(serverOption())
    .addHelpText('after', HELP)
    .action(async (topic: string, options: ConsumeOptions) => {
      const { consume } = await import('../consumer.ts');
      await consume(topic, options, io);
    });
}

const HELP = `
Format: %s value  %S its length  %R its length as 4 bytes  %k key  %K its length  %h headers
        %t topic  %p partition  %o offset  %T timestamp (ms)  %% percent  \\n \\r \\t \\0 \\\\ \\xHH

It follows until Ctrl-C, unless -c, -e or --until end it. Where its reader ends (| head), it learns of that
with the next record: on an idle topic say -c rather than head.

Times T: 2026-11-21T08:00:00Z, seconds or milliseconds since 1970, or back from now: 15m, 2h, 3d

Examples:
  seglog consume access                                what comes in from now on
  seglog consume access -o beginning -e > copy.log     all there is, byte for byte
  seglog consume access -o -10 -e                      the last ten of each partition
  seglog consume access -o @2h --until @1h             an hour, two hours ago
  seglog consume access -o 1000 -c 5 -f '%o %T %k %s\\n'
  seglog consume access -o beginning --json | jq .value`;
