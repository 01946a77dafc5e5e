/** `seglog consume`: writes the records of a topic to standard output, and follows it. */
import { Command, Option } from 'commander';
import type { ConsumeOptions } from '../consumer.ts';
import { UsageError } from '../errors.ts';
import type { GroupConsumeOptions } from '../group-consumer.ts';
import type { Io } from '../io.ts';
import {
  collectNumbers,
  parseDuration,
  parsePositiveNumber,
  parseSize,
  parseText,
  serverOption,
} from '../options.ts';
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
    .addOption(
      new Option(
        '-g, --group <group>',
        'share the partitions with the other members of this group, and commit',
      )
        .conflicts(['until', 'partition'])
        .argParser(parseText),
    )
    .addOption(
      new Option(
        '--assignor <name>',
        'with -g: how partitions are spread (default: as the group has it)',
      ).choices(['cooperative-sticky', 'range', 'roundrobin']),
    )
    .option(
      '--session-timeout <time>',
      'with -g: after so long without a word others get the partitions (default: 45s)',
      parseDuration,
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
    .action(async (topic: string, options: ConsumeOptions & Partial<GroupConsumeOptions>) => {
      if (isInGroup(options)) {
        const { consumeInGroup } = await import('../group-consumer.ts');
        await consumeInGroup(topic, options, io);
        return;
      }
      if (options.assignor !== undefined || options.sessionTimeout !== undefined)
        throw new UsageError('--assignor and --session-timeout go with -g');
      const { consume } = await import('../consumer.ts');
      await consume(topic, options, io);
    });
}

function isInGroup(options: Partial<GroupConsumeOptions>): options is GroupConsumeOptions {
  return options.group !== undefined;
}

const HELP = `
Format: %s value  %S its length  %R its length as 4 bytes  %k key  %K its length  %h headers
        %t topic  %p partition  %o offset  %T timestamp (ms)  %% percent  \\n \\r \\t \\0 \\\\ \\xHH

It follows until Ctrl-C, unless -c, -e or --until end it. Where its reader ends (| head), it learns of that
with the next record: on an idle topic say -c rather than head.

In a group (-g) each partition is read by one of its members. Reading begins where the group has committed, and where it has
committed nothing as -o says: beginning, end, none (that is an error), or back from now (@2h). What is fetched at a time
(--max-bytes) is committed once all of it is written: each record at least once. After a crash, a kill -9 or a silence longer
than --session-timeout, records that were written and not yet committed are written again, by this process or another member:
at most what was fetched at a time. Written is what standard output has taken: a pipe takes some KiB that its reader may leave
unread (| head), and they are committed, so say -c for the first few. Ctrl-C, -c and -e commit and hand the partitions back at
once. With -e it ends when the partitions that it has are read to the end.

Times T: 2026-11-21T08:00:00Z, seconds or milliseconds since 1970, or back from now: 15m, 2h, 3d

Examples:
  seglog consume access                                what comes in from now on
  seglog consume access -o beginning -e > copy.log     all there is, byte for byte
  seglog consume access -o -10 -e                      the last ten of each partition
  seglog consume access -o @2h --until @1h             an hour, two hours ago
  seglog consume access -o 1000 -c 5 -f '%o %T %k %s\\n'
  seglog consume access -o beginning --json | jq .value
  seglog consume access -g web -o beginning            as one of the members of the group web`;
