/**
 * Records as answers carry them, written straight from the bytes of a batch.
 *
 * JSON cannot hold bytes, so a key or value is text, JSON or base64 as the request asks. What does not fit
 * comes as base64 (bytes that are no UTF-8) or as text (no JSON), and `keyEncoding` or `valueEncoding` in
 * that record says so: nothing is lost or replaced. MessagePack gives bytes as bin.
 */
import { isUtf8 } from 'node:buffer';
import { decodeHeaders, type RecordHeader } from '../engine/index.ts';
import { JsonFault, JsonScanner } from './json-scanner.ts';
import type { OutputBuffer } from './output-buffer.ts';
import type { ValueEncoding } from './record-sink.ts';

/** Positions are in `chunk`; a start of -1 stands for null (see the engine's RecordVisitor). */
export type RecordWriter = (
  out: OutputBuffer,
  partition: number | undefined,
  offset: number,
  timestamp: number,
  chunk: Buffer,
  keyStart: number,
  keyEnd: number,
  valueStart: number,
  valueEnd: number,
  headersStart: number,
) => void;

const ascii = (text: string) => new Uint8Array(Buffer.from(text, 'latin1'));

const PARTITION = ascii('{"partition":');
const OFFSET_AFTER_PARTITION = ascii(',"offset":');
const OFFSET = ascii('{"offset":');
const TIMESTAMP = ascii(',"timestamp":"');
const KEY = ascii('","key":');
const VALUE = ascii(',"value":');
const NO_HEADERS = ascii(',"headers":[]');
const HEADERS = ascii(',"headers":[');
const HEADER_KEY = ascii('{"key":');
const KEY_BASE64 = ascii(',"keyEncoding":"base64"');
const VALUE_BASE64 = ascii(',"valueEncoding":"base64"');
const VALUE_TEXT = ascii(',"valueEncoding":"text"');
const HEADER_BASE64 = ascii(',"encoding":"base64"');
const NULL = ascii('null');
const CLOSE_BRACE = 0x7d;
const CLOSE_BRACKET = 0x5d;
const COMMA = 0x2c;
const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;

const RECORD_END = ascii('}');
const LINE_END = ascii('}\n');

/** Writes `{"offset":…,"timestamp":…,"key":…,"value":…,"headers":[…]}`. */
export function jsonRecordWriter(encoding: ValueEncoding, recordEnd = RECORD_END): RecordWriter {
  const writeValue = { text: writeText, json: jsonValueWriter(), base64: writeBase64 }[encoding];
  const writeKey = encoding === 'base64' ? writeBase64 : writeText;
  return (out, partition, offset, timestamp, chunk, keyStart, keyEnd, valueStart, valueEnd, headersStart) => {
    if (partition === undefined) {
      out.bytes(OFFSET);
    } else {
      out.bytes(PARTITION);
      out.integer(partition);
      out.bytes(OFFSET_AFTER_PARTITION);
    }
    out.integer(offset);
    out.bytes(TIMESTAMP);
    out.timestamp(timestamp);
    out.bytes(KEY);
    if (keyStart < 0) out.bytes(NULL);
    else writeKey(out, chunk, keyStart, keyEnd, KEY_BASE64);
    out.bytes(VALUE);
    if (valueStart < 0) out.bytes(NULL);
    else writeValue(out, chunk, valueStart, valueEnd, VALUE_BASE64);
    // The first byte of the headers is their count, zero for nearly all records.
    if (chunk[headersStart] === 0) out.bytes(NO_HEADERS);
    else writeHeaders(out, decodeHeaders(chunk, headersStart), writeKey);
    out.bytes(recordEnd);
  };
}

function writeText(
  out: OutputBuffer,
  chunk: Buffer,
  start: number,
  end: number,
  base64Mark: Uint8Array,
): void {
  if (out.jsonString(chunk, start, end)) return;
  out.base64(chunk, start, end);
  out.bytes(base64Mark);
}

function writeBase64(out: OutputBuffer, chunk: Buffer, start: number, end: number): void {
  out.base64(chunk, start, end);
}

type ValueWriter = (
  out: OutputBuffer,
  chunk: Buffer,
  start: number,
  end: number,
  base64Mark: Uint8Array,
) => void;

function jsonValueWriter(): ValueWriter {
  let scanned: Buffer | undefined;
  let scanner: JsonScanner;
  return (out, chunk, start, end, base64Mark) => {
    // Many records share a chunk.
    if (chunk !== scanned) scanner = new JsonScanner(chunk);
    scanned = chunk;
    const value = chunk.subarray(start, end);
    const text = isUtf8(value);
    if (text && isJson(scanner, start, end)) {
      out.bytes(value.includes(LINE_FEED) || value.includes(CARRIAGE_RETURN) ? onOneLine(value) : value);
    } else if (text) {
      out.jsonString(chunk, start, end);
      out.bytes(VALUE_TEXT);
    } else {
      out.base64(chunk, start, end);
      out.bytes(base64Mark);
    }
  };
}

function isJson(scanner: JsonScanner, start: number, end: number): boolean {
  try {
    return scanner.skipWhitespace(scanner.value(start, end), end) === end;
  } catch (error) {
    if (error instanceof JsonFault) return false;
    throw error;
  }
}

