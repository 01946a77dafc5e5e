/**
 * Answers to appends that repeat one which stands in the log: the answer of the first one, once that is as safe as the
 * repetition asks for.
 */
import { isSeglogError } from '../common/errors.ts';
import { recycleBatch } from '../format/record-batch-builder.ts';
import type { StoredAppend } from '../partition/append-conditions.ts';
import { isDurable, outcomeUnknown } from '../partition/fenced-appends.ts';
import { type PartitionLog, type QueuedBatch, unknownPartition } from '../partition/partition-log.ts';
import type { BackgroundSync } from './background-sync.ts';

export class RepeatedAppends {
  readonly #backgroundSync: BackgroundSync;
  readonly #running = new Set<Promise<void>>();

  constructor(backgroundSync: BackgroundSync) {
    this.#backgroundSync = backgroundSync;
  }

  /** Answers a batch that is not appended; nobody else needs it any more. */
  answer(partition: PartitionLog, queued: QueuedBatch, stored: StoredAppend): void {
    recycleBatch(queued.batch);
    if (queued.acks !== 'all' || isDurable(partition, stored)) {
      queued.repeat(stored);
      return;
    }
    const answer = this.#answerOnceDurable(partition, queued, stored);
    this.#running.add(answer);
    void answer.then(() => this.#running.delete(answer));
  }

  /** Resolves once all have their answer. */
  async settle(): Promise<void> {
    await Promise.all(this.#running);
  }

  /** The first one's own sync may be under way, or there was none: it was appended with acks=1 or 0. */
  async #answerOnceDurable(
    partition: PartitionLog,
    queued: QueuedBatch,
    stored: StoredAppend,
  ): Promise<void> {
    try {
      await this.#backgroundSync.request(partition);
      if (partition.deleted) throw unknownPartition(partition.topic.name);
      queued.repeat(stored);
    } catch (error) {
      const isGone = isSeglogError(error, 'UNKNOWN_TOPIC_OR_PARTITION');
      queued.refuse(isGone ? error : outcomeUnknown(partition, error));
    }
  }
}
