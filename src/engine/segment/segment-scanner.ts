/**
 * Walks the batches of a segment file from a position on, in large reads and bounded memory.
 *
 * Used wherever a whole range is looked at: recovery, rebuilding indexes, verification. Each batch is fully
 * checked; what to make of a bad one is the caller's business.
 */
import type { ReadableFile } from '../files/file-system.ts';
import { FileWindow } from '../files/file-window.ts';
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
  MAX_LAST_OFFSET_DELTA,
} from '../format/record-batch.ts';
import type { BatchFacts } from './log-segment.ts';

const MAGIC_POSITION = 4;
/** After compaction a batch covers more offsets than it has records, and may have none. */
const MAX_BATCH_OFFSETS = MAX_LAST_OFFSET_DELTA + 1;

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
  readonly #window: FileWindow;

  /** Batches are looked for in [position, end) of the file. */
  constructor(file: ReadableFile, position: number, end: number) {
    this.#window = new FileWindow(file, end);
    this.position = position;
  }

  /** The batch at `position`; null at the end. Does not move. */
  async peek(): Promise<ScannedBatch | ScanFault | null> {
    if (this.position >= this.#window.end) return null;
    return this.#check(this.position);
  }

  /** Moves past a batch that `peek` returned. */
  skip(batch: ScannedBatch): void {
    this.position += batch.size;
  }

  /**
   * The position of the next valid batch after `position`, or -1. Its base offset lies above `expectedOffset`, and no
   * further than the batches that fit between can cover. The end of the batch at `position`, as its header has it, is tried first:
   * when only its content is damaged, a batch of some log that is stored inside a record is not taken for one of this.
   * Batches that reach past `limitOffset` do not count: there the next segment begins.
   */
  async findNext(expectedOffset: number, limitOffset = Number.POSITIVE_INFINITY): Promise<number> {
    const declared = await this.#declaredEnd();
    if (declared !== undefined && (await this.#isPlausible(declared, expectedOffset, limitOffset)))
      return declared;
    const window = this.#window;
    const magic = Buffer.alloc(4);
    magic.writeUInt32LE(BATCH_MAGIC);
    let from = this.position + 1;
    while (from + BATCH_HEADER_BYTES <= window.end) {
      const at = await window.load(from, BATCH_HEADER_BYTES);
      const found = window.bytes.indexOf(magic, at + MAGIC_POSITION);
      const windowEnd = window.start + window.bytes.length;
      if (found < 0) {
        from = windowEnd - MAGIC_POSITION - magic.length + 1;
        if (windowEnd >= window.end) return -1;
        continue;
      }
      const candidate = window.start + found - MAGIC_POSITION;
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
    const batchesBetween = Math.max(1, Math.floor((candidate - this.position) / BATCH_HEADER_BYTES));
    return offset > expectedOffset && offset - expectedOffset <= batchesBetween * MAX_BATCH_OFFSETS;
  }

  async #declaredEnd(): Promise<number | undefined> {
    const at = await this.#window.load(this.position, BATCH_HEADER_BYTES);
    const { bytes, end } = this.#window;
    if (bytes.length - at < BATCH_HEADER_BYTES) return undefined;
    const size = batchSize(bytes, at);
    return size > BATCH_HEADER_BYTES && size < end - this.position ? this.position + size : undefined;
  }

  async #check(position: number): Promise<ScannedBatch | ScanFault | null> {
    const window = this.#window;
    let at = window.find(position, BATCH_HEADER_BYTES);
    if (at < 0) at = await window.load(position, BATCH_HEADER_BYTES);
    if (window.bytes.length - at < BATCH_HEADER_BYTES) return { fault: 'truncated' };
    // Only a length that the rest of the file can hold is believed, so a damaged one costs no memory.
    const size = batchSize(window.bytes, at);
    if (window.bytes.readUInt32LE(at + MAGIC_POSITION) === BATCH_MAGIC && size <= window.end - position) {
      at = window.find(position, size);
      if (at < 0) at = await window.load(position, size);
    }
    const buffer = window.bytes;
    const fault = checkBatch(buffer, at, Math.min(buffer.length, at + window.end - position));
    return fault === null ? { fault, buffer, at, size } : { fault };
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
