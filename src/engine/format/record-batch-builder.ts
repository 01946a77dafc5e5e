/**
 * Encodes records into a batch as they come, without an object for each. Records are laid out as in
 * Kafka's record format 2; all lengths, counts and deltas are zigzag integers of variable length
 * (varint.ts), bytes are as given, text is UTF-8:
 *
 *     varint   length of all that follows this field
 *     u8       attributes, zero
 *     varlong  timestamp delta: timestamp - base timestamp of the batch
 *     varint   offset delta: offset - base offset of the batch
 *     varint   length of the key, -1 for null      then the key
 *     varint   length of the value, -1 for null    then the value
 *     varint   count of headers, each:
 *       varint   length of the key                 then the key
 *       varint   length of the value, -1 for null  then the value
 *
 * A builder belongs to one caller and is done with when `finish` returns.
 */
import assert from 'node:assert';
import { SeglogError } from '../common/errors.ts';
import type { BytesLike, CompressionType, ProduceHeader } from '../common/types.ts';
import { type Codec, compress } from './compression.ts';
import {
  BATCH_HEADER_BYTES,
  EMPTY_BATCH_HEADER,
  type EncodedBatch,
  MAX_BATCH_BYTES,
  writeBatchContent,
} from './record-batch.ts';
import { MAX_REBASE_GROWTH, rebaseRecords } from './record-rebase.ts';
import { varintSize, varlongSize, writeVarint, writeVarlong } from './varint.ts';

/**
 * Memory that is used again: of batches that are written and done with, and that small batches are built in before they are
 * copied. Memory that was touched lately is filled several times faster than fresh memory, which the system has to provide page
 * by page, and pieces that grow are garbage of which V8 collects all of the heap. Whoever gives a batch's memory back is its
 * only owner.
 */
const idleMemory: Buffer[] = [];
const MAX_IDLE_TOTAL_BYTES = 8 * 1024 * 1024;
let idleBytes = 0;
const MIN_IDLE_BYTES = 16 * 1024;
const MAX_IDLE_BYTES = 1024 * 1024;

function takeMemory(atLeast: number): Buffer {
  const bytes = Math.max(atLeast, MIN_IDLE_BYTES);
  const found = idleMemory.findLastIndex((memory) => memory.length >= bytes && memory.length <= 4 * bytes);
  if (found >= 0) {
    const [memory] = idleMemory.splice(found, 1);
    idleBytes -= memory!.length;
    return memory!;
  }
  // In steps, so that what comes back fits what is asked for next.
  const step = 2 ** Math.max(14, Math.floor(Math.log2(bytes)) - 2);
  return Buffer.allocUnsafeSlow(Math.max(bytes, Math.min(Math.ceil(bytes / step) * step, MAX_BATCH_BYTES)));
}

function giveMemory(memory: Buffer): void {
  if (memory.length < MIN_IDLE_BYTES || memory.length > MAX_IDLE_BYTES) return;
  if (idleBytes + memory.length > MAX_IDLE_TOTAL_BYTES) return;
  idleMemory.push(memory);
  idleBytes += memory.length;
}

/** Takes a batch's memory back, to build other batches in. Nobody may look at its bytes any more. */
export function recycleBatch(batch: EncodedBatch): void {
  if (batch.memory !== null) giveMemory(batch.memory);
}

const NO_HEADERS: readonly ProduceHeader[] = [];
const NO_BYTES = Buffer.alloc(0);
/** Up to here a loop copies bytes faster than a call does. */
const SHORT_BYTES = 16;

export class RecordBatchBuilder {
  /** Header and records so far; the header is written at the end. */
  #buffer: Buffer = NO_BYTES;
  #end = BATCH_HEADER_BYTES;
  #recordCount = 0;
  readonly #capacityHint: number;
  /** What timestamp deltas are relative to: the first record's, until it is known which is the smallest. */
  #referenceTimestamp = 0;
  #minTimestamp = Number.POSITIVE_INFINITY;
  #maxTimestamp = Number.NEGATIVE_INFINITY;

  /** A hint of the size of the batch spares copying while it grows. */
  constructor(capacityHint = 0) {
    this.#capacityHint = capacityHint;
  }

  get recordCount(): number {
    return this.#recordCount;
  }

  /** Bytes so far, uncompressed, with the header of the batch. */
  get bytes(): number {
    return this.#end;
  }

