/** `seglog groups`: shows the consumer groups of a running daemon, moves what they have committed, and removes them. */
import { Command, Option } from 'commander';
import { ServerError, UsageError } from '../errors.ts';
import { changeTable, groupText } from '../group-tables.ts';
import {
  describeGroup,
  explainUnknownGroup,
  groupPath,
  listGroups,
  type OffsetChanges,
} from '../groups-client.ts';
import { HttpClient } from '../http-client.ts';
import type { Io } from '../io.ts';
import {
  collectNumbers,
  collectTexts,
  jsonOption,
  parseInteger,
  parseWholeNumber,
  type ServerFlag,
  serverOption,
} from '../options.ts';
import { count, jsonText, table } from '../text.ts';
import { parseTime } from '../times.ts';

interface OutputFlags extends ServerFlag {
  json?: boolean;
}

interface ResetFlags extends OutputFlags {
  topic?: string[];
  partition?: number[];
  toEarliest?: boolean;
  toLatest?: boolean;
  toOffset?: number;
  toTimestamp?: string;
  shiftBy?: number;
  byDuration?: string;
  dryRun?: boolean;
}

export function groupsCommand(io: Io): Command {
  const groups = new Command('groups').description(
    'show consumer groups, move what they have committed, remove them',
  );
  groups.addHelpText(
    'after',
    `
A group is made by its first member (\`seglog consume TOPIC -g GROUP\`), and forgotten offsets.retention.ms after its last one.

Examples:
  seglog groups list
  seglog groups describe web
  seglog groups reset web --to-timestamp 2h --dry-run
  seglog groups delete web`,
  );
  const add = (name: string, description: string, ...examples: string[]) =>
    groups
      .command(name)
      .description(description)
      .addOption(serverOption())
      .addOption(jsonOption())
      .addHelpText('after', ['\nExamples:', ...examples].join('\n  '));

  add('list', 'show all groups', 'seglog groups list', 'seglog groups list --json | jq .groups').action(
    (flags: OutputFlags) => list(flags, io),
  );
  add(
    'describe',
    'show who is in a group, what each member reads, and how far behind it is',
    'seglog groups describe web',
    'seglog groups describe web --json | jq "[.offsets[].lag] | add"',
  )
    .addHelpText(
      'after',
      `
CURRENT-OFFSET is the offset that the group has committed: the next one that it reads. LAG counts the offsets from there to the end.
While partitions go from one member to another (Reconciling), one GIVES-UP what the other GETS.`,
    )
    .argument('<group>')
    .action((group: string, flags: OutputFlags) => describe(group, flags, io));
  addReset(
    add(
      'reset',
      'move what a group without members has committed',
      'seglog groups reset web --to-earliest --dry-run',
      'seglog groups reset web --to-timestamp 2026-11-21T08:00:00Z',
      'seglog groups reset web --topic access --partition 0,2 --shift-by -100',
      'seglog groups reset web --by-duration 1h        # to what is an hour old',
    ),
    io,
  );
  add('delete', 'remove a group without members, and what it has committed', 'seglog groups delete web')
    .argument('<group>')
    .action((group: string, flags: OutputFlags) => remove(group, flags, io));
  return groups;
}

function addReset(command: Command, io: Io): void {
  const targets = ['toEarliest', 'toLatest', 'toOffset', 'toTimestamp', 'shiftBy', 'byDuration'];
  const target = (flags: string, description: string) => {
    const option = new Option(flags, description);
    return option.conflicts(targets.filter((each) => each !== option.attributeName()));
  };
  command
    .argument('<group>')
    .option(
      '-t, --topic <topic>',
      'only this topic; may be given again (default: all of which the group has committed)',
      collectTexts,
    )
    .option('-p, --partition <list>', 'only these partitions of the topic: 0 or 0,2', collectNumbers)
    .addOption(target('--to-earliest', 'to the first record that is there'))
    .addOption(target('--to-latest', 'to the end'))
    .addOption(
      target('--to-offset <n>', 'to an offset, or the nearest one that is there').argParser(parseWholeNumber),
    )
    .addOption(
      target(
        '--to-timestamp <time>',
        'to the first record that is not older: 2026-11-21T08:00:00Z, or back from now: 2h',
      ),
    )
    .addOption(target('--shift-by <n>', 'so many records on, or back (-100)').argParser(parseInteger))
    .addOption(target('--by-duration <time>', 'to the first record that is not older than this: 1h, PT1H'))
    .option('-n, --dry-run', 'change nothing: tell what would be')
    .action((group: string, flags: ResetFlags) => reset(group, flags, io));
}

