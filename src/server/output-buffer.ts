/**
 * A growing Buffer that answers are written into: text, numbers, JSON strings, base64 and raw bytes,
 * straight from the bytes of batches. `take()` hands over what was written; the next answer begins anew.
 */
import { isUtf8 } from 'node:buffer';
import { hasSpecial } from './json-scanner.ts';
import { formatTimestamp, hasUsualLength, TIMESTAMP_BYTES, writeTimestamp } from './timestamps.ts';

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** The letter of a short escape, 1 for bytes that need \u00xx, 0 for plain ones. */
const ESCAPES = new Uint8Array(256);
ESCAPES.fill(1, 0, 0x20);
for (const [byte, letter] of [
  [QUOTE, '"'],
  [BACKSLASH, '\\'],
  [8, 'b'],
  [9, 't'],
  [10, 'n'],
  [12, 'f'],
  [13, 'r'],
] as const) {
  ESCAPES[byte] = letter.charCodeAt(0);
}

const HEX_DIGITS = Buffer.from('0123456789abcdef');

/** Up to this size a loop is quicker than a call of Buffer's copy. */
const COPY_LOOP_BYTES = 48;

export class OutputBuffer {
  #bytes: Buffer;
  #view: DataView;
  #at = 0;

  constructor(capacity: number) {
    this.#bytes = Buffer.allocUnsafeSlow(capacity);
    this.#view = viewOf(this.#bytes);
  }

  get length(): number {
    return this.#at;
  }

  /** What was written so far, as a view that is valid until the next write. */
  view(): Buffer {
    return this.#bytes.subarray(0, this.#at);
  }

  /** What was written, as bytes that belong to the caller. */
  take(): Buffer {
    const taken = this.#bytes.subarray(0, this.#at);
    this.#bytes = Buffer.allocUnsafeSlow(this.#bytes.length);
    this.#view = viewOf(this.#bytes);
    this.#at = 0;
    return taken;
  }

  /** Forgets what was written after `length`. */
  truncate(length: number): void {
    this.#at = length;
  }

  #ensure(more: number): void {
    if (this.#at + more <= this.#bytes.length) return;
    const grown = Buffer.allocUnsafeSlow(Math.max(this.#bytes.length * 2, this.#at + more));
    this.#bytes.copy(grown, 0, 0, this.#at);
    this.#bytes = grown;
    this.#view = viewOf(grown);
  }

  byte(value: number): void {
    this.#ensure(1);
    this.#bytes[this.#at++] = value;
  }

  /** Copies `source` from `start` to `end`. */
  bytes(source: Uint8Array, start = 0, end = source.length): void {
    const length = end - start;
    this.#ensure(length);
    const target = this.#bytes;
    const at = this.#at;
    if (length > COPY_LOOP_BYTES) target.set(source.subarray(start, end), at);
    else for (let i = 0; i < length; i++) target[at + i] = source[start + i]!;
    this.#at = at + length;
  }

  text(value: string): void {
    this.#ensure(value.length * 3);
    this.#at += this.#bytes.write(value, this.#at, 'utf8');
  }

  /** A safe integer in decimal digits. */
  integer(value: number): void {
    if (value < 0 || value > 0xffffffff) {
      this.text(String(value));
      return;
    }
    this.#ensure(10);
    let digits = 1;
    for (let limit = 10; value >= limit && digits < 10; limit *= 10) digits++;
    let rest = value;
    for (let i = this.#at + digits - 1; i >= this.#at; i--) {
      const next = Math.floor(rest / 10);
      this.#bytes[i] = 0x30 + rest - next * 10;
      rest = next;
    }
    this.#at += digits;
  }

  /** ISO 8601 with milliseconds, without quotes. */
  timestamp(ms: number): void {
    if (!hasUsualLength(ms)) {
      this.text(formatTimestamp(ms));
      return;
    }
    this.#ensure(TIMESTAMP_BYTES);
    writeTimestamp(this.#bytes, this.#at, ms);
    this.#at += TIMESTAMP_BYTES;
  }

  /** A JSON string of UTF-8 bytes; false, and nothing written, when they are not valid UTF-8. */
  jsonString(source: Buffer, start: number, end: number): boolean {
    const length = end - start;
    this.#ensure(length + 2);
    const from = this.#at;
    this.#bytes[from] = QUOTE;
    this.#at = from + 1;
    this.bytes(source, start, end);
    const plain = this.#plainAsciiEnd(from + 1, this.#at);
    if (plain < this.#at) {
      if (!isUtf8(source.subarray(start + plain - from - 1, end))) {
        this.#at = from;
        return false;
      }
      this.#at = plain;
      this.#escaped(source, start + plain - from - 1, end);
    }
    this.byte(QUOTE);
    return true;
  }

  /** Where the first byte stands that must be escaped or looked at: eight at a time, then one by one. */
  #plainAsciiEnd(start: number, end: number): number {
    let at = start;
    const view = this.#view;
    for (const last = end - 8; at <= last; at += 8) {
      const low = view.getInt32(at, true);
      const high = view.getInt32(at + 4, true);
      if (((low | high) & 0x80808080) !== 0 || hasSpecial(low) || hasSpecial(high)) break;
    }
    const bytes = this.#bytes;
    while (at < end && bytes[at]! < 0x80 && ESCAPES[bytes[at]!] === 0) at++;
    return at;
  }

  /** Valid UTF-8 with escapes where JSON wants them. */
  #escaped(source: Buffer, start: number, end: number): void {
    // The longest escape has six bytes; room for all of them saves a check for each.
    this.#ensure((end - start) * 6 + 1);
    const target = this.#bytes;
    let at = this.#at;
    for (let i = start; i < end; i++) {
      const byte = source[i]!;
      const letter = ESCAPES[byte]!;
      if (letter === 0) {
        target[at++] = byte;
        continue;
      }
      target[at++] = BACKSLASH;
      if (letter !== 1) {
        target[at++] = letter;
        continue;
      }
      target[at] = 0x75;
      target[at + 1] = 0x30;
      target[at + 2] = 0x30;
      target[at + 3] = HEX_DIGITS[byte >> 4]!;
      target[at + 4] = HEX_DIGITS[byte & 15]!;
      at += 5;
    }
    this.#at = at;
  }

  /** Base64 in quotes. */
  base64(source: Buffer, start: number, end: number): void {
    this.#ensure(Math.ceil((end - start) / 3) * 4 + 2);
    this.#bytes[this.#at++] = QUOTE;
    this.#at += this.#bytes.write(source.toString('base64', start, end), this.#at, 'latin1');
    this.#bytes[this.#at++] = QUOTE;
  }

  uint32(value: number): void {
    this.#ensure(4);
    this.#at = this.#bytes.writeUInt32BE(value, this.#at);
  }

  patchByte(position: number, value: number): void {
    this.#bytes[position] = value;
  }

  /** Overwrites four bytes that were written before. */
  patchUint32(position: number, value: number): void {
    this.#bytes.writeUInt32BE(value, position);
  }

  double(value: number): void {
    this.#ensure(8);
    this.#at = this.#bytes.writeDoubleBE(value, this.#at);
  }
}

function viewOf(bytes: Buffer): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}
