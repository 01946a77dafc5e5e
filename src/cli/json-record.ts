/**
 * A record as one line of JSON: what `consume --json` prints and `produce --json` takes, so that the output
 * of one is good input for the other.
 *
 * Bytes that are no UTF-8 text are given as base64, and `keyEncoding` or `valueEncoding` says so: nothing is
 * lost or replaced.
 */
import { isUtf8 } from 'node:buffer';
import type { ConsumedRecord } from './record-format.ts';

/** What `produce` sends: the shape of a record in the daemon's msgpack body. */
export interface OutgoingRecord {
  key?: Uint8Array | null;
  value: Uint8Array | null;
  headers?: { key: string; value: Uint8Array | null }[];
  timestamp?: number | string;
  partition?: number;
}

/** Without a newline at its end. */
export function recordToJson(record: ConsumedRecord): string {
  return JSON.stringify({
    topic: record.topic,
    partition: record.partition,
    offset: record.offset,
    timestamp: new Date(record.timestamp).toISOString(),
    ...textOf('key', record.key),
    ...textOf('value', record.value),
    headers: record.headers.map((header) => ({ key: header.key, ...textOf('value', header.value) })),
  });
}

function textOf(name: string, bytes: Uint8Array | null): Record<string, string | null> {
  if (bytes === null) return { [name]: null };
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  if (isUtf8(buffer)) return { [name]: buffer.toString() };
  return { [name]: buffer.toString('base64'), [`${name}Encoding`]: 'base64' };
}

const FIELDS = [
  'key',
  'keyEncoding',
  'value',
  'valueEncoding',
  'headers',
  'timestamp',
  'partition',
  'topic',
  'offset',
];

/** Whether the daemon would take it as a time. */
export type TimestampCheck = (value: number | string) => boolean;

/** Parses one line. Throws an Error whose message says what is wrong with it; `topic` and `offset` are ignored. */
export function recordFromJson(line: Uint8Array, isTimestamp: TimestampCheck = () => true): OutgoingRecord {
  const parsed = parse(line);
  if (!isMap(parsed)) throw new Error('it is no JSON object');
  for (const name of Object.keys(parsed)) {
    if (!FIELDS.includes(name))
      throw new Error(`it has an unknown field "${name}"; known are ${FIELDS.join(', ')}`);
  }
  if (parsed.value === undefined) throw new Error('it has no value; a null is written as null');
  const record: OutgoingRecord = { value: bytesOf(parsed, 'value') };
  if (parsed.key !== undefined) record.key = bytesOf(parsed, 'key');
  if (parsed.headers != null) record.headers = headersOf(parsed.headers);
  if (parsed.timestamp != null) record.timestamp = timestampOf(parsed.timestamp, isTimestamp);
  if (parsed.partition != null) record.partition = partitionOf(parsed.partition);
  return record;
}

function parse(line: Uint8Array): unknown {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(line);
    const parsed: unknown = JSON.parse(text);
    if (
      !isMap(parsed) ||
      !CONTENTS.some((name) => typeof parsed[name] === 'object' || typeof parsed[name] === 'number')
    )
      return parsed;
    const exact: JsonMap = JSON.parse(text, keepNumber);
    for (const name of CONTENTS) if (name in exact) parsed[name] = exact[name];
    return parsed;
  } catch (error) {
    throw new Error(`it is not valid JSON (${(error as Error).message})`, { cause: error });
  }
}

/** What is stored of a line, in which other JSON than text may stand. */
const CONTENTS = ['key', 'value', 'headers'] as const;

/** TypeScript does not know of it yet. */
const { rawJSON } = JSON as unknown as { rawJSON(text: string): unknown };

/** A number is written as it was read: 12345678901234567890 and 1.0 would come out as others. */
function keepNumber(_name: string, value: unknown, { source }: { source?: string } = {}): unknown {
  return typeof value === 'number' && source !== undefined ? rawJSON(source) : value;
}

type JsonMap = Record<string, unknown>;

function isMap(value: unknown): value is JsonMap {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Text as its UTF-8 bytes; any other JSON value as the JSON text it is. */
function bytesOf(from: JsonMap, name: 'key' | 'value'): Uint8Array | null {
  const value = from[name];
  const encoding = from[`${name}Encoding`] ?? 'text';
  if (value === null) return null;
  if (encoding === 'base64' && typeof value === 'string') return fromBase64(value, name);
  if (encoding !== 'text') throw new Error(`its ${name}Encoding is neither "text" nor "base64" of a string`);
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  if (!text.isWellFormed())
    throw new Error(`its ${name} has half a surrogate pair, which no bytes stand for`);
  return Buffer.from(text);
}

/** Node passes over what is no base64; with or without its padding, the bytes must be what was written. */
function fromBase64(text: string, name: string): Buffer {
  const bytes = Buffer.from(text, 'base64');
  if (bytes.toString('base64').replace(/=+$/, '') === text.replace(/=+$/, '')) return bytes;
  throw new Error(`its ${name} is not valid base64`);
}

/** An array of {key, value}, or a map of names to values. */
function headersOf(headers: unknown): { key: string; value: Uint8Array | null }[] {
  const list = Array.isArray(headers)
    ? headers
    : Object.entries(isMap(headers) ? headers : {}).map(([key, value]) => ({ key, value }));
  return list.map((header: unknown) => {
    if (!isMap(header) || typeof header.key !== 'string' || header.value === undefined) {
      throw new Error('its headers are neither a map nor an array of {"key": …, "value": …}');
    }
    return { key: header.key, value: bytesOf(header, 'value') };
  });
}

function timestampOf(value: unknown, isTimestamp: TimestampCheck): number | string {
  if ((typeof value === 'string' || typeof value === 'number') && isTimestamp(value)) return value;
  throw new Error('its timestamp is neither ISO 8601 nor an epoch number, from 1970 on');
}

function partitionOf(value: unknown): number {
  if (Number.isSafeInteger(value) && (value as number) >= 0) return value as number;
  throw new Error('its partition is no whole number');
}
