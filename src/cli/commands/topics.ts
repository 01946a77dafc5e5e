/** `seglog topics`: makes, shows, changes and removes the topics of a running daemon. */
import { Command } from 'commander';
import { ServerError, UsageError } from '../errors.ts';
import { HttpClient } from '../http-client.ts';
import type { Io } from '../io.ts';
import { collectPairs, jsonOption, parsePositiveNumber, type ServerFlag, serverOption } from '../options.ts';
import { bytesFor, count, jsonText, range, table } from '../text.ts';
import {
  describeTopic,
  explainUnknownTopic,
  listSegments,
  listTopics,
  type TopicInfo,
  topicPath,
} from '../topics-client.ts';

interface OutputFlags extends ServerFlag {
  json?: boolean;
}

interface SpecFlags extends OutputFlags {
  partitions?: number;
  config?: [string, string][];
}

export function topicsCommand(io: Io): Command {
  const topics = new Command('topics').description('make, show, change and remove topics');
  topics.addHelpText(
    'after',
    `
Examples:
  seglog topics create access --partitions 4 --config compression.type=zstd
  seglog topics describe access
  seglog topics alter access --config segment.bytes=64MiB --unset compression.type
  seglog topics list --json`,
  );
  const add = (name: string, description: string, ...examples: string[]) =>
    topics
      .command(name)
      .description(description)
      .addOption(serverOption())
      .addOption(jsonOption())
      .addHelpText('after', ['\nExamples:', ...examples].join('\n  '));

  add('list', 'show all topics', 'seglog topics list', 'seglog topics list --json | jq .topics').action(
    (flags: OutputFlags) => list(flags, io),
  );
  add(
    'create',
    'make a topic; the same again is no error',
    'seglog topics create access',
    'seglog topics create orders --partitions 4 --config segment.bytes=64MiB --config segment.ms=1d',
  )
    .argument('<topic>', 'its name: letters, digits, ".", "_" and "-"')
    .option(
      '-p, --partitions <n>',
      "how many partitions (default: the daemon's num.partitions)",
      parsePositiveNumber,
    )
    .option('-c, --config <name=value>', 'a setting of the topic; may be given again', collectPairs)
    .action((topic: string, flags: SpecFlags) => create(topic, flags, io));
  add(
    'describe',
    "show a topic's partitions and settings",
    'seglog topics describe access',
    'seglog topics describe access --segments',
  )
    .argument('<topic>')
    .option('--segments', 'also the segments of each partition')
    .action((topic: string, flags: OutputFlags & { segments?: boolean }) => describe(topic, flags, io));
  add(
    'alter',
    'change settings of a topic, or give it more partitions',
    'seglog topics alter access --partitions 8',
    'seglog topics alter access --config segment.bytes=64MiB --unset compression.type',
  )
    .argument('<topic>')
    .option('-p, --partitions <n>', 'how many partitions it shall have: more than now', parsePositiveNumber)
    .option('-c, --config <name=value>', 'a new value for a setting; may be given again', collectPairs)
    .option('-u, --unset <names...>', 'settings that go back to their defaults')
    .action((topic: string, flags: SpecFlags & { unset?: string[] }) => alter(topic, flags, io));
  add('delete', 'remove a topic with all its records', 'seglog topics delete access')
    .argument('<topic>')
    .action((topic: string, flags: OutputFlags) => remove(topic, flags, io));
  return topics;
}

async function list(flags: OutputFlags, io: Io): Promise<void> {
  const topics = await listTopics(new HttpClient(flags.server, io.env));
  if (flags.json) {
    io.stdout.write(jsonText(io.stdout, { topics }));
  } else if (topics.length === 0) {
    io.stderr.write('there are no topics yet: make one with `seglog topics create NAME`\n');
  } else {
    const rows = topics.map((each) => [
      each.name,
      String(each.partitions),
      String(each.records),
      bytesFor(io.stdout, each.bytes),
    ]);
    io.stdout.write(table(['TOPIC', 'PARTITIONS', 'RECORDS', 'BYTES'], rows));
  }
}

async function create(topic: string, flags: SpecFlags, io: Io): Promise<void> {
  const client = new HttpClient(flags.server, io.env);
  const response = await client.request('PUT', topicPath(topic), {
    body: { partitions: flags.partitions, config: Object.fromEntries(flags.config ?? []) },
  });
  const info: TopicInfo = JSON.parse(response.body.toString());
  if (flags.json) {
    io.stdout.write(jsonText(io.stdout, info));
    return;
  }
  const partitions = count(info.partitions.length, 'partition');
  io.stderr.write(
    response.status === 201
      ? `made topic ${topic} with ${partitions}\n`
      : `topic ${topic} with ${partitions} exists already, and is as asked for\n`,
  );
}

