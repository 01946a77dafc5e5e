/**
 * What may come next on a command line, for the shells' completion scripts. Derived from the tree of commands,
 * so a new flag completes without a word here.
 *
 * Each line of the answer is a candidate, with a tab and a description where there is one; `:files` and `:directories` ask the shell
 * to complete paths.
 */
import type { Argument, Command, Option } from 'commander';
import { listGroups } from './groups-client.ts';
import { HttpClient } from './http-client.ts';
import { count } from './text.ts';
import { listTopics } from './topics-client.ts';

export const FILES = ':files';
export const DIRECTORIES = ':directories';

export interface Candidate {
  readonly value: string;
  readonly description?: string;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** A shell waits while we ask the daemon: not long. */
const NAMES_TIMEOUT_MS = 500;

/** Arguments, and values of options, whose candidates their names tell. */
const PATHS: Readonly<Record<string, string>> = { file: FILES, directory: DIRECTORIES, dir: DIRECTORIES };
const POSITIONS = ['beginning', 'end'];

/** What the daemon has names of. */
const NAMES: Readonly<Record<string, (client: HttpClient) => Promise<Candidate[]>>> = {
  async topic(client) {
    const topics = await listTopics(client, { timeoutMs: NAMES_TIMEOUT_MS });
    return topics.map((each) => ({ value: each.name, description: count(each.records, 'record') }));
  },
  async group(client) {
    const groups = await listGroups(client, { timeoutMs: NAMES_TIMEOUT_MS });
    return groups.map((each) => ({ value: each.groupId, description: count(each.members, 'member') }));
  },
};

/** Options that a command takes without having declared them. */
const MORE_OPTIONS: Readonly<Record<string, () => Promise<Candidate[]>>> = {
  async serve() {
    const { allSettings } = await import('../server/index.ts');
    return allSettings().map(({ name, setting }) => ({
      value: `--${name}`,
      description: setting.description,
    }));
  },
};

/** `words`: all words after the program's name; the last one is being typed and may be empty. */
export async function candidates(
  program: Command,
  words: readonly string[],
  env: Environment,
): Promise<Candidate[]> {
  const typed = words.at(-1) ?? '';
  const { command, option, positionals, server } = walk(program, words.slice(0, -1));
  const all = await (option === undefined
    ? next(command, typed, positionals, server, env)
    : valuesOfOption(option, server, env));
  return all.filter(({ value }) => value.startsWith(':') || value.startsWith(typed));
}

interface Place {
  command: Command;
  /** The option whose value is being typed. */
  option: Option | undefined;
  positionals: number;
  /** What `--server` was given before. */
  server: string | undefined;
}

function walk(program: Command, words: readonly string[]): Place {
  const place: Place = { command: program, option: undefined, positionals: 0, server: undefined };
  for (const word of words) {
    if (place.option !== undefined) {
      if (place.option.long === '--server') place.server = word;
      place.option = undefined;
    } else if (word.startsWith('-') && word !== '-') {
      const option = place.command.options.find((each) => each.short === word || each.long === word);
      if (option?.required) place.option = option;
    } else {
      const child = place.command.commands.find((each) => each.name() === word);
      if (child === undefined) place.positionals++;
      else Object.assign(place, { command: child, positionals: 0 });
    }
  }
  return place;
}

async function next(
  command: Command,
  typed: string,
  positionals: number,
  server: string | undefined,
  env: Environment,
): Promise<Candidate[]> {
  if (typed.startsWith('-'))
    return [...visibleOptions(command), ...((await MORE_OPTIONS[command.name()]?.()) ?? [])];
  const children = command.createHelp().visibleCommands(command);
  if (children.length > 0) {
    return children.map((each) => ({ value: each.name(), description: each.description() }));
  }
  const args = command.registeredArguments;
  const argument = args[Math.min(positionals, args.length - 1)];
  if (argument === undefined || (positionals >= args.length && !argument.variadic)) return [];
  return valuesOfArgument(argument, server, env);
}

function visibleOptions(command: Command): Candidate[] {
  return command
    .createHelp()
    .visibleOptions(command)
    .map((each) => ({ value: each.long ?? each.short ?? '', description: each.description }));
}

async function valuesOfArgument(
  argument: Argument,
  server: string | undefined,
  env: Environment,
): Promise<Candidate[]> {
  if (argument.argChoices) return argument.argChoices.map((value) => ({ value }));
  return valuesNamed(argument.name(), server, env);
}

async function valuesOfOption(
  option: Option,
  server: string | undefined,
  env: Environment,
): Promise<Candidate[]> {
  if (option.argChoices) return option.argChoices.map((value) => ({ value }));
  const name = /<(\w+)/.exec(option.flags)?.[1] ?? '';
  if (name === 'position') return POSITIONS.map((value) => ({ value }));
  return valuesNamed(name, server, env);
}

async function valuesNamed(name: string, server: string | undefined, env: Environment): Promise<Candidate[]> {
  const path = PATHS[name];
  if (path !== undefined) return [{ value: path }];
  const namesOf = NAMES[name];
  if (namesOf === undefined) return [];
  try {
    return await namesOf(new HttpClient(server, env));
  } catch {
    // Without a daemon there are no names; an error would be printed over the command line.
    return [];
  }
}
