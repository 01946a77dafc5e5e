/** The real log of a run of the compaction model: one partition on a simulated disk that can be crashed at any operation. */
import assert from 'node:assert';
import { InlineTaskRunner } from '../../src/engine/background/inline-runner.ts';
import type { TaskName, TaskOptions, TaskRunner, Tasks } from '../../src/engine/background/task.ts';
import type { SettingValue } from '../../src/engine/common/settings.ts';
import type { LogRecord } from '../../src/engine/common/types.ts';
import { Engine } from '../../src/engine/engine.ts';
import { decodeRecords } from '../../src/engine/format/record-batch-reader.ts';
import { verifyDirectory } from '../../src/engine/inspection/verify.ts';
import { createKeyMap, keyMapBytes } from '../../src/engine/rewrite/key-map.ts';
import { runToEnd } from '../crash/run-to-end.ts';
import { SimClock } from '../crash/sim-clock.ts';
import { SimFileSystem } from '../crash/sim-file-system.ts';
import type { CompactionModel, Look } from './compaction-model.ts';
import type { CrashPlan } from './log-under-test.ts';

const DATA = '/data';
export const TOPIC = 'c';

export interface CompactionSettings {
  readonly engine: Readonly<Record<string, SettingValue>>;
  readonly config: Readonly<Record<string, SettingValue>>;
  /** Most keys that a key map takes; null for as many as there are. */
  readonly mapKeys: number | null;
  /** See SimOptions. */
  readonly delays: number;
  readonly seed: number;
}

export interface CompactionCounts {
  records: number;
  passes: number;
  /** Passes that took several rounds. */
  inRounds: number;
  removed: number;
  deletionsGone: number;
  looks: number;
  seeks: number;
  crashes: number;
  reopened: number;
}

export class CompactionUnderTest {
  engine!: Engine;
  clock = new SimClock();
  readonly counts: CompactionCounts;
  readonly #settings: CompactionSettings;
  #disk: SimFileSystem;

  private constructor(settings: CompactionSettings, counts: CompactionCounts) {
    const { delays, seed } = settings;
    this.#settings = settings;
    this.counts = counts;
    this.#disk = new SimFileSystem({ delays, seed, maxCalls: Number.POSITIVE_INFINITY });
  }

