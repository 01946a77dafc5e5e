/**
 * Decides of the reads of one file which are done at once and which go through the thread pool.
 *
 * From the page cache 256 KiB are copied in 15 µs; the way through the pool costs the event loop 50 µs, to wake a thread and
 * to be told by it. With the disk it is the other way round. Nobody says which of both a read will meet, but those of one
 * file are mostly alike: as long as they are quick they are done at once. One that was not sends the next ones to the pool,
 * twice as many each time that a try at once was slow again.
 *
 * How much is read at once before the event loop has another turn is bounded, so that a long scan does not keep it to itself.
 */

const LARGEST_BYTES = 1024 * 1024;
const BYTES_A_TURN = 4 * 1024 * 1024;
/** No copy takes that long, unless others have the processor. */
const SLOW_MS = 1;
const FEWEST_ASIDE = 16;
const MOST_ASIDE = 4096;

/** Bytes of all files that were read at once since the event loop had a turn. */
let bytesThisTurn = 0;

export class ReadPace {
  /** Reads that go to the pool before one is tried at once again. */
  #aside = 0;
  /** The same after the next slow one. */
  #nextAside = FEWEST_ASIDE;

  /** Whether a read of so many bytes is to be done at once; `took` says then how long that took. */
  atOnce(bytes: number): boolean {
    if (this.#aside > 0) {
      this.#aside--;
      return false;
    }
    if (bytes > LARGEST_BYTES || bytesThisTurn + bytes > BYTES_A_TURN) return false;
    if (bytesThisTurn === 0) setImmediate(beginTurn);
    bytesThisTurn += bytes;
    return true;
  }

  took(ms: number): void {
    if (ms < SLOW_MS) {
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
