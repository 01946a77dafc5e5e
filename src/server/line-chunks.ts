/**
 * LineChunks: cuts a stream into chunks of whole lines, of CHUNK_BYTES at most where no line is longer.
 *
 * Where it cuts depends on the bytes alone, not on the pieces that they came in: the same stream is always cut alike. A line
 * longer than `maxLineBytes` is passed over without being held, and reported in its place.
 *
 * What comes is copied into one buffer, which is counted against the budget of all bodies: pieces may be of a single byte,
 * and would take a hundred times as much.
 */
import { giveBuffer, takeBuffer } from './buffer-pool.ts';
import type { ByteBudget } from './byte-budget.ts';

const NEWLINE = 0x0a;
export const CHUNK_BYTES = 1024 * 1024;
const FIRST_CAPACITY = 64 * 1024;
const NOTHING = Buffer.alloc(0);

/** Whole lines, valid until the buffer is filled again; or one line that was too long, without its bytes. */
export type LineChunk = Buffer | 'too long';

export class LineChunks {
  readonly #maxLineBytes: number;
  readonly #budget: ByteBudget;
  #buffer: Buffer = NOTHING;
  #capacity = 0;
  #start = 0;
  #end = 0;
  /** No line ends before it. */
  #searched = 0;
  /** Inside a line that is too long. */
  #skipping = false;

  constructor(maxLineBytes: number, budget: ByteBudget) {
    this.#maxLineBytes = maxLineBytes;
    this.#budget = budget;
  }

  /**
   * Takes bytes of `piece` from `at` on, as many as there is room for; the position behind them. Then `next` is asked until it
   * gives nothing. @throws HttpProblem overloaded.
   */
  fill(piece: Buffer, at: number): number {
    if (this.#end === this.#capacity) this.#makeRoom(piece.length - at);
    const copied = piece.copy(this.#buffer, this.#end, at, at + this.#capacity - this.#end);
    this.#end += copied;
    return at + copied;
  }

  /** The next chunk, once there is enough to know where it ends. */
  next(): LineChunk | undefined {
    if (this.#skipping) this.#skipLine();
    if (this.#end - this.#start < CHUNK_BYTES) return undefined;
    const last = this.#buffer.lastIndexOf(NEWLINE, this.#start + CHUNK_BYTES - 1);
    return last >= this.#start ? this.#take(last + 1) : this.#longLine();
  }

  /** What is left at the end of the stream. */
  rest(): LineChunk | undefined {
    if (this.#end === this.#start) return undefined;
    return this.#end - this.#start < CHUNK_BYTES ? this.#take(this.#end) : this.#longLine(true);
  }

  /** Gives the memory back. */
  close(): void {
    giveBuffer(this.#buffer);
    this.#budget.release(this.#capacity);
    this.#buffer = NOTHING;
    this.#capacity = 0;
    this.#start = 0;
    this.#end = 0;
  }

  /** A line of more than CHUNK_BYTES, if its end has come. */
  #longLine(isLast = false): LineChunk | undefined {
    const from = Math.max(this.#searched, this.#start + CHUNK_BYTES);
    const newline = this.#buffer.subarray(0, this.#end).indexOf(NEWLINE, from);
    const end = newline < 0 ? this.#end : newline + 1;
    this.#searched = end;
    if (end - this.#start > this.#maxLineBytes) {
      this.#start = end;
      this.#skipping = newline < 0;
      return 'too long';
    }
    return newline < 0 && !isLast ? undefined : this.#take(end);
  }

  #skipLine(): void {
    const newline = this.#buffer.subarray(0, this.#end).indexOf(NEWLINE, this.#start);
    this.#start = newline < 0 ? this.#end : newline + 1;
    this.#skipping = newline < 0;
  }

  #take(end: number): Buffer {
    const chunk = this.#buffer.subarray(this.#start, end);
    this.#start = end;
    return chunk;
  }

  /** Moves what is left to the begin of the buffer, or of a larger one. */
  #makeRoom(wanted: number): void {
    const held = this.#end - this.#start;
    if (held === this.#capacity) this.#grow(held, wanted);
    else this.#buffer.copyWithin(0, this.#start, this.#end);
    this.#searched = Math.max(0, this.#searched - this.#start);
    this.#start = 0;
    this.#end = held;
  }

  #grow(held: number, wanted: number): void {
    const least = Math.max(FIRST_CAPACITY, held < CHUNK_BYTES ? Math.min(held + wanted, CHUNK_BYTES) : 0);
    const capacity = Math.max(least, 2 * this.#capacity);
    this.#budget.take(capacity - this.#capacity);
    const larger = takeBuffer(capacity);
    this.#buffer.copy(larger, 0, this.#start, this.#end);
    giveBuffer(this.#buffer);
    this.#buffer = larger;
    this.#capacity = capacity;
  }
}