  static async open(settings: CompactionSettings, counts: CompactionCounts): Promise<CompactionUnderTest> {
    const log = new CompactionUnderTest(settings, counts);
    await log.#open();
    await log.run(log.engine.createTopic(TOPIC, { config: settings.config }));
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
    if (this.#disk.paths().length > 0) {
      const report = await this.run(verifyDirectory({ directory: DATA, fileSystem: this.#disk }));
      assert(report.ok, `verify finds ${JSON.stringify(report.findings, undefined, 2)}`);
    }
    const { clock } = this;
    const fileSystem = this.#disk;
    const { engine: settings, mapKeys } = this.#settings;
    const inline = new InlineTaskRunner({ fileSystem, clock, bytesPerSecond: -1 });
    const taskRunner = mapKeys === null ? inline : new TightMaps(inline, mapKeys);
    this.engine = await this.run(Engine.open({ directory: DATA, settings, fileSystem, clock, taskRunner }));
  }

  /** Compacts; everything is in order, so it must succeed. */
  async compact(): Promise<void> {
    const { background } = this.engine;
    const { id } = background.compact(TOPIC);
    const { state, error, result } = await background.waitFor(id, 1e9);
    assert.equal(state, 'done', JSON.stringify(error));
    this.counts.passes++;
    if ((result as { rounds: number }[])[0]!.rounds > 1) this.counts.inRounds++;
  }

  /** All that is there, from an offset on. */
  async readFrom(offset: number, end: number, maxBytes?: number): Promise<LogRecord[]> {
    const found: LogRecord[] = [];
    for (let at = offset; at < end; ) {
      const { chunks, nextOffset } = await this.run(this.engine.read(TOPIC, 0, { offset: at, maxBytes }));
      assert(nextOffset > at, `a read at ${at} goes nowhere`);
      found.push(...decodeRecords(chunks, at));
      at = nextOffset;
    }
    return found;
  }

  async look(model: CompactionModel, maxBytes?: number): Promise<void> {
    const { logStartOffset, highWatermark } = this.engine.offsets(TOPIC, 0);
    const records = await this.#readAll(logStartOffset, highWatermark, maxBytes);
    const { partitions } = await this.engine.describeTopic(TOPIC);
    const { fenced, damaged, compaction } = partitions[0]!;
    assert.deepEqual([fenced, damaged], [null, []]);
    // What was seen as clean after the records were read may have been dirty before.
    const firstDirtyOffset = records.stable ? compaction!.firstDirtyOffset : 0;
    const now = this.clock.now();
    const start = records.logStartOffset;
    const look: Look = {
      logStartOffset: start,
      highWatermark,
      firstDirtyOffset,
      records: records.found,
      now,
    };
    const { removed, deletions } = model.look(look);
    this.counts.removed += removed;
    this.counts.deletionsGone += deletions;
    this.counts.looks++;
    model.promise(this.at, highWatermark, 'durable');
  }

  /** Retention may move the log's start while it is read: then once more. */
  async #readAll(from: number, end: number, maxBytes?: number) {
    for (let logStartOffset = from; ; ) {
      const isBusy = () => this.engine.background.jobs().some(({ endedAt }) => endedAt === null);
      const before = this.engine.background.jobs().length;
      const busyBefore = isBusy();
      const found = await this.readFrom(logStartOffset, end, maxBytes).catch((error) => {
        if (error.code === 'OFFSET_OUT_OF_RANGE') return undefined;
        throw error;
      });
      const now = this.engine.offsets(TOPIC, 0).logStartOffset;
      const stable = !busyBefore && !isBusy() && before === this.engine.background.jobs().length;
      if (found !== undefined && now === logStartOffset) return { found, logStartOffset, stable };
      logStartOffset = now;
    }
  }

  /** The first record that is there and not older; records may go while it is looked for, and then a later one is first. */
  async seek(model: CompactionModel, timestamp: number): Promise<void> {
    const { highWatermark } = this.engine.offsets(TOPIC, 0);
    const firstOf = (offsets: readonly number[]) =>
      offsets.find((offset) => model.records[offset]!.timestamp >= timestamp) ?? highWatermark;
    const before = firstOf(model.present);
    const found = await this.run(this.engine.offsetForTimestamp(TOPIC, 0, timestamp));
    await this.look(model);
    const after = firstOf(model.present);
    assert(before <= found && found <= after, `${found} for ${timestamp}, not ${before} to ${after}`);
    this.counts.seeks++;
  }

  async reopen(model: CompactionModel, crash: CrashPlan | null): Promise<void> {
    const from = this.at;
    await this.run(this.engine.close());
    assert.equal(this.#disk.openHandles, 0, 'file handles are open after close');
    model.promise(this.at, model.records.length, 'durable');
    this.counts.reopened++;
    await this.#open();
    if (crash === null) await this.#adopt(model, model.owed('durable'));
    else await this.crash(model, crash, from);
  }

  /** Crashes somewhere in the work that began at operation `from`, and opens what is left. */
  async crash(model: CompactionModel, plan: CrashPlan, from: number): Promise<void> {
    const at = from + Math.round(plan.place * (this.at - from));
    this.#cut(at, plan.variant, plan.seed);
    await this.#open();
    for (const [number, next] of plan.again.entries()) {
      this.#cut(Math.round(next.place * this.at), next.variant, plan.seed + number);
      await this.#open();
    }
    await this.#adopt(model, model.owed('durable', at));
  }

  #cut(at: number, variant: CrashPlan['variant'], seed: number): void {
    const image = this.#disk.crashImage({ at, variant, seed });
    this.#disk.abandon();
    this.#disk = image;
    this.clock = new SimClock({ startMs: this.clock.now() + 1 });
    this.counts.crashes++;
  }

  async #adopt(model: CompactionModel, owed: number): Promise<void> {
    const { highWatermark, logEndOffset } = this.engine.offsets(TOPIC, 0);
    assert(highWatermark >= owed, `the log ends at ${highWatermark}, but owes ${owed}`);
    assert.equal(logEndOffset, highWatermark);
    model.reopened(highWatermark);
    model.appendedAt.length = highWatermark;
    await this.look(model);
  }
}

/** Key maps with room for a few keys, whatever was asked for: settings do not go as low as a small log needs. */
class TightMaps implements TaskRunner {
  readonly worthwhileBytes = 0;
  readonly #inner: TaskRunner;
  readonly #keys: number;
  readonly #tight = new WeakMap<SharedArrayBuffer, SharedArrayBuffer>();

  constructor(inner: TaskRunner, keys: number) {
    this.#inner = inner;
    this.#keys = keys;
  }

  run<K extends TaskName>(
    name: K,
    request: Tasks[K]['request'],
    options?: TaskOptions,
  ): Promise<Tasks[K]['result']> {
    return this.#inner.run(name, this.#tightened(name, request), options);
  }

  #tightened<K extends TaskName>(name: K, request: Tasks[K]['request']): Tasks[K]['request'] {
    if (name === 'map') {
      const { map } = request as Tasks['map']['request'];
      this.#tight.set(map, createKeyMap(keyMapBytes(this.#keys)));
      return { ...request, map: this.#tight.get(map)! };
    }
    const { filter } = request as Tasks['rewrite']['request'];
    if (name !== 'rewrite' || filter === undefined) return request;
    return { ...request, filter: { ...filter, map: this.#tight.get(filter.map) ?? filter.map } };
  }

  close(): Promise<void> {
    return this.#inner.close();
  }
}
