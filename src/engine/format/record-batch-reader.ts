/**
 * Decodes the records of batches (their layout stands over record-batch-builder.ts): `visitRecords` hands
 * out positions and makes no object for a record, `decodeRecords` makes objects of them.
 *
 * The batches are those that a read returned: whole, and checked (checkBatch). Nothing is taken on trust
 * all the same: what does not fit its frame is CORRUPT_MESSAGE, and no claim of a header makes this code
 * allocate more than the batch is worth.
 */

import { SeglogError } from '../common/errors.ts';
import type { LogRecord, RecordHeader } from '../common/types.ts';
import { BATCH_HEADER_BYTES, BATCH_MAGIC, batchLastOffset, batchSize } from './record-batch.ts';
import { RecordCursor, readHeaderKeyLength, readLength } from './record-cursor.ts';
import { ByteCursor, readVarint } from './varint.ts';

/**
 * Called for each record with positions in `chunk`, which is the decompressed records where the batch is
 * compressed. Start and end are -1 for null. `decodeHeaders(chunk, headersStart)` gives the headers.
 * Returning false stops the visit.
 */
export type RecordVisitor = (
  offset: number,
  timestamp: number,
  chunk: Buffer,
  keyStart: number,
  keyEnd: number,
  valueStart: number,
  valueEnd: number,
  headersStart: number,
) => unknown;

/**
 * Visits the records from `fromOffset` on of all batches in `chunk`; false when the visitor stopped it.
 * Batches that end before are neither decompressed nor decoded. Throws CORRUPT_MESSAGE where the bytes
 * are not batches and records; the records before were visited then.
 */
export function visitRecords(chunk: Buffer, fromOffset: number, visit: RecordVisitor): boolean {
  for (let at = 0; at < chunk.length; at += batchSize(chunk, at)) {
    checkFrame(chunk, at);
    // An unsafe offset is NaN: it must not be passed over as if it were before `fromOffset`.
    if (!(batchLastOffset(chunk, at) < fromOffset) && !visitBatch(chunk, at, fromOffset, visit)) return false;
  }
  return true;
}

/** The records from `fromOffset` on, at most `maxRecords`. Their bytes are views of the chunks. */
export function decodeRecords(
  chunks: readonly Buffer[],
  fromOffset: number,
  maxRecords = Number.POSITIVE_INFINITY,
): LogRecord[] {
  const records: LogRecord[] = [];
  if (maxRecords <= 0) return records;
  const collect: RecordVisitor = (
    offset,
    timestamp,
    bytes,
    keyStart,
    keyEnd,
    valueStart,
    valueEnd,
    headersStart,
  ) => {
    const key = keyStart < 0 ? null : bytes.subarray(keyStart, keyEnd);
    const value = valueStart < 0 ? null : bytes.subarray(valueStart, valueEnd);
    records.push({ offset, timestamp, key, value, headers: decodeHeaders(bytes, headersStart) });
    return records.length < maxRecords;
  };
  for (const chunk of chunks) if (!visitRecords(chunk, fromOffset, collect)) break;
  return records;
}

/** The headers of a record, in order; `headersStart` is what a visitor was given. */
export function decodeHeaders(chunk: Buffer, headersStart: number): RecordHeader[] {
  const headers: RecordHeader[] = [];
  const cursor = new ByteCursor(chunk, headersStart);
  const count = readVarint(cursor);
  for (let i = 0; i < count; i++) {
    const keyLength = readHeaderKeyLength(cursor);
    const key = chunk.toString('utf8', cursor.at, cursor.at + keyLength);
    cursor.at += keyLength;
    const valueLength = readLength(cursor);
    const value = valueLength < 0 ? null : chunk.subarray(cursor.at, cursor.at + valueLength);
    if (value !== null) cursor.at += valueLength;
    headers.push({ key, value });
  }
  return headers;
}

function checkFrame(chunk: Buffer, at: number): void {
  const available = chunk.length - at;
  const size = available < BATCH_HEADER_BYTES ? 0 : batchSize(chunk, at);
  if (size < BATCH_HEADER_BYTES || size > available || chunk.readUInt32LE(at + 4) !== BATCH_MAGIC) {
    throw new SeglogError('CORRUPT_MESSAGE', `no whole batch begins at byte ${at} of what was read`, {
      position: at,
    });
  }
}

function visitBatch(chunk: Buffer, at: number, fromOffset: number, visit: RecordVisitor): boolean {
  const record = new RecordCursor(chunk, at);
  const { buffer, baseOffset } = record;
  while (record.next()) {
    const offset = baseOffset + record.offsetDelta;
    if (offset < fromOffset) continue;
    const { timestamp, keyStart, keyEnd, valueStart, valueEnd, headersStart } = record;
    if (visit(offset, timestamp, buffer, keyStart, keyEnd, valueStart, valueEnd, headersStart) === false)
      return false;
  }
  return true;
}
