/**
 * Decides of the reads, or of the writes, of one file which are done at once and which go through the thread pool.
 *
 * To and from the page cache 256 KiB are copied in 15 µs (reads) to 80 µs (writes); the way through the pool costs the event
 * loop 50 µs, and more when it is busy, to wake a thread and to be told by it. With the disk it is the other way round.
 * Nobody says which of both a call will meet, but those of one file are mostly alike: as long as they are quick they are
 * done at once. One that was not sends the next ones to the pool, twice as many each time that a try was slow again.
 *
 * How much is done at once before the event loop has another turn is bounded, so that a long scan does not keep it to itself.
 */

const BYTES_A_TURN = 8 * 1024 * 1024;
/** Copies take that long only when others have the processor. */
const SLOW_MS = 1;
const SLOW_MS_PER_MIB = 1;
const FEWEST_ASIDE = 16;
const MOST_ASIDE = 4096;

/** Bytes of all files that were copied at once since the event loop had a turn. */
let bytesThisTurn = 0;

export class Pace {
  readonly #largestBytes: number;
  /** Calls that go to the pool before one is tried at once again. */
  #aside = 0;
  /** The same after the next slow one. */
  #nextAside = FEWEST_ASIDE;

  /** Calls with more bytes always go to the pool. */
  constructor(largestBytes: number) {
    this.#largestBytes = largestBytes;
  }

  /** Whether a call with so many bytes is to be made at once; `took` says then how long it took. */
  atOnce(bytes: number): boolean {
    if (this.#aside > 0) {
      this.#aside--;
      return false;
    }
    if (bytes > this.#largestBytes || bytesThisTurn + bytes > BYTES_A_TURN) return false;
    if (bytesThisTurn === 0) setImmediate(beginTurn);
    bytesThisTurn += bytes;
    return true;
  }

  took(ms: number, bytes: number): void {
    if (ms < SLOW_MS + (SLOW_MS_PER_MIB * bytes) / 2 ** 20) {
      this.#nextAside = Math.max(FEWEST_ASIDE, this.#nextAside / 2);
    } else {
      this.#aside = this.#nextAside;
      this.#nextAside = Math.min(MOST_ASIDE, this.#nextAside * 2);
    }
  }
}

function beginTurn(): void {
  bytesThisTurn = 0;
}
