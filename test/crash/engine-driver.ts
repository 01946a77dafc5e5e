/**
 * One life of an engine on a simulated disk, with an oracle beside it: each call tells the oracle what was asked for
 * and what was promised, and `check` compares all that can be read with what is owed.
 *
 * Without a fault every call must succeed. With one, calls may be refused, but only by errors that say what became of
 * the call, and what was acknowledged must stay readable.
 */

import { type ErrorCode, errnoOf, isSeglogError, SeglogError } from '../../src/engine/common/errors.ts';
import type { TopicChange } from '../../src/engine/common/types.ts';
import { isInternalTopic } from '../../src/engine/directory/internal-topics.ts';
import { Engine } from '../../src/engine/engine.ts';
import { rewriteSegments, sealedOf, watchedPartition, watchMaintenance } from '../helpers/rewriting.ts';
import { type AppendShape, decodeObserved, makeRecords, toProduce } from './driver-records.ts';
import type { World } from './harness.ts';
import { type TopicState, Violation } from './oracle.ts';
import {
  checkObserved,
  checkPartition,
  isSynchronous,
  logName,
  noteRead,
  type ObservedPartition,
  type ObservedRecord,
  type ObservedTopic,
} from './oracle-check.ts';
import { loadPatchedEngine, loadPatchedModule } from './patched-engine.ts';
import { watchedRunner } from './watched-runner.ts';

const DATA = '/data';
const HOUR_MS = 3_600_000;

type MaintenanceModule = typeof import('../../src/engine/partition/segment-maintenance.ts');
const MAINTENANCE = 'partition/segment-maintenance.ts';

/** Errors that promise that nothing of the call was stored. */
export const NOTHING_STORED: ReadonlySet<ErrorCode> = new Set([
  'STORAGE_FULL',
  'THROTTLED',
  'REQUEST_TIMED_OUT',
  'KAFKA_STORAGE_ERROR',
  'NOT_READY',
  'UNKNOWN_TOPIC_OR_PARTITION',
]);

export class EngineDriver {
  readonly engine: Engine;
  readonly #world: World;

  private constructor(world: World, engine: Engine) {
    this.#world = world;
    this.engine = engine;
  }

  static async open(world: World, settings: Record<string, string | number>): Promise<EngineDriver> {
    const { files, clock, bug } = world;
    const engine = bug?.patches ? await loadPatchedEngine(bug.name, bug.patches) : Engine;
    if (bug?.patches) {
      const { SegmentMaintenance } = await loadPatchedModule<MaintenanceModule>(bug.name, MAINTENANCE);
      watchMaintenance(SegmentMaintenance);
    }
    return new EngineDriver(
      world,
      await engine.open({
        directory: DATA,
        settings,
        fileSystem: files,
        clock,
        taskRunner: await watchedRunner(world),
      }),
    );
  }

  async createTopic(
    name: string,
    partitions: number,
    config: Record<string, string | number> = {},
  ): Promise<void> {
    // One whose deletion failed is still there: making it again changes nothing.
    if (this.#world.oracle.topic(name).settled !== undefined) return;
    const incarnation = this.#world.oracle.nextIncarnation;
    await this.#changeTopic(name, { incarnation, partitions, config }, () =>
      this.engine.createTopic(name, { partitions, config }),
    );
  }

  async alterTopic(
    name: string,
    change: { partitions?: number; config?: Record<string, string | number> },
  ): Promise<void> {
    const before = this.#world.oracle.topic(name).settled;
    if (before === undefined) return;
    const { partitions = before.partitions, config = {} } = change;
    const state = { ...before, partitions, config: { ...before.config, ...config } };
    await this.#changeTopic(name, state, () => this.engine.alterTopic(name, change as TopicChange));
  }

  async deleteTopic(name: string): Promise<void> {
    const { oracle } = this.#world;
    const { settled: before, pending } = oracle.topic(name);
    if (before === undefined || pending) return;
    await this.#changeTopic(name, undefined, () => this.engine.deleteTopic(name));
    // A deletion failed, and the log goes on taking records for the topic: then it owes them.
    const isThere = this.engine.listTopics().some((topic) => topic.name === name);
    if (isThere && oracle.topic(name).pending) oracle.topicSettled(name, before);
  }

