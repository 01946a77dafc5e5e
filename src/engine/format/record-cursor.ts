/**
 * Goes over the records of one batch without making an object for any: `next` moves on, and the fields say where the parts
 * of the record lie in `buffer`. Their layout stands over record-batch-builder.ts.
 *
 * Nothing is taken on trust: what does not fit its frame is CORRUPT_MESSAGE, and no claim of a header makes this code
 * allocate more than the batch is worth.
 */
import { SeglogError } from '../common/errors.ts';
import { decompress } from './compression.ts';
import {
  BATCH_HEADER_BYTES,
  batchBaseOffset,
  batchBaseTimestamp,
  batchCodec,
  batchLastOffsetDelta,
  batchRecordCount,
  batchSize,
  batchUncompressedBytes,
  MAX_BATCH_BYTES,
} from './record-batch.ts';
import { ByteCursor, readVarint, readVarlong } from './varint.ts';

export class RecordCursor {
  /** What positions are of: the batch's buffer, or its records once decompressed. */
  buffer: Buffer;
  /** All records lie in [recordsStart, recordsEnd). */
  readonly recordsStart: number;
  readonly recordsEnd: number;
  /** Where the record begins and ends. */
  start = 0;
  end: number;
  timestamp = 0;
  offsetDelta = -1;
  /** Where the record goes on behind timestamp and offset: at the length of the key. */
  bodyStart = 0;
  /** -1 for null. */
  keyStart = 0;
  keyEnd = 0;
  /** -1 for null. */
  valueStart = 0;
  valueEnd = 0;
  headersStart = 0;
  readonly baseOffset: number;
  readonly baseTimestamp: number;
  readonly #lastOffsetDelta: number;
  readonly #cursor: ByteCursor;
  #left: number;

  /** Of the batch that begins at `at`, which is whole. */
  constructor(chunk: Buffer, at: number) {
    const cursor = openRecords(chunk, at);
    this.#cursor = cursor;
    this.buffer = cursor.buffer;
    this.recordsStart = cursor.at;
    this.recordsEnd = cursor.end;
    this.end = cursor.at;
    this.baseOffset = batchBaseOffset(chunk, at);
    this.baseTimestamp = batchBaseTimestamp(chunk, at);
    this.#lastOffsetDelta = batchLastOffsetDelta(chunk, at);
    this.#left = batchRecordCount(chunk, at);
    if (Number.isNaN(this.baseOffset + this.baseTimestamp))
      throw this.#corrupt('its header has unsafe integers');
  }

  /** False behind the last record. */
  next(): boolean {
    const cursor = this.#cursor;
    if (this.#left === 0) {
      if (cursor.at !== cursor.end) throw this.#corrupt('there are more bytes than records');
      return false;
    }
    this.#left--;
    this.start = cursor.at;
    const length = readVarint(cursor);
    const end = cursor.at + length;
    if (length < 0 || end > this.recordsEnd) throw this.#corrupt('a record passes the end of its batch');
    cursor.end = end;
    // Attributes of a record: none are defined.
    cursor.at++;
    const timestamp = this.baseTimestamp + readVarlong(cursor);
    if (!Number.isSafeInteger(timestamp)) throw this.#corrupt('a timestamp is no safe integer');
    this.timestamp = timestamp;
    const delta = readVarint(cursor);
    if (delta <= this.offsetDelta || delta > this.#lastOffsetDelta)
      throw this.#corrupt('offsets are out of order');
    this.offsetDelta = delta;
    this.bodyStart = cursor.at;
    const keyLength = readLength(cursor);
    this.keyStart = keyLength < 0 ? -1 : cursor.at;
    if (keyLength > 0) cursor.at += keyLength;
    this.keyEnd = keyLength < 0 ? -1 : cursor.at;
    const valueLength = readLength(cursor);
    this.valueStart = valueLength < 0 ? -1 : cursor.at;
    if (valueLength > 0) cursor.at += valueLength;
    this.valueEnd = valueLength < 0 ? -1 : cursor.at;
    this.headersStart = cursor.at;
    skipHeaders(cursor);
    if (cursor.at !== end) throw this.#corrupt('a record is longer than its fields');
    this.end = end;
    cursor.end = this.recordsEnd;
    return true;
  }

  #corrupt(what: string): SeglogError {
    return corrupt(this.baseOffset, what);
  }
}

/** A cursor over the records of a batch, decompressed. */
function openRecords(chunk: Buffer, at: number): ByteCursor {
  const start = at + BATCH_HEADER_BYTES;
  const end = at + batchSize(chunk, at);
  const codec = batchCodec(chunk, at);
  if (codec === 'none') return new ByteCursor(chunk, start, end);
  const length = batchUncompressedBytes(chunk, at);
  if (length > MAX_BATCH_BYTES)
    throw corrupt(batchBaseOffset(chunk, at), `it claims to hold ${length} bytes`);
  return new ByteCursor(decompress(codec, chunk.subarray(start, end), length));
}

/** The length of bytes that follow, all before the cursor's end; -1 for null. */
export function readLength(cursor: ByteCursor): number {
  const length = readVarint(cursor);
  if (length < -1 || cursor.at + length > cursor.end) {
    throw new SeglogError('CORRUPT_MESSAGE', `bytes of length ${length} do not fit into their record`, {
      length,
    });
  }
  return length;
}

function skipHeaders(cursor: ByteCursor): void {
  const count = readVarint(cursor);
  if (count < 0) throw new SeglogError('CORRUPT_MESSAGE', `a record has ${count} headers`, { count });
  for (let i = 0; i < count; i++) {
    const keyLength = readHeaderKeyLength(cursor);
    cursor.at += keyLength;
    const valueLength = readLength(cursor);
    if (valueLength > 0) cursor.at += valueLength;
  }
}

export function readHeaderKeyLength(cursor: ByteCursor): number {
  const length = readLength(cursor);
  if (length < 0) throw new SeglogError('CORRUPT_MESSAGE', 'a header has no key');
  return length;
}

function corrupt(baseOffset: number, what: string): SeglogError {
  return new SeglogError('CORRUPT_MESSAGE', `the batch at offset ${baseOffset} is malformed: ${what}`, {
    firstOffset: baseOffset,
  });
}
