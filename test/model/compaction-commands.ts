/** The commands of the compaction model, and what fast-check makes them up of. */
import assert from 'node:assert';
import fc from 'fast-check';
import type { CompressionType } from '../../src/engine/common/types.ts';
import { decodeRecords } from '../../src/engine/format/record-batch-reader.ts';
import type { CompactionModel } from './compaction-model.ts';
import { type CompactionSettings, type CompactionUnderTest, TOPIC } from './compaction-under-test.ts';
import type { ModelRecord } from './log-model.ts';
import type { CrashPlan } from './log-under-test.ts';
import { crashArbitrary } from './plans.ts';

type Command = fc.AsyncCommand<CompactionModel, CompactionUnderTest>;

interface RecordPlan {
  readonly key: string;
  readonly size: number | null;
  readonly headers: readonly { readonly key: string; readonly value: string | null }[];
  /** Milliseconds from now. */
  readonly time: number;
}

interface WorkPlan {
  readonly batches: readonly {
    readonly compression: CompressionType;
    readonly records: readonly RecordPlan[];
  }[];
  readonly compact: boolean;
  /** Records are deleted up to here, between the log's two ends. */
  readonly deleteTo: number | null;
  readonly read: boolean;
  readonly crash: CrashPlan | null;
}

/** Appends, a compaction, a deletion of records and a reader, all at once, perhaps cut off by a crash. */
class Work implements Command {
  readonly plan: WorkPlan;

  constructor(plan: WorkPlan) {
    this.plan = plan;
  }

  check = () => true;
  toString = () => `work ${JSON.stringify(this.plan)}`;

  async run(model: CompactionModel, log: CompactionUnderTest): Promise<void> {
    const { compact, read, crash } = this.plan;
    const from = log.at;
    const expected = [...model.records];
    const appends = this.plan.batches.map((batch) => this.#append(batch, model, log));
    const work = [
      ...appends.map(({ answer }) => answer),
      ...(compact ? [log.compact()] : []),
      this.#deleteRecords(log),
      ...(read ? [this.#read(expected, log)] : []),
    ];
    await log.run(Promise.all(work));
    for (const { take } of appends) take();
    if (crash === null) await log.look(model);
    else await log.crash(model, crash, from);
  }

  #append(
    { compression, records }: WorkPlan['batches'][number],
    model: CompactionModel,
    log: CompactionUnderTest,
  ) {
    const now = log.clock.now();
    const kept = records.map(({ key, size, headers, time }, i): ModelRecord => {
      const number = log.counts.records + i;
      return {
        key: Buffer.from(key),
        value: size === null ? null : Buffer.from(`${number} `.padEnd(size, `${number}`)),
        timestamp: now + time,
        headers: headers.map((header) => ({
          key: header.key,
          value: header.value === null ? null : Buffer.from(header.value),
        })),
      };
    });
    log.counts.records += records.length;
    let answered = 0;
    const answer = log.engine.append(TOPIC, kept, { partition: 0, compression }).then(() => {
      answered = log.at;
    });
    const take = () => {
      const end = model.append(kept) + kept.length;
      while (model.appendedAt.length < end) model.appendedAt.push(now);
      model.promise(answered, end, 'durable');
    };
    return { answer, take };
  }

  async #deleteRecords({ engine }: CompactionUnderTest): Promise<void> {
    const { deleteTo } = this.plan;
    const { config } = await engine.describeTopic(TOPIC);
    if (deleteTo === null || config['cleanup.policy']!.value === 'compact') return;
    const { logStartOffset, highWatermark } = engine.offsets(TOPIC, 0);
    const offset = Math.round(logStartOffset + deleteTo * (highWatermark - logStartOffset));
    const deleted = await engine.deleteRecords(TOPIC, 0, offset);
    assert(deleted.logStartOffset >= offset);
  }

  /** Whatever happens meanwhile, a reader sees records as they were appended, in order. */
  async #read(expected: readonly ModelRecord[], { engine }: CompactionUnderTest): Promise<void> {
    for (let offset = engine.offsets(TOPIC, 0).logStartOffset; offset < expected.length; ) {
      const page = await engine.read(TOPIC, 0, { offset, maxBytes: 1000 }).catch((error) => {
        if (error.code !== 'OFFSET_OUT_OF_RANGE') throw error;
      });
      const records = page === undefined ? [] : decodeRecords(page.chunks, offset);
      for (const { offset: at, ...record } of records) {
        assert(at >= offset, `offset ${at} comes behind ${offset}`);
        if (at < expected.length) assert.deepEqual(record, expected[at]);
      }
      offset = page?.nextOffset ?? engine.offsets(TOPIC, 0).logStartOffset;
    }
  }
}

/** Looks at all of it, in pieces, and for times. */
class Look implements Command {
  readonly plan: { readonly maxBytes: number; readonly place: number; readonly time: number };

  constructor(plan: Look['plan']) {
    this.plan = plan;
  }

  check = () => true;
  toString = () => `look ${JSON.stringify(this.plan)}`;

