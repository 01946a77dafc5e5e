/**
 * How much all partitions of an engine remember together of appends that may be sent again, and for how long. It is bounded: what
 * there is no room for is refused, for nothing goes before its time.
 */
import { SeglogError } from '../common/errors.ts';
import type { EngineSettings } from '../common/settings.ts';
import type { PartitionProducers } from './partition-producers.ts';

/** Room that is taken before it is needed: what of it is not spent is given back. */
export class Room {
  #left: number;
  readonly #give: (count: number) => void;

  constructor(count: number, give: (count: number) => void) {
    this.#left = count;
    this.#give = give;
  }

  /** One entry has its place, or will never need one. */
  giveOne(): void {
    if (this.#left === 0) return;
    this.#left--;
    this.#give(1);
  }

  giveAll(): void {
    const left = this.#left;
    this.#left = 0;
    this.#give(left);
  }
}

type Limits = Pick<
  EngineSettings,
  'producer.id.expiration.ms' | 'idempotency.key.expiration.ms' | 'producer.state.max.entries'
>;

export class ProducerMemory {
  readonly #limits: Limits;
  readonly #holders = new Set<PartitionProducers>();
  #entries = 0;
  /** Producers of the group that is on its way. */
  #admitted = 0;
  /** Taken beforehand for keys of requests that are on their way. */
  #reserved = 0;

  constructor(limits: Limits) {
    this.#limits = limits;
  }

  /** Producers and keys, each counted once for each partition. */
  get entries(): number {
    return this.#entries;
  }

  /** A producer that last appended then, or before, is forgotten. */
  producersExpiredAt(now: number): number {
    return now - this.#limits['producer.id.expiration.ms'];
  }

  /** A key that came then, or before, is forgotten. */
  keysExpiredAt(now: number): number {
    return now - this.#limits['idempotency.key.expiration.ms'];
  }

  /** What was appended then, or before, is of no interest. */
  allExpiredAt(now: number): number {
    return Math.min(this.producersExpiredAt(now), this.keysExpiredAt(now));
  }

  /** What was admitted has been noted, or never will be. */
  endGroup(): void {
    this.#admitted = 0;
  }

  /** One more producer is to be noted, should its group become part of the log. */
  admit(): void {
    this.#admitted++;
  }

  /** Why there is no room for one more producer; undefined where there is. */
  refusal(): SeglogError | undefined {
    return this.#fits(1) ? undefined : this.#full();
  }

  /** Takes room for so many keys, whoever else comes meanwhile. Throws THROTTLED. */
  takeRoom(count: number, now: number): Room {
    if (!this.#fits(count)) this.expire(now);
    if (!this.#fits(count)) throw this.#full();
    this.#reserved += count;
    return new Room(count, (given) => {
      this.#reserved -= given;
    });
  }

  #fits(count: number): boolean {
    const taken = this.#entries + this.#admitted + this.#reserved;
    return taken + count <= this.#limits['producer.state.max.entries'];
  }

  #full(): SeglogError {
    const limit = this.#limits['producer.state.max.entries'];
    return new SeglogError(
      'THROTTLED',
      `no more producers and idempotency keys can be remembered (producer.state.max.entries=${limit}): raise the setting, or wait ` +
        'until some have expired; nothing was stored',
      { setting: 'producer.state.max.entries', limit },
    );
  }

  /** Forgets whatever has expired; housekeeping asks for it. */
  expire(now: number): void {
    for (const holder of this.#holders) holder.expire(now);
  }

  knowsProducer(id: number): boolean {
    for (const holder of this.#holders) if (holder.knowsProducer(id)) return true;
    return false;
  }

  /** A partition remembers more, or less, than `before`. */
  count(holder: PartitionProducers, before: number): void {
    const { size } = holder;
    if (size === before) return;
    this.#entries += size - before;
    if (size > 0) this.#holders.add(holder);
    else this.#holders.delete(holder);
  }
}
