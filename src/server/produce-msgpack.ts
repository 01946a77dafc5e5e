/**
 * Reads `{records: [{key?, value, headers?, timestamp?, partition?}]}` from MessagePack. Keys and values are
 * bin, str (its UTF-8 bytes) or nil, and go to the log as slices of the body.
 */
import { isUtf8 } from 'node:buffer';
import type { ProduceHeader } from '../engine/index.ts';
import { parseTimestamp } from '../query/index.ts';
import { HttpProblem } from './error-mapping.ts';
import { MsgpackCursor, MsgpackFault } from './msgpack-cursor.ts';
import { addRecord, type RecordSink } from './record-sink.ts';

/** @throws HttpProblem invalid_msgpack with the byte, nesting_too_deep, invalid_record with the record's index. */
export function readMsgpackRecords(body: Buffer, sink: RecordSink): void {
  const cursor = new MsgpackCursor(body);
  try {
    readBody(cursor, sink);
  } catch (error) {
    if (!(error instanceof MsgpackFault)) throw error;
    const detail = `byte ${error.position}: ${error.message}; nothing was stored`;
    throw new HttpProblem(error.tooDeep ? 'nesting_too_deep' : 'invalid_msgpack', detail, {
      position: error.position,
    });
  }
}

function readBody(cursor: MsgpackCursor, sink: RecordSink): void {
  let found = false;
  for (let members = cursor.readMapHeader(); members > 0; members--) {
    const name = readName(cursor);
    if (name !== 'records' || found) {
      const what = found ? 'is repeated or not known' : 'is not known';
      throw new HttpProblem(
        'invalid_request',
        `"${name.slice(0, 100)}" ${what}; send {records: […]}; nothing was stored`,
      );
    }
    found = true;
    const count = cursor.readArrayHeader();
    for (let index = 0; index < count; index++) readRecord(cursor, sink, index);
  }
  if (!cursor.atEnd) throw new MsgpackFault(cursor.position, 'more follows the map');
  if (!found)
    throw new HttpProblem(
      'invalid_request',
      'there is no "records"; send {records: […]}; nothing was stored',
    );
}

function readRecord(cursor: MsgpackCursor, sink: RecordSink, index: number): void {
  let key: Buffer | null = null;
  let value: Buffer | null | undefined;
  let headers: ProduceHeader[] | undefined;
  let timestamp: number | undefined;
  let partition: number | undefined;
  for (let members = cursor.readMapHeader(); members > 0; members--) {
    const name = readName(cursor);
    if (name === 'value') value = readBytes(cursor, name, index);
    else if (name === 'key') key = readBytes(cursor, name, index);
    else if (name === 'timestamp') timestamp = readTimestamp(cursor, index);
    else if (name === 'partition') partition = readPartition(cursor, index);
    else if (name === 'headers') headers = readHeaders(cursor, index);
    else throw invalidRecord(cursor, index, `"${name.slice(0, 100)}" is not known`);
  }
  if (value === undefined) throw invalidRecord(cursor, index, '"value" is missing (nil is allowed)');
  addRecord(sink, key, value, timestamp, headers?.length === 0 ? undefined : headers, partition);
}

const KNOWN_NAMES = ['value', 'key', 'timestamp', 'headers', 'partition', 'records'].map(
  (name) => [Buffer.from(name), name] as const,
);

/** A name as a string; the known ones without making a new string each time. */
function readName(cursor: MsgpackCursor): string {
  const start = cursor.position;
  if (!cursor.readStringOrBinary()) throw new MsgpackFault(start, 'a name must be a string');
  for (const [bytes, name] of KNOWN_NAMES) {
    if (cursor.sliceEquals(bytes)) return name;
  }
  return cursor.slice()!.toString('utf8');
}

function readBytes(cursor: MsgpackCursor, what: string, index: number): Buffer | null {
  if (!cursor.readStringOrBinary()) throw invalidRecord(cursor, index, `"${what}" must be bin, str or nil`);
  return cursor.slice();
}

function readTimestamp(cursor: MsgpackCursor, index: number): number | undefined {
  const value = cursor.readScalar();
  if (value === null) return undefined;
  const timestamp = parseTimestamp(String(value));
  if (timestamp === undefined || timestamp < 0)
    throw invalidRecord(cursor, index, '"timestamp" must be an epoch number or ISO 8601, from 1970 on');
  return timestamp;
}

function readPartition(cursor: MsgpackCursor, index: number): number | undefined {
  const value = cursor.readScalar();
  if (value === null) return undefined;
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value;
  throw invalidRecord(cursor, index, '"partition" must be a whole number');
}

/** An array of {key, value}, or a map of names to values where order and repetition do not matter. */
function readHeaders(cursor: MsgpackCursor, index: number): ProduceHeader[] | undefined {
  if (cursor.readNil()) return undefined;
  const headers: ProduceHeader[] = [];
  if (cursor.atMap()) {
    for (let members = cursor.readMapHeader(); members > 0; members--) {
      headers.push({ key: readHeaderName(cursor, index), value: readBytes(cursor, 'header value', index) });
    }
    return headers;
  }
  for (let count = cursor.readArrayHeader(); count > 0; count--) headers.push(readHeader(cursor, index));
  return headers;
}

function readHeader(cursor: MsgpackCursor, index: number): ProduceHeader {
  let key: string | undefined;
  let value: Buffer | null = null;
  for (let members = cursor.readMapHeader(); members > 0; members--) {
    const name = readName(cursor);
    if (name === 'key') key = readHeaderName(cursor, index);
    else if (name === 'value') value = readBytes(cursor, 'header value', index);
    else throw invalidRecord(cursor, index, 'a header is {key: str, value: bin, str or nil}');
  }
  if (key === undefined) throw invalidRecord(cursor, index, 'a header has no "key"');
  return { key, value };
}

function readHeaderName(cursor: MsgpackCursor, index: number): string {
  const bytes = readBytes(cursor, 'header key', index);
  if (bytes === null || !isUtf8(bytes)) throw invalidRecord(cursor, index, 'a header key must be UTF-8 text');
  return bytes.toString('utf8');
}

function invalidRecord(cursor: MsgpackCursor, index: number, message: string): HttpProblem {
  const detail = `record ${index}: ${message}; nothing was stored`;
  return new HttpProblem('invalid_record', detail, { record: index, position: cursor.position });
}
