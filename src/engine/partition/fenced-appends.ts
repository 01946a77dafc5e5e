/**
 * Answers to appends for a partition that takes none any more. A failure need not have touched what was stored before, so who
 * sends that again gets the first answer. Of a batch that was on its way when the partition was fenced nobody knows what became:
 * a retry of it is told so, for "nothing was stored" would have its sender store it twice.
 */
import { isSeglogError, SeglogError } from '../common/errors.ts';
import type { AppendConditions, StoredAppend } from './append-conditions.ts';
import type { PartitionLog, QueuedBatch } from './partition-log.ts';

export function answerFenced(partition: PartitionLog, queued: QueuedBatch, refusal: SeglogError): void {
  const { conditions, batch, acks } = queued;
  if (conditions === undefined) {
    queued.refuse(refusal);
    return;
  }
  const stored = partition.producers.judge(conditions, batch.recordCount, partition.context.clock.now());
  const isStored = stored !== 'append' && !(stored instanceof SeglogError);
  if (isStored && (acks !== 'all' || isDurable(partition, stored))) queued.repeat(stored);
  else if (isStored || isInDoubt(partition, conditions)) queued.refuse(outcomeUnknown(partition, refusal));
  else queued.refuse(refusal);
}

export const isDurable = ({ durableOffset }: PartitionLog, { baseOffset, count }: StoredAppend): boolean =>
  baseOffset + count <= durableOffset;

/** What became of a batch is not known, whoever's failure was the cause. */
export function outcomeUnknown(partition: PartitionLog, error: unknown): SeglogError {
  if (isSeglogError(error, 'OUTCOME_UNKNOWN')) return error;
  const where = { topic: partition.topic.name, partition: partition.partition };
  const reason = partition.fenced ?? (error as Error).message;
  return new SeglogError('OUTCOME_UNKNOWN', `partition ${partition.name}: ${reason}`, where, {
    cause: error,
  });
}

function isInDoubt({ inDoubt }: PartitionLog, asked: AppendConditions): boolean {
  if (inDoubt === 'all') return true;
  return inDoubt.some(({ conditions }) => conditions !== undefined && isSame(conditions, asked));
}

function isSame(a: AppendConditions, b: AppendConditions): boolean {
  if (a.request !== undefined) return a.request.id === b.request?.id;
  const [known, asked] = [a.producer, b.producer];
  if (known === undefined || asked === undefined) return false;
  return known.id === asked.id && known.epoch === asked.epoch && known.sequence === asked.sequence;
}