  /** Adds one record, or throws (INVALID_RECORD, MESSAGE_TOO_LARGE) and is as before. */
  add(
    timestamp: number,
    key: BytesLike | null,
    value: BytesLike | null,
    headers: readonly ProduceHeader[] = NO_HEADERS,
  ): void {
    const timestampDelta = this.#timestampDelta(timestamp);
    const offsetDelta = this.#recordCount;
    const keyLength = lengthOf(key);
    const valueLength = lengthOf(value);
    const length =
      1 +
      varlongSize(timestampDelta) +
      varintSize(offsetDelta) +
      sizeOfBytes(keyLength) +
      sizeOfBytes(valueLength) +
      (headers.length === 0 ? 1 : sizeOfHeaders(headers));
    this.#reserve(varintSize(length) + length);

    const buffer = this.#buffer;
    let at = writeVarint(buffer, this.#end, length);
    buffer[at++] = 0;
    at = writeVarlong(buffer, at, timestampDelta);
    at = writeVarint(buffer, at, offsetDelta);
    at = writeBytes(buffer, at, key, keyLength);
    at = writeBytes(buffer, at, value, valueLength);
    at = headers.length === 0 ? writeVarint(buffer, at, 0) : writeHeaders(buffer, at, headers);
    this.#end = at;
    this.#noteRecord(timestamp);
  }

  /**
   * As `add`, for a key and a value that lie in the same bytes, from their starts to their ends: no view of them is needed.
   * The value is longer than the key, as a rule.
   */
  addSlices(
    timestamp: number,
    bytes: Buffer,
    keyStart: number,
    keyEnd: number,
    valueStart: number,
    valueEnd: number,
  ): void {
    const timestampDelta = this.#timestampDelta(timestamp);
    const offsetDelta = this.#recordCount;
    const keyLength = keyEnd - keyStart;
    const valueLength = valueEnd - valueStart;
    const length =
      2 +
      varlongSize(timestampDelta) +
      varintSize(offsetDelta) +
      sizeOfBytes(keyLength) +
      sizeOfBytes(valueLength);
    this.#reserve(varintSize(length) + length);

    const buffer = this.#buffer;
    let at = writeVarint(buffer, this.#end, length);
    buffer[at++] = 0;
    at = writeVarlong(buffer, at, timestampDelta);
    at = writeVarint(buffer, at, offsetDelta);
    at = writeSlice(buffer, at, bytes, keyStart, keyLength);
    at = writeSlice(buffer, at, bytes, valueStart, valueLength);
    buffer[at++] = 0;
    this.#end = at;
    this.#noteRecord(timestamp);
  }

  #timestampDelta(timestamp: number): number {
    if (!Number.isSafeInteger(timestamp))
      throw invalid(`the timestamp ${timestamp} is not a whole number of ms`);
    if (this.#recordCount === 0) return 0;
    const spread = Math.max(timestamp, this.#maxTimestamp) - Math.min(timestamp, this.#minTimestamp);
    if (!Number.isSafeInteger(spread)) throw invalid('timestamps of one batch lie too far apart');
    return timestamp - this.#referenceTimestamp;
  }

  #noteRecord(timestamp: number): void {
    if (this.#recordCount === 0) this.#referenceTimestamp = timestamp;
    if (timestamp < this.#minTimestamp) this.#minTimestamp = timestamp;
    if (timestamp > this.#maxTimestamp) this.#maxTimestamp = timestamp;
    this.#recordCount++;
  }

  #reserve(bytes: number): void {
    const needed = this.#end + bytes;
    if (needed <= this.#buffer.length) return;
    if (needed > MAX_BATCH_BYTES) throw tooLarge(needed);
    const filled = this.#buffer;
    const capacity = Math.max(needed, filled === NO_BYTES ? this.#capacityHint : 2 * filled.length);
    const larger = takeMemory(Math.min(capacity, MAX_BATCH_BYTES));
    if (filled !== NO_BYTES) larger.set(filled.subarray(0, this.#end));
    this.#replaceBuffer(larger);
  }

  #replaceBuffer(buffer: Buffer): void {
    giveMemory(this.#buffer);
    this.#buffer = buffer;
  }

  /** The batch of all records added, of which there must be one. Uncompressed where compression does not pay. */
  finish(compression: CompressionType): EncodedBatch {
    assert(this.#recordCount > 0, 'a batch has records');
    if (this.#minTimestamp < this.#referenceTimestamp) this.#rebase();
    const compressed = compression === 'none' ? undefined : this.#compressed(compression);
    const inPlace = compressed === undefined && !this.#isWasteful();
    const filled = this.#end === this.#buffer.length ? this.#buffer : this.#buffer.subarray(0, this.#end);
    const bytes = compressed ?? (inPlace ? filled : Buffer.from(filled));
    this.#writeHeader(bytes, compressed === undefined ? 'none' : compression);
    const memory = inPlace ? this.#buffer : null;
    if (!inPlace) giveMemory(this.#buffer);
    this.#buffer = NO_BYTES;
    return {
      bytes,
      memory,
      recordCount: this.#recordCount,
      baseTimestamp: this.#minTimestamp,
      maxTimestamp: this.#maxTimestamp,
    };
  }

  #compressed(codec: Codec): Buffer | undefined {
    const records = compress(codec, this.#buffer.subarray(BATCH_HEADER_BYTES, this.#end));
    if (BATCH_HEADER_BYTES + records.length >= this.#end) return undefined;
    const bytes = Buffer.allocUnsafe(BATCH_HEADER_BYTES + records.length);
    bytes.set(records, BATCH_HEADER_BYTES);
    return bytes;
  }

  /** The batch would keep much more memory than it needs: better a copy. */
  #isWasteful(): boolean {
    return this.#buffer.length >= MIN_IDLE_BYTES && this.#end * 2 < this.#buffer.length;
  }

  #writeHeader(bytes: Buffer, codec: CompressionType): void {
    // Zero is what stampBatch sets.
    bytes.set(EMPTY_BATCH_HEADER);
    writeBatchContent(bytes, {
      lastOffsetDelta: this.#recordCount - 1,
      recordCount: this.#recordCount,
      baseTimestamp: this.#minTimestamp,
      maxTimestamp: this.#maxTimestamp,
      codec,
      uncompressedBytes: this.#end - BATCH_HEADER_BYTES,
    });
  }

  /** Writes all records anew, relative to the smallest timestamp: it was not that of the first record. */
  #rebase(): void {
    const shift = this.#referenceTimestamp - this.#minTimestamp;
    const target = takeMemory(this.#end + this.#recordCount * MAX_REBASE_GROWTH);
    const at = rebaseRecords(this.#buffer, BATCH_HEADER_BYTES, this.#end, shift, target);
    if (at > MAX_BATCH_BYTES) throw tooLarge(at);
    this.#replaceBuffer(target);
    this.#end = at;
  }
}

/** Bytes of a key or value, -1 for null. */
function lengthOf(bytes: BytesLike | null): number {
  if (bytes === null) return -1;
  if (typeof bytes === 'string') return lengthOfText(bytes);
  if (bytes instanceof Uint8Array) return bytes.length;
  throw invalid('a key or value is neither text nor bytes nor null');
}

function lengthOfText(text: string): number {
  if (text.isWellFormed()) return Buffer.byteLength(text);
  throw invalid('text has half of a surrogate pair, which UTF-8 cannot hold: send bytes instead');
}

function sizeOfBytes(length: number): number {
  return length < 0 ? 1 : varintSize(length) + length;
}

function writeBytes(buffer: Buffer, at: number, bytes: BytesLike | null, length: number): number {
  const start = writeVarint(buffer, at, length);
  if (bytes === null) return start;
  if (typeof bytes === 'string') {
    buffer.write(bytes, start, length);
  } else if (length > SHORT_BYTES) {
    buffer.set(bytes, start);
  } else {
    for (let i = 0; i < length; i++) buffer[start + i] = bytes[i]!;
  }
  return start + length;
}

function writeSlice(buffer: Buffer, at: number, bytes: Buffer, from: number, length: number): number {
  const start = writeVarint(buffer, at, length);
  if (length > SHORT_BYTES) bytes.copy(buffer, start, from, from + length);
  else for (let i = 0; i < length; i++) buffer[start + i] = bytes[from + i]!;
  return start + length;
}

function sizeOfHeaders(headers: readonly ProduceHeader[]): number {
  let size = varintSize(headers.length);
  for (const { key, value } of headers) {
    if (typeof key !== 'string') throw invalid('a header has no key');
    size += sizeOfBytes(lengthOfText(key)) + sizeOfBytes(lengthOf(value));
  }
  return size;
}

function writeHeaders(buffer: Buffer, at: number, headers: readonly ProduceHeader[]): number {
  let position = writeVarint(buffer, at, headers.length);
  for (const { key, value } of headers) {
    position = writeBytes(buffer, position, key, lengthOfText(key));
    position = writeBytes(buffer, position, value, lengthOf(value));
  }
  return position;
}

function invalid(message: string): SeglogError {
  return new SeglogError('INVALID_RECORD', message);
}

function tooLarge(bytes: number): SeglogError {
  return new SeglogError('MESSAGE_TOO_LARGE', `a batch of ${bytes} bytes is larger than ${MAX_BATCH_BYTES}`, {
    bytes,
    limit: MAX_BATCH_BYTES,
  });
}
