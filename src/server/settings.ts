/**
 * The settings that the server reads; the engine and searching declare their own.
 *
 * The four tables (server, query, engine, topic) share one flat name space, so that a flag, an environment
 * variable or a line of a file names a setting in one way only.
 */
import { ENGINE_SETTINGS, type Setting, type SettingValue, TOPIC_SETTINGS } from '../engine/index.ts';
import { QUERY_SETTINGS } from '../query/index.ts';

type IntegerSetting = Extract<Setting, { type: 'integer' }>;

export type SettingGroup = 'server' | 'query' | 'engine' | 'topic';

export interface KnownSetting {
  readonly name: string;
  readonly group: SettingGroup;
  readonly setting: Setting;
}

const KIB = 1024;
const MIB = 1024 * KIB;
const HOUR_MS = 3_600_000;

const integer = (value: number, min: number, max: number, description: string): IntegerSetting => ({
  type: 'integer',
  default: value,
  min,
  max,
  description,
});

export const SERVER_SETTINGS = {
  data: {
    type: 'text',
    default: './data',
    pattern: /^[^\0]+$/,
    takes: 'a path',
    description: 'The data directory.',
  },
  listen: {
    type: 'text',
    default: '127.0.0.1:7070',
    pattern: /^(\[[0-9a-fA-F:.]+\]|[^:[\]\s]*):\d{1,5}$/,
    takes: 'host:port, such as 127.0.0.1:7070',
    description: 'Address and port to listen on; port 0 takes a free one, an empty address means all.',
  },
  'log.level': {
    type: 'choice',
    default: 'info',
    choices: ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'],
    description: 'What is logged to stderr.',
  },
  'http.max.body.bytes': integer(64 * MIB, KIB, 1024 * MIB, 'Largest request body, as it travels.'),
  'http.max.decompressed.bytes': integer(
    256 * MIB,
    KIB,
    1024 * MIB,
    'Largest request body once decompressed.',
  ),
  'http.max.in.flight.bytes': integer(
    512 * MIB,
    64 * KIB,
    1024 * 1024 * MIB,
    'Memory for bodies of requests and answers at one time, over all connections; beyond it requests are refused.',
  ),
  'http.max.header.bytes': integer(16 * KIB, KIB, MIB, 'Largest request line and headers.'),
  'http.header.timeout.ms': integer(
    10_000,
    50,
    HOUR_MS,
    'Time in which the headers of a request must arrive.',
  ),
  'http.body.timeout.ms': integer(120_000, 50, 24 * HOUR_MS, 'Time in which a whole request must arrive.'),
  'http.keep.alive.timeout.ms': integer(72_000, 50, 24 * HOUR_MS, 'How long an idle connection is kept.'),
  'http.max.connections': integer(
    4096,
    1,
    1_000_000,
    'Connections at one time; more are refused (overloaded).',
  ),
  'http.max.wait.ms': integer(60_000, 0, HOUR_MS, 'Longest long poll; a larger wait_ms counts as this.'),
  'http.max.fetch.bytes': integer(
    32 * MIB,
    KIB,
    1024 * MIB,
    'Largest page of records; a larger max_bytes counts as this.',
  ),
  'http.sse.heartbeat.ms': integer(
    15_000,
    10,
    HOUR_MS,
    'A comment is sent on an event stream that was idle so long.',
  ),
  'logs.partitions': integer(16, 1, 256, 'Partitions of a topic that is made for log events.'),
  'shutdown.timeout.ms': integer(
    30_000,
    100,
    HOUR_MS,
    'Time to finish what is in flight and to close the log; then the process ends without a clean marker.',
  ),
  'storage.failure': {
    type: 'choice',
    default: 'exit',
    choices: ['exit', 'stay'],
    description: 'After a failed sync: stop with an error (exit), or go on serving reads, not ready (stay).',
  },
  'load.enabled': {
    type: 'choice',
    default: 'false',
    choices: ['false', 'true'],
    description: 'Whether /api/load may load the log, for a demonstration.',
  },
  'metrics.max.topics': integer(
    200,
    1,
    100_000,
    'Topics with figures of their own in /metrics; the others are one sum.',
  ),
  'metrics.max.groups': integer(
    100,
    1,
    100_000,
    'Consumer groups with figures of their own in /metrics; the others are one sum.',
  ),
  'metrics.max.partitions': integer(1_000, 1, 100_000, 'Partitions with figures of their own in /metrics.'),
} as const satisfies Record<string, Setting>;

export type ServerSettings = {
  readonly [K in keyof typeof SERVER_SETTINGS]: (typeof SERVER_SETTINGS)[K] extends {
    choices: readonly (infer C)[];
  }
    ? C
    : (typeof SERVER_SETTINGS)[K] extends { type: 'text' }
      ? string
      : number;
};

/** Every setting that `seglog serve` takes, in the order of the tables. */
export function allSettings(): KnownSetting[] {
  const group = (name: SettingGroup, table: Readonly<Record<string, Setting>>): KnownSetting[] =>
    Object.entries(table).map(([key, setting]) => ({ name: key, group: name, setting }));
  return [
    ...group('server', SERVER_SETTINGS),
    ...group('query', QUERY_SETTINGS),
    ...group('engine', ENGINE_SETTINGS),
    ...group('topic', TOPIC_SETTINGS),
  ];
}

/** The defaults, with those that are given in place of some: for callers that need no files or environment. */
export function serverSettings(given: Partial<ServerSettings> = {}): ServerSettings {
  const values: Record<string, SettingValue> = {};
  for (const [name, setting] of Object.entries(SERVER_SETTINGS)) values[name] = setting.default;
  return Object.assign(values, given) as ServerSettings;
}

/** Splits `host:port`; an empty host means every address. */
export function parseListenAddress(listen: string): { host: string; port: number } {
  const colon = listen.lastIndexOf(':');
  const host = listen.slice(0, colon).replace(/^\[|\]$/g, '');
  return { host: host === '' ? '::' : host, port: Number(listen.slice(colon + 1)) };
}
