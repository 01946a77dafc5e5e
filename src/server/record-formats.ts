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
import { JsonStringWriter } from './json-string-writer.ts';
import { Constant, NUMBER_BYTES, type OutputBuffer } from './output-buffer.ts';
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

const PARTITION = new Constant('{"partition":');
const OFFSET_AFTER_PARTITION = new Constant(',"offset":');
const OFFSET = new Constant('{"offset":');
const TIMESTAMP = new Constant(',"timestamp":"');
const KEY = new Constant('","key":');
const NO_KEY = new Constant('","key":null,"value":');
const VALUE = new Constant(',"value":');
const NO_HEADERS = new Constant(',"headers":[]');
const HEADERS = ',"headers":[';
const KEY_BASE64 = ',"keyEncoding":"base64"';
const VALUE_BASE64 = ',"valueEncoding":"base64"';
const VALUE_TEXT = ',"valueEncoding":"text"';
const HEADER_BASE64 = ',"encoding":"base64"';
const NULL = new Constant('null');
const COMMA = 0x2c;
const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;
/** Room for the constants and numbers of a record in either format. */
const FRAME_BYTES = 128 + 3 * NUMBER_BYTES;

const RECORD_END = new Constant('}');
const LINE_END = new Constant('}\n');

/** Writes bytes as a JSON value, and `,<mark>` behind it when it could not be written as was asked for. */
type ValueWriter = (out: OutputBuffer, chunk: Buffer, start: number, end: number, base64Mark: string) => void;

/** Writes `{"offset":…,"timestamp":…,"key":…,"value":…,"headers":[…]}`. */
export function jsonRecordWriter(encoding: ValueEncoding, recordEnd = RECORD_END): RecordWriter {
  const writeText = textWriter();
  const writeValue = { text: writeText, json: jsonWriter(writeText), base64: writeBase64 }[encoding];
  const writeKey = encoding === 'base64' ? writeBase64 : writeText;
  return (out, partition, offset, timestamp, chunk, keyStart, keyEnd, valueStart, valueEnd, headersStart) => {
    out.reserve(FRAME_BYTES);
    if (partition === undefined) {
      out.constant(OFFSET);
    } else {
      out.constant(PARTITION);
      out.integer(partition);
      out.constant(OFFSET_AFTER_PARTITION);
    }
    out.integer(offset);
    out.constant(TIMESTAMP);
    out.timestamp(timestamp);
    if (keyStart < 0) {
      out.constant(NO_KEY);
    } else {
      out.constant(KEY);
      writeKey(out, chunk, keyStart, keyEnd, KEY_BASE64);
      out.reserve(FRAME_BYTES);
      out.constant(VALUE);
    }
    if (valueStart < 0) out.constant(NULL);
    else writeValue(out, chunk, valueStart, valueEnd, VALUE_BASE64);
    out.reserve(FRAME_BYTES);
    // The first byte of the headers is their count, zero for nearly all records.
    if (chunk[headersStart] === 0) out.constant(NO_HEADERS);
    else writeHeaders(out, decodeHeaders(chunk, headersStart), writeKey);
    out.constant(recordEnd);
  };
}

function textWriter(): ValueWriter {
  const strings = new JsonStringWriter();
  return (out, chunk, start, end, base64Mark) => {
    if (!strings.write(out, chunk, start, end)) writeBase64(out, chunk, start, end).text(base64Mark);
  };
}

function writeBase64(out: OutputBuffer, chunk: Buffer, start: number, end: number): OutputBuffer {
  out.base64(chunk, start, end);
  return out;
}

