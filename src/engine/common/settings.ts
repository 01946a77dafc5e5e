/**
 * The settings that the engine reads: their names (Kafka's, with Kafka's units), defaults and limits.
 *
 * One table is the only place where a setting is declared; parsing, validation, documentation and the
 * answer to "where does this value come from" all derive from it.
 */
import { SeglogError } from './errors.ts';
import { nearestName } from './nearest-name.ts';
import { parseQuantity, QUANTITY_FORMS, type Unit } from './quantities.ts';

export interface IntegerSetting {
  readonly type: 'integer';
  readonly default: number;
  readonly min: number;
  readonly max: number;
  readonly description: string;
}

export interface ChoiceSetting {
  readonly type: 'choice';
  readonly default: string;
  readonly choices: readonly string[];
  readonly description: string;
  /** Other spellings, and what they stand for. */
  readonly aliases?: Readonly<Record<string, string>>;
}

/** A share: a number from 0 to 1. */
export interface RatioSetting {
  readonly type: 'ratio';
  readonly default: number;
  readonly description: string;
}

/** Free text of a certain form, such as a list of names. */
export interface TextSetting {
  readonly type: 'text';
  readonly default: string;
  readonly pattern: RegExp;
  /** What it takes, for whoever gave something else. */
  readonly takes: string;
  readonly description: string;
}

export type Setting = IntegerSetting | ChoiceSetting | RatioSetting | TextSetting;
export type SettingTable = Readonly<Record<string, Setting>>;
export type SettingValue = string | number;

const KIB = 1024;
const MIB = 1024 * KIB;
const GIB = 1024 * MIB;
const MAX = Number.MAX_SAFE_INTEGER;

const integer = (value: number, min: number, max: number, description: string): IntegerSetting => ({
  type: 'integer',
  default: value,
  min,
  max,
  description,
});

/** Settings of a topic. Each may be set on the topic; the engine's `topicDefaults` come next, then these. */
export const TOPIC_SETTINGS = {
  'segment.bytes': integer(
    256 * MIB,
    4 * KIB,
    2 * GIB,
    'A segment is sealed before it would grow past this size.',
  ),
  'segment.ms': integer(
    7 * 86_400_000,
    1_000,
    MAX,
    'A segment is sealed once event time, or the clock when idle, lies this far after its first record.',
  ),
  'segment.align': {
    type: 'choice',
    default: 'none',
    choices: ['none', 'hour', 'day'],
    description: 'Seal segments at UTC hour or day boundaries of event time.',
  },
  'index.interval.bytes': integer(
    4 * KIB,
    256,
    16 * MIB,
    'At most one index entry for this many bytes of log.',
  ),
  'max.message.bytes': integer(
    16 * MIB,
    KIB,
    512 * MIB,
    'Largest batch that is accepted, before and after compression.',
  ),
  'compression.type': {
    type: 'choice',
    default: 'producer',
    choices: ['producer', 'none', 'gzip', 'snappy', 'lz4', 'zstd'],
    description: 'Codec of stored batches; "producer" keeps what the producer asked for.',
  },
  flush: {
    type: 'choice',
    default: 'sync',
    choices: ['sync', 'interval', 'os'],
    description:
      'When a record becomes readable: after its sync to disk (sync), or when it is in the OS, which is synced ' +
      'every flush.ms (interval) or when the OS likes (os). acks=all waits for a sync under each of them.',
  },
  'flush.ms': integer(1_000, 1, 86_400_000, 'Longest time that data stays unsynced under flush=interval.'),
  'cleanup.policy': {
    type: 'choice',
    default: 'delete',
    choices: ['delete', 'compact', 'compact,delete'],
    aliases: { 'delete,compact': 'compact,delete' },
    description:
      'What becomes of old records: they go by age and size (delete), or once a newer one has their key (compact), or both.',
  },
  'min.cleanable.dirty.ratio': {
    type: 'ratio',
    default: 0.5,
    description: 'A partition is compacted once this share of its bytes has come since it last was.',
  },
  'min.compaction.lag.ms': integer(0, 0, MAX, 'Records younger than this are not compacted.'),
  'max.compaction.lag.ms': integer(
    MAX,
    1,
    MAX,
    'Records older than this are compacted whatever the share; the active segment is sealed for it.',
  ),
  'delete.retention.ms': integer(
    86_400_000,
    0,
    MAX,
    'How long the deletion of a key (a null value) stays readable after the first compaction that met it.',
  ),
  'recompress.after.ms': integer(
    -1,
    -1,
    MAX,
    'A sealed segment is rewritten with recompress.type once its newest record is older than this; -1 is never.',
  ),
  'recompress.type': {
    type: 'choice',
    default: 'zstd',
    choices: ['gzip', 'snappy', 'lz4', 'zstd'],
    description: 'Codec of segments that are rewritten because of their age.',
  },
  'recompress.block.bytes': integer(
    MIB,
    4 * KIB,
    16 * MIB,
    'Records that are compressed together then: more is smaller on disk, and slower to read one record of.',
  ),
  'retention.ms': integer(
    -1,
    -1,
    MAX,
    'A segment is deleted once its newest record is older than this; -1 keeps records for ever.',
  ),
  'retention.bytes': integer(
    -1,
    -1,
    MAX,
    'The oldest segments of a partition are deleted while the others hold this much; -1 is no limit.',
  ),
  'retention.priority': integer(
    50,
    0,
    100,
    'Where log.dir.max.bytes or log.dir.max.used.percent is reached, segments of topics with a lower one go first.',
  ),
  'index.fields': {
    type: 'text',
    default: 'source,level',
    pattern: /^(?:[^\s,]{1,128}(?:,[^\s,]{1,128}){0,15})?$/,
    takes: 'up to 16 names of fields, separated by commas',
    description:
      'Fields of log events whose values are counted and looked up in the search index of a sealed segment; where there are ' +
      'none, the topic has no search index.',
  },
} as const satisfies SettingTable;