/** In valid JSON line ends are whitespace only, and in a line-framed answer they would end the line. */
function onOneLine(value: Buffer): Buffer {
  const copy = Buffer.from(value);
  for (let i = 0; i < copy.length; i++)
    if (copy[i] === LINE_FEED || copy[i] === CARRIAGE_RETURN) copy[i] = 0x20;
  return copy;
}

function writeHeaders(out: OutputBuffer, headers: readonly RecordHeader[], write: ValueWriter): void {
  out.bytes(HEADERS);
  headers.forEach(({ key, value }, i) => {
    if (i > 0) out.byte(COMMA);
    out.bytes(HEADER_KEY);
    out.text(JSON.stringify(key));
    out.bytes(VALUE);
    if (value === null) out.bytes(NULL);
    else write(out, value, 0, value.length, HEADER_BASE64);
    out.byte(CLOSE_BRACE);
  });
  out.byte(CLOSE_BRACKET);
}

/** One record a line. */
export function lineRecordWriter(encoding: ValueEncoding): RecordWriter {
  return jsonRecordWriter(encoding, LINE_END);
}

const EVENT_ID = ascii('id: ');
const EVENT_DATA = ascii('\ndata: ');
const EVENT_END = ascii('}\n\n');

/** One server-sent event a record; its id is the offset, so that a client resumes where it was. */
export function eventRecordWriter(encoding: ValueEncoding): RecordWriter {
  const write = jsonRecordWriter(encoding, EVENT_END);
  return (out, partition, offset, ...rest) => {
    out.bytes(EVENT_ID);
    out.integer(offset);
    out.bytes(EVENT_DATA);
    write(out, partition, offset, ...rest);
  };
}

const packed = (name: string) => new Uint8Array([0xa0 | name.length, ...Buffer.from(name, 'latin1')]);
const PACKED_PARTITION = packed('partition');
const PACKED_OFFSET = packed('offset');
const PACKED_TIMESTAMP = packed('timestamp');
const PACKED_KEY = packed('key');
const PACKED_VALUE = packed('value');
const PACKED_HEADERS = packed('headers');

/** Writes the same fields as a MessagePack map; keys, values and header values are bin or nil. */
export const msgpackRecordWriter: RecordWriter = (
  out,
  partition,
  offset,
  timestamp,
  chunk,
  keyStart,
  keyEnd,
  valueStart,
  valueEnd,
  headersStart,
) => {
  out.byte(partition === undefined ? 0x85 : 0x86);
  if (partition !== undefined) {
    out.bytes(PACKED_PARTITION);
    packInteger(out, partition);
  }
  out.bytes(PACKED_OFFSET);
  packInteger(out, offset);
  out.bytes(PACKED_TIMESTAMP);
  packTimestamp(out, timestamp);
  out.bytes(PACKED_KEY);
  packBytes(out, chunk, keyStart, keyEnd);
  out.bytes(PACKED_VALUE);
  packBytes(out, chunk, valueStart, valueEnd);
  out.bytes(PACKED_HEADERS);
  if (chunk[headersStart] === 0) out.byte(0x90);
  else packHeaders(out, decodeHeaders(chunk, headersStart));
};

function packHeaders(out: OutputBuffer, headers: readonly RecordHeader[]): void {
  out.byte(0xdd);
  out.uint32(headers.length);
  for (const { key, value } of headers) {
    out.byte(0x82);
    out.bytes(PACKED_KEY);
    packString(out, key);
    out.bytes(PACKED_VALUE);
    packBytes(out, value ?? EMPTY, value === null ? -1 : 0, value?.length ?? -1);
  }
}

const EMPTY = Buffer.alloc(0);

function packBytes(out: OutputBuffer, source: Buffer, start: number, end: number): void {
  if (start < 0) {
    out.byte(0xc0);
    return;
  }
  const length = end - start;
  if (length < 0x100) {
    out.byte(0xc4);
    out.byte(length);
  } else if (length < 0x10000) {
    out.byte(0xc5);
    out.byte(length >> 8);
    out.byte(length & 0xff);
  } else {
    out.byte(0xc6);
    out.uint32(length);
  }
  out.bytes(source, start, end);
}

/** A safe integer in the shortest form that is common; large and negative ones as a double, which holds them exactly. */
export function packInteger(out: OutputBuffer, value: number): void {
  if (value >= 0 && value < 0x80) {
    out.byte(value);
  } else if (value >= 0 && value <= 0xffffffff) {
    out.byte(0xce);
    out.uint32(value);
  } else if (value > 0) {
    out.byte(0xcf);
    out.uint32(Math.floor(value / 0x100000000));
    out.uint32(value % 0x100000000);
  } else {
    out.byte(0xcb);
    out.double(value);
  }
}

function packTimestamp(out: OutputBuffer, timestamp: number): void {
  const at = out.length;
  out.byte(0);
  out.timestamp(timestamp);
  // The text has at most 27 bytes: the length fits the type byte of a short string.
  out.patchByte(at, 0xa0 | (out.length - at - 1));
}

export function packString(out: OutputBuffer, text: string): void {
  const bytes = Buffer.from(text, 'utf8');
  out.byte(0xdb);
  out.uint32(bytes.length);
  out.bytes(bytes);
}
