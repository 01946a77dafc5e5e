/**
 * An engine on a simulated disk with a simulated clock, and short ways to append and read text. Nothing of it belongs to a test:
 * see SimEngine for one that is closed and verified after it.
 */
import type { TaskRunner } from '../../src/engine/background/task.ts';
import type { Logger } from '../../src/engine/common/logger.ts';
import type { SettingValue } from '../../src/engine/common/settings.ts';
import type {
  AppendOptions,
  EngineObserver,
  LogRecord,
  PartitionAppend,
  ProduceRecord,
} from '../../src/engine/common/types.ts';
import { Engine } from '../../src/engine/engine.ts';
import { decodeRecords } from '../../src/engine/format/record-batch-reader.ts';
import type { CrashVariant } from '../crash/sim/crash-image.ts';
import { SimClock, settled } from '../crash/sim-clock.ts';
import { SimFileSystem } from '../crash/sim-file-system.ts';
import { SyncGate } from './sync-gate.ts';

export const DIRECTORY = '/data';

/** With `journal.files` 0 every commit goes straight to its segment, and with small files there is no waiting. */
const SMALL = { 'journal.file.bytes': 65_536, 'journal.files': 0, 'checkpoint.bytes': 65_536 };

export class SimLog {
  disk = new SimFileSystem();
  readonly clock = new SimClock();
  readonly syncs = new SyncGate();
  /** For engines that are opened from now on; each takes one over. */
  taskRunner: ((log: SimLog) => TaskRunner) | undefined;
  readonly observer: EngineObserver = {};
  logger: Logger | undefined;
  /** For engines that are opened from now on. */
  topicDefaults: Record<string, SettingValue> = {};
  readonly #settings: Record<string, SettingValue>;
  engine!: Engine;

  constructor(settings: Record<string, SettingValue> = {}) {
    this.#settings = { ...SMALL, ...settings };
  }

  /** Opens what is on `disk`. */
  start(): Promise<void> {
    return this.#open();
  }

  /** Has the journal made ready, with a topic of its own: until then commits go to the segments directly. */
  async warmJournal(): Promise<void> {
    await this.engine.createTopic('warm');
    while (this.engine.stats().journaledBytes === 0) {
      await this.append('warm', 'x');
      await this.settle();
    }
  }

  /** Closes it, if it is open, and opens it. */
  async reopen(): Promise<void> {
    await this.engine?.close();
    await this.#open();
  }

  /** The process dies, and another one opens what the system has. */
  reopenAfterKill(): Promise<void> {
    return this.reopenAfterCrash('kill', 0);
  }

  async reopenAfterCrash(variant: CrashVariant, seed: number): Promise<void> {
    this.disk = this.disk.crash(variant, seed);
    this.syncs.release();
    await this.#open();
  }

  async #open(): Promise<void> {
    this.engine = await Engine.open({
      directory: DIRECTORY,
      fileSystem: this.syncs.wrap(this.disk),
      clock: this.clock,
      observer: this.observer,
      settings: this.#settings,
      topicDefaults: this.topicDefaults,
      taskRunner: this.taskRunner?.(this),
      logger: this.logger,
    });
  }

  async append(
    topic: string,
    records: string | readonly ProduceRecord[],
    options: AppendOptions = {},
  ): Promise<PartitionAppend> {
    const list = typeof records === 'string' ? [{ value: records }] : records;
    const [answer] = await this.engine.append(topic, list, { partition: 0, ...options });
    return answer!;
  }

  /** All records from an offset to the high watermark. */
  async records(topic: string, from = 0, partition = 0): Promise<LogRecord[]> {
    const found: LogRecord[] = [];
    for (let offset = from; offset < this.engine.offsets(topic, partition).highWatermark; ) {
      const { chunks, nextOffset } = await this.engine.read(topic, partition, { offset });
      found.push(...decodeRecords(chunks, offset));
      offset = nextOffset;
    }
    return found;
  }

  async values(topic: string, from = 0, partition = 0): Promise<string[]> {
    return (await this.records(topic, from, partition)).map(({ value }) => String(value));
  }

  /** Lets everything happen that needs no time to pass. */
  async settle(turns = 30): Promise<void> {
    for (let turn = 0; turn < turns; turn++) await settled();
  }
}
