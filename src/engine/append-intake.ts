/**
 * The way of a batch from a producer to the group commit: it is refused at once where it cannot be taken, waits for memory
 * where bytes in flight are at their limit, and is queued with its partition otherwise.
 */
import type { AppendTarget } from './commit/append-share.ts';
import type { Committer } from './commit/committer.ts';
import { StickyRoundRobin } from './commit/partitioner.ts';
import { tooLarge } from './commit/pending-append.ts';
import { RequestsInFlight } from './commit/requests-in-flight.ts';
import { SeglogError } from './common/errors.ts';
import type { OpenTopic } from './directory/topic.ts';
import { answerFenced } from './partition/fenced-appends.ts';
import {
  type EngineContext,
  type PartitionLog,
  type QueuedBatch,
  unknownPartition,
} from './partition/partition-log.ts';

export class AppendIntake {
  readonly #context: EngineContext;
  readonly #committer: Committer;
  readonly #isClosing: () => boolean;
  readonly #failure: () => string | null;
  readonly #targets = new WeakMap<OpenTopic, AppendTarget>();

  /** `failure`: why nothing is appended any more; null while all is well. */
  constructor(
    context: EngineContext,
    committer: Committer,
    isClosing: () => boolean,
    failure: () => string | null,
  ) {
    this.#context = context;
    this.#committer = committer;
    this.#isClosing = isClosing;
    this.#failure = failure;
  }

  targetOf(topic: OpenTopic): AppendTarget {
    let target = this.#targets.get(topic);
    if (target === undefined) {
      const { file, partitions } = topic;
      const sticky = new StickyRoundRobin();
      target = {
        topicName: file.name,
        partitions,
        get settings() {
          return partitions[0]!.topic.settings;
        },
        requests: new RequestsInFlight(partitions),
        stickyPartition: () => sticky.next(partitions.length),
        submit: this.#submit,
        lost: logLoss,
      };
      this.#targets.set(topic, target);
    }
    return target;
  }

  readonly #submit = (partition: PartitionLog, queued: QueuedBatch, signal?: AbortSignal): void => {
    const refusal = this.#refusal(partition, queued);
    if (refusal !== undefined) this.#refuse(partition, queued, refusal);
    else if (this.#context.budget.tryTake(partition, queued.batch.bytes.length))
      this.#enqueue(partition, queued);
    else void this.#submitLater(partition, queued, signal);
  };

  async #submitLater(partition: PartitionLog, queued: QueuedBatch, signal?: AbortSignal): Promise<void> {
    const { budget } = this.#context;
    const bytes = queued.batch.bytes.length;
    try {
      await budget.take(partition, bytes, signal);
    } catch (error) {
      queued.refuse(error as SeglogError);
      return;
    }
    const refusal = this.#refusal(partition, queued);
    if (refusal === undefined) {
      this.#enqueue(partition, queued);
    } else {
      budget.give(partition, bytes);
      this.#refuse(partition, queued, refusal);
    }
  }

  /** What was stored before is answered so, whatever keeps anything new from being stored. */
  #refuse(partition: PartitionLog, queued: QueuedBatch, refusal: SeglogError): void {
    if (partition.deleted) queued.refuse(refusal);
    else answerFenced(partition, queued, refusal);
  }

  #enqueue(partition: PartitionLog, queued: QueuedBatch): void {
    this.#committer.enqueue(partition, queued);
    if (queued.acks === 0) queued.acknowledge(-1);
  }

  #refusal(partition: PartitionLog, queued: QueuedBatch): SeglogError | undefined {
    if (this.#isClosing()) return closing();
    if (partition.fenced !== null) return partition.fencedError();
    // Partitions that were made since are not fenced.
    const failed = this.#failure();
    if (failed !== null) return new SeglogError('KAFKA_STORAGE_ERROR', `${failed}; nothing was stored`);
    if (partition.deleted) return unknownPartition(partition.topic.name);
    const limit = partition.topic.settings['max.message.bytes'];
    if (queued.batch.bytes.length <= limit) return undefined;
    if (queued.conditions === undefined) return tooLarge(limit);
    // It may repeat one that was stored when the limit was higher: that is known once those before it are done.
    queued.unfit ??= tooLarge(limit);
    return undefined;
  }
}

export function closing(): SeglogError {
  return new SeglogError('NOT_READY', 'the log is closing and takes nothing more: try again once it is back');
}

/** With acks=0 nobody waits: what becomes of the batch is told to the log only. */
function logLoss(partition: PartitionLog, records: number, error: SeglogError): void {
  const fields = { partition: partition.name, records, err: error };
  partition.context.logger.warn(fields, 'records that were sent with acks=0 are lost');
}