  /** Retention may delete whatever it likes from now on. */
  expireAll(topic: string): void {
    const { settled } = this.#world.oracle.topic(topic);
    for (let partition = 0; partition < (settled?.partitions ?? 0); partition++)
      this.#world.oracle.deleting(logName(topic, settled!, partition), Number.POSITIVE_INFINITY);
  }

  /** Deletes about `share` of what can be read, up to where a batch begins. */
  async deleteRecords(topic: string, partition: number, share: number): Promise<void> {
    const { oracle } = this.#world;
    const { settled, pending } = oracle.topic(topic);
    if (settled === undefined || pending) return;
    const log = logName(topic, settled, partition);
    const { logStartOffset, highWatermark } = this.engine.offsets(topic, partition);
    const aim = logStartOffset + share * (highWatermark - logStartOffset);
    const bases = [...oracle.state.batches.values()]
      .filter((batch) => batch.log === log && batch.state === 'stored')
      .map(({ baseOffset }) => baseOffset!);
    const offset = Math.max(0, ...bases.filter((base) => base <= aim));
    oracle.deleting(log, offset);
    await this.excused(async () => {
      const { logStartOffset: start } = await this.engine.deleteRecords(topic, partition, offset);
      if (start < offset) throw new Violation(`${log}: deleted up to ${offset}, and it starts at ${start}`);
      oracle.deleted(log, offset);
    });
  }

  /**
   * Has a few sealed segments of a partition replaced by one. `share` of the records are taken out; where none are, batches
   * get other bounds, and the file stays as large as it was. One at a time for each partition.
   */
  async replace(topic: string, partition: number, share: number): Promise<void> {
    const { oracle, random } = this.#world;
    const { settled, pending } = oracle.topic(topic);
    if (settled === undefined || pending) return;
    const log = logName(topic, settled, partition);
    const removed = new Set<number>();
    const keep = ({ offset }: { offset: number }) => {
      if (!random.chance(share)) return true;
      removed.add(offset);
      return false;
    };
    await this.excused(async () => {
      const watched = await watchedPartition(this.engine, topic, partition);
      const sealed = watched === undefined ? [] : sealedOf(watched.partition);
      if (sealed.length === 0) return;
      const first = random.chance(0.5) ? 0 : random.below(sealed.length);
      const olds = sealed.slice(first, first + 1 + random.below(share > 0 ? 4 : 1));
      const rewriting = share > 0 ? { keep, batchRecords: 1 + random.below(9) } : { keep, regroup: true };
      const output = await rewriteSegments(watched!.partition, olds, rewriting).catch((error) => {
        // Retention was quicker.
        if (errnoOf(error) === 'ENOENT' && olds[0] !== watched!.partition.segments[first]) return undefined;
        throw error;
      });
      if (output === undefined) return;
      const swap = oracle.removing(log, removed);
      const outcome = await watched!.maintenance.replaceSegments(watched!.partition, olds, output);
      oracle.removalSettled(swap, outcome === 'replaced' ? 'done' : 'withdrawn');
    });
  }

