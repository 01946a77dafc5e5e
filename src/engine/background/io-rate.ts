/**
 * One limit for the bytes that all threads in the background read and write in a second.
 *
 * All of them share one number: the time at which the next byte may be moved, had nobody moved faster than allowed (GCRA).
 * Who moves bytes sets it forward by what they cost, in one atomic step, and waits until the time that it found there. The
 * first bytes after a pause need not wait, so short work is done at once, and the average is kept.
 *
 * Times are microseconds of a clock that all threads have in common. Safe for concurrent use.
 */

/** How far the time may lag: so much may be moved at once after a pause, or after waits that took longer than asked for. */
const BURST_US = 50_000n;
const LONG_AGO = -(2n ** 62n);

export class IoRate {
  /** For the other threads. */
  readonly shared: SharedArrayBuffer;
  readonly bytesPerSecond: number;
  readonly #next: BigInt64Array;

  /** 0 bytes a second, or fewer, is no limit. Without `shared` it is a new limit. */
  constructor(bytesPerSecond: number, shared?: SharedArrayBuffer) {
    this.bytesPerSecond = bytesPerSecond;
    this.shared = shared ?? new SharedArrayBuffer(BigInt64Array.BYTES_PER_ELEMENT);
    this.#next = new BigInt64Array(this.shared);
    if (shared === undefined) Atomics.store(this.#next, 0, LONG_AGO);
  }

  /** Takes its turn for so many bytes; returns how long to wait for it, in microseconds. */
  take(bytes: number, now: bigint): bigint {
    if (this.bytesPerSecond <= 0) return 0n;
    const cost = BigInt(Math.ceil((bytes * 1e6) / this.bytesPerSecond));
    for (;;) {
      const next = Atomics.load(this.#next, 0);
      const turn = next > now - BURST_US ? next : now - BURST_US;
      if (Atomics.compareExchange(this.#next, 0, next, turn + cost) !== next) continue;
      return turn > now ? turn - now : 0n;
    }
  }
}
