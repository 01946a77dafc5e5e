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
const ONES = 0x01010101;
const SPACES = 0x20202020;
const QUOTES = 0x22222222;
const BACKSLASHES = 0x5c5c5c5c;

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
  #view: DataView | undefined;
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
      writeEscaped(out, source, this.#view!, rest, end);
    }
    out.byte(QUOTE);
    return true;
  }

  /** Position of the first quote or backslash, `end` when there is none before it. */
  #firstSpecial(source: Buffer, start: number, end: number): number {
    if (source !== this.#chunk || start < this.#start) {
      this.#chunk = source;
      this.#view = new DataView(source.buffer, source.byteOffset, source.length);
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

/** Valid UTF-8 with escapes where JSON wants them: eight bytes at a time as long as none of them needs one. */
function writeEscaped(out: OutputBuffer, source: Buffer, view: DataView, start: number, end: number): void {
  out.reserve((end - start) * MAX_ESCAPE_BYTES + 1);
  const target = out.view;
  let at = out.length;
  let i = start;
  while (i < end) {
    for (const last = end - 8; i <= last; i += 8) {
      const low = view.getInt32(i, true);
      const high = view.getInt32(i + 4, true);
      if (((mayNeedEscape(low) | mayNeedEscape(high)) & HIGH_BITS) !== 0) break;
      target.setInt32(at, low, true);
      target.setInt32(at + 4, high, true);
      at += 8;
    }
    for (const stop = Math.min(end, i + 8); i < stop; i++) at = writeByte(out.bytes, at, source[i]!);
  }
  out.length = at;
}

/** The top bit of each byte that is a control character, a quote or a backslash, and of some bytes above such a one. */
function mayNeedEscape(word: number): number {
  const quotes = word ^ QUOTES;
  const backslashes = word ^ BACKSLASHES;
  return ((word - SPACES) & ~word) | ((quotes - ONES) & ~quotes) | ((backslashes - ONES) & ~backslashes);
}

function writeByte(target: Buffer, at: number, byte: number): number {
  const letter = ESCAPES[byte]!;
  if (letter === 0) {
    target[at] = byte;
    return at + 1;
  }
  target[at] = BACKSLASH;
  if (letter !== 1) {
    target[at + 1] = letter;
    return at + 2;
  }
  target[at + 1] = 0x75;
  target[at + 2] = 0x30;
  target[at + 3] = 0x30;
  target[at + 4] = HEX_DIGITS[byte >> 4]!;
  target[at + 5] = HEX_DIGITS[byte & 15]!;
  return at + MAX_ESCAPE_BYTES;
}
