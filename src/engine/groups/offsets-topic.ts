/**
 * The internal topic that groups are kept in: a compacted log of one partition, of which the newest record of each key counts.
 *
 * Records go there in batches, two on their way at a time: while the disk syncs one, the next is encoded, and what is asked for
 * meanwhile comes after. A batch is whole or not at all, and what it says is applied in memory in the order of the log, after it
 * is durable and before anybody is answered. Where it is unknown what became of a batch, nothing more is written until the log
 * has been read again: memory must not go other ways than the log.
 */
import assert from 'node:assert';
import type { Clock } from '../common/clock.ts';
import { isSeglogError, SeglogError } from '../common/errors.ts';
import type { Logger } from '../common/logger.ts';
import type { LogRecord, PartitionAppend } from '../common/types.ts';
import { GROUPS_TOPIC } from '../directory/internal-topics.ts';
import type { Engine } from '../engine.ts';
import { decodeRecords } from '../format/record-batch-reader.ts';

/** A record of the topic; a null value takes its key away. */
export interface OffsetsRecord {
  readonly key: string;
  readonly value: string | null;
}

export interface OffsetsTopicParts {
  readonly engine: Engine;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Applies a record that was read. */
  replay(record: LogRecord): void;
}

interface Change {
  readonly records: readonly OffsetsRecord[];
  apply(): void;
  resolve(): void;
  reject(error: unknown): void;
}

/** About what one batch holds: more is left to the next one. */
const MAX_BATCH_BYTES = 1024 * 1024;
const MAX_BATCHES = 2;
const READ_BYTES = 4 * 1024 * 1024;

/** What the topic is made with, whatever the defaults for topics are. */
const TOPIC = {
  partitions: 1,
  config: {
    'cleanup.policy': 'compact',
    'segment.bytes': 16 * 1024 * 1024,
    'segment.align': 'none',
    'max.message.bytes': 64 * 1024 * 1024,
    'compression.type': 'none',
    'min.cleanable.dirty.ratio': 0.5,
    'min.compaction.lag.ms': 0,
    'recompress.after.ms': -1,
    flush: 'sync',
  },
} as const;

export class OffsetsTopic {
  readonly #parts: OffsetsTopicParts;
  readonly #queue: Change[] = [];
  /** Batches on their way. */
  #underWay = 0;
  /** What is queued is taken at the end of this turn. */
  #gathering = false;
  /** Set while it is not known what became of a batch. */
  #doubt: unknown;
  #exists = false;
  #rereads = 0;
  /** All before is applied. */
  #appliedEnd = 0;

  constructor(parts: OffsetsTopicParts) {
    this.#parts = parts;
  }

  /** How often memory has been brought up to the log: what was planned from it before does not hold. */
  get rereads(): number {
    return this.#rereads;
  }

