/**
 * Requests with an idempotency key of one topic: over how many partitions the records of each are spread. A retry is spread as the
 * first try was, or its records would not meet those that were stored, although partitions were added since.
 *
 * Those that were stored are remembered by the partitions; those that are on their way, here.
 */
import { SeglogError } from '../common/errors.ts';
import type { RequestMark } from '../partition/append-conditions.ts';
import { MAX_REQUEST_PARTITIONS } from '../partition/idempotency-keys.ts';
import type { PartitionLog } from '../partition/partition-log.ts';
import { keyReused } from '../partition/partition-producers.ts';
import type { ProducerMemory } from '../partition/producer-memory.ts';

interface RequestInFlight {
  readonly mark: RequestMark;
  /** Batches without an answer. */
  batches: number;
}

export class RequestsInFlight {
  readonly #partitions: readonly PartitionLog[];
  readonly #requests = new Map<number, RequestInFlight>();
  /** All requests that are known are spread over so many partitions, as all new ones are; 0 where that is not known. */
  #commonSpread = 0;

  constructor(partitions: readonly PartitionLog[]) {
    this.#partitions = partitions;
  }

  /** Over how many partitions a request is, or was, spread. */
  spreadOf(id: number, now: number): number {
    const present = this.#partitions.length;
    const spread = this.#isCommonSpread(present) ? present : (this.#find(id, now)?.partitions ?? present);
    if (spread <= MAX_REQUEST_PARTITIONS) return spread;
    throw new SeglogError(
      'INVALID_REQUEST',
      `a topic of more than ${MAX_REQUEST_PARTITIONS} partitions takes no idempotency keys`,
    );
  }

  /** So many batches of the request are on their way. IDEMPOTENCY_KEY_REUSED where its key is known from another request, THROTTLED. */
  begin(mark: RequestMark, batches: number, now: number): void {
    const known = this.#find(mark.id, now);
    if (known !== undefined && known.fingerprint !== mark.fingerprint) throw keyReused();
    if ((known?.partitions ?? this.#partitions.length) !== mark.partitions) throw spreadAnew();
    // A part of it would be stored, and the answer would say that nothing was.
    const refusal = known === undefined && batches > 1 ? this.#memory.refusalOfAll(batches, now) : undefined;
    if (refusal !== undefined) throw refusal;
    const request = this.#requests.get(mark.id);
    if (request === undefined) this.#requests.set(mark.id, { mark, batches });
    else request.batches += batches;
  }

  /** One of them has its answer. */
  end({ id }: RequestMark): void {
    const request = this.#requests.get(id)!;
    request.batches--;
    if (request.batches === 0) this.#requests.delete(id);
  }

  get #memory(): ProducerMemory {
    return this.#partitions[0]!.context.producerMemory;
  }

  /** It is until partitions are added, and then again once all requests of before are forgotten. */
  #isCommonSpread(partitions: number): boolean {
    if (this.#commonSpread === partitions) return true;
    for (const { mark } of this.#requests.values()) if (mark.partitions !== partitions) return false;
    for (const { producers } of this.#partitions) if (!producers.areAllSpreadOver(partitions)) return false;
    this.#commonSpread = partitions;
    return true;
  }

  #find(id: number, now: number): Pick<RequestMark, 'fingerprint' | 'partitions'> | undefined {
    const inFlight = this.#requests.get(id);
    if (inFlight !== undefined) return inFlight.mark;
    for (const { producers } of this.#partitions) {
      const stored = producers.findRequest(id, now);
      if (stored !== undefined) return stored;
    }
    return undefined;
  }
}

function spreadAnew(): SeglogError {
  return new SeglogError(
    'NOT_READY',
    'partitions were added to the topic while the request was taken in; nothing was stored, try again',
  );
}
