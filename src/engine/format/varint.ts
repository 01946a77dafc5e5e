/**
 * Integers of variable length in zigzag form, byte for byte as Kafka's ByteUtils and protobuf's sint.
 *
 * Seven bits a byte, the lowest first, the top bit set on all bytes but the last. Zigzag: the lowest
 * bit is the sign, the rest the magnitude `m`, where a value is `m` or `-m - 1`: small negative
 * numbers stay short. A *varint* has 32 bits (1 to 5 bytes). A *varlong* is 64 bits in Kafka; here it
 * is a safe integer (1 to 8 bytes), since no timestamp in memory is more.
 *
 * Nothing is read past a cursor's end: what is cut short, too long or too large is CORRUPT_MESSAGE.
 */
import { SeglogError } from '../common/errors.ts';

const TWO_28 = 2 ** 28;

/** A place in a buffer that moves on as integers are read; `end` is exclusive. */
export class ByteCursor {
  buffer: Buffer;
  at: number;
  end: number;

  constructor(buffer: Buffer, at = 0, end = buffer.length) {
    this.buffer = buffer;
    this.at = at;
    this.end = end;
  }
}

/** Bytes that a 32 bit integer takes. */
export function varintSize(value: number): number {
  const zigzag = ((value << 1) ^ (value >> 31)) >>> 0;
  if (zigzag < 0x80) return 1;
  if (zigzag < 0x4000) return 2;
  if (zigzag < 0x20_0000) return 3;
  return zigzag < TWO_28 ? 4 : 5;
}

/** Writes a 32 bit integer, for which there must be room; returns the position after it. */
export function writeVarint(buffer: Buffer, at: number, value: number): number {
  let rest = ((value << 1) ^ (value >> 31)) >>> 0;
  let position = at;
  while (rest >= 0x80) {
    buffer[position++] = rest | 0x80;
    rest >>>= 7;
  }
  buffer[position++] = rest;
  return position;
}

/** Bytes that a safe integer takes. */
export function varlongSize(value: number): number {
  if (value === (value | 0)) return varintSize(value);
  let rest = magnitudeOf(value) / 64;
  let size = 1;
  while (rest >= 1) {
    rest /= 128;
    size++;
  }
  return size;
}

/** Writes a safe integer, for which there must be room; returns the position after it. */
export function writeVarlong(buffer: Buffer, at: number, value: number): number {
  // What fits into 32 bits has the same bytes in both forms, and integer arithmetic is quicker.
  if (value === (value | 0)) return writeVarint(buffer, at, value);
  let rest = magnitudeOf(value);
  let low = (rest % 64) * 2 + (value < 0 ? 1 : 0);
  let position = at;
  rest = Math.floor(rest / 64);
  while (rest > 0) {
    buffer[position++] = low | 0x80;
    low = rest % 128;
    rest = Math.floor(rest / 128);
  }
  buffer[position++] = low;
  return position;
}

function magnitudeOf(value: number): number {
  return value < 0 ? -value - 1 : value;
}

/** Reads a 32 bit integer. */
export function readVarint(cursor: ByteCursor): number {
  // One or two bytes are nearly all there is; the function that has only these is inlined where it is called.
  const { buffer, at, end } = cursor;
  if (at < end) {
    const first = buffer[at]!;
    if (first < 0x80) {
      cursor.at = at + 1;
      return (first >>> 1) ^ -(first & 1);
    }
    const second = at + 1 < end ? buffer[at + 1]! : 0x80;
    if (second < 0x80) {
      cursor.at = at + 2;
      return (((first & 0x7f) | (second << 7)) >>> 1) ^ -(first & 1);
    }
  }
  return readLongVarint(cursor);
}

function readLongVarint(cursor: ByteCursor): number {
  const { buffer, end } = cursor;
  let at = cursor.at;
  let zigzag = 0;
  for (let shift = 0; shift < 35; shift += 7) {
    if (at >= end) throw malformed(cursor, 'is cut short');
    const byte = buffer[at++]!;
    zigzag |= (byte & 0x7f) << shift;
    if (byte < 0x80) {
      if (shift === 28 && byte > 0x0f) throw malformed(cursor, 'has more than 32 bits');
      cursor.at = at;
      return (zigzag >>> 1) ^ -(zigzag & 1);
    }
  }
  throw malformed(cursor, 'has more than 5 bytes');
}

/** Reads a safe integer. */
export function readVarlong(cursor: ByteCursor): number {
  const { buffer, end } = cursor;
  let at = cursor.at;
  let zigzag = 0;
  for (let shift = 0; shift < 28; shift += 7) {
    if (at >= end) throw malformed(cursor, 'is cut short');
    const byte = buffer[at++]!;
    zigzag |= (byte & 0x7f) << shift;
    if (byte < 0x80) {
      cursor.at = at;
      return (zigzag >>> 1) ^ -(zigzag & 1);
    }
  }
  return readLongVarlong(cursor, at, zigzag);
}

/** Goes on behind the first 28 bits, of which one is the sign, where bitwise operators no longer do. */
function readLongVarlong(cursor: ByteCursor, from: number, low: number): number {
  const { buffer, end } = cursor;
  let at = from;
  let magnitude = low >>> 1;
  let unit = TWO_28 / 2;
  for (let count = 4; count < 10; count++) {
    if (at >= end) throw malformed(cursor, 'is cut short');
    const byte = buffer[at++]!;
    magnitude += (byte & 0x7f) * unit;
    unit *= 128;
    if (byte < 0x80) {
      const value = (low & 1) === 0 ? magnitude : -magnitude - 1;
      if (!Number.isSafeInteger(value)) throw malformed(cursor, 'is not a safe integer');
      cursor.at = at;
      return value;
    }
  }
  throw malformed(cursor, 'has more than 10 bytes');
}

function malformed(cursor: ByteCursor, what: string): SeglogError {
  return new SeglogError('CORRUPT_MESSAGE', `the integer of variable length at byte ${cursor.at} ${what}`, {
    position: cursor.at,
  });
}