/** Settings of an engine, that is of a data directory while it is open. */
export const ENGINE_SETTINGS = {
  'num.partitions': integer(1, 1, 10_000, 'Partitions of a new topic that does not say how many.'),
  'max.partitions': integer(20_000, 1, 100_000, 'Most partitions over all topics.'),
  'max.in.flight.bytes': integer(
    64 * MIB,
    64 * KIB,
    64 * GIB,
    'Bytes accepted but not yet acknowledged, in all.',
  ),
  'max.in.flight.partition.bytes': integer(
    32 * MIB,
    64 * KIB,
    64 * GIB,
    'Bytes accepted but not yet acknowledged, of one partition.',
  ),
  'max.in.flight.wait.ms': integer(
    10_000,
    0,
    3_600_000,
    'How long an append waits for bytes in flight to be acknowledged before it is refused (THROTTLED).',
  ),
  'max.open.files': integer(512, 16, 1_000_000, 'File descriptors of segments that are kept open.'),
  'index.cache.bytes': integer(32 * MIB, 64 * KIB, 64 * GIB, 'Memory for indexes of sealed segments.'),
  'journal.file.bytes': integer(32 * MIB, 64 * KIB, 2 * GIB, 'Size of one journal file; it is preallocated.'),
  'journal.files': integer(4, 0, 64, 'Most journal files; 0 turns the journal off: every commit is direct.'),
  'journal.max.partition.bytes': integer(
    128 * KIB,
    0,
    2 * GIB,
    'A partition with more bytes than this in one group commit is written directly to its segment.',
  ),
  'journal.max.pending.bytes': integer(
    64 * MIB,
    64 * KIB,
    64 * GIB,
    'Memory for batches that are durable in the journal but not yet in their segments.',
  ),
  'checkpoint.bytes': integer(
    16 * MIB,
    64 * KIB,
    64 * GIB,
    'A partition records its recovery point after this many bytes: the most that opening after a crash rereads.',
  ),
  'log.dir.reserve.bytes': integer(
    64 * MIB,
    0,
    MAX,
    'Appends are refused (STORAGE_FULL) while the file system has less free space than this.',
  ),
  'log.dir.max.bytes': integer(
    -1,
    -1,
    MAX,
    'The oldest segments are deleted while those of all topics together are larger; -1 is no limit.',
  ),
  'log.dir.max.used.percent': integer(
    100,
    1,
    100,
    'The oldest segments are deleted while more of the file system is used, by whatever; 100 is no limit.',
  ),
  'log.cleaner.dedupe.buffer.size': integer(
    128 * MIB,
    KIB,
    64 * GIB,
    'Memory for the keys of a partition while it is compacted, 24 bytes each; a log with more takes several rounds.',
  ),
  'background.threads': integer(
    1,
    1,
    64,
    'Threads for work over whole segments (sealing, compaction, recompression), beside the one that serves and appends.',
  ),
  'background.io.bytes.per.second': integer(
    64 * MIB,
    -1,
    MAX,
    'Bytes that all such work together reads and writes in a second; -1 or 0 is no limit.',
  ),
  'producer.id.expiration.ms': integer(
    86_400_000,
    1,
    MAX,
    'A producer that has not appended to a partition for so long is forgotten there: it needs a new id then.',
  ),
  'idempotency.key.expiration.ms': integer(
    86_400_000,
    1,
    MAX,
    'How long an idempotency key is remembered: a retry within this time stores nothing twice.',
  ),
  'producer.state.max.entries': integer(
    1_000_000,
    1,
    100_000_000,
    'Most producers (some 300 bytes of memory each) and idempotency keys (some 100) that are remembered over all partitions; beyond that new ones are refused (THROTTLED).',
  ),
  'group.consumer.session.timeout.ms': integer(
    45_000,
    1_000,
    86_400_000,
    'After this silence a group member that does not say otherwise is taken out.',
  ),
  'group.min.session.timeout.ms': integer(6_000, 10, 86_400_000, 'Shortest session timeout of a member.'),
  'group.max.session.timeout.ms': integer(
    1_800_000,
    1_000,
    86_400_000,
    'Longest session timeout of a member.',
  ),
  'group.max.size': integer(1_000, 1, 10_000, 'Most members of a group.'),
  'group.max.members': integer(100_000, 1, 10_000_000, 'Most members of all groups together.'),
  'group.max.groups': integer(10_000, 1, 1_000_000, 'Most groups, those without members included.'),
  'group.max.offsets': integer(
    1_000_000,
    1,
    100_000_000,
    'Most committed offsets of all groups together; each 256 characters of metadata count as one more.',
  ),
  'offset.metadata.max.bytes': integer(4096, 0, MIB, 'Longest text that is committed with an offset.'),
  'offsets.retention.ms': integer(
    7 * 86_400_000,
    1_000,
    MAX,
    'Committed offsets of a group go when it has had no members, and no reset, for so long.',
  ),
  'recovery.parallel.partitions': integer(8, 1, 256, 'Partitions that are opened at the same time.'),
  'housekeeping.interval.ms': integer(
    1_000,
    10,
    3_600_000,
    'How often idle partitions are looked at: to seal by time, to flush, to notice free space.',
  ),
} as const satisfies SettingTable;

