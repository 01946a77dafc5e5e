/** What fast-check makes up: appends, changes of topics and crashes, as plain values that print well. */
import fc from 'fast-check';
import type { Acks, CompressionType } from '../../src/engine/common/types.ts';
import { CRASH_VARIANTS } from '../crash/sim/crash-image.ts';
import type { CrashPlan, LogSettings } from './log-under-test.ts';

export const TOPICS = ['a', 'b', 'c'] as const;
const DAY = 86_400_000;

export interface RecordPlan {
  readonly key: string | null;
  /** Bytes of the value beside its number; null: the value is null. */
  readonly size: number | null;
  readonly headers: readonly { readonly key: string; readonly value: string | null }[];
  /** Milliseconds from now; null: none is given. */
  readonly time: number | null;
}

export interface AppendPlan {
  readonly topic: string;
  readonly acks: Acks;
  readonly compression: CompressionType;
  /** Where records go: all to one partition, by their keys, or each to its own in turn. */
  readonly to: 'partition' | 'keys' | 'each';
  readonly partition: number;
  readonly records: readonly RecordPlan[];
}

type Config = Readonly<Record<string, string | number>>;

export type ChangePlan =
  | { readonly kind: 'create'; readonly topic: string; readonly partitions: number; readonly config: Config }
  | { readonly kind: 'delete'; readonly topic: string }
  | {
      readonly kind: 'alter';
      readonly topic: string;
      readonly config: Readonly<Record<string, string | number | null>>;
      readonly morePartitions: number;
    };

export interface WorkPlan {
  /** How often the appends are made, one round after the other. */
  readonly rounds: number;
  readonly appends: readonly AppendPlan[];
  readonly change: ChangePlan | null;
  readonly changeFirst: boolean;
  readonly crash: CrashPlan | null;
}

const topic = fc.constantFrom(...TOPICS);

/** Event times: none, now, late, in the far future, in the distant past. */
const time = fc.oneof(
  { weight: 4, arbitrary: fc.constant(null) },
  { weight: 4, arbitrary: fc.integer({ min: -60_000, max: 60_000 }) },
  { weight: 2, arbitrary: fc.integer({ min: -40 * DAY, max: 0 }) },
  { weight: 1, arbitrary: fc.constantFrom(4000 * DAY, -15_000 * DAY, 30 * DAY) },
);

export const timeArbitrary = time.map((ms) => ms ?? 0);

const record: fc.Arbitrary<RecordPlan> = fc.record({
  key: fc.option(fc.constantFrom('', 'k1', 'k2', 'ключ', 'a longer key than the others'), { freq: 2 }),
  size: fc.oneof(
    { weight: 6, arbitrary: fc.integer({ min: 0, max: 120 }) },
    { weight: 2, arbitrary: fc.integer({ min: 121, max: 3000 }) },
    { weight: 1, arbitrary: fc.constant(null) },
  ),
  headers: fc.array(
    fc.record({ key: fc.constantFrom('', 'h', 'тип'), value: fc.option(fc.constantFrom('', 'v', 'value')) }),
    { maxLength: 2 },
  ),
  time,
});

const append: fc.Arbitrary<AppendPlan> = fc.record({
  topic,
  acks: fc.constantFrom<Acks>('all', 'all', 1, 0),
  compression: fc.constantFrom<CompressionType>('none', 'none', 'gzip', 'snappy', 'lz4', 'zstd'),
  to: fc.constantFrom('partition', 'partition', 'keys', 'each'),
  partition: fc.nat({ max: 9 }),
  records: fc.array(record, { minLength: 1, maxLength: 5 }),
});

const settings: Readonly<Record<string, fc.Arbitrary<string | number>>> = {
  flush: fc.constantFrom('sync', 'interval', 'os'),
  'flush.ms': fc.constantFrom(10, 500),
  'segment.bytes': fc.constantFrom(4096, 9000, 65_536),
  'segment.ms': fc.constantFrom(1000, 60_000),
  'segment.align': fc.constantFrom('none', 'hour', 'day'),
  'index.interval.bytes': fc.constantFrom(256, 4096),
  'compression.type': fc.constantFrom('producer', 'none', 'gzip', 'snappy', 'lz4', 'zstd'),
};
/** Some of the settings. */
const some = <T>(values: Readonly<Record<string, fc.Arbitrary<T>>>) =>
  fc.record(values, { requiredKeys: [], noNullPrototype: true }) as fc.Arbitrary<Record<string, T>>;

const config = some(settings);
const configChange = some<string | number | null>(
  Object.fromEntries(Object.entries(settings).map(([name, value]) => [name, fc.option(value)] as const)),
);

const create: fc.Arbitrary<ChangePlan> = fc.record({
  kind: fc.constant('create'),
  topic,
  partitions: fc.integer({ min: 1, max: 4 }),
  config,
});
const remove: fc.Arbitrary<ChangePlan> = fc.record({ kind: fc.constant('delete'), topic });
const alter: fc.Arbitrary<ChangePlan> = fc.record({
  kind: fc.constant('alter'),
  topic,
  config: configChange,
  morePartitions: fc.constantFrom(0, 0, 1, 2),
});
const change = fc.oneof(
  { weight: 3, arbitrary: create },
  { weight: 1, arbitrary: remove },
  { weight: 3, arbitrary: alter },
);

const place = fc.double({ min: 0, max: 1, noNaN: true });
const variant = fc.constantFrom(...CRASH_VARIANTS);

export const crashArbitrary: fc.Arbitrary<CrashPlan> = fc.record({
  place,
  variant,
  seed: fc.nat({ max: 1_000_000 }),
  again: fc.oneof(
    { weight: 3, arbitrary: fc.constant([]) },
    { weight: 1, arbitrary: fc.array(fc.record({ place, variant }), { minLength: 1, maxLength: 2 }) },
  ),
});

export const workArbitrary: fc.Arbitrary<WorkPlan> = fc.record({
  rounds: fc.oneof(
    { weight: 9, arbitrary: fc.constant(1) },
    { weight: 1, arbitrary: fc.integer({ min: 2, max: 60 }) },
  ),
  appends: fc.array(append, { maxLength: 8 }),
  change: fc.option(change, { freq: 2 }),
  changeFirst: fc.boolean(),
  crash: fc.option(crashArbitrary, { freq: 4 }),
});

/** Small sizes, so that segments roll, journal files are used again and caches overflow. */
export const settingsArbitrary: fc.Arbitrary<LogSettings> = fc.record({
  engine: fc.record({
    'journal.files': fc.constantFrom(0, 1, 2, 3),
    'journal.file.bytes': fc.constant(65_536),
    'journal.max.partition.bytes': fc.constantFrom(0, 400, 65_536),
    'journal.max.pending.bytes': fc.constant(65_536),
    'checkpoint.bytes': fc.constant(65_536),
    'log.dir.reserve.bytes': fc.constant(0),
    'max.open.files': fc.constant(16),
    'index.cache.bytes': fc.constant(65_536),
    'housekeeping.interval.ms': fc.constantFrom(50, 1000),
    'recovery.parallel.partitions': fc.constantFrom(1, 4),
  }),
  topicDefaults: fc.record({
    'segment.bytes': fc.constantFrom(4096, 20_000, 1_000_000),
    'index.interval.bytes': fc.constantFrom(256, 1024),
  }),
  delays: fc.constantFrom(1, 3, 30),
  seed: fc.nat({ max: 1_000_000 }),
});
