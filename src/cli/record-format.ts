/**
 * The output format of `consume -f`, spelled as kcat spells it.
 *
 *   %s value      %S its length, -1 for null      %R its length as 4 bytes, big-endian
 *   %k key        %K its length, -1 for null      %h headers as name=value,name=value
 *   %t topic      %p partition      %o offset     %T timestamp, ms since 1970      %% a percent sign
 *   \n \r \t \0 \\ \xHH: those bytes
 *
 * A format is compiled once and gives bytes: keys and values come out as they went in.
 */
import { UsageError } from './errors.ts';

export interface ConsumedRecord {
  topic: string;
  partition: number;
  offset: number;
  /** Milliseconds since 1970. */
  timestamp: number;
  key: Uint8Array | null;
  value: Uint8Array | null;
  headers: readonly { key: string; value: Uint8Array | null }[];
}

type Part = Uint8Array | ((record: ConsumedRecord) => Uint8Array);

/** Appends the bytes of one record to `output`. */
export type RecordFormat = (record: ConsumedRecord, output: Uint8Array[]) => void;

const EMPTY = Buffer.alloc(0);

/** Compiles a format; null keys and values come out as `nullMarker`. Throws UsageError. */
export function compileFormat(format: string, nullMarker = ''): RecordFormat {
  const parts = parseFormat(format, Buffer.from(nullMarker));
  return (record, output) => {
    for (const part of parts) output.push(typeof part === 'function' ? part(record) : part);
  };
}

function parseFormat(format: string, nullBytes: Uint8Array): Part[] {
  const parts: Part[] = [];
  const tokens = /%([\s\S]?)|\\(x[0-9a-fA-F]{2}|[\s\S]?)|[^%\\]+/g;
  for (const [text, percent, escaped] of format.matchAll(tokens)) {
    if (percent !== undefined) parts.push(fieldOf(percent, nullBytes));
    else if (escaped !== undefined) parts.push(escapedByte(escaped));
    else parts.push(Buffer.from(text));
  }
  return parts;
}

function fieldOf(letter: string, nullBytes: Uint8Array): Part {
  switch (letter) {
    case 's':
      return (record) => record.value ?? nullBytes;
    case 'S':
      return (record) => Buffer.from(String(record.value?.length ?? -1));
    case 'R':
      return (record) => bigEndian(record.value?.length ?? -1);
    case 'k':
      return (record) => record.key ?? nullBytes;
    case 'K':
      return (record) => Buffer.from(String(record.key?.length ?? -1));
    case 'h':
      return (record) => headerBytes(record.headers, nullBytes);
    case 't':
      return (record) => Buffer.from(record.topic);
    case 'p':
      return (record) => Buffer.from(String(record.partition));
    case 'o':
      return (record) => Buffer.from(String(record.offset));
    case 'T':
      return (record) => Buffer.from(String(record.timestamp));
    case '%':
      return Buffer.from('%');
    default:
      throw new UsageError(`format: %${letter} is none of %s %S %R %k %K %h %t %p %o %T %%`);
  }
}

function bigEndian(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
}

function headerBytes(headers: ConsumedRecord['headers'], nullBytes: Uint8Array): Uint8Array {
  if (headers.length === 0) return EMPTY;
  const pieces: Uint8Array[] = [];
  for (const [i, { key, value }] of headers.entries()) {
    pieces.push(Buffer.from(`${i === 0 ? '' : ','}${key}=`), value ?? nullBytes);
  }
  return Buffer.concat(pieces);
}

const ESCAPES: Readonly<Record<string, number>> = { n: 10, r: 13, t: 9, '0': 0, '\\': 92 };

function escapedByte(name: string): Uint8Array {
  const byte = name.length === 3 ? Number.parseInt(name.slice(1), 16) : ESCAPES[name];
  if (byte === undefined) throw new UsageError(`\\${name} is none of \\n \\r \\t \\0 \\\\ \\xHH`);
  return Uint8Array.of(byte);
}

/** Bytes of a text that may hold the same escapes, such as the separator `\t`. */
export function unescapeBytes(text: string): Buffer {
  const pieces: Uint8Array[] = [];
  for (const [plain, escaped] of text.matchAll(/\\(x[0-9a-fA-F]{2}|[\s\S]?)|[^\\]+/g)) {
    pieces.push(escaped === undefined ? Buffer.from(plain) : escapedByte(escaped));
  }
  return Buffer.concat(pieces);
}
