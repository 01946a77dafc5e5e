/**
 * Writes bytes as JSON strings. Most text needs no escape and no second look, and that is what has to be
 * quick: quotes and backslashes are looked for with native searches that run ahead over the whole chunk,
 * so what is left for the loop is to see that no byte is a control character or beyond ASCII.
 */
import { isUtf8 } from 'node:buffer';
import type { OutputBuffer } from './output-buffer.ts';

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const HIGH_BITS = 0x80808080 | 0;
const SPACES = 0x20202020;

/** The letter of a short escape, 1 for bytes that need \u00xx, 0 for plain ones. */
const ESCAPES = new Uint8Array(256);
ESCAPES.fill(1, 0, 0x20);
for (const [byte, letter] of [
  [QUOTE, '"'],
  [BACKSLASH, '\\'],
  [0x08, 'b'],
  [0x09, 't'],
  [0x0a, 'n'],
  [0x0c, 'f'],
  [0x0d, 'r'],
] as const) {
  ESCAPES[byte] = letter.charCodeAt(0);
}
const HEX_DIGITS = Buffer.from('0123456789abcdef');
const MAX_ESCAPE_BYTES = 6;

export class JsonStringWriter {
  #chunk: Buffer | undefined;
  /** Where the last search began, and what lies ahead of it. */
  #start = 0;
  #nextQuote = 0;
  #nextBackslash = 0;

  /** Writes `source` from `start` to `end` in quotes; false, and nothing written, when it is not valid UTF-8. */
  write(out: OutputBuffer, source: Buffer, start: number, end: number): boolean {
    out.reserve(end - start + 2);
    const opening = out.length;
    out.bytes[opening] = QUOTE;
    out.length = opening + 1;
    out.copy(source, start, end);
    const plain = plainAsciiEnd(
      out,
      opening + 1,
      opening + 1 + this.#firstSpecial(source, start, end) - start,
    );
    if (plain < out.length) {
      const rest = start + plain - opening - 1;
      if (!isUtf8(source.subarray(rest, end))) {
        out.length = opening;
        return false;
      }
      out.length = plain;
      writeEscaped(out, source, rest, end);
    }
    out.byte(QUOTE);
    return true;
  }

  /** Position of the first quote or backslash, `end` when there is none before it. */
  #firstSpecial(source: Buffer, start: number, end: number): number {
    if (source !== this.#chunk || start < this.#start) {
      this.#chunk = source;
      this.#nextQuote = -1;
      this.#nextBackslash = -1;
    }
    this.#start = start;
    if (this.#nextQuote < start) this.#nextQuote = find(source, QUOTE, start);
    if (this.#nextBackslash < start) this.#nextBackslash = find(source, BACKSLASH, start);
    return Math.min(this.#nextQuote, this.#nextBackslash, end);
  }
}

function find(source: Buffer, byte: number, start: number): number {
  const found = source.indexOf(byte, start);
  return found < 0 ? Number.MAX_SAFE_INTEGER : found;
}

/** Where the first control character or byte beyond ASCII stands: sixteen at a time, then one by one. */
function plainAsciiEnd({ bytes, view }: OutputBuffer, start: number, end: number): number {
  let at = start;
  for (const last = end - 16; at <= last; at += 16) {
    const a = view.getInt32(at, true);
    const b = view.getInt32(at + 4, true);
    const c = view.getInt32(at + 8, true);
    const d = view.getInt32(at + 12, true);
    // Subtracting leaves the top bit of bytes below a space; a borrow only ever comes from such a byte.
    const below = (a - SPACES) | (b - SPACES) | (c - SPACES) | (d - SPACES);
    if (((below | a | b | c | d) & HIGH_BITS) !== 0) break;
  }
  while (at < end && bytes[at]! >= 0x20 && bytes[at]! < 0x80) at++;
  return at;
}

/** Valid UTF-8 with escapes where JSON wants them. */
function writeEscaped(out: OutputBuffer, source: Buffer, start: number, end: number): void {
  out.reserve((end - start) * MAX_ESCAPE_BYTES + 1);
  const target = out.bytes;
  let at = out.length;
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
    at += MAX_ESCAPE_BYTES - 1;
  }
  out.length = at;
}
