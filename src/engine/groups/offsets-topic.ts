/**
 * The internal topic that groups are kept in: a compacted log of one partition, of which the newest record of each key counts.
 *
 * Records go there in batches: while one is on its way to the disk, what is asked for meanwhile is the next. A batch is whole
 * or not at all, and its changes are applied in memory in the order of the log, after it is durable and before anybody is
 * answered.
 */
import type { Clock } from '../common/clock.ts';
import type { SeglogError } from '../common/errors.ts';
import { GROUPS_TOPIC } from '../directory/internal-topics.ts';
import type { Engine } from '../engine.ts';

/** A record of the topic; a null value takes its key away. */
export interface OffsetsRecord {
  readonly key: string;
  readonly value: string | null;
}

interface Change {
  readonly records: readonly OffsetsRecord[];
  apply(): void;
  resolve(): void;
  reject(error: SeglogError): void;
}

/** About what one batch holds: more is left to the next one. */
const MAX_BATCH_BYTES = 1024 * 1024;

/** What the topic is made with, whatever the defaults for topics are. */
const TOPIC = {
  partitions: 1,
  config: {
    'cleanup.policy': 'compact',
    'segment.bytes': 32 * 1024 * 1024,
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
  readonly #engine: Engine;
  readonly #clock: Clock;
  readonly #queue: Change[] = [];
  #state: 'idle' | 'gathering' | 'writing' = 'idle';
  #exists: boolean;

  constructor(engine: Engine, clock: Clock) {
    this.#engine = engine;
    this.#clock = clock;
    this.#exists = engine.findTopic(GROUPS_TOPIC) !== undefined;
  }

  /** Resolves once the records are durable and `apply` has run. On failure nothing was applied. */
  append(records: readonly OffsetsRecord[], apply: () => void): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#queue.push({ records, apply, resolve, reject });
      if (this.#state !== 'idle') return;
      this.#state = 'gathering';
      this.#clock.soon(() => void this.#write());
    });
  }

  async #write(): Promise<void> {
    this.#state = 'writing';
    while (this.#queue.length > 0) {
      const changes = this.#takeBatch();
      try {
        await this.#store(changes);
        for (const change of changes) change.apply();
        for (const change of changes) change.resolve();
      } catch (error) {
        for (const change of changes) change.reject(error as SeglogError);
      }
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
    if (!this.#exists) {
      await this.#engine.createInternalTopic(GROUPS_TOPIC, TOPIC);
      this.#exists = true;
    }
    const append = this.#engine.startInternalAppend(GROUPS_TOPIC, { acks: 'all' });
    for (const { records } of changes) for (const { key, value } of records) append.addBytes(key, value);
    await append.commit();
  }
}
