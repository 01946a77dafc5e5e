/** The real log of a model run: an engine on a simulated disk that can be crashed between any two operations. */
import assert from 'node:assert';
import { isDeepStrictEqual } from 'node:util';
import type { SettingValue } from '../../src/engine/common/settings.ts';
import type { LogRecord } from '../../src/engine/common/types.ts';
import { Engine } from '../../src/engine/engine.ts';
import { decodeRecords } from '../../src/engine/format/record-batch-reader.ts';
import { verifyDirectory } from '../../src/engine/inspection/verify.ts';
import { runToEnd } from '../crash/run-to-end.ts';
import type { CrashVariant } from '../crash/sim/crash-image.ts';
import { SimClock } from '../crash/sim-clock.ts';
import { SimFileSystem } from '../crash/sim-file-system.ts';
import {
  isSynchronous,
  type ModelLog,
  type ModelPartition,
  type ModelRecord,
  type ModelTopic,
} from './log-model.ts';

const DATA = '/data';

export interface LogSettings {
  readonly engine: Readonly<Record<string, SettingValue>>;
  readonly topicDefaults: Readonly<Record<string, SettingValue>>;
  /** How disordered the disk answers; see SimOptions. */
  readonly delays: number;
  readonly seed: number;
}

export interface CrashPlan {
  /** Where between the first and the last operation of the work, from 0 to 1. */
  readonly place: number;
  readonly variant: CrashVariant;
  readonly seed: number;
  /** The same for crashes of the opens that follow. */
  readonly again: readonly { readonly place: number; readonly variant: CrashVariant }[];
}

/** What a work did to a topic, and whether that was acknowledged, after how many disk operations. */
export interface TopicChanged {
  readonly name: string;
  readonly before: ModelTopic | undefined;
  readonly after: ModelTopic | undefined;
  readonly at: number;
}

export interface Counts {
  records: number;
  reads: number;
  watched: number;
  seeks: number;
  crashes: number;
  reopened: number;
}

export class LogUnderTest {
  engine!: Engine;
  readonly #settings: LogSettings;
  readonly counts: Counts;
  #disk: SimFileSystem;
  clock = new SimClock();

  private constructor(settings: LogSettings, counts: Counts, disk: SimFileSystem) {
    this.#settings = settings;
    this.counts = counts;
    this.#disk = disk;
  }

  static async open(settings: LogSettings, counts: Counts): Promise<LogUnderTest> {
    const { delays, seed } = settings;
    const log = new LogUnderTest(
      settings,
      counts,
      new SimFileSystem({ delays, seed, maxCalls: Number.POSITIVE_INFINITY }),
    );
    await log.#open();
    return log;
  }

  /** Disk operations so far. */
  get at(): number {
    return this.#disk.operations.length;
  }

