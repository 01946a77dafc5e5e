/** A consumer at the end of a partition: reads what becomes readable at the moment it does, while work goes on. */
import assert from 'node:assert';
import { isSeglogError } from '../../src/engine/common/errors.ts';
import type { LogRecord } from '../../src/engine/common/types.ts';
import { decodeRecords } from '../../src/engine/format/record-batch-reader.ts';
import type { ModelTopic } from './log-model.ts';
import { compareRecord, type LogUnderTest } from './log-under-test.ts';

/** Longer than any work takes. */
const WAIT_MS = 10_000_000;

export class Watcher {
  readonly #log: LogUnderTest;
  readonly #name: string;
  readonly #number: number;
  readonly #stop = new AbortController();
  readonly #seen: { readonly at: number; readonly highWatermark: number }[] = [];
  readonly #records: LogRecord[] = [];
  readonly #work: Promise<void>;

  constructor(log: LogUnderTest, name: string, number: number) {
    this.#log = log;
    this.#name = name;
    this.#number = number;
    this.#work = this.#watch().catch((error) => {
      if (!isSeglogError(error, 'UNKNOWN_TOPIC_OR_PARTITION')) throw error;
    });
  }

  async #watch(): Promise<void> {
    const { engine } = this.#log;
    const { signal } = this.#stop;
    let offset = engine.offsets(this.#name, this.#number).highWatermark;
    while (await engine.waitForRecords(this.#name, this.#number, offset, WAIT_MS, signal)) {
      const { highWatermark } = engine.offsets(this.#name, this.#number);
      this.#seen.push({ at: this.#log.at, highWatermark });
      const { chunks, nextOffset } = await engine.read(this.#name, this.#number, { offset });
      this.#records.push(...decodeRecords(chunks, offset));
      offset = nextOffset;
    }
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#work;
  }

  /** What was seen is what was appended, and is promised from that moment on. */
  check({ partitions, sawUnsynced }: ModelTopic): void {
    const partition = partitions[this.#number]!;
    for (const { at, highWatermark } of this.#seen) {
      assert(highWatermark <= partition.records.length);
      partition.promise(at, highWatermark, sawUnsynced ? 'written' : 'durable');
    }
    const where = `${this.#name}-${this.#number}`;
    for (const record of this.#records) compareRecord(where, record, partition.records[record.offset]);
    this.#log.counts.watched += this.#records.length;
  }
}