  /** Replays what is stored. Throws CORRUPT_MESSAGE, KAFKA_STORAGE_ERROR, THROTTLED. */
  async open(): Promise<void> {
    const { engine } = this.#parts;
    this.#exists = engine.findTopic(GROUPS_TOPIC) !== undefined;
    if (!this.#exists) return;
    const { logStartOffset, highWatermark, logEndOffset } = engine.offsets(GROUPS_TOPIC, 0);
    // A disk that is full may keep a part from being read. By the rest, groups would be as they were once.
    if (highWatermark < logEndOffset) throw notWhole(highWatermark, logEndOffset);
    this.#appliedEnd = logStartOffset;
    await this.#readOn();
  }

  /** Resolves once the records, at least one, are durable and `apply` has run. Where it rejects, `apply` has not. */
  append(records: readonly OffsetsRecord[], apply: () => void): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#doubt !== undefined) {
        reject(notKnownYet());
        return;
      }
      this.#queue.push({ records, apply, resolve, reject });
      this.#gather();
    });
  }

  /** Resolves once nothing is on its way. */
  async settle(): Promise<void> {
    while (this.#underWay > 0 || this.#gathering)
      await new Promise<void>((resolve) => this.#parts.clock.soon(resolve));
  }

  /** What else is asked for in this turn goes along. */
  #gather(): void {
    if (this.#gathering || this.#underWay === MAX_BATCHES) return;
    this.#gathering = true;
    this.#parts.clock.soon(() => {
      this.#gathering = false;
      void this.#write();
    });
  }

  async #write(): Promise<void> {
    if (this.#queue.length === 0 || this.#doubt !== undefined) return;
    const changes = this.#takeBatch();
    this.#underWay++;
    try {
      const stored = await this.#store(changes);
      this.#apply(changes, stored);
    } catch (error) {
      for (const change of changes) change.reject(error);
      if (!leavesLogAsItWas(error)) this.#doubt ??= error;
    }
    this.#underWay--;
    if (this.#doubt === undefined) {
      if (this.#queue.length > 0) this.#gather();
    } else if (this.#underWay === 0) {
      await this.#lookAgain();
    }
  }

  #apply(changes: readonly Change[], { baseOffset, lastOffset }: PartitionAppend): void {
    // Something came before it that is not applied: that, and this, is when the log is read again.
    if (this.#doubt !== undefined) throw this.#doubt;
    assert.equal(baseOffset, this.#appliedEnd, 'the log has nothing else that is not applied');
    this.#appliedEnd = lastOffset + 1;
    for (const change of changes) change.apply();
    for (const change of changes) change.resolve();
  }

  #takeBatch(): Change[] {
    let bytes = 0;
    let count = 0;
    while (count < this.#queue.length && bytes < MAX_BATCH_BYTES) {
      for (const { key, value } of this.#queue[count]!.records) bytes += key.length + (value?.length ?? 0);
      count++;
    }
    return this.#queue.splice(0, count);
  }

  async #store(changes: readonly Change[]): Promise<PartitionAppend> {
    const { engine } = this.#parts;
    if (!this.#exists) {
      await engine.createInternalTopic(GROUPS_TOPIC, TOPIC);
      this.#exists = true;
    }
    const append = engine.startInternalAppend(GROUPS_TOPIC, { acks: 'all' });
    for (const { records } of changes) for (const { key, value } of records) append.addBytes(key, value);
    const [stored] = await append.commit();
    return stored!;
  }

  /** Nobody knows what became of a batch: it is found out from the log, and what waits must be asked for again. */
  async #lookAgain(): Promise<void> {
    const { logger } = this.#parts;
    logger.error(
      { err: this.#doubt },
      'changes of groups wait until it is known what became of the last ones',
    );
    for (const change of this.#queue.splice(0)) change.reject(notKnownYet());
    try {
      await this.#untilReadable();
      await this.#readOn();
      // Not before: what is planned meanwhile is planned from memory that lags behind the log.
      this.#rereads++;
      this.#doubt = undefined;
    } catch (error) {
      logger.error(
        { err: error },
        'the groups cannot be read again: they change no more until the next start',
      );
    }
  }

  /** Resolves once all that was written is synced; never where the partition is fenced, which takes no appends either. */
  async #untilReadable(): Promise<void> {
    const { engine } = this.#parts;
    if (!this.#exists) return;
    const { logEndOffset, highWatermark } = engine.offsets(GROUPS_TOPIC, 0);
    if (highWatermark === logEndOffset) return;
    await new Promise<void>((resolve) => engine.onRecords(GROUPS_TOPIC, 0, logEndOffset - 1, resolve));
  }

  async #readOn(): Promise<void> {
    const { engine, replay } = this.#parts;
    if (!this.#exists) return;
    while (this.#appliedEnd < engine.offsets(GROUPS_TOPIC, 0).highWatermark) {
      const options = { offset: this.#appliedEnd, maxBytes: READ_BYTES };
      const { chunks, nextOffset } = await engine.read(GROUPS_TOPIC, 0, options);
      for (const record of decodeRecords(chunks, this.#appliedEnd)) replay(record);
      this.#appliedEnd = nextOffset;
    }
  }
}

/** Whether an append that failed so has certainly stored nothing. */
function leavesLogAsItWas(error: unknown): boolean {
  return isSeglogError(error) && error.code !== 'OUTCOME_UNKNOWN';
}

function notWhole(highWatermark: number, logEndOffset: number): SeglogError {
  return new SeglogError(
    'KAFKA_STORAGE_ERROR',
    `groups cannot be served: what is stored of them ends at offset ${logEndOffset}, and can be read up to ${highWatermark} for now; ` +
      'free space and start again, nothing is lost',
    { topic: GROUPS_TOPIC, partition: 0, highWatermark, logEndOffset },
  );
}

function notKnownYet(): SeglogError {
  return new SeglogError(
    'NOT_READY',
    'what became of an earlier change of a group is not known yet: nothing was changed; try again',
  );
}
