/**
 * The internal topic that groups are kept in: a compacted log of one partition, of which the newest record of each key counts.
 *
 * Records go there in batches: while one is on its way to the disk, what is asked for meanwhile is the next. A batch is whole
 * or not at all, and what it says is applied in memory in the order of the log, after it is durable and before anybody is
 * answered. Where it is unknown what became of a batch, nothing more is written until the log has been read again: memory must
 * not go other ways than the log.
 */
import type { Clock } from '../common/clock.ts';
import { isSeglogError, SeglogError } from '../common/errors.ts';
import type { Logger } from '../common/logger.ts';
import type { LogRecord } from '../common/types.ts';
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
  #queue: Change[] = [];
  /** `unsure`: what became of the last batch is not known yet. */
  #state: 'idle' | 'writing' | 'unsure' = 'idle';
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

  /** Resolves once the records are durable and `apply` has run. On failure nothing was applied. */
  append(records: readonly OffsetsRecord[], apply: () => void): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#state === 'unsure') {
        reject(notKnownYet());
        return;
      }
      this.#queue.push({ records, apply, resolve, reject });
      if (this.#state !== 'idle') return;
      this.#state = 'writing';
      // What else is asked for in this turn goes along.
      this.#parts.clock.soon(() => void this.#write());
    });
  }

  /** Resolves once nothing is on its way. */
  async settle(): Promise<void> {
    while (this.#state === 'writing') await new Promise<void>((resolve) => this.#parts.clock.soon(resolve));
  }

  async #write(): Promise<void> {
    while (this.#queue.length > 0) {
      const changes = this.#takeBatch();
      try {
        await this.#store(changes);
      } catch (error) {
        for (const change of changes) change.reject(error);
        if (!leavesLogAsItWas(error)) return this.#lookAgain(error);
        continue;
      }
      for (const change of changes) change.apply();
      for (const change of changes) change.resolve();
    }
    this.#state = 'idle';
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

  async #store(changes: readonly Change[]): Promise<void> {
    const { engine } = this.#parts;
    if (!this.#exists) {
      await engine.createInternalTopic(GROUPS_TOPIC, TOPIC);
      this.#exists = true;
    }
    const append = engine.startInternalAppend(GROUPS_TOPIC, { acks: 'all' });
    for (const { records } of changes) for (const { key, value } of records) append.addBytes(key, value);
    const [stored] = await append.commit();
    if (stored !== undefined) this.#appliedEnd = stored.lastOffset + 1;
  }

  /** Nobody knows what became of the last batch: it is found out from the log, and what waits must be asked for again. */
  async #lookAgain(cause: unknown): Promise<void> {
    const { engine, logger } = this.#parts;
    this.#state = 'unsure';
    this.#rereads++;
    logger.error({ err: cause }, 'changes of groups wait until it is known what became of the last one');
    for (const change of this.#queue.splice(0)) change.reject(notKnownYet());
    if (!this.#exists) {
      this.#state = 'idle';
      return;
    }
    const { logEndOffset, highWatermark } = engine.offsets(GROUPS_TOPIC, 0);
    if (highWatermark < logEndOffset) {
      // A fenced partition never gets there: it takes no appends either, until the next start.
      engine.onRecords(GROUPS_TOPIC, 0, logEndOffset - 1, () => void this.#lookAgain(cause));
      return;
    }
    try {
      await this.#readOn();
      this.#state = 'idle';
    } catch (error) {
      logger.error(
        { err: error },
        'the groups cannot be read again: they change no more until the next start',
      );
    }
  }

  async #readOn(): Promise<void> {
    const { engine, replay } = this.#parts;
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
    'what became of an earlier change of a group is not known yet: nothing was stored; try again',
  );
}
