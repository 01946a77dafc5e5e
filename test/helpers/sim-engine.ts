/**
 * An engine on a simulated disk with a simulated clock, and short ways to append and read text. After the test that opened
 * it, it is closed and its data directory verified.
 */
import t from 'tap';
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
import { SimClock, settled } from '../crash/sim-clock.ts';
import { SimFileSystem } from '../crash/sim-file-system.ts';
import { SyncGate } from './sync-gate.ts';
import { verifyNow } from './verify-after.ts';

const DIRECTORY = '/data';
const opened: SimEngine[] = [];

t.afterEach(async (each) => {
  // An inner test may use what the one around it opened.
  if (each.parent === t) for (const log of opened.splice(0)) await log.finish();
});

/** With `journal.files` 0 every commit goes straight to its segment, and with small files there is no waiting. */
const SMALL = { 'journal.file.bytes': 65_536, 'journal.files': 0, 'checkpoint.bytes': 65_536 };

export class SimEngine {
  disk = new SimFileSystem();
  readonly clock = new SimClock();
  readonly syncs = new SyncGate();
  /** For engines that are opened from now on; each takes one over. */
  taskRunner: ((log: SimEngine) => TaskRunner) | undefined;
  readonly observer: EngineObserver = {};
  logger: Logger | undefined;
  /** For engines that are opened from now on. */
  topicDefaults: Record<string, SettingValue> = {};
  readonly #settings: Record<string, SettingValue>;
  engine!: Engine;

  constructor(settings: Record<string, SettingValue> = {}) {
    this.#settings = { ...SMALL, ...settings };
  }

  static async open(settings?: Record<string, SettingValue>): Promise<SimEngine> {
    const log = new SimEngine(settings);
    await log.start();
    return log;
  }

  /** Opens what is on `disk`. */
  async start(): Promise<void> {
    if (!opened.includes(this)) opened.push(this);
    await this.#open();
  }

  /** For a test that damages its log: it is not verified. */
  leaveDamaged(): void {
    const at = opened.indexOf(this);
    if (at >= 0) opened.splice(at, 1);
  }

  async finish(): Promise<void> {
    this.syncs.release();
    // One that is fenced, or was killed, need not close; what it left is judged all the same.
    await this.engine.close().catch(() => {});
    await verifyNow(DIRECTORY, this.disk);
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
  async reopenAfterKill(): Promise<void> {
    this.disk = this.disk.crash('kill');
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