function jsonWriter(writeText: ValueWriter): ValueWriter {
  let scanned: Buffer | undefined;
  let scanner: JsonScanner;
  return (out, chunk, start, end, base64Mark) => {
    // Many records share a chunk.
    if (chunk !== scanned) scanner = new JsonScanner(chunk);
    scanned = chunk;
    const value = chunk.subarray(start, end);
    const isText = isUtf8(value);
    if (!isText || !isJson(scanner, start, end)) {
      writeText(out, chunk, start, end, base64Mark);
      if (isText) out.text(VALUE_TEXT);
      return;
    }
    const oneLine = !value.includes(LINE_FEED) && !value.includes(CARRIAGE_RETURN);
    out.reserve(end - start);
    out.copy(oneLine ? value : onOneLine(value), 0, end - start);
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
  out.text(HEADERS);
  headers.forEach(({ key, value }, i) => {
    if (i > 0) out.byte(COMMA);
    out.text(`{"key":${JSON.stringify(key)},"value":`);
    if (value === null) out.text('null');
    else write(out, value, 0, value.length, HEADER_BASE64);
    out.text('}');
  });
  out.text(']');
}

/** One record a line. */
export function lineRecordWriter(encoding: ValueEncoding): RecordWriter {
  return jsonRecordWriter(encoding, LINE_END);
}

const EVENT_ID = new Constant('id: ');
const EVENT_DATA = new Constant('\ndata: ');
const EVENT_END = new Constant('}\n\n');

/** One server-sent event a record; its id is the offset, so that a client resumes where it was. */
export function eventRecordWriter(encoding: ValueEncoding): RecordWriter {
  const write = jsonRecordWriter(encoding, EVENT_END);
  return (out, partition, offset, ...rest) => {
    out.reserve(FRAME_BYTES);
    out.constant(EVENT_ID);
    out.integer(offset);
    out.constant(EVENT_DATA);
    write(out, partition, offset, ...rest);
  };
}

const packed = (name: string) => String.fromCharCode(0xa0 | name.length) + name;
const PACKED_MAP = new Constant('\x85');
const PACKED_MAP_WITH_PARTITION = new Constant(`\x86${packed('partition')}`);
const PACKED_OFFSET = new Constant(packed('offset'));
/** With the type byte of a string of the usual 24 bytes. */
const PACKED_TIMESTAMP = new Constant(`${packed('timestamp')}\xb8`);
const PACKED_KEY = new Constant(packed('key'));
const PACKED_VALUE = new Constant(packed('value'));
const PACKED_NO_KEY = new Constant(`${packed('key')}\xc0${packed('value')}`);
const PACKED_HEADERS = new Constant(packed('headers'));
const PACKED_NO_HEADERS = new Constant(`${packed('headers')}\x90`);

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
  out.reserve(FRAME_BYTES + keyEnd - keyStart + valueEnd - valueStart);
  if (partition === undefined) {
    out.constant(PACKED_MAP);
  } else {
    out.constant(PACKED_MAP_WITH_PARTITION);
    packInteger(out, partition);
  }
  out.constant(PACKED_OFFSET);
  packInteger(out, offset);
  packTimestamp(out, timestamp);
  if (keyStart < 0) {
    out.constant(PACKED_NO_KEY);
  } else {
    out.constant(PACKED_KEY);
    packBytes(out, chunk, keyStart, keyEnd);
    out.constant(PACKED_VALUE);
  }
  packBytes(out, chunk, valueStart, valueEnd);
  if (chunk[headersStart] === 0) out.constant(PACKED_NO_HEADERS);
  else packHeaders(out, decodeHeaders(chunk, headersStart));
};

function packHeaders(out: OutputBuffer, headers: readonly RecordHeader[]): void {
  out.constant(PACKED_HEADERS);
  out.byte(0xdd);
  out.uint32(headers.length);
  for (const { key, value } of headers) {
    out.reserve(FRAME_BYTES + key.length * 3 + (value?.length ?? 0));
    out.byte(0x82);
    out.constant(PACKED_KEY);
    packString(out, key);
    out.constant(PACKED_VALUE);
    packBytes(out, value ?? EMPTY, value === null ? -1 : 0, value?.length ?? -1);
  }
}

const EMPTY = Buffer.alloc(0);

/** Reserved. */
function packBytes(out: OutputBuffer, source: Buffer, start: number, end: number): void {
  const { bytes, view } = out;
  const length = end - start;
  if (start < 0) {
    bytes[out.length++] = 0xc0;
    return;
  }
  if (length < 0x100) {
    bytes[out.length++] = 0xc4;
    bytes[out.length++] = length;
  } else if (length < 0x10000) {
    bytes[out.length++] = 0xc5;
    view.setUint16(out.length, length);
    out.length += 2;
  } else {
    bytes[out.length++] = 0xc6;
    view.setUint32(out.length, length);
    out.length += 4;
  }
  out.copy(source, start, end);
}

/** A safe integer; negative ones as a double, which holds them exactly. */
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

/** Reserved. */
function packTimestamp(out: OutputBuffer, timestamp: number): void {
  out.constant(PACKED_TIMESTAMP);
  const start = out.length;
  out.timestamp(timestamp);
  // Unusual years take up to 27 bytes: still a length for the type byte of a short string.
  out.bytes[start - 1] = 0xa0 | (out.length - start);
}

export function packString(out: OutputBuffer, text: string): void {
  out.byte(0xdb);
  const header = out.length;
  out.uint32(0);
  out.text(text);
  out.view.setUint32(header, out.length - header - 4);
}
