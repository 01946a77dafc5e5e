/**
 * What a partition remembers of the appends that may be sent again: its producers (producer-states.ts) and its idempotency keys
 * (idempotency-keys.ts). It speaks of the log below its end: it changes exactly where the log end offset moves.
 */
import { SeglogError } from '../common/errors.ts';
import type { EngineSettings } from '../common/settings.ts';
import type { AppendConditions, StoredAppend } from './append-conditions.ts';
import { IdempotencyKeys, type StoredRequest } from './idempotency-keys.ts';
import { ProducerStates } from './producer-states.ts';

type Limits = Pick<
  EngineSettings,
  'producer.id.expiration.ms' | 'idempotency.key.expiration.ms' | 'producer.state.max.entries'
>;

/** How much all partitions of an engine remember together: it is bounded, and nothing goes before its time. */
export class ProducerMemory {
  readonly limits: Limits;
  /** Producers and keys, each counted once for each partition. */
  entries = 0;
  /** Those of the group that is being formed, which are not counted yet. */
  admitted = 0;
  /** Those that remember anything. */
  readonly holders = new Set<PartitionProducers>();

  constructor(limits: Limits) {
    this.limits = limits;
  }

  /** Whether there is room for one more. */
  hasRoom(now: number): boolean {
    const limit = this.limits['producer.state.max.entries'];
    if (this.entries + this.admitted < limit) return true;
    this.expire(now);
    return this.entries + this.admitted < limit;
  }

  knowsProducer(id: number): boolean {
    for (const holder of this.holders) if (holder.knowsProducer(id)) return true;
    return false;
  }

  /** Forgets whatever has expired. */
  expire(now: number): void {
    for (const holder of this.holders) holder.expire(now);
  }
}

export class PartitionProducers {
  readonly #memory: ProducerMemory;
  readonly #states = new ProducerStates();
  readonly #keys = new IdempotencyKeys();

  constructor(memory: ProducerMemory) {
    this.#memory = memory;
  }

  knowsProducer(id: number): boolean {
    return this.#states.has(id);
  }

  /** The batch that was stored under an idempotency key. */
  findRequest(id: number, now: number): StoredRequest | undefined {
    return this.#keys.find(id, now - this.#memory.limits['idempotency.key.expiration.ms']);
  }

  /** What becomes of a batch of `count` records: to be appended, stored before, or refused. */
  judge(
    { producer, request }: AppendConditions,
    count: number,
    now: number,
  ): 'append' | StoredAppend | SeglogError {
    if (producer !== undefined)
      return this.#states.judge(producer, count, now - this.#memory.limits['producer.id.expiration.ms']);
    const stored = request && this.findRequest(request.id, now);
    if (stored === undefined) return 'append';
    return stored.fingerprint === request!.fingerprint ? stored : keyReused();
  }

  /** Whether remembering the batch takes room that nothing has yet. */
  isNew({ producer, request }: AppendConditions): boolean {
    return request !== undefined || (producer !== undefined && !this.#states.has(producer.id));
  }

  /** The batch stands in the log now. */
  note({ producer, request }: AppendConditions, batch: StoredAppend, appendedAt: number): void {
    const before = this.size;
    if (producer !== undefined) this.#states.note(producer, batch, appendedAt);
    if (request !== undefined) this.#keys.add({ ...request, ...batch, appendedAt });
    this.#count(before);
  }

  expire(now: number): void {
    const { limits } = this.#memory;
    const before = this.size;
    this.#states.expire(now - limits['producer.id.expiration.ms']);
    this.#keys.expire(now - limits['idempotency.key.expiration.ms']);
    this.#count(before);
  }

  /** Forgets everything: the partition is gone. */
  clear(): void {
    const before = this.size;
    this.#states.clear();
    this.#keys.clear();
    this.#count(before);
  }

  get size(): number {
    return this.#states.size + this.#keys.size;
  }

  #count(before: number): void {
    const { size } = this;
    if (size === before) return;
    this.#memory.entries += size - before;
    if (size > 0) this.#memory.holders.add(this);
    else this.#memory.holders.delete(this);
  }
}

export function keyReused(): SeglogError {
  return new SeglogError(
    'IDEMPOTENCY_KEY_REUSED',
    'the idempotency key was used for another request: send a retry just as the first try was, and other records under a new key; ' +
      'nothing was stored',
  );
}

export function tooManyProducers(limit: number): SeglogError {
  return new SeglogError(
    'THROTTLED',
    `no more producers and idempotency keys can be remembered (producer.state.max.entries=${limit}): raise the setting, or wait ` +
      'until some have expired; nothing was stored',
    { setting: 'producer.state.max.entries', limit },
  );
}