async function describe(topic: string, flags: OutputFlags & { segments?: boolean }, io: Io): Promise<void> {
  const client = new HttpClient(flags.server, io.env);
  const info = await describeTopic(client, topic);
  const segments = [];
  if (flags.segments) {
    for (const { partition } of info.partitions) {
      segments.push({ partition, segments: await listSegments(client, topic, partition) });
    }
  }
  if (flags.json) {
    io.stdout.write(jsonText(io.stdout, flags.segments ? { ...info, segments } : info));
    return;
  }
  io.stdout.write(`topic ${info.name} (${info.id})\n\n${partitionTable(info, io)}`);
  io.stdout.write(troubleOf(info));
  io.stdout.write(`\n${configTable(info)}`);
  if (flags.segments) io.stdout.write(`\n${segmentTable(segments, io)}`);
}

function partitionTable(info: TopicInfo, io: Io): string {
  const rows = info.partitions.map((each) => [
    String(each.partition),
    String(each.logStartOffset),
    String(each.highWatermark),
    String(each.logEndOffset),
    bytesFor(io.stdout, each.bytes),
    String(each.segments),
    each.minTimestamp ?? '-',
    each.maxTimestamp ?? '-',
  ]);
  const head = ['PARTITION', 'LOG-START', 'HIGH-WATERMARK', 'LOG-END', 'BYTES', 'SEGMENTS', 'FROM', 'TO'];
  return table(head, rows);
}

/** A line for everything that is wrong or was repaired; nothing when all is well. */
function troubleOf(info: TopicInfo): string {
  let text = '';
  for (const each of info.partitions) {
    if (each.fenced !== null) text += `partition ${each.partition} takes no records: ${each.fenced}\n`;
    for (const { firstOffset, endOffset, reason } of each.damaged) {
      text += `partition ${each.partition} is damaged at offsets ${range(firstOffset, endOffset)}: ${reason}\n`;
    }
    for (const gap of each.gaps) {
      text += `partition ${each.partition} lost offsets ${range(gap.firstOffset, gap.endOffset)} to a repair on ${gap.repairedAt}: ${gap.reason}\n`;
    }
  }
  return text === '' ? '' : `\n${text}`;
}

function configTable(info: TopicInfo): string {
  const rows = Object.entries(info.config).map(([name, entry]) => [name, String(entry.value), entry.source]);
  return table(['SETTING', 'VALUE', 'FROM'], rows);
}

function segmentTable(
  partitions: { partition: number; segments: Awaited<ReturnType<typeof listSegments>> }[],
  io: Io,
): string {
  const rows = partitions.flatMap(({ partition, segments }) =>
    segments.map((each) => [
      String(partition),
      String(each.baseOffset),
      String(each.endOffset),
      String(each.records),
      String(each.batches),
      bytesFor(io.stdout, each.bytes),
      each.sealed ? 'sealed' : 'active',
      each.minTimestamp ?? '-',
      each.maxTimestamp ?? '-',
    ]),
  );
  return table(['PARTITION', 'BASE', 'END', 'RECORDS', 'BATCHES', 'BYTES', 'STATE', 'FROM', 'TO'], rows);
}

async function alter(topic: string, flags: SpecFlags & { unset?: string[] }, io: Io): Promise<void> {
  const config = Object.fromEntries([
    ...(flags.config ?? []),
    ...(flags.unset ?? []).map((name): [string, null] => [name, null]),
  ]);
  if (flags.partitions === undefined && Object.keys(config).length === 0) {
    throw new UsageError('nothing to change: give --partitions N, --config NAME=VALUE or --unset NAME');
  }
  const client = new HttpClient(flags.server, io.env);
  const body = { partitions: flags.partitions, config };
  const info = await client
    .json<TopicInfo>('PATCH', topicPath(topic), { body })
    .catch(async (error: unknown) => {
      if (!(error instanceof ServerError && error.code === 'invalid_partitions'))
        throw await explainUnknownTopic(client, topic, error);
      throw new UsageError(
        `topic "${topic}" cannot have ${count(flags.partitions ?? 0, 'partition')}: ${error.message}`,
      );
    });
  if (flags.json) io.stdout.write(jsonText(io.stdout, info));
  else io.stderr.write(`changed topic ${topic}; \`seglog topics describe ${topic}\` shows it\n`);
}

async function remove(topic: string, flags: OutputFlags, io: Io): Promise<void> {
  const client = new HttpClient(flags.server, io.env);
  await client.request('DELETE', topicPath(topic)).catch(async (error: unknown) => {
    throw await explainUnknownTopic(client, topic, error);
  });
  if (flags.json) io.stdout.write(jsonText(io.stdout, { deleted: topic }));
  else io.stderr.write(`removed topic ${topic}\n`);
}
