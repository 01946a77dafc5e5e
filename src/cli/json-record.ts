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

/** Parses one line. Throws an Error whose message says what is wrong with it; `topic` and `offset` are ignored. */
export function recordFromJson(line: Uint8Array): OutgoingRecord {
  let parsed: unknown;
  try {
    parsed = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(line));
  } catch (error) {
    throw new Error(`it is not valid JSON (${(error as Error).message})`, { cause: error });
  }
  if (!isMap(parsed)) throw new Error('it is no JSON object');
  for (const name of Object.keys(parsed)) {
    if (!FIELDS.includes(name))
      throw new Error(`it has an unknown field "${name}"; known are ${FIELDS.join(', ')}`);
  }
  if (parsed.value === undefined) throw new Error('it has no value; a null is written as null');
  const record: OutgoingRecord = { value: bytesOf(parsed, 'value') };
  if (parsed.key !== undefined) record.key = bytesOf(parsed, 'key');
  if (parsed.headers != null) record.headers = headersOf(parsed.headers);
  if (parsed.timestamp != null) record.timestamp = timestampOf(parsed.timestamp);
  if (parsed.partition != null) record.partition = partitionOf(parsed.partition);
  return record;
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
  if (encoding === 'base64' && typeof value === 'string') return Buffer.from(value, 'base64');
  if (encoding !== 'text') throw new Error(`its ${name}Encoding is neither "text" nor "base64" of a string`);
  return Buffer.from(typeof value === 'string' ? value : JSON.stringify(value));
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

function timestampOf(value: unknown): number | string {
  if (typeof value === 'string' || Number.isSafeInteger(value)) return value as number | string;
  throw new Error('its timestamp is neither ISO 8601 nor milliseconds since 1970');
}

function partitionOf(value: unknown): number {
  if (Number.isSafeInteger(value) && (value as number) >= 0) return value as number;
  throw new Error('its partition is no whole number');
}
