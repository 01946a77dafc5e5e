/**
 * 64 bit integers on disk, safe integers in memory: what does not fit is refused, never rounded.
 *
 * All are little-endian and, signed ones, in two's complement. They are handled as two halves of 32
 * bits: a BigInt would cost an allocation for every field of every batch.
 */
const TWO_32 = 2 ** 32;

/** Writes an unsigned integer; RangeError unless it is a safe integer ≥ 0 and there is room for it. */
export function writeU64(buffer: Buffer, at: number, value: number): void {
  if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`${value} is not a safe integer ≥ 0`);
  buffer.writeUInt32LE(value >>> 0, at);
  buffer.writeUInt32LE(Math.floor(value / TWO_32), at + 4);
}

/** Reads an unsigned integer; NaN when it is larger than a safe integer, RangeError past the buffer's end. */
export function readU64(buffer: Buffer, at: number): number {
  const high = buffer.readUInt32LE(at + 4);
  return high < 0x20_0000 ? high * TWO_32 + buffer.readUInt32LE(at) : Number.NaN;
}

/** Writes a signed integer; RangeError unless it is a safe integer and there is room for it. */
export function writeI64(buffer: Buffer, at: number, value: number): void {
  if (!Number.isSafeInteger(value)) throw new RangeError(`${value} is not a safe integer`);
  buffer.writeUInt32LE(value >>> 0, at);
  buffer.writeInt32LE(Math.floor(value / TWO_32), at + 4);
}

/** Reads a signed integer; NaN when it is not a safe integer, RangeError past the buffer's end. */
export function readI64(buffer: Buffer, at: number): number {
  const value = buffer.readInt32LE(at + 4) * TWO_32 + buffer.readUInt32LE(at);
  return Number.isSafeInteger(value) ? value : Number.NaN;
}
