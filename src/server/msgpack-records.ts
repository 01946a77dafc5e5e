/** Records as MessagePack carries them: a map of the fields that records have in JSON, bytes as they are. */
import { decodeHeaders, type RecordHeader } from '../engine/index.ts';
import { Constant, NUMBER_BYTES, OutputBuffer } from './output-buffer.ts';
import type { RecordFormat, RecordWriter } from './record-formats.ts';
import { kernelFormat, type RecordFrame } from './record-kernel.ts';

const packed = (name: string) => String.fromCharCode(0xa0 | name.length) + name;
/** What stands around the fields of a record that has neither headers nor a partition. */
const FRAME: RecordFrame = {
  begin: `\x85${packed('offset')}`,
  /** With the type byte of a string of the usual 24 bytes. */
  timestamp: `${packed('timestamp')}\xb8`,
  noKey: `${packed('key')}\xc0${packed('value')}`,
  key: packed('key'),
  value: packed('value'),
  noValue: '\xc0',
  end: `${packed('headers')}\x90`,
};
const BEGIN = new Constant(FRAME.begin);
const BEGIN_WITH_PARTITION = new Constant(`\x86${packed('partition')}`);
const BEGIN_WITH_TOPIC = new Constant(`\x87${packed('topic')}`);
const PARTITION = new Constant(packed('partition'));
const OFFSET = new Constant(packed('offset'));
const TIMESTAMP = new Constant(FRAME.timestamp);
const NO_KEY = new Constant(FRAME.noKey);
const KEY = new Constant(FRAME.key);
const VALUE = new Constant(FRAME.value);
const HEADERS = new Constant(packed('headers'));
const END = new Constant(FRAME.end);
/** Room for the constants and numbers of a record. */
const FRAME_BYTES = 128 + 3 * NUMBER_BYTES;

/** `begin` may put more before the offset. */
function msgpackRecordWriter(begin: Constant): RecordWriter {
  return (out, partition, offset, timestamp, chunk, keyStart, keyEnd, valueStart, valueEnd, headersStart) => {
    out.reserve(FRAME_BYTES + begin.length + keyEnd - keyStart + valueEnd - valueStart);
    if (partition === undefined) {
      out.constant(begin);
    } else {
      out.constant(BEGIN_WITH_PARTITION);
      packInteger(out, partition);
      out.constant(OFFSET);
    }
    packInteger(out, offset);
    packTimestamp(out, timestamp);
    if (keyStart < 0) {
      out.constant(NO_KEY);
    } else {
      out.constant(KEY);
      packBytes(out, chunk, keyStart, keyEnd);
      out.constant(VALUE);
    }
    packBytes(out, chunk, valueStart, valueEnd);
    if (chunk[headersStart] === 0) out.constant(END);
    else packHeaders(out, decodeHeaders(chunk, headersStart));
  };
}

/** Keys, values and header values are bin or nil. */
export const msgpackFormat: RecordFormat = {
  write: msgpackRecordWriter(BEGIN),
  kernel: kernelFormat(FRAME, { packed: true }),
};

/** As `msgpackFormat`, of one partition among those of several topics: each record says where it lies. */
export function placedMsgpackFormat(topic: string, partition: number): RecordFormat {
  const begin = new OutputBuffer(FRAME_BYTES + topic.length);
  begin.reserve(FRAME_BYTES);
  begin.constant(BEGIN_WITH_TOPIC);
  packString(begin, topic);
  begin.constant(PARTITION);
  packInteger(begin, partition);
  begin.constant(OFFSET);
  return { write: msgpackRecordWriter(new Constant(begin.takeAll().bytes)) };
}

function packHeaders(out: OutputBuffer, headers: readonly RecordHeader[]): void {
  out.constant(HEADERS);
  out.byte(0xdd);
  out.uint32(headers.length);
  for (const { key, value } of headers) {
    out.reserve(FRAME_BYTES + key.length * 3 + (value?.length ?? 0));
    out.byte(0x82);
    out.constant(KEY);
    packString(out, key);
    out.constant(VALUE);
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
  out.constant(TIMESTAMP);
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
