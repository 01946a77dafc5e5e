/** `seglog topics`: makes, shows, changes and removes the topics of a running daemon. */
import { Command } from 'commander';
import { ServerError, UsageError } from '../errors.ts';
import { HttpClient } from '../http-client.ts';
import type { Io } from '../io.ts';
import { collectPairs, jsonOption, parsePositiveNumber, type ServerFlag, serverOption } from '../options.ts';
import { bytesFor, count, jsonText, table } from '../text.ts';
import { descriptionText, segmentTable } from '../topic-tables.ts';
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
    'seglog topics describe access --json | jq .partitions[].nextDeletion',
  )
    .addHelpText(
      'after',
      `
DIRTY is the share of bytes that came since the last compaction, "due" where it is compacted next. NEXT-DELETION shows the offsets of
the segment that goes first by retention.ms or retention.bytes, and when.`,
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
  io.stdout.write(descriptionText(info, io.stdout, Date.now()));
  if (flags.segments) io.stdout.write(`\n${segmentTable(segments, io.stdout)}`);
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
