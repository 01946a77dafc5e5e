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
import type { Room } from '../partition/producer-memory.ts';

interface RequestInFlight {
  readonly mark: RequestMark;
  readonly room: Room;
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

  /**
   * A batch of the request for each of these partitions is on its way: with room for the key in all that have none of it yet, so that
   * it is not stored in part. One that is `unfit` stores nothing anew. IDEMPOTENCY_KEY_REUSED where its key is known from another
   * request, THROTTLED.
   */
  begin(mark: RequestMark, partitions: readonly number[], now: number, unfit: boolean): Room {
    const known = this.#find(mark.id, now);
    if (known !== undefined && known.fingerprint !== mark.fingerprint) throw keyReused();
    if ((known?.partitions ?? this.#partitions.length) !== mark.partitions) throw spreadAnew();
    const request = this.#requests.get(mark.id) ?? this.#newRequest(mark, unfit ? [] : partitions, now);
    request.batches += partitions.length;
    return request.room;
  }

  #newRequest(mark: RequestMark, partitions: readonly number[], now: number): RequestInFlight {
    const isNew = (at: number) => this.#partitions[at]!.producers.findRequest(mark.id, now) === undefined;
    const { producerMemory } = this.#partitions[0]!.context;
    const room = producerMemory.takeRoom(partitions.filter(isNew).length, now);
    const request: RequestInFlight = { mark, room, batches: 0 };
    this.#requests.set(mark.id, request);
    return request;
  }

  /** One of them has its answer. */
  end({ id }: RequestMark): void {
    const request = this.#requests.get(id)!;
    request.batches--;
    if (request.batches > 0) return;
    request.room.giveAll();
    this.#requests.delete(id);
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
