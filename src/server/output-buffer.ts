/**
 * A growing Buffer that answers are written into, straight from the bytes of batches: constants, numbers,
 * timestamps, base64 and raw bytes. `take()` hands over what was written; the next answer begins anew.
 *
 * A writer on a hot path calls `reserve` once for all that it is about to write and then uses the methods
 * that say "reserved": they check nothing.
 */

import { formatTimestamp, hasUsualLength, TIMESTAMP_BYTES, writeTimestamp } from '../query/index.ts';
import { giveBuffer, takeBuffer } from './buffer-pool.ts';

/** A constant piece of an answer, as words that are written four bytes at a time. */
export class Constant {
  readonly words: Int32Array;
  readonly length: number;

  constructor(bytes: Uint8Array | string) {
    const padded = Buffer.alloc(Math.ceil(bytes.length / 4) * 4);
    padded.set(Buffer.from(bytes as string, 'latin1'));
    this.length = bytes.length;
    this.words = Int32Array.from({ length: padded.length / 4 }, (_, i) => padded.readInt32LE(i * 4));
  }
}

/** Room that writing whole words may touch behind the end. */
const SLACK_BYTES = 8;
const MAX_INTEGER_BYTES = 17;
const SMALL_BYTES = 32 * 1024;
const NO_BYTES = Buffer.alloc(0);

/** The timestamp written last: records in a row often share it. */
let lastTimestamp = Number.NaN;
const lastTimestampBytes = new Uint8Array(TIMESTAMP_BYTES);
const lastTimestampView = new DataView(lastTimestampBytes.buffer);

export class OutputBuffer {
  bytes: Buffer;
  view: DataView;
  /** The end of what was written. */
  length = 0;

  readonly #capacity: number;

  /** Begins with this capacity, once the first byte is written. */
  constructor(capacity: number) {
    this.#capacity = capacity;
    this.bytes = NO_BYTES;
    this.view = viewOf(NO_BYTES);
  }

  /** What was written, as bytes that belong to the caller until it gives them to `giveBuffer`. The buffer is empty then. */
  take(): Buffer {
    const taken = this.bytes.subarray(0, this.length);
    this.bytes = NO_BYTES;
    this.view = viewOf(NO_BYTES);
    this.length = 0;
    return taken;
  }

  /** As `take`, but a small answer as bytes of its own size: it must not keep a large buffer waiting for its client. */
  takeAll(): { bytes: Buffer; pooled: boolean } {
    const bytes = this.take();
    if (bytes.length > SMALL_BYTES) return { bytes, pooled: true };
    const copy = Buffer.from(bytes);
    giveBuffer(bytes);
    return { bytes: copy, pooled: false };
  }

  /** Gives back the memory of what nobody took. */
  release(): void {
    giveBuffer(this.take());
  }

  /** Forgets what was written after `length`. */
  truncate(length: number): void {
    this.length = length;
  }

  /** Makes room for `more` bytes. */
  reserve(more: number): void {
    const needed = this.length + more + SLACK_BYTES;
    if (needed <= this.bytes.length) return;
    const grown = takeBuffer(
      Math.max(this.bytes.length === 0 ? this.#capacity : this.bytes.length * 2, needed),
    );
    this.bytes.copy(grown, 0, 0, this.length);
    giveBuffer(this.bytes);
    this.bytes = grown;
    this.view = viewOf(grown);
  }

  /** Reserved. */
  constant({ words, length }: Constant): void {
    const { view } = this;
    const at = this.length;
    for (let i = 0; i < words.length; i++) view.setInt32(at + i * 4, words[i]!, true);
    this.length = at + length;
  }

  /** Reserved: a safe integer in decimal digits. */
  integer(value: number): void {
    if (value < 0 || value > 0x7fffffff) {
      this.length += this.bytes.write(String(value), this.length, 'latin1');
      return;
    }
    let digits = 1;
    for (let limit = 10; value >= limit; limit *= 10) digits++;
    const { bytes } = this;
    let rest = value | 0;
    for (let i = this.length + digits - 1; i >= this.length; i--) {
      const next = (rest / 10) | 0;
      bytes[i] = 0x30 + rest - next * 10;
      rest = next;
    }
    this.length += digits;
  }

  /** Reserved: ISO 8601 with milliseconds, without quotes. */
  timestamp(ms: number): void {
    if (!hasUsualLength(ms)) {
      this.length += this.bytes.write(formatTimestamp(ms), this.length, 'latin1');
      return;
    }
    if (ms !== lastTimestamp) {
      writeTimestamp(lastTimestampBytes, 0, ms);
      lastTimestamp = ms;
    }
    const { view } = this;
    const at = this.length;
    for (let i = 0; i < TIMESTAMP_BYTES; i += 4)
      view.setInt32(at + i, lastTimestampView.getInt32(i, true), true);
    this.length = at + TIMESTAMP_BYTES;
  }

  /** Reserved: copies `source` from `start` to `end`. */
  copy(source: Buffer, start: number, end: number): void {
    if (end - start > COPY_LOOP_BYTES) {
      this.length += source.copy(this.bytes, this.length, start, end);
      return;
    }
    const { bytes } = this;
    let at = this.length;
    for (let i = start; i < end; i++) bytes[at++] = source[i]!;
    this.length = at;
  }

  byte(value: number): void {
    this.reserve(1);
    this.bytes[this.length++] = value;
  }

  append(bytes: Uint8Array): void {
    this.reserve(bytes.length);
    this.bytes.set(bytes, this.length);
    this.length += bytes.length;
  }

  text(value: string): void {
    this.reserve(value.length * 3);
    this.length += this.bytes.write(value, this.length, 'utf8');
  }

  /** Base64 in quotes. */
  base64(source: Buffer, start: number, end: number): void {
    this.reserve(Math.ceil((end - start) / 3) * 4 + 2);
    this.bytes[this.length++] = 0x22;
    this.length += this.bytes.write(source.toString('base64', start, end), this.length, 'latin1');
    this.bytes[this.length++] = 0x22;
  }

  uint32(value: number): void {
    this.reserve(4);
    this.view.setUint32(this.length, value);
    this.length += 4;
  }

  double(value: number): void {
    this.reserve(8);
    this.view.setFloat64(this.length, value);
    this.length += 8;
  }
}

/** Up to this size a loop is quicker than a call of Buffer's copy. */
const COPY_LOOP_BYTES = 24;

/** What `integer` and `timestamp` need at most. */
export const NUMBER_BYTES = MAX_INTEGER_BYTES + 27;

function viewOf(bytes: Buffer): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}
