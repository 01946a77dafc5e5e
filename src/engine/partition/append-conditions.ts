/**
 * What an append asks for beside being stored: that it is stored once however often it is sent, or only where nothing came in
 * between. It is checked when a group commit is formed (append-admission.ts).
 */
import type { ProducerSequence } from '../common/types.ts';
import {
  batchAttributes,
  batchBaseSequence,
  batchProducerEpoch,
  batchProducerId,
  CONTROL,
  writeProducer,
} from '../format/record-batch.ts';
import type { Room } from './producer-memory.ts';

/** The batch of a request that was sent with an idempotency key. */
export interface RequestMark {
  /** 53 bits of a hash of the key. */
  readonly id: number;
  /** Of the request: another one under the same key is told by it. 0 to 2^31 - 1. */
  readonly fingerprint: number;
  /** Over how many partitions the request's records were spread. */
  readonly partitions: number;
}

/** At most one of `producer` and `request`. */
export interface AppendConditions {
  readonly producer: ProducerSequence | undefined;
  readonly request: RequestMark | undefined;
  readonly expectedEndOffset: number | undefined;
  /** Taken for the request, in all its partitions. */
  readonly room?: Room | undefined;
}

/** What is remembered of a batch, to answer a retry as the first one was answered. */
export interface StoredAppend {
  readonly baseOffset: number;
  /** Of offsets: of records, as they were appended. */
  readonly count: number;
  readonly maxTimestamp: number;
}

/** Sequences are counted modulo this, as Kafka counts them. */
const SEQUENCES = 2 ** 31;

export function sequenceAfter(sequence: number, count: number): number {
  return (sequence + count) % SEQUENCES;
}

/** How far `to` lies behind `from`, the shorter way around; negative where it lies before. */
export function sequenceDistance(from: number, to: number): number {
  const ahead = (to - from + SEQUENCES) % SEQUENCES;
  return ahead < SEQUENCES / 2 ? ahead : ahead - SEQUENCES;
}

/**
 * Notes in a batch's header whose it is. An idempotency key stands in the fields of a producer: its id for the producer id, the
 * fingerprint for the base sequence, and for the epoch -1 less the number of partitions, which no producer has.
 */
export function stampConditions(bytes: Buffer, { producer, request }: AppendConditions): void {
  if (producer !== undefined) writeProducer(bytes, producer.id, producer.sequence, producer.epoch);
  if (request !== undefined) writeProducer(bytes, request.id, request.fingerprint, -1 - request.partitions);
}

/** What a batch's header says of whose it is; undefined where it says nothing. */
export function conditionsOf(buffer: Buffer, at: number): AppendConditions | undefined {
  const id = batchProducerId(buffer, at);
  // Control batches have a producer, but no place in its sequence.
  if (id === -1 || (batchAttributes(buffer, at) & CONTROL) !== 0) return undefined;
  const epoch = batchProducerEpoch(buffer, at);
  const sequence = batchBaseSequence(buffer, at);
  if (epoch === -1 || sequence < 0) return undefined;
  const isProducer = epoch >= 0;
  return {
    producer: isProducer ? { id, epoch, sequence } : undefined,
    request: isProducer ? undefined : { id, fingerprint: sequence, partitions: -1 - epoch },
    expectedEndOffset: undefined,
  };
}