  /** Waits for work, letting time pass when nothing else moves. */
  run<T>(work: Promise<T>): Promise<T> {
    return runToEnd(work, this.#disk, this.clock);
  }

  async #open(): Promise<void> {
    // Only of a disk that was used before there is anything to verify.
    if (this.#disk.paths().length > 0) await this.#verify();
    const { engine: settings, topicDefaults } = this.#settings;
    this.engine = await this.run(
      Engine.open({
        directory: DATA,
        settings,
        topicDefaults,
        fileSystem: this.#disk,
        clock: this.clock,
      }),
    );
  }

  /** What the next start will find in order must be found in order now. */
  async #verify(): Promise<void> {
    const report = await this.run(verifyDirectory({ directory: DATA, fileSystem: this.#disk }));
    assert(report.ok, `verify finds ${JSON.stringify(report.findings, undefined, 2)}`);
  }

  /** Closes and opens, perhaps cut off by a crash. What was closed must all be there. */
  async reopen(model: ModelLog, crash: CrashPlan | null): Promise<void> {
    const from = this.at;
    await this.run(this.engine.close());
    assert.equal(this.#disk.openHandles, 0, 'file handles are open after close');
    for (const { partitions } of model.values()) {
      for (const partition of partitions) partition.promise(this.at, partition.records.length, 'durable');
    }
    this.counts.reopened++;
    await this.#open();
    if (crash === null) await this.#adopt(model, (partition) => partition.owed('durable'));
    else await this.crash(model, crash, from);
  }

  /**
   * Crashes somewhere in the work that began at operation `from`, opens what is left, and brings `model` up to what is
   * there: all that was promised before the crash, and of the rest what may be.
   */
  async crash(model: ModelLog, plan: CrashPlan, from: number, change?: TopicChanged): Promise<void> {
    const at = from + Math.round(plan.place * (this.at - from));
    this.#cut(at, plan.variant, plan.seed);
    let { variant } = plan;
    await this.#open();
    for (const [number, next] of plan.again.entries()) {
      if (next.variant !== 'kill') variant = next.variant;
      this.#cut(Math.round(next.place * this.at), next.variant, plan.seed + number);
      await this.#open();
    }
    if (change !== undefined) await this.#settleChange(model, change, at);
    // Once opened, a log has synced what it serves; a second crash before that may take what the first one left.
    const strength = variant === 'kill' ? 'written' : 'durable';
    await this.#adopt(model, (partition) => partition.owed(strength, at));
  }

  #cut(at: number, variant: CrashVariant, seed: number): void {
    const image = this.#disk.crashImage({ at, variant, seed });
    this.#disk.abandon();
    this.#disk = image;
    this.clock = new SimClock({ startMs: this.clock.now() + 1 });
    this.counts.crashes++;
  }

  /** A change that was acknowledged before the crash has happened; any other has or has not. */
  async #settleChange(
    model: ModelLog,
    { name, before, after, at }: TopicChanged,
    crashAt: number,
  ): Promise<void> {
    for (const state of at <= crashAt ? [after] : [before, after]) {
      if (!(await this.#isTopic(name, state))) continue;
      if (state === undefined) model.delete(name);
      else model.set(name, state);
      return;
    }
    assert.fail(`topic ${name} is neither as it was before the change nor as it was to be`);
  }

  async #isTopic(name: string, state: ModelTopic | undefined): Promise<boolean> {
    const there = this.engine.listTopics().some((topic) => topic.name === name);
    if (!there || state === undefined) return !there && state === undefined;
    const { partitions, config } = await this.engine.describeTopic(name);
    const set = Object.entries(config).filter(([, { source }]) => source === 'topic');
    return (
      partitions.length === state.partitions.length &&
      isDeepStrictEqual(Object.fromEntries(set.map(([key, { value }]) => [key, value])), state.config)
    );
  }

  /** The log has just been opened: compares all of it with the model, which is cut to what is there. */
  async #adopt(model: ModelLog, owed: (partition: ModelPartition) => number): Promise<void> {
    const names = this.engine.listTopics().map(({ name }) => name);
    assert.deepEqual(names, [...model.keys()].sort());
    for (const [name, topic] of model) {
      topic.sawUnsynced = !isSynchronous(topic);
      for (const [number, partition] of topic.partitions.entries()) {
        const { logStartOffset, highWatermark, logEndOffset } = this.engine.offsets(name, number);
        const least = owed(partition);
        assert(highWatermark >= least, `${name}-${number} ends at ${highWatermark}, but owes ${least}`);
        assert.deepEqual([logStartOffset, logEndOffset], [0, highWatermark]);
        await this.compare(name, number, partition.records, 0, highWatermark);
        partition.reopened(highWatermark);
      }
    }
  }

  /** Reads [from, end) of a partition and compares it with the records of the model. */
  async compare(
    topic: string,
    partition: number,
    expected: readonly ModelRecord[],
    from: number,
    end: number,
    maxBytes?: number,
  ): Promise<void> {
    for (let offset = from; offset < end; ) {
      const read = await this.run(this.engine.read(topic, partition, { offset, maxBytes }));
      assert(read.nextOffset > offset, `a read of ${topic}-${partition} at ${offset} goes nowhere`);
      const records = decodeRecords(read.chunks, offset);
      assert.equal(records.length, read.nextOffset - offset);
      for (const record of records) compareRecord(`${topic}-${partition}`, record, expected[record.offset]);
      this.counts.reads++;
      offset = read.nextOffset;
    }
  }
}

export function compareRecord(where: string, found: LogRecord, expected: ModelRecord | undefined): void {
  const { offset, ...record } = found;
  if (isDeepStrictEqual(record, expected)) return;
  assert.deepEqual(record, expected, `${where}: another record is at offset ${offset}`);
}