  async run(model: CompactionModel, log: CompactionUnderTest): Promise<void> {
    const { maxBytes, place, time } = this.plan;
    await log.look(model, maxBytes);
    const record = model.records[Math.floor(place * (model.records.length - 1))];
    if (record !== undefined) await log.seek(model, Math.max(0, record.timestamp + time));
  }
}

/** Time passes: housekeeping rolls, compacts, recompresses and deletes what is due. */
class PassTime implements Command {
  readonly ms: number;

  constructor(ms: number) {
    this.ms = ms;
  }

  check = () => true;
  toString = () => `time ${this.ms}`;

  async run(model: CompactionModel, log: CompactionUnderTest): Promise<void> {
    await log.clock.advance(this.ms);
    await log.look(model);
  }
}

/** A clean stop and a start, perhaps cut off by a crash. */
class Reopen implements Command {
  readonly crash: CrashPlan | null;

  constructor(crash: CrashPlan | null) {
    this.crash = crash;
  }

  check = () => true;
  toString = () => `reopen ${JSON.stringify(this.crash)}`;

  run = (model: CompactionModel, log: CompactionUnderTest) => log.reopen(model, this.crash);
}

const RETENTION_MS = 30_000;
const DAY = 86_400_000;

const record: fc.Arbitrary<RecordPlan> = fc.record({
  key: fc.constantFrom('', 'a', 'b', 'c', 'd', 'e', 'f', 'ключ', 'a longer key than the others'),
  size: fc.oneof(
    { weight: 4, arbitrary: fc.integer({ min: 0, max: 120 }) },
    { weight: 3, arbitrary: fc.integer({ min: 121, max: 2000 }) },
    { weight: 2, arbitrary: fc.constant(null) },
  ),
  headers: fc.array(
    fc.record({ key: fc.constantFrom('h', 'тип'), value: fc.option(fc.constantFrom('', 'value')) }),
    { maxLength: 2 },
  ),
  time: fc.oneof(
    { weight: 6, arbitrary: fc.integer({ min: -2000, max: 1000 }) },
    { weight: 1, arbitrary: fc.constantFrom(-DAY, 400 * DAY) },
  ),
});

const rarely = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | null> =>
  fc.oneof({ weight: 3, arbitrary: fc.constant(null) }, { weight: 1, arbitrary: value });

const work = fc.record<WorkPlan>({
  batches: fc.array(
    fc.record({
      compression: fc.constantFrom<CompressionType>('none', 'none', 'gzip', 'snappy', 'lz4', 'zstd'),
      records: fc.array(record, { minLength: 1, maxLength: 6 }),
    }),
    { maxLength: 6 },
  ),
  compact: fc.boolean(),
  deleteTo: rarely(fc.double({ min: 0, max: 1, noNaN: true })),
  read: fc.boolean(),
  crash: rarely(crashArbitrary),
});

export const COMPACTION_COMMANDS: fc.Arbitrary<Command>[] = [
  ...Array.from({ length: 5 }, () => work.map((plan) => new Work(plan))),
  fc
    .record({
      maxBytes: fc.constantFrom(1, 700, 1_000_000),
      place: fc.double({ min: 0, max: 1, noNaN: true }),
      time: fc.constantFrom(0, 1, -1, 500),
    })
    .map((plan) => new Look(plan)),
  fc.constantFrom(100, 3000, RETENTION_MS / 2, RETENTION_MS + 1000).map((ms) => new PassTime(ms)),
  rarely(crashArbitrary).map((crash) => new Reopen(crash)),
];

export const compactionSettings: fc.Arbitrary<CompactionSettings> = fc.record({
  engine: fc.record({
    'journal.files': fc.constantFrom(0, 0, 2, 3),
    'journal.file.bytes': fc.constant(65_536),
    'journal.max.partition.bytes': fc.constantFrom(400, 65_536),
    'journal.max.pending.bytes': fc.constant(65_536),
    'checkpoint.bytes': fc.constant(65_536),
    'log.dir.reserve.bytes': fc.constant(0),
    'max.open.files': fc.constant(16),
    'index.cache.bytes': fc.constant(65_536),
    'housekeeping.interval.ms': fc.constantFrom(200, 3_600_000),
  }),
  config: fc.record({
    'cleanup.policy': fc.constantFrom('compact', 'compact', 'compact,delete'),
    'retention.ms': fc.constantFrom(-1, RETENTION_MS),
    'segment.bytes': fc.constantFrom(4096, 8192),
    'segment.ms': fc.constantFrom(5000, DAY),
    'segment.align': fc.constantFrom('none', 'none', 'hour'),
    'index.interval.bytes': fc.constantFrom(256, 4096),
    'min.cleanable.dirty.ratio': fc.constantFrom(0, 0.5, 1),
    'min.compaction.lag.ms': fc.constantFrom(0, 0, 2000),
    'max.compaction.lag.ms': fc.constantFrom(4000, 400 * DAY),
    'delete.retention.ms': fc.constantFrom(0, 2000, RETENTION_MS),
    'recompress.after.ms': fc.constantFrom(-1, 4000),
    'recompress.block.bytes': fc.constantFrom(4096, 65_536),
  }),
  mapKeys: fc.constantFrom(null, 1, 3),
  delays: fc.constantFrom(1, 3, 30),
  seed: fc.nat({ max: 1_000_000 }),
});
