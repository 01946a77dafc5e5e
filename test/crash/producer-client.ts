/**
 * What those who may send the same thing again know of themselves, in the crash tests: it outlives the log's crashes, as a
 * client does that is another process. Values that do not change; the oracle keeps them.
 */
import type { ProducerIdentity } from '../../src/engine/common/types.ts';
import type { LogOracle, OracleBatch } from './oracle.ts';

/** A batch that a producer has sent, once or more often. */
export interface SentBatch {
  readonly number: number;
  readonly sequence: number;
}

/** A producer that numbers what it sends to one partition. */
export interface ProducerClient {
  readonly kind: 'producer';
  readonly topic: string;
  readonly partition: number;
  /** The partition's log: another one once the topic is made again. */
  readonly log: string;
  readonly identity: ProducerIdentity;
  /** Under the present epoch, in order; each was sent once at least. */
  readonly sent: readonly SentBatch[];
  /** The end of what was sent under the epoch before this one. */
  readonly former: { readonly epoch: number; readonly nextSequence: number } | undefined;
}

/** A request with an idempotency key, and the batch of it for each partition. */
export interface SentRequest {
  readonly key: string;
  readonly fingerprint: number;
  readonly parts: readonly { readonly partition: number; readonly number: number }[];
}

export interface RequestClient {
  readonly kind: 'requests';
  readonly topic: string;
  readonly incarnation: number;
  readonly sent: readonly SentRequest[];
}

export type Client = ProducerClient | RequestClient;

/** How many batches of a producer are remembered. */
export const REMEMBERED = 5;

export const batchOf = (oracle: LogOracle, number: number): OracleBatch => oracle.state.batches.get(number)!;

export function nextSequence(oracle: LogOracle, { sent }: ProducerClient): number {
  const last = sent.at(-1);
  return last === undefined ? 0 : last.sequence + batchOf(oracle, last.number).records.length;
}

/** What is to be sent again before anything else: all from the first batch on that nobody knows to be stored. */
export function outstanding(oracle: LogOracle, { sent }: ProducerClient): readonly SentBatch[] {
  const first = sent.findIndex(({ number }) => batchOf(oracle, number).state !== 'stored');
  return first < 0 ? [] : sent.slice(first);
}

export const isStored = (oracle: LogOracle, { parts }: SentRequest): boolean =>
  parts.every(({ number }) => batchOf(oracle, number).state === 'stored');
