/** EventTopic: the topic that events of a request go to; made when there is a first event for it. */
import { type Engine, type IdempotencyKey, isSeglogError, type PendingAppend } from '../engine/index.ts';
import type { EventSink } from '../query/index.ts';

/** Takes events that are only counted. */
export const NOWHERE: EventSink = { addBytes() {}, addSlices() {} };

/** Segments end with the day, so that a range of days is a range of segments. */
const CONFIG = { 'segment.align': 'day' };

export class EventTopic {
  readonly #engine: Engine;
  readonly #name: string;
  readonly #partitions: number;

  /** `partitions`: of a topic that is made. */
  constructor(engine: Engine, name: string, partitions: number) {
    this.#engine = engine;
    this.#name = name;
    this.#partitions = partitions;
  }

  /** Undefined where the topic does not exist. */
  startAppend(idempotency?: IdempotencyKey): PendingAppend | undefined {
    try {
      return this.#engine.startAppend(this.#name, { idempotency });
    } catch (error) {
      if (isSeglogError(error, 'UNKNOWN_TOPIC_OR_PARTITION')) return undefined;
      throw error;
    }
  }

  async createAndStartAppend(idempotency?: IdempotencyKey): Promise<PendingAppend> {
    try {
      await this.#engine.createTopic(this.#name, { partitions: this.#partitions, config: CONFIG });
    } catch (error) {
      // Somebody else was quicker, and made it otherwise.
      if (!isSeglogError(error, 'TOPIC_ALREADY_EXISTS')) throw error;
    }
    return this.#engine.startAppend(this.#name, { idempotency });
  }
}
