/**
 * Records as answers carry them in JSON, written straight from the bytes of a batch.
 *
 * JSON cannot hold bytes, so a key or value is text, JSON or base64 as the request asks. What does not fit
 * comes as base64 (bytes that are no UTF-8) or as text (no JSON), and `keyEncoding` or `valueEncoding` in
 * that record says so: nothing is lost or replaced.
 */
import { isUtf8 } from 'node:buffer';
import { decodeHeaders, type RecordHeader } from '../engine/index.ts';
import { JsonFault, JsonScanner } from '../query/index.ts';
import { JsonStringWriter } from './json-string-writer.ts';
import { Constant, NUMBER_BYTES, type OutputBuffer } from './output-buffer.ts';
import { type KernelFormat, kernelFormat, type RecordFrame } from './record-kernel.ts';
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

/** How an answer carries records: whatever they are, and the ordinary ones among them. */
export interface RecordFormat {
  readonly write: RecordWriter;
  readonly kernel?: KernelFormat;
}

/** What stands around the fields of a record that has neither headers nor a partition. */
const FRAME: RecordFrame = {
  begin: '{"offset":',
  timestamp: ',"timestamp":"',
  noKey: '","key":null,"value":',
  key: '","key":',
  value: ',"value":',
  noValue: 'null',
  end: ',"headers":[]}',
};
const BEGIN = new Constant(FRAME.begin);
const BEGIN_WITH_PARTITION = new Constant('{"partition":');
const OFFSET = new Constant(',"offset":');
const TIMESTAMP = new Constant(FRAME.timestamp);
const NO_KEY = new Constant(FRAME.noKey);
const KEY = new Constant(FRAME.key);
const VALUE = new Constant(FRAME.value);
const NULL = new Constant(FRAME.noValue);
const NO_HEADERS = new Constant(',"headers":[]');
const HEADERS = ',"headers":[';
const KEY_BASE64 = ',"keyEncoding":"base64"';
const VALUE_BASE64 = ',"valueEncoding":"base64"';
const VALUE_TEXT = ',"valueEncoding":"text"';
const HEADER_BASE64 = ',"encoding":"base64"';
const COMMA = 0x2c;
const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;
/** Room for the constants and numbers of a record. */
const FRAME_BYTES = 128 + 3 * NUMBER_BYTES;

const RECORD_END = new Constant('}');
const LINE_END = new Constant('}\n');

/** Writes bytes as a JSON value, and `,<mark>` behind it when it could not be written as was asked for. */
type ValueWriter = (out: OutputBuffer, chunk: Buffer, start: number, end: number, base64Mark: string) => void;

/** Writes `{"offset":…,"timestamp":…,"key":…,"value":…,"headers":[…]}`; `begin` may put more before the offset. */
function jsonRecordWriter(encoding: ValueEncoding, recordEnd: Constant, begin = BEGIN): RecordWriter {
  const writeText = textWriter();
  const writeValue = { text: writeText, json: jsonWriter(writeText), base64: writeBase64 }[encoding];
  const writeKey = encoding === 'base64' ? writeBase64 : writeText;
  return (out, partition, offset, timestamp, chunk, keyStart, keyEnd, valueStart, valueEnd, headersStart) => {
    out.reserve(FRAME_BYTES + begin.length);
    if (partition === undefined) {
      out.constant(begin);
    } else {
      out.constant(BEGIN_WITH_PARTITION);
      out.integer(partition);
      out.constant(OFFSET);
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

const PAGE_KERNEL = kernelFormat(FRAME, { separator: COMMA });
const LINE_KERNEL = kernelFormat({ ...FRAME, end: `${FRAME.end}\n` }, {});

/** Records with commas between them. */
export function jsonFormat(encoding: ValueEncoding = 'text'): RecordFormat {
  const kernel = encoding === 'text' ? PAGE_KERNEL : undefined;
  return { write: jsonRecordWriter(encoding, RECORD_END), kernel };
}

/** One record a line. */
export function lineFormat(encoding: ValueEncoding = 'text'): RecordFormat {
  const kernel = encoding === 'text' ? LINE_KERNEL : undefined;
  return { write: jsonRecordWriter(encoding, LINE_END), kernel };
}

/** As `jsonFormat`, of one partition among those of several topics: each record says where it lies. */
export function placedJsonFormat(
  topic: string,
  partition: number,
  encoding: ValueEncoding = 'text',
): RecordFormat {
  const begin = new Constant(`{"topic":"${topic}","partition":${partition},"offset":`);
  return { write: jsonRecordWriter(encoding, RECORD_END, begin) };
}

const EVENT_ID = new Constant('id: ');
const EVENT_DATA = new Constant('\ndata: ');
const EVENT_END = new Constant('}\n\n');

/** One server-sent event a record; its id is the offset, so that a client resumes where it was. */
export function eventFormat(encoding: ValueEncoding = 'text'): RecordFormat {
  const writeData = jsonRecordWriter(encoding, EVENT_END);
  const write: RecordWriter = (out, partition, offset, ...rest) => {
    out.reserve(FRAME_BYTES);
    out.constant(EVENT_ID);
    out.integer(offset);
    out.constant(EVENT_DATA);
    writeData(out, partition, offset, ...rest);
  };
  return { write };
}
