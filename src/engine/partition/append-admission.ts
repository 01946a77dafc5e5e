/**
 * Whether a batch with conditions is appended: judged when a group commit is formed, in the order of the queue, against what is
 * applied and what stands before it in the group. What is refused or answered because of applied batches is so for good; what
 * would be because of a batch of the same group waits for the next one, when it is known what became of that.
 */
import { SeglogError } from '../common/errors.ts';
import { type AppendConditions, type StoredAppend, sequenceAfter } from './append-conditions.ts';
import type { PartitionLog } from './partition-log.ts';

export type Verdict = 'append' | 'wait' | StoredAppend | SeglogError;

interface ProducerInGroup {
  epoch: number;
  nextSequence: number;
}

export class GroupAdmission {
  readonly #partition: PartitionLog;
  readonly #now: number;
  /** Of batches that were accepted for the group. */
  readonly #producers = new Map<number, ProducerInGroup>();
  readonly #requests = new Set<number>();

  constructor(partition: PartitionLog, now: number) {
    this.#partition = partition;
    this.#now = now;
    partition.producers.expire(now);
  }

  /** Judges a batch of `count` records that would begin at `offset`. */
  judge(conditions: AppendConditions, count: number, offset: number): Verdict {
    const { producer, request, expectedEndOffset } = conditions;
    const before = producer && this.#producers.get(producer.id);
    if (before !== undefined) {
      const follows = before.epoch === producer!.epoch && before.nextSequence === producer!.sequence;
      if (!follows) return 'wait';
    } else if (request !== undefined && this.#requests.has(request.id)) {
      return 'wait';
    } else {
      const verdict = this.#partition.producers.judge(conditions, count, this.#now);
      if (verdict !== 'append') return verdict;
    }
    if (expectedEndOffset !== undefined && expectedEndOffset !== offset)
      return this.#endVerdict(expectedEndOffset, offset);
    // The room for a request was taken when it began.
    const { producers, context } = this.#partition;
    const isNew = producer !== undefined && before === undefined && !producers.knowsProducer(producer.id);
    return (isNew ? context.producerMemory.refusal() : undefined) ?? 'append';
  }

  /** The log may still end where the group begins, but nowhere before. */
  #endVerdict(expected: number, offset: number): Verdict {
    const { logEndOffset, name } = this.#partition;
    if (offset > logEndOffset && expected >= logEndOffset) return 'wait';
    return new SeglogError(
      'CONDITION_FAILED',
      `partition ${name} ends at offset ${logEndOffset}, not ${expected}: something came in between; nothing was stored`,
      { topic: this.#partition.topic.name, partition: this.#partition.partition, logEndOffset },
    );
  }

  /** A batch that is to be appended has its place in the group. */
  accept({ producer, request }: AppendConditions, count: number): void {
    const { context, producers } = this.#partition;
    if (producer !== undefined) {
      const { id, epoch, sequence } = producer;
      if (!this.#producers.has(id) && !producers.knowsProducer(id)) context.producerMemory.admit();
      this.#producers.set(id, { epoch, nextSequence: sequenceAfter(sequence, count) });
    }
    if (request !== undefined) this.#requests.add(request.id);
  }
}
