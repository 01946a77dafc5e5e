/**
 * Bytes that were accepted but are not yet acknowledged: bounded per partition and in all, so that
 * memory is bounded whatever clients do. Who comes when it is used up waits its turn.
 */
import type { Clock } from '../common/clock.ts';
import { SeglogError } from '../common/errors.ts';

/** The bytes in flight of one partition; part of the partition, known to the budget only while in use. */
export interface PartitionFlight {
  inFlightBytes: number;
}

interface Waiter {
  flight: PartitionFlight;
  bytes: number;
  admit(): void;
  refuse(error: SeglogError): void;
}

export interface InFlightLimits {
  readonly totalBytes: number;
  readonly partitionBytes: number;
  readonly waitMs: number;
}

export class InFlightBudget {
  #used = 0;
  #waiters: Waiter[] = [];
  readonly #limits: InFlightLimits;
  readonly #clock: Clock;

  constructor(limits: InFlightLimits, clock: Clock) {
    this.#limits = limits;
    this.#clock = clock;
  }

  get usedBytes(): number {
    return this.#used;
  }

  /** Takes the bytes if they are free now and nobody waits for them. */
  tryTake(flight: PartitionFlight, bytes: number): boolean {
    if (this.#waiters.length > 0 || !this.#fits(flight, bytes)) return false;
    this.#take(flight, bytes);
    return true;
  }

  /** Waits for the bytes; THROTTLED after the longest wait, REQUEST_TIMED_OUT when `signal` aborts. */
  take(flight: PartitionFlight, bytes: number, signal?: AbortSignal): Promise<void> {
    if (this.tryTake(flight, bytes)) return Promise.resolve();
    if (this.#limits.waitMs === 0) return Promise.reject(this.#throttled());
    if (signal?.aborted) return Promise.reject(givenUp());
    return new Promise((resolve, reject) => {
      const settle = () => {
        cancelTimer();
        signal?.removeEventListener('abort', onAbort);
      };
      const waiter: Waiter = {
        flight,
        bytes,
        admit: () => {
          settle();
          resolve();
        },
        refuse: (error) => {
          settle();
          this.#waiters = this.#waiters.filter((other) => other !== waiter);
          reject(error);
          this.#admitWaiters();
        },
      };
      const onAbort = () => waiter.refuse(givenUp());
      const cancelTimer = this.#clock.after(this.#limits.waitMs, () => waiter.refuse(this.#throttled()));
      signal?.addEventListener('abort', onAbort, { once: true });
      this.#waiters.push(waiter);
    });
  }

  give(flight: PartitionFlight, bytes: number): void {
    this.#used -= bytes;
    flight.inFlightBytes -= bytes;
    if (this.#waiters.length > 0) this.#admitWaiters();
  }

  #take(flight: PartitionFlight, bytes: number): void {
    this.#used += bytes;
    flight.inFlightBytes += bytes;
  }

  /** A batch that is larger than a whole budget goes through alone, else it could never go. */
  #fits(flight: PartitionFlight, bytes: number): boolean {
    return this.#fitsTotal(bytes) && this.#fitsPartition(flight, bytes);
  }

  #fitsTotal(bytes: number): boolean {
    return this.#used === 0 || this.#used + bytes <= this.#limits.totalBytes;
  }

  #fitsPartition(flight: PartitionFlight, bytes: number): boolean {
    return flight.inFlightBytes === 0 || flight.inFlightBytes + bytes <= this.#limits.partitionBytes;
  }

  /** In order of arrival; a waiter held up by its own partition alone does not hold up the others. */
  #admitWaiters(): void {
    const blocked = new Set<PartitionFlight>();
    const admitted: Waiter[] = [];
    const left: Waiter[] = [];
    let totalExhausted = false;
    for (const waiter of this.#waiters) {
      totalExhausted ||= !this.#fitsTotal(waiter.bytes);
      if (totalExhausted || blocked.has(waiter.flight) || !this.#fitsPartition(waiter.flight, waiter.bytes)) {
        blocked.add(waiter.flight);
        left.push(waiter);
      } else {
        this.#take(waiter.flight, waiter.bytes);
        admitted.push(waiter);
      }
    }
    this.#waiters = left;
    for (const waiter of admitted) waiter.admit();
  }

  #throttled(): SeglogError {
    return new SeglogError(
      'THROTTLED',
      `too many bytes in flight: ${this.#used} of max.in.flight.bytes=${this.#limits.totalBytes} ` +
        `(max.in.flight.partition.bytes=${this.#limits.partitionBytes}); retry later or raise the setting`,
      { setting: 'max.in.flight.bytes' },
    );
  }
}

function givenUp(): SeglogError {
  return new SeglogError(
    'REQUEST_TIMED_OUT',
    'the append was given up while it waited for memory; nothing was stored',
  );
}