  async #changeTopic(
    name: string,
    state: TopicState | undefined,
    change: () => Promise<unknown>,
  ): Promise<void> {
    const { oracle } = this.#world;
    // After a failed operation nobody knows how the topic stands, and this oracle takes one doubt at a time.
    if (oracle.topic(name).pending) return;
    oracle.topicChanging(name, state);
    await this.excused(async () => {
      await change();
      oracle.topicSettled(name, state);
    });
  }

  /** Appends a batch; when the promise resolves, it is acknowledged, refused, or its outcome is unknown. */
  async append(topic: string, partition: number, shape: AppendShape = {}): Promise<void> {
    const { oracle } = this.#world;
    const { settled, pending } = oracle.topic(topic);
    if (settled === undefined || pending) return;
    const { acks = 'all' } = shape;
    const number = oracle.nextBatch;
    const records = makeRecords(this.#world, number, shape);
    oracle.appending({
      number,
      log: logName(topic, settled, partition),
      records,
      acks,
      synchronous: isSynchronous(settled),
    });
    try {
      const [answer] = await this.engine.append(topic, records.map(toProduce), { acks, partition });
      if (answer?.partition !== partition || answer.count !== records.length) {
        throw new Violation(`append to ${topic}-${partition} answered ${JSON.stringify(answer)}`);
      }
      oracle.acknowledged(number, answer.baseOffset);
    } catch (error) {
      const now = oracle.topic(topic);
      this.#excuseAppend(error, number, now.settled === settled && !now.pending);
    }
  }

  #excuseAppend(error: unknown, number: number, stillThere: boolean): void {
    if (error instanceof Violation) throw error;
    const { faulty, disk, oracle } = this.#world;
    const code = error instanceof SeglogError ? error.code : undefined;
    const expected =
      (code === 'STORAGE_FULL' && disk.isLimited) || (code === 'UNKNOWN_TOPIC_OR_PARTITION' && !stillThere);
    if (!faulty && !expected) throw error;
    if (code !== undefined && NOTHING_STORED.has(code)) oracle.refused(number);
    else if (code !== 'OUTCOME_UNKNOWN') throw new Violation(`append failed with ${(error as Error).stack}`);
  }

  /** Resolves when no job is open: nothing is replaced then while it is read. */
  async idle(): Promise<void> {
    const { background } = this.engine;
    for (const { id, endedAt } of background.jobs())
      if (endedAt === null) await background.waitFor(id, HOUR_MS);
  }

  /** Compares everything that can be read now with what is owed. */
  async check(): Promise<void> {
    const { oracle } = this.#world;
    await this.idle();
    const observed = new Map<string, ObservedTopic>();
    for (const { name } of this.engine.listTopics())
      if (!isInternalTopic(name)) observed.set(name, await this.#observe(name));
    checkObserved(oracle, observed);
  }

  async #observe(name: string): Promise<ObservedTopic> {
    const { partitions, config } = await this.engine.describeTopic(name);
    const found: ObservedPartition[] = [];
    for (const { partition, fenced, damaged, compaction } of partitions) {
      if (fenced !== null || damaged.length > 0) {
        throw new Violation(
          `${name}-${partition} is fenced (${fenced}) or damaged ${JSON.stringify(damaged)}`,
        );
      }
      const read = await this.#read(name, partition, (read) => read);
      found.push({ ...read, firstDirtyOffset: compaction?.firstDirtyOffset });
    }
    const values = Object.entries(config).map(([setting, { value }]) => [setting, value]);
    return { partitions: found, config: Object.fromEntries(values) };
  }

  /** Reads to the high watermark; `use` gets what was read at a moment when nothing lies beyond it. */
  async #read<T>(
    topic: string,
    partition: number,
    use: (found: ObservedPartition) => T,
    from?: number,
  ): Promise<T> {
    const { logStartOffset } = this.engine.offsets(topic, partition);
    try {
      return await this.#readFrom(topic, partition, use, from ?? logStartOffset);
    } catch (error) {
      // What was to be read was deleted meanwhile.
      const moved = this.engine.offsets(topic, partition).logStartOffset > logStartOffset;
      if (!moved || !isSeglogError(error, 'OFFSET_OUT_OF_RANGE')) throw error;
      return this.#read(topic, partition, use);
    }
  }

  async #readFrom<T>(
    topic: string,
    partition: number,
    use: (found: ObservedPartition) => T,
    from: number,
  ): Promise<T> {
    const records: ObservedRecord[] = [];
    const { oracle } = this.#world;
    const { settled } = oracle.topic(topic);
    const removed = settled ? oracle.removedOf(logName(topic, settled, partition)) : new Set<number>();
    for (let offset = from; ; ) {
      const { highWatermark, logStartOffset } = this.engine.offsets(topic, partition);
      if (offset === highWatermark) {
        // Some of what was read may have been deleted meanwhile.
        const start = Math.max(from, logStartOffset);
        const left = records.filter((record) => record.offset >= start);
        return use({ logStartOffset: start, highWatermark, records: left, removed });
      }
      const { chunks, nextOffset } = await this.engine.read(topic, partition, { offset, maxBytes: 4096 });
      if (nextOffset <= offset)
        throw new Violation(`reading ${topic}-${partition} at ${offset} goes nowhere`);
      records.push(...decodeObserved(chunks, offset));
      offset = nextOffset;
      if (offset > this.engine.offsets(topic, partition).highWatermark) {
        throw new Violation(`a read of ${topic}-${partition} passed the high watermark`);
      }
    }
  }

  /** Reads along with the next appends, for a second; what it was given must not change any more. */
  async follow(topic: string, partition: number, records: number): Promise<void> {
    await this.#reading(topic, partition, async (log) => {
      let offset = this.engine.offsets(topic, partition).highWatermark;
      for (const until = offset + records; offset < until; ) {
        if (!(await this.engine.waitForRecords(topic, partition, offset, 1000))) return;
        const note = (found: ObservedPartition) => {
          noteRead(this.#world.oracle, log, found);
          return found.highWatermark;
        };
        offset = await this.#read(topic, partition, note, offset);
      }
    });
  }

  /** As `check` for one partition while others append and something may have failed. */
  async readBack(topic: string, partition: number): Promise<void> {
    await this.#reading(topic, partition, async (log, synchronous) => {
      await this.#read(topic, partition, (found) => {
        // Not all that is owed can be served for now, but what is served must be right.
        if (this.lacksSpace(topic, partition)) noteRead(this.#world.oracle, log, found);
        else checkPartition(this.#world.oracle, log, found, { synchronous, running: true });
      });
    });
  }

  /** Reads go on whatever has failed, unless reading itself fails or the topic is gone. */
  async #reading(
    topic: string,
    partition: number,
    read: (log: string, synchronous: boolean) => Promise<void>,
  ): Promise<void> {
    const { oracle, disk } = this.#world;
    const state = oracle.topic(topic).settled;
    if (state === undefined || partition >= state.partitions) return;
    try {
      await read(logName(topic, state, partition), isSynchronous(state));
    } catch (error) {
      if (error instanceof Violation) throw error;
      // Of some files nobody knows before whether they are there: that is no failure.
      const failed =
        this.#world.faulty &&
        disk.operations.some(
          ({ kind, error }) =>
            error && error !== 'ENOENT' && ['open', 'read', 'size', 'close'].includes(kind),
        );
      const gone = isSeglogError(error, 'UNKNOWN_TOPIC_OR_PARTITION');
      if (!failed && !gone)
        throw new Violation(`reads of ${topic}-${partition} stopped: ${(error as Error).stack}`);
    }
  }

  /** Whether a partition could not be put in order for want of space when it was opened. */
  lacksSpace(topic: string, partition: number): boolean {
    return this.engine
      .health()
      .fencedPartitions.some(
        (each) => each.topic === topic && each.partition === partition && /disk is full/.test(each.reason),
      );
  }

  async readAllBack(): Promise<void> {
    for (const [topic, { settled }] of this.#world.oracle.state.topics) {
      for (let partition = 0; partition < (settled?.partitions ?? 0); partition++)
        await this.readBack(topic, partition);
    }
  }

  async close(): Promise<void> {
    const { disk } = this.#world;
    await this.excused(() => this.engine.close());
    if (!this.#world.faulty && disk.openHandles > 0) {
      throw new Violation(`${disk.openHandles} file handles are open after close`);
    }
  }

  /** With a fault, a call may fail. */
  async excused(call: () => Promise<void>): Promise<void> {
    try {
      await call();
    } catch (error) {
      if (!this.#world.faulty || error instanceof Violation) throw error;
    }
  }
}
