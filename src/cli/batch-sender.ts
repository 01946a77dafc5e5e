/**
 * BatchSender: sends a batch until it is acknowledged, also where an answer is lost on the way: the daemon tells a batch
 * that is sent again from a new one, and stores it once.
 *
 * Batches that go to one partition are numbered under a producer id, as Kafka's producers number theirs: of each producer
 * the daemon remembers the last few. A batch over several partitions has an idempotency key, which the daemon remembers for
 * a day: too long to spend one on each line of a log that never ends, where it can be helped.
 */
import { randomUUID } from 'node:crypto';
import { ConnectionLostError, isOutcomeUnknown, ServerError } from './errors.ts';
import type { HttpClient, RequestOptions } from './http-client.ts';
import type { Io } from './io.ts';
import { answerMayCome, nothingWasDone, patiently } from './patience.ts';
import type { ProduceBatch } from './produce-batch.ts';
import type { PartitionAck } from './produce-report.ts';
import { recordsPath } from './topics-client.ts';

/** Kafka's sequence numbers begin again at 0 after the largest 32-bit integer. */
const SEQUENCES = 2 ** 31;

export interface SenderOptions {
  client: HttpClient;
  topic: string;
  acks: string;
  compression: string | undefined;
  /** How long to go on trying. */
  forMs: number;
  io: Io;
}

/** Who numbers the records of a partition; `sequence` is the number of the next one. */
interface Producer {
  producerId: number;
  epoch: number;
  sequence: number;
}

/** What goes along with a batch, each time that it is sent. */
type Identity = Required<Pick<RequestOptions, 'query' | 'headers'>>;

const NO_IDENTITY: Identity = { query: {}, headers: {} };

export class BatchSender {
  readonly #options: SenderOptions;
  readonly #run = randomUUID();
  #batches = 0;
  readonly #producers = new Map<number, Producer>();
  /** Nobody waits for records that are accepted in memory only, and a daemon that remembers no more can tell nothing apart. */
  #identified: boolean;

  constructor(options: SenderOptions) {
    this.#options = options;
    this.#identified = options.acks !== '0';
  }

  /** To one partition, one batch at a time; to wherever the daemon sends each record where `partition` is undefined. */
  async send(
    batch: ProduceBatch,
    partition: number | undefined,
    signal: AbortSignal | undefined,
  ): Promise<PartitionAck[]> {
    try {
      return await this.#sendAs(await this.#identify(partition, signal), batch, partition, signal);
    } catch (error) {
      if (!this.#canDoWithout(error, partition)) throw error;
      return this.#sendAs(await this.#identify(partition, signal), batch, partition, signal);
    }
  }

  /** Nothing of the batch was stored, and it may be sent as another producer's, or as nobody's. */
  #canDoWithout(error: unknown, partition: number | undefined): boolean {
    if (error instanceof ServerError && error.code === 'out_of_order_sequence' && partition !== undefined) {
      // Nothing was sent for so long that the daemon has forgotten the producer.
      return this.#producers.delete(partition);
    }
    if (!remembersNoMore(error)) return false;
    // Of batches that are refused at the same time, the first one says so.
    if (!this.#identified) return true;
    this.#identified = false;
    const { message } = error as Error;
    this.#options.io.stderr.write(
      `seglog: ${message}; from here on a batch whose answer is lost is not sent again\n`,
    );
    return true;
  }

  async #identify(partition: number | undefined, signal: AbortSignal | undefined): Promise<Identity> {
    if (!this.#identified) return NO_IDENTITY;
    if (partition === undefined)
      return { query: {}, headers: { 'idempotency-key': `${this.#run}-${this.#batches++}` } };
    const producer = this.#producers.get(partition) ?? (await this.#newProducer(partition, signal));
    const { producerId, epoch: producerEpoch, sequence } = producer;
    return { query: { producerId, producerEpoch, sequence }, headers: {} };
  }

  async #newProducer(partition: number, signal: AbortSignal | undefined): Promise<Producer> {
    const { client } = this.#options;
    const identity = await this.#patiently(answerMayCome, signal, () =>
      client.json<Omit<Producer, 'sequence'>>('POST', '/api/producers'),
    );
    const producer = { ...identity, sequence: 0 };
    this.#producers.set(partition, producer);
    return producer;
  }

  async #sendAs(
    identity: Identity,
    batch: ProduceBatch,
    partition: number | undefined,
    signal: AbortSignal | undefined,
  ): Promise<PartitionAck[]> {
    const { client, topic, acks, compression } = this.#options;
    const request = {
      query: { acks, compression, partition, ...identity.query },
      headers: { 'content-type': batch.contentType, ...identity.headers },
      body: batch.body(),
    };
    let mayBeStored = false;
    const attempt = async () => {
      try {
        return await client.json<{ partitions: PartitionAck[] }>('POST', recordsPath(topic), request);
      } catch (error) {
        mayBeStored ||= isOutcomeUnknown(error);
        throw error;
      }
    };
    const worthATry = identity === NO_IDENTITY ? nothingWasDone : mayBeSentAgain;
    const { partitions } = await this.#patiently(worthATry, signal, attempt).catch((error: unknown) => {
      // What the last try came to says nothing of those before.
      throw mayBeStored ? new ConnectionLostError((error as Error).message, { cause: error }) : error;
    });
    const producer = partition === undefined ? undefined : this.#producers.get(partition);
    if (producer !== undefined) producer.sequence = (producer.sequence + partitions[0]!.count) % SEQUENCES;
    return partitions;
  }

  #patiently<T>(
    worthATry: (error: unknown) => boolean,
    signal: AbortSignal | undefined,
    call: () => Promise<T>,
  ): Promise<T> {
    const { io, forMs } = this.#options;
    return patiently({ io, forMs, worthATry, signal }, call);
  }
}

/** What came of it is not known, or may be another thing later; a daemon that could not sync comes back by itself. */
export function mayBeSentAgain(error: unknown): boolean {
  if (remembersNoMore(error)) return false;
  return answerMayCome(error) || (error instanceof ServerError && error.status === 503);
}

/** The daemon has no room for another producer or key, for hours perhaps. */
export function remembersNoMore(error: unknown): boolean {
  return error instanceof ServerError && error.problem.setting === 'producer.state.max.entries';
}
