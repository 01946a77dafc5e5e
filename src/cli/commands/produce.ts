/** `seglog produce`: sends the lines of standard input or of files to a topic. */
import { Command, Option } from 'commander';
import type { Io } from '../io.ts';
import {
  collectPairs,
  parseBatchSize,
  parseDuration,
  parsePositiveNumber,
  parseText,
  parseWholeNumber,
  serverOption,
} from '../options.ts';
import type { ProduceOptions } from '../producer.ts';

const HELP = `
Only a newline ends a line, and no byte of a line is changed; a last line without one is a record too.
Lines without a key of one input go to one partition, so they come back in the order of the input.

What is refused for now, and a batch whose answer is lost, is sent again for --delivery-timeout-ms, and stored once: the
daemon knows a batch that it has stored. With --acks 0 nothing waits for what is stored, and a lost answer ends it.

Examples:
  seglog produce access access.log                       a file, a record a line
  tail -F app.log | seglog produce app                   as it grows
  seglog produce orders --key-separator '\\t' orders.tsv  the key before the first tab, the value after it
  seglog produce copy --json < records.ndjson            what \`seglog consume --json\` printed
  seglog produce copy --json --create-topic --partitions 4 < records.ndjson
  zcat access.log.gz | seglog produce access             compressed files
  seglog produce access --acks 1 --compression zstd *.log`;

export function produceCommand(io: Io): Command {
  return new Command('produce')
    .description('send lines of standard input or of files to a topic, a record a line')
    .argument('<topic>')
    .argument('[file...]', 'files to send; "-" or none is standard input')
    .option('-p, --partition <n>', 'send all records to this partition', parseWholeNumber)
    .option(
      '-K, --key-separator <text>',
      'a line is a key, this (\\t is a tab), and a value; without it: no key',
      parseText,
    )
    .addOption(
      new Option(
        '--json',
        'a line is {"value": …, "key"?, "headers"?, "timestamp"?, "partition"?}',
      ).conflicts(['keySeparator', 'nullMarker']),
    )
    .option('-H, --header <name=value>', 'add a header to every record; may be given again', collectPairs)
    .option('--null-marker <text>', 'a key or value that is exactly this is stored as null')
    .option('--strip-cr', 'a carriage return at the end of a line is no part of it')
    .addOption(
      new Option('-a, --acks <acks>', 'all = synced to disk, 1 = written, 0 = accepted')
        .choices(['all', '1', '0'])
        .default('all'),
    )
    .addOption(
      new Option(
        '-z, --compression <codec>',
        'how batches are stored, where compression.type is "producer"',
      ).choices(['none', 'gzip', 'snappy', 'lz4', 'zstd']),
    )
    .option('--batch-bytes <size>', 'send at most so much at a time', parseBatchSize, 1024 * 1024)
    .option('--create-topic', 'make the topic if it does not exist')
    .option('--partitions <n>', 'with --create-topic: how many it then gets', parsePositiveNumber)
    .option(
      '--delivery-timeout-ms <time>',
      'how long to retry what is refused or lost',
      parseDuration,
      120_000,
    )
    .option('-q, --quiet', 'print errors only')
    .addOption(serverOption())
    .addHelpText('after', HELP)
    .action(async (topic: string, files: string[], options: ProduceOptions) => {
      const { produce } = await import('../producer.ts');
      await produce(topic, files, options, io);
    });
}
