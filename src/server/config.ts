/**
 * The configuration of a daemon: flags over environment over file over defaults.
 *
 * Each value remembers where it came from. An unknown name is refused wherever it stands, with the
 * nearest known name, because a misspelt setting that is silently ignored is found too late.
 */
import { readFileSync } from 'node:fs';
import { parse as parseYaml } from 'yaml';
import {
  errnoOf,
  nearestName,
  parseSetting,
  SeglogError,
  type SettingValue,
  type TextSetting,
} from '../engine/index.ts';
import {
  allSettings,
  type KnownSetting,
  parseListenAddress,
  type ServerSettings,
  type SettingGroup,
} from './settings.ts';

export interface ConfigSources {
  /** By setting name; an undefined value counts as not given. */
  flags?: Readonly<Record<string, unknown>>;
  env?: Readonly<Record<string, string | undefined>>;
  /** Path of a YAML or JSON file; default: what SEGLOG_CONFIG says. Nested maps are joined by ".". */
  file?: string;
}

export interface ConfigValue {
  name: string;
  value: SettingValue;
  default: SettingValue;
  source: 'flag' | 'environment' | 'file' | 'default';
  /** The flag, the variable or the file that said so; empty for a default. */
  origin: string;
  group: SettingGroup;
  description: string;
}

export interface ServerConfig {
  readonly settings: ServerSettings;
  /** Only what was given; those who read them have the defaults. */
  readonly engineSettings: Readonly<Record<string, SettingValue>>;
  readonly querySettings: Readonly<Record<string, SettingValue>>;
  readonly topicDefaults: Readonly<Record<string, SettingValue>>;
  readonly entries: readonly ConfigValue[];
}

type Given = Map<string, { value: unknown; origin: string }>;

const MAX_NAME_PARTS = 10;

/** Names under SEGLOG_ that are no settings: the client's, the file's, the single executable's, and what Kubernetes sets for a service "seglog". */
const NO_SETTING = /^SEGLOG_(SERVER|CONFIG|CACHE_DIR|PORT|PORT_.*|SERVICE_HOST|SERVICE_PORT.*)$/;

/** The variable that carries a setting: `segment.bytes` → `SEGLOG_SEGMENT_BYTES`. */
export function environmentName(setting: string): string {
  return `SEGLOG_${setting.toUpperCase().replace(/[.-]/g, '_')}`;
}

/** @throws SeglogError INVALID_CONFIG that names the setting, where it stands and what it takes. */
export function loadConfig(sources: ConfigSources = {}): ServerConfig {
  const known = allSettings();
  const names = new Map(known.map((setting) => [setting.name, setting]));
  const file = sources.file ?? sources.env?.SEGLOG_CONFIG;
  const layers: [ConfigValue['source'], Given][] = [
    ['flag', givenByFlags(sources.flags ?? {}, names)],
    ['environment', givenByEnvironment(sources.env ?? {}, known)],
    ['file', file === undefined || file === '' ? new Map() : givenByFile(file, names)],
  ];
  const entries = known.map((setting) => resolveEntry(setting, layers));
  return {
    settings: Object.fromEntries(pick(entries, 'server', () => true)) as unknown as ServerSettings,
    engineSettings: Object.fromEntries(pick(entries, 'engine', isGiven)),
    querySettings: Object.fromEntries(pick(entries, 'query', isGiven)),
    topicDefaults: Object.fromEntries(pick(entries, 'topic', isGiven)),
    entries,
  };
}

/** What `seglog serve --print-config` shows: every setting, its value and where it came from. */
export function describeConfig(config: ServerConfig): readonly ConfigValue[] {
  return config.entries.toSorted((a, b) => a.group.localeCompare(b.group) || a.name.localeCompare(b.name));
}

const isGiven = (entry: ConfigValue) => entry.source !== 'default';

function pick(entries: readonly ConfigValue[], group: SettingGroup, wanted: (entry: ConfigValue) => boolean) {
  return entries
    .filter((entry) => entry.group === group && wanted(entry))
    .map((entry) => [entry.name, entry.value] as const);
}

function resolveEntry(known: KnownSetting, layers: readonly [ConfigValue['source'], Given][]): ConfigValue {
  const { name, group, setting } = known;
  const common = { name, default: setting.default, group, description: setting.description };
  for (const [source, given] of layers) {
    const found = given.get(name);
    if (found !== undefined) {
      return { ...common, value: parseValue(known, found.value, found.origin), source, origin: found.origin };
    }
  }
  return { ...common, value: setting.default, source: 'default', origin: '' };
}

