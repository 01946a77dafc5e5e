/**
 * The offset index of a segment: for some of its batches, at most one for each `index.interval.bytes` of
 * log, the base offset and the position in the `.log` file. Sparse: a batch is found by looking up the
 * last entry at or before it and walking batch headers from there.
 *
 * In memory it grows by appending. On disk it is a derived file, written for the log below the *covered
 * end*: whoever reads it compares that with the log, and makes the index anew if they differ.
 *
 *     0   16 bytes  file header, magic "SLOI"; its checksum protects the whole file
 *     16  u64       base offset of the segment
 *     24  u64       covered end offset, exclusive
 *     32  u64       covered end position, exclusive
 *     40  u32       count of entries
 *     44  u32       reserved, zero
 *     48  entries, both fields strictly increasing:
 *         u32  base offset of a batch - base offset of the segment
 *         u32  position of the batch
 *
 * Not safe for concurrent change: the partition's writer alone appends.
 */
import assert from 'node:assert';
import { checkFileHeader, type FileFormat, writeFileHeader } from './file-header.ts';
import { readU64, writeU64 } from './integers.ts';

const FORMAT: FileFormat = { magic: 'SLOI', version: 1, name: 'an offset index' };
const HEADER_BYTES = 48;
const ENTRY_BYTES = 8;
const MAX_U32 = 2 ** 32 - 1;
const FIRST_CAPACITY = 16;

export interface OffsetIndexEntry {
  offset: number;
  position: number;
}

export interface StoredOffsetIndex {
  index: OffsetIndex;
  /** The log below this offset, which is the file below this position, is covered. */
  coveredEndOffset: number;
  coveredEndPosition: number;
}

export class OffsetIndex {
  readonly #baseOffset: number;
  /** Pairs of relative offset and position; room for more behind `#count` of them. */
  #pairs: Uint32Array<ArrayBuffer>;
  #count: number;

  private constructor(baseOffset: number, pairs: Uint32Array<ArrayBuffer>) {
    this.#baseOffset = baseOffset;
    this.#pairs = pairs;
    this.#count = pairs.length / 2;
  }

  static empty(baseOffset: number): OffsetIndex {
    return new OffsetIndex(baseOffset, new Uint32Array(0));
  }

  get entries(): number {
    return this.#count;
  }

  /** Memory that the entries take, those to come included. */
  get sizeInBytes(): number {
    return this.#pairs.byteLength;
  }

  entry(i: number): OffsetIndexEntry {
    assert(i >= 0 && i < this.#count, 'an entry that exists');
    return { offset: this.#baseOffset + this.#pairs[2 * i]!, position: this.#pairs[2 * i + 1]! };
  }

  /** Adds a batch behind all others. One too far from the segment's base for 32 bits is left out: the index is sparse. */
  append(offset: number, position: number): void {
    const relative = offset - this.#baseOffset;
    if (relative > MAX_U32 || position > MAX_U32) return;
    const at = 2 * this.#count;
    assert(relative >= 0 && position >= 0, 'offset and position lie in the segment');
    assert(
      at === 0 || (relative > this.#pairs[at - 2]! && position > this.#pairs[at - 1]!),
      'entries increase',
    );
    if (at === this.#pairs.length) this.#grow();
    this.#pairs[at] = relative;
    this.#pairs[at + 1] = position;
    this.#count++;
  }

  #grow(): void {
    const larger = new Uint32Array(Math.max(2 * FIRST_CAPACITY, 2 * this.#pairs.length));
    larger.set(this.#pairs);
    this.#pairs = larger;
  }

  /** The last entry at or before `offset`, undefined when there is none. */
  lookup(offset: number): OffsetIndexEntry | undefined {
    const after = this.#countBelow(offset + 1);
    return after === 0 ? undefined : this.entry(after - 1);
  }

  /** How many entries have an offset smaller than `offset`. */
  #countBelow(offset: number): number {
    const relative = offset - this.#baseOffset;
    let low = 0;
    let high = this.#count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#pairs[2 * middle]! < relative) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** The file for the log below the covered end; entries at or after it are left out. */
  encode(coveredEndOffset: number, coveredEndPosition: number): Buffer[] {
    const count = this.#countBelow(coveredEndOffset);
    const bytes = Buffer.alloc(HEADER_BYTES + count * ENTRY_BYTES);
    writeU64(bytes, 16, this.#baseOffset);
    writeU64(bytes, 24, coveredEndOffset);
    writeU64(bytes, 32, coveredEndPosition);
    bytes.writeUInt32LE(count, 40);
    // All platforms that the checksum's addon is built for are little-endian, as the file is.
    bytes.set(new Uint8Array(this.#pairs.buffer, 0, count * ENTRY_BYTES), HEADER_BYTES);
    writeFileHeader(bytes, FORMAT);
    return [bytes];
  }

  /** The index in a file of the segment at `baseOffset`, undefined when it is damaged or of another segment.
   *  Throws UNSUPPORTED_VERSION for a newer one. */
  static decode(bytes: Buffer, baseOffset: number): StoredOffsetIndex | undefined {
    if (checkFileHeader(bytes, FORMAT) !== null || bytes.length < HEADER_BYTES) return undefined;
    const coveredEndOffset = readU64(bytes, 24);
    const coveredEndPosition = readU64(bytes, 32);
    const entriesBytes = bytes.subarray(HEADER_BYTES);
    if (readU64(bytes, 16) !== baseOffset || bytes.readUInt32LE(40) * ENTRY_BYTES !== entriesBytes.length) {
      return undefined;
    }
    const pairs = new Uint32Array(entriesBytes.length / 4);
    new Uint8Array(pairs.buffer).set(entriesBytes);
    const inOrder = areIncreasing(pairs, coveredEndOffset - baseOffset, coveredEndPosition);
    return inOrder
      ? { index: new OffsetIndex(baseOffset, pairs), coveredEndOffset, coveredEndPosition }
      : undefined;
  }
}

/** Whether both fields grow from entry to entry and stay below the ends (which may be NaN). */
function areIncreasing(pairs: Uint32Array, endOffset: number, endPosition: number): boolean {
  let offset = -1;
  let position = -1;
  for (let i = 0; i < pairs.length; i += 2) {
    if (pairs[i]! <= offset || pairs[i + 1]! <= position) return false;
    offset = pairs[i]!;
    position = pairs[i + 1]!;
  }
  return offset < endOffset && position < endPosition;
}
