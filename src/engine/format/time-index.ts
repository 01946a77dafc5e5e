/**
 * The time index of a segment: how far the largest timestamp so far had grown at some offsets. An entry
 * says that no record up to and including its offset has a timestamp above the entry's. As a running
 * maximum it stays right for records that come late, as Kafka's TimeIndex does. Sparse: at most one entry
 * for each `index.interval.bytes` of log, and none while the maximum stands still.
 *
 * In memory it grows by appending. On disk it is a derived file, written for the log below the *covered
 * end*: whoever reads it compares that with the log, and makes the index anew if they differ.
 *
 *     0   16 bytes  file header, magic "SLTI"; its checksum protects the whole file
 *     16  u64       base offset of the segment
 *     24  u64       covered end offset, exclusive
 *     32  u64       covered end position, exclusive
 *     40  u32       count of entries
 *     44  u32       reserved, zero
 *     48  entries, both fields strictly increasing:
 *         i64  largest timestamp up to and including the offset, ms since 1970
 *         u32  last offset of a batch - base offset of the segment
 *
 * Not safe for concurrent change: the partition's writer alone appends.
 */
import assert from 'node:assert';
import { checkFileHeader, type FileFormat, writeFileHeader } from './file-header.ts';
import { readI64, readU64, writeI64, writeU64 } from './integers.ts';

const FORMAT: FileFormat = { magic: 'SLTI', version: 1, name: 'a time index' };
const HEADER_BYTES = 48;
const ENTRY_BYTES = 12;
const MAX_U32 = 2 ** 32 - 1;
const FIRST_CAPACITY = 16;

export interface TimeIndexEntry {
  timestamp: number;
  /** Inclusive. */
  offset: number;
}

export interface StoredTimeIndex {
  index: TimeIndex;
  /** The log below this offset, which is the file below this position, is covered. */
  coveredEndOffset: number;
  coveredEndPosition: number;
}

export class TimeIndex {
  readonly #baseOffset: number;
  /** Columns with room for more behind `#count` entries. */
  #timestamps: Float64Array<ArrayBuffer>;
  #relativeOffsets: Uint32Array<ArrayBuffer>;
  #count = 0;

  private constructor(baseOffset: number, capacity: number) {
    this.#baseOffset = baseOffset;
    this.#timestamps = new Float64Array(capacity);
    this.#relativeOffsets = new Uint32Array(capacity);
  }

  static empty(baseOffset: number): TimeIndex {
    return new TimeIndex(baseOffset, 0);
  }

  get entries(): number {
    return this.#count;
  }

  /** Memory that the entries take, those to come included. */
  get sizeInBytes(): number {
    return this.#timestamps.byteLength + this.#relativeOffsets.byteLength;
  }

  entry(i: number): TimeIndexEntry {
    assert(i >= 0 && i < this.#count, 'an entry that exists');
    return { timestamp: this.#timestamps[i]!, offset: this.#baseOffset + this.#relativeOffsets[i]! };
  }

  /**
   * Notes the largest timestamp up to and including `offset`, the last of a batch behind all others. Says
   * nothing new, and is left out, unless it is larger than before; so is an offset too far for 32 bits.
   */
  append(maxTimestamp: number, offset: number): void {
    const at = this.#count;
    const relative = offset - this.#baseOffset;
    if (relative > MAX_U32 || (at > 0 && maxTimestamp <= this.#timestamps[at - 1]!)) return;
    assert(Number.isSafeInteger(maxTimestamp) && relative >= 0, 'a timestamp, and an offset in the segment');
    assert(at === 0 || relative > this.#relativeOffsets[at - 1]!, 'offsets increase');
    if (at === this.#timestamps.length) this.#grow();
    this.#timestamps[at] = maxTimestamp;
    this.#relativeOffsets[at] = relative;
    this.#count++;
  }

  #grow(): void {
    const capacity = Math.max(FIRST_CAPACITY, 2 * this.#timestamps.length);
    const timestamps = new Float64Array(capacity);
    const relativeOffsets = new Uint32Array(capacity);
    timestamps.set(this.#timestamps);
    relativeOffsets.set(this.#relativeOffsets);
    this.#timestamps = timestamps;
    this.#relativeOffsets = relativeOffsets;
  }

  /** An offset at or before the first record with a timestamp ≥ `timestamp`: no record before it has one. */
  lookup(timestamp: number): number {
    const below = countBelow(this.#timestamps, this.#count, timestamp);
    return below === 0 ? this.#baseOffset : this.#baseOffset + this.#relativeOffsets[below - 1]! + 1;
  }

  /** The file for the log below the covered end; entries at or after it are left out. */
  encode(coveredEndOffset: number, coveredEndPosition: number): Buffer[] {
    const count = countBelow(this.#relativeOffsets, this.#count, coveredEndOffset - this.#baseOffset);
    const bytes = Buffer.alloc(HEADER_BYTES + count * ENTRY_BYTES);
    writeU64(bytes, 16, this.#baseOffset);
    writeU64(bytes, 24, coveredEndOffset);
    writeU64(bytes, 32, coveredEndPosition);
    bytes.writeUInt32LE(count, 40);
    for (let i = 0; i < count; i++) {
      const at = HEADER_BYTES + i * ENTRY_BYTES;
      writeI64(bytes, at, this.#timestamps[i]!);
      bytes.writeUInt32LE(this.#relativeOffsets[i]!, at + 8);
    }
    writeFileHeader(bytes, FORMAT);
    return [bytes];
  }

  /** The index in a file of the segment at `baseOffset`, undefined when it is damaged or of another segment.
   *  Throws UNSUPPORTED_VERSION for a newer one. */
  static decode(bytes: Buffer, baseOffset: number): StoredTimeIndex | undefined {
    if (checkFileHeader(bytes, FORMAT) !== null || bytes.length < HEADER_BYTES) return undefined;
    const coveredEndOffset = readU64(bytes, 24);
    const coveredEndPosition = readU64(bytes, 32);
    const count = bytes.readUInt32LE(40);
    if (readU64(bytes, 16) !== baseOffset || HEADER_BYTES + count * ENTRY_BYTES !== bytes.length)
      return undefined;
    const index = new TimeIndex(baseOffset, count);
    const isWhole = index.#readEntries(bytes, coveredEndOffset - baseOffset) && coveredEndPosition >= 0;
    return isWhole ? { index, coveredEndOffset, coveredEndPosition } : undefined;
  }

  /** Fills the columns from a file; false unless both grow from entry to entry and offsets stay below the end. */
  #readEntries(bytes: Buffer, endOffset: number): boolean {
    let timestamp = Number.NEGATIVE_INFINITY;
    let offset = -1;
    for (let at = HEADER_BYTES; at < bytes.length; at += ENTRY_BYTES) {
      const nextTimestamp = readI64(bytes, at);
      const nextOffset = bytes.readUInt32LE(at + 8);
      if (!(nextTimestamp > timestamp && nextOffset > offset)) return false;
      timestamp = nextTimestamp;
      offset = nextOffset;
      this.#timestamps[this.#count] = timestamp;
      this.#relativeOffsets[this.#count] = offset;
      this.#count++;
    }
    return offset < endOffset;
  }
}

/** How many of the first `count` values, which increase, are smaller than `limit`. */
function countBelow(values: Float64Array | Uint32Array, count: number, limit: number): number {
  let low = 0;
  let high = count;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (values[middle]! < limit) low = middle + 1;
    else high = middle;
  }
  return low;
}