function parseValue({ name, setting }: KnownSetting, value: unknown, origin: string): SettingValue {
  if (setting.type === 'text') return parseText(name, setting, value, origin);
  try {
    return parseSetting({ [name]: setting }, name, value);
  } catch (error) {
    if (!(error instanceof SeglogError)) throw error;
    throw new SeglogError(error.code, `${error.message} (${origin})`, error.details);
  }
}

function parseText(name: string, setting: TextSetting, value: unknown, origin: string): string {
  const text = typeof value === 'string' ? value : '';
  if (!setting.pattern.test(text))
    throw invalid(name, `${name} takes ${setting.takes}, not ${JSON.stringify(value)} (${origin})`);
  if (name === 'listen' && parseListenAddress(text).port > 65_535) {
    throw invalid(
      name,
      `setting "listen" takes a port from 0 to 65535, not ${parseListenAddress(text).port} (${origin})`,
    );
  }
  return text;
}

function invalid(setting: string, message: string): SeglogError {
  return new SeglogError('INVALID_CONFIG', message, { setting });
}

function unknownName(name: string, names: readonly string[], origin: string): SeglogError {
  const near = nearestName(name, names);
  const hint = near === undefined ? '' : `; did you mean "${near}"?`;
  return invalid(name, `unknown setting "${name}" (${origin})${hint}`);
}

function givenByFlags(
  flags: Readonly<Record<string, unknown>>,
  names: ReadonlyMap<string, KnownSetting>,
): Given {
  const given: Given = new Map();
  for (const [name, value] of Object.entries(flags)) {
    if (value === undefined) continue;
    if (!names.has(name)) throw unknownName(name, [...names.keys()], `--${name}`);
    given.set(name, { value, origin: `--${name}` });
  }
  return given;
}

function givenByEnvironment(
  env: Readonly<Record<string, string | undefined>>,
  known: readonly KnownSetting[],
): Given {
  const byVariable = new Map(known.map(({ name }) => [environmentName(name), name]));
  const given: Given = new Map();
  for (const [variable, value] of Object.entries(env)) {
    if (value === undefined || !variable.startsWith('SEGLOG_') || NO_SETTING.test(variable)) continue;
    const name = byVariable.get(variable);
    if (name === undefined) {
      const near = nearestName(
        variable.toLowerCase(),
        [...byVariable.keys()].map((key) => key.toLowerCase()),
      );
      const hint = near === undefined ? '' : `; did you mean ${near.toUpperCase()}?`;
      throw invalid(variable, `environment variable ${variable} names no setting${hint}`);
    }
    given.set(name, { value, origin: variable });
  }
  return given;
}

function givenByFile(path: string, names: ReadonlyMap<string, KnownSetting>): Given {
  const given: Given = new Map();
  const settings = parseFile(path);
  if (!isMap(settings)) throw new SeglogError('INVALID_CONFIG', `${path} is no map of settings to values`);
  for (const [name, value] of flatten(settings)) {
    if (!names.has(name)) throw unknownName(name, [...names.keys()], path);
    // A map may spell it in two ways.
    if (given.has(name)) throw invalid(name, `setting "${name}" is given twice (${path})`);
    given.set(name, { value, origin: path });
  }
  return given;
}

function readErrorText(error: unknown): string {
  switch (errnoOf(error)) {
    case 'ENOENT':
      return 'there is no such file; give another with --config or SEGLOG_CONFIG, or go without';
    case 'EISDIR':
      return 'it is a directory; name the file in it';
    case 'EACCES':
      return 'no permission; make it readable for the user that runs seglog';
    default:
      return error instanceof Error ? error.message : String(error);
  }
}

function parseFile(path: string): unknown {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw new SeglogError(
      'INVALID_CONFIG',
      `cannot read the configuration file ${path}: ${readErrorText(error)}`,
      {},
      { cause: error },
    );
  }
  try {
    // JSON is YAML too, so one parser reads both. What it would warn of ends up as an unknown name.
    return parseYaml(text, { logLevel: 'error' }) ?? {};
  } catch (error) {
    throw new SeglogError(
      'INVALID_CONFIG',
      `the configuration file ${path} is not valid: ${parseErrorText(error)}`,
      {},
      { cause: error },
    );
  }
}

function parseErrorText(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if ('code' in error && error.code === 'MULTIPLE_DOCS') return 'it holds more than one YAML document';
  // It quotes the file, which may be anything.
  return error.message.trimEnd().replace(/[^\P{C}\n]/gu, '?');
}

function isMap(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Names with what they are set to; those of nested maps are joined by dots. */
function* flatten(map: object, prefix = ''): Generator<[string, unknown]> {
  for (const [key, value] of Object.entries(map)) {
    const name = prefix + key;
    // No name has as many parts, but an alias may lead to the map around it.
    if (isMap(value) && name.split('.').length < MAX_NAME_PARTS) yield* flatten(value, `${name}.`);
    else yield [name, value];
  }
}