async function list(flags: OutputFlags, io: Io): Promise<void> {
  const groups = await listGroups(new HttpClient(flags.server, io.env));
  if (flags.json) {
    io.stdout.write(jsonText(io.stdout, { groups }));
  } else if (groups.length === 0) {
    io.stderr.write('there are no groups yet: join one with `seglog consume TOPIC -g NAME`\n');
  } else {
    const rows = groups.map((each) => [
      each.groupId,
      each.state,
      String(each.members),
      String(each.generation),
      each.assignor ?? '-',
    ]);
    io.stdout.write(table(['GROUP', 'STATE', 'MEMBERS', 'GENERATION', 'ASSIGNOR'], rows));
  }
}

async function describe(group: string, flags: OutputFlags, io: Io): Promise<void> {
  const client = new HttpClient(flags.server, io.env);
  const info = await describeGroup(client, group).catch(async (error: unknown) => {
    throw await explainUnknownGroup(client, group, error);
  });
  io.stdout.write(flags.json ? jsonText(io.stdout, info) : groupText(info, Date.now()));
}

async function reset(group: string, flags: ResetFlags, io: Io): Promise<void> {
  const body = { reset: await resetOf(flags), dryRun: flags.dryRun === true };
  const client = new HttpClient(flags.server, io.env);
  const changes = await client
    .json<OffsetChanges>('PUT', `${groupPath(group)}/offsets`, { body })
    .catch((error: unknown) => explain(client, group, error));
  if (flags.json) {
    io.stdout.write(jsonText(io.stdout, changes));
    return;
  }
  if (changes.offsets.length === 0) {
    io.stderr.write(
      `group ${group} has committed nothing that could be moved; --topic names what it is to read\n`,
    );
    return;
  }
  io.stdout.write(changeTable(changes));
  const what = `${count(changes.offsets.length, 'partition')} of group ${group}`;
  io.stderr.write(changes.dryRun ? `would move ${what}; nothing was changed\n` : `moved ${what}\n`);
}

/** The `reset` of a request. Throws UsageError. */
async function resetOf(flags: ResetFlags): Promise<object> {
  const { topic: topics, partition } = flags;
  const to = await targetOf(flags);
  if (partition === undefined) return { topics, to };
  if (topics?.length !== 1)
    throw new UsageError('--partition goes with one --topic, of which the partitions are');
  return { partitions: [{ topic: topics[0], partitions: partition }], to };
}

async function targetOf(flags: ResetFlags): Promise<unknown> {
  if (flags.toEarliest) return 'earliest';
  if (flags.toLatest) return 'latest';
  if (flags.toOffset !== undefined) return { offset: flags.toOffset };
  if (flags.shiftBy !== undefined) return { shift: flags.shiftBy };
  if (flags.byDuration !== undefined) return { duration: flags.byDuration };
  if (flags.toTimestamp !== undefined) {
    const time = await parseTime(flags.toTimestamp, Date.now());
    return { timestamp: new Date(time).toISOString() };
  }
  throw new UsageError(
    'say where to: --to-earliest, --to-latest, --to-offset N, --to-timestamp T, --shift-by N or --by-duration D',
  );
}

async function remove(group: string, flags: OutputFlags, io: Io): Promise<void> {
  const client = new HttpClient(flags.server, io.env);
  await client.request('DELETE', groupPath(group)).catch((error: unknown) => explain(client, group, error));
  if (flags.json) io.stdout.write(jsonText(io.stdout, { deleted: group }));
  else io.stderr.write(`removed group ${group}\n`);
}

async function explain(client: HttpClient, group: string, error: unknown): Promise<never> {
  if (error instanceof ServerError && error.code === 'group_not_empty') {
    throw new Error(
      `group "${group}" has members: stop them first; \`seglog groups describe ${group}\` shows them`,
      {
        cause: error,
      },
    );
  }
  throw await explainUnknownGroup(client, group, error);
}
