/**
 * Walks the batches of a segment file from a position on, in large reads and bounded memory.
 *
 * Used wherever a whole range is looked at: recovery, rebuilding indexes, verification. Each batch is fully
 * checked; what to make of a bad one is the caller's business.
 */
import { readInto } from '../files/file-operations.ts';
import type { FileHandle } from '../files/file-system.ts';
import {
  BATCH_HEADER_BYTES,
  BATCH_MAGIC,
  type BatchFault,
  batchBaseOffset,
  batchBaseTimestamp,
  batchMaxTimestamp,
  batchNextOffset,
  batchRecordCount,
  batchSize,
  checkBatch,
  MAX_BATCH_BYTES,
  MIN_RECORD_BYTES,
} from '../format/record-batch.ts';
import type { BatchFacts } from './log-segment.ts';

const WINDOW_BYTES = 1024 * 1024;
const MAGIC_POSITION = 4;
const NO_BYTES = Buffer.alloc(0);
/** Compressed, many records take few bytes: a batch bounds them by its size once decompressed. */
const MIN_BATCH_BYTES = BATCH_HEADER_BYTES + 1;
const MAX_BATCH_RECORDS = Math.floor(MAX_BATCH_BYTES / MIN_RECORD_BYTES);

/** A batch in the scanner's window: valid until the next call. */
export interface ScannedBatch {
  fault: null;
  buffer: Buffer;
  /** Where it begins in `buffer`. */
  at: number;
  size: number;
}

export interface ScanFault {
  fault: BatchFault;
}

export class SegmentScanner {
  /** Where the next batch is expected. */
  position: number;
  readonly #file: FileHandle;
  #end: number;
  #window: Buffer = NO_BYTES;
  #windowStart = 0;
  /** What the window is a part of, and the memory of the one before it: two take turns. */
  #memory: Buffer = NO_BYTES;
  #idle: Buffer = NO_BYTES;

  /** Batches are looked for in [position, end) of the file. */
  constructor(file: FileHandle, position: number, end: number) {
    this.#file = file;
    this.position = position;
    this.#end = end;
  }

  /** The batch at `position`; null at the end. Does not move. */
  async peek(): Promise<ScannedBatch | ScanFault | null> {
    if (this.position >= this.#end) return null;
    return this.#check(this.position);
  }

  /** Moves past a batch that `peek` returned. */
  skip(batch: ScannedBatch): void {
    this.position += batch.size;
  }

  /**
   * The position of the next valid batch after `position`, or -1. Its base offset lies above `expectedOffset`, and no
   * further than the records that fit between. The end of the batch at `position`, as its header has it, is tried first:
   * when only its content is damaged, a batch of some log that is stored inside a record is not taken for one of this.
   * Batches that reach past `limitOffset` do not count: there the next segment begins.
   */
  async findNext(expectedOffset: number, limitOffset = Number.POSITIVE_INFINITY): Promise<number> {
    const declared = await this.#declaredEnd();
    if (declared !== undefined && (await this.#isPlausible(declared, expectedOffset, limitOffset)))
      return declared;
    const magic = Buffer.alloc(4);
    magic.writeUInt32LE(BATCH_MAGIC);
    let from = this.position + 1;
    while (from + BATCH_HEADER_BYTES <= this.#end) {
      await this.#load(from, Math.min(WINDOW_BYTES, this.#end - from));
      const base = from - this.#windowStart;
      const found = this.#window.indexOf(magic, base + MAGIC_POSITION);
      if (found < 0) {
        from = this.#windowStart + this.#window.length - MAGIC_POSITION - magic.length + 1;
        if (this.#windowStart + this.#window.length >= this.#end) return -1;
        continue;
      }
      const candidate = this.#windowStart + found - MAGIC_POSITION;
      if (await this.#isPlausible(candidate, expectedOffset, limitOffset)) return candidate;
      from = candidate + 1;
    }
    return -1;
  }

  async #isPlausible(candidate: number, expectedOffset: number, limitOffset: number): Promise<boolean> {
    const batch = await this.#check(candidate);
    if (batch === null || batch.fault !== null) return false;
    if (batchNextOffset(batch.buffer, batch.at) > limitOffset) return false;
    const offset = batchBaseOffset(batch.buffer, batch.at);
    const batchesBetween = Math.max(1, Math.floor((candidate - this.position) / MIN_BATCH_BYTES));
    return offset > expectedOffset && offset - expectedOffset <= batchesBetween * MAX_BATCH_RECORDS;
  }

  async #declaredEnd(): Promise<number | undefined> {
    await this.#load(this.position, Math.min(BATCH_HEADER_BYTES, this.#end - this.position));
    const at = this.position - this.#windowStart;
    if (this.#window.length - at < BATCH_HEADER_BYTES) return undefined;
    const size = batchSize(this.#window, at);
    return size > BATCH_HEADER_BYTES && size < this.#end - this.position ? this.position + size : undefined;
  }

  async #check(position: number): Promise<ScannedBatch | ScanFault | null> {
    await this.#load(position, Math.min(BATCH_HEADER_BYTES, this.#end - position));
    let at = position - this.#windowStart;
    if (this.#window.length - at < BATCH_HEADER_BYTES) return { fault: 'truncated' };
    // Only a length that the rest of the file can hold is believed, so a damaged one costs no memory.
    const size = batchSize(this.#window, at);
    if (this.#window.readUInt32LE(at + MAGIC_POSITION) === BATCH_MAGIC && size <= this.#end - position) {
      await this.#load(position, size);
      at = position - this.#windowStart;
    }
    const end = Math.min(this.#window.length, at + this.#end - position);
    const fault = checkBatch(this.#window, at, end);
    return fault === null ? { fault, buffer: this.#window, at, size } : { fault };
  }

  /** Makes sure that `length` bytes at `position` are in the window, or as many as the file has. */
  async #load(position: number, length: number): Promise<void> {
    const windowEnd = this.#windowStart + this.#window.length;
    if (position >= this.#windowStart && position + length <= windowEnd) return;
    const wanted = Math.min(Math.max(length, WINDOW_BYTES), this.#end - position);
    const memory = this.#idle.length >= wanted ? this.#idle : Buffer.allocUnsafeSlow(wanted);
    const buffer = memory.subarray(0, wanted);
    let kept = 0;
    if (position >= this.#windowStart && position < windowEnd) {
      kept = this.#window.copy(buffer, 0, position - this.#windowStart);
    }
    const read = await readInto(this.#file, buffer.subarray(kept), position + kept);
    this.#idle = this.#memory;
    this.#memory = memory;
    this.#window = buffer.subarray(0, kept + read);
    // A file that is shorter than it should be ends here: looking behind would never come to an end.
    if (kept + read < wanted) this.#end = position + kept + read;
    this.#windowStart = position;
  }
}

/** The facts that counters and indexes need, from a batch header. */
export function batchFacts(buffer: Buffer, at: number): BatchFacts {
  return {
    baseOffset: batchBaseOffset(buffer, at),
    nextOffset: batchNextOffset(buffer, at),
    records: batchRecordCount(buffer, at),
    bytes: batchSize(buffer, at),
    minTimestamp: batchBaseTimestamp(buffer, at),
    maxTimestamp: batchMaxTimestamp(buffer, at),
  };
}