/** The values of a table: integers as numbers, choices as one of their strings. */
export type SettingValues<T extends SettingTable> = {
  readonly [K in keyof T]: T[K] extends ChoiceSetting
    ? T[K]['choices'][number]
    : T[K] extends TextSetting
      ? string
      : number;
};

export type TopicSettings = SettingValues<typeof TOPIC_SETTINGS>;
export type EngineSettings = SettingValues<typeof ENGINE_SETTINGS>;

/**
 * Checks one value given as text or number; a size or a time may have a unit ("64KiB", "7d"), and becomes bytes or
 * milliseconds. Throws INVALID_CONFIG that names the setting and what it takes.
 */
export function parseSetting(table: SettingTable, name: string, value: unknown): SettingValue {
  const setting = Object.hasOwn(table, name) ? table[name] : undefined;
  if (setting === undefined) {
    const near = nearestName(name, Object.keys(table));
    const hint = near === undefined ? '' : `; did you mean "${near}"?`;
    throw new SeglogError('INVALID_CONFIG', `unknown setting "${name}"${hint}`, { setting: name });
  }
  if (setting.type === 'choice') {
    // YAML and JSON have a true of their own.
    const text = typeof value === 'boolean' ? String(value) : value;
    const choice = typeof text === 'string' ? (setting.aliases?.[text] ?? text) : undefined;
    if (choice !== undefined && setting.choices.includes(choice)) return choice;
    throw invalid(name, value, `one of ${setting.choices.join(', ')}`);
  }
  if (setting.type === 'text') {
    if (typeof value === 'string' && setting.pattern.test(value)) return value;
    throw invalid(name, value, setting.takes);
  }
  if (setting.type === 'ratio') {
    const ratio = typeof value === 'string' && value.trim() !== '' ? Number(value) : value;
    if (typeof ratio === 'number' && ratio >= 0 && ratio <= 1) return ratio;
    throw invalid(name, value, 'a number from 0 to 1');
  }
  const number = typeof value === 'string' ? parseNumber(value, unitOf(name)) : value;
  if (typeof number === 'number' && Number.isSafeInteger(number)) {
    if (number >= setting.min && number <= setting.max) return number;
  }
  throw invalid(name, value, numberTaken(setting, unitOf(name)));
}

/** As everywhere in Kafka, a name ends with the unit of its number, if that has one. A rate is given in bytes too. */
function unitOf(name: string): Unit | undefined {
  if (/\.(bytes|size|bytes\.per\.second)$/.test(name)) return 'bytes';
  return name.endsWith('.ms') ? 'ms' : undefined;
}

function parseNumber(text: string, unit: Unit | undefined): number | undefined {
  if (unit !== undefined) return parseQuantity(text, unit);
  return /^\s*-?\d+\s*$/.test(text) ? Number(text) : undefined;
}

function numberTaken({ min, max }: IntegerSetting, unit: Unit | undefined): string {
  if (unit === undefined) return `a whole number from ${min} to ${max}`;
  const { name, examples } = QUANTITY_FORMS[unit];
  return `a whole number of ${name} from ${min} to ${max}, or it with a unit such as ${examples}`;
}

function invalid(name: string, value: unknown, takes: string): SeglogError {
  const shown = typeof value === 'string' ? `"${value.slice(0, 100)}"` : String(value).slice(0, 100);
  return new SeglogError('INVALID_CONFIG', `setting "${name}" takes ${takes}, not ${shown}`, {
    setting: name,
  });
}

/** All values of a table: those given, checked, and the defaults for the rest. */
export function resolveSettings<T extends SettingTable>(
  table: T,
  given: Readonly<Record<string, unknown>> = {},
): SettingValues<T> {
  const values: Record<string, SettingValue> = {};
  for (const [name, setting] of Object.entries(table)) values[name] = setting.default;
  for (const [name, value] of Object.entries(given)) {
    if (value !== undefined) values[name] = parseSetting(table, name, value);
  }
  return values as SettingValues<T>;
}
