/**
 * Reads `{"records":[{key?, value, headers?, timestamp?, partition?}]}` from its bytes.
 *
 * Strings without escapes go to the log as slices of the body; under `encoding=json` a value goes as the
 * very bytes that it was written in, so that no number is rounded and no name has an effect on anything.
 * A name that is not known is refused, because a misspelt "timestamp" would otherwise be lost in silence.
 */
import { isUtf8 } from 'node:buffer';
import type { BytesLike, ProduceHeader } from '../engine/index.ts';
import { JsonFault, JsonScanner, parseTimestamp, usualTimestamp } from '../query/index.ts';
import { decodeBase64 } from './base64.ts';
import { HttpProblem } from './error-mapping.ts';
import { addRecord, type RecordSink, type ValueEncoding } from './record-sink.ts';

/** @throws HttpProblem invalid_json with the byte, nesting_too_deep, invalid_record with the record's index. */
export function readJsonRecords(body: Buffer, sink: RecordSink, encoding: ValueEncoding): void {
  if (!isUtf8(body)) throw new HttpProblem('invalid_json', 'the body is not valid UTF-8; nothing was stored');
  try {
    new JsonRecordsReader(body, sink, encoding).read();
  } catch (error) {
    if (!(error instanceof JsonFault)) throw error;
    const detail = `byte ${error.position}: ${error.message}; nothing was stored`;
    throw new HttpProblem(error.tooDeep ? 'nesting_too_deep' : 'invalid_json', detail, {
      position: error.position,
    });
  }
}

const [QUOTE, OPEN_BRACE, CLOSE_BRACE, OPEN_BRACKET, CLOSE_BRACKET, COMMA, COLON] = [
  0x22, 0x7b, 0x7d, 0x5b, 0x5d, 0x2c, 0x3a,
];
const NULL_START = 0x6e;

const [VALUE, KEY, TIMESTAMP, PARTITION, HEADERS] = [1, 2, 4, 8, 16];

/** The names of a record's fields with the bit that says that one was seen, by the first letter of the name. */
const FIELDS: { name: Buffer; bit: number }[] = [];
for (const [i, name] of ['value', 'key', 'timestamp', 'partition', 'headers'].entries()) {
  FIELDS[name.charCodeAt(0)] = { name: Buffer.from(name), bit: 1 << i };
}

class JsonRecordsReader {
  readonly #body: Buffer;
  readonly #scanner: JsonScanner;
  readonly #sink: RecordSink;
  readonly #encoding: ValueEncoding;
  #at = 0;
  #index = 0;

  constructor(body: Buffer, sink: RecordSink, encoding: ValueEncoding) {
    this.#body = body;
    this.#scanner = new JsonScanner(body);
    this.#sink = sink;
    this.#encoding = encoding;
  }

  read(): void {
    let found = false;
    for (let more = this.#open(OPEN_BRACE, CLOSE_BRACE); more; more = this.#next(CLOSE_BRACE)) {
      const name = this.#takeName();
      if (name !== 'records')
        throw this.#invalidRequest(`"${name.slice(0, 100)}" is not known; send {"records":[…]}`);
      if (found) throw this.#invalidRequest('"records" occurs twice');
      found = true;
      for (let record = this.#open(OPEN_BRACKET, CLOSE_BRACKET); record; record = this.#next(CLOSE_BRACKET)) {
        this.#readRecord();
        this.#index++;
      }
    }
    if (this.#peek() !== -1) throw new JsonFault(this.#at, 'more follows the object');
    if (!found) throw this.#invalidRequest('there is no "records"; send {"records":[…]}');
  }

  #readRecord(): void {
    let key: BytesLike | null = null;
    let value: BytesLike | null = null;
    let headers: ProduceHeader[] | undefined;
    let timestamp: number | undefined;
    let partition: number | undefined;
    let seen = 0;
    for (let more = this.#open(OPEN_BRACE, CLOSE_BRACE); more; more = this.#next(CLOSE_BRACE)) {
      const field = this.#takeField(seen);
      seen |= field;
      if (field === VALUE) value = this.#readValue();
      else if (field === KEY) key = this.#readText('key', this.#encoding === 'base64');
      else if (field === TIMESTAMP) timestamp = this.#readTimestamp();
      else if (field === PARTITION) partition = this.#readPartition();
      else if (field === HEADERS) headers = this.#readHeaders();
    }
    if ((seen & VALUE!) === 0) throw this.#invalidRecord('"value" is missing (null is allowed)');
    addRecord(this.#sink, key, value, timestamp, headers?.length === 0 ? undefined : headers, partition);
  }

  #readValue(): BytesLike | null {
    if (this.#encoding !== 'json') return this.#readText('value', this.#encoding === 'base64');
    if (this.#takeNull()) return null;
    const start = this.#at;
    this.#at = this.#scanner.value(start);
    return this.#body.subarray(start, this.#at);
  }

  /** A string as bytes, or null. */
  #readText(what: string, base64: boolean): BytesLike | null {
    const start = this.#at;
    if (this.#peek() !== QUOTE) {
      if (this.#takeNull()) return null;
      this.#scanner.value(start);
      const hint = what === 'value' && !base64 ? '; other JSON goes with encoding=json' : '';
      throw this.#invalidRecord(`"${what}" must be a string or null${hint}`);
    }
    this.#at = this.#scanner.string(start);
    if (!base64 && !this.#scanner.escaped) return this.#body.subarray(start + 1, this.#at - 1);
    const text = this.#string(start, this.#at);
    if (!base64) return text;
    const decoded = decodeBase64(text);
    if (decoded === undefined) throw this.#invalidRecord(`"${what}" is not valid base64`);
    return decoded;
  }

  #readTimestamp(): number | undefined {
    if (this.#takeNull()) return undefined;
    const start = this.#at;
    const quoted = this.#peek() === QUOTE;
    this.#at = quoted ? this.#scanner.string(start) : this.#scanner.value(start);
    const usual = quoted ? usualTimestamp(this.#body, start + 1, this.#at - 1) : -1;
    if (usual >= 0) return usual;
    const text = quoted ? this.#string(start, this.#at) : this.#body.toString('latin1', start, this.#at);
    const timestamp = parseTimestamp(text);
    if (timestamp === undefined || timestamp < 0) {
      throw this.#invalidRecord(
        `"timestamp" must be ISO 8601 or an epoch number, from 1970 on, not ${text.slice(0, 50)}`,
      );
    }
    return timestamp;
  }

  #readPartition(): number | undefined {
    if (this.#takeNull()) return undefined;
    const start = this.#at;
    this.#at = this.#scanner.value(start);
    const text = this.#body.toString('latin1', start, this.#at);
    if (!/^\d{1,9}$/.test(text)) throw this.#invalidRecord('"partition" must be a whole number');
    return Number(text);
  }

  /** `[{"key": …, "value": …}]`, or `{"name": "value"}` where order and repetition do not matter. */
  #readHeaders(): ProduceHeader[] {
    const headers: ProduceHeader[] = [];
    if (this.#takeNull()) return headers;
    const base64 = this.#encoding === 'base64';
    if (this.#peek() === OPEN_BRACE) {
      for (let more = this.#open(OPEN_BRACE, CLOSE_BRACE); more; more = this.#next(CLOSE_BRACE)) {
        headers.push({ key: this.#takeName(), value: this.#readText('header value', base64) });
      }
      return headers;
    }
    for (let more = this.#open(OPEN_BRACKET, CLOSE_BRACKET); more; more = this.#next(CLOSE_BRACKET)) {
      headers.push(this.#readHeader(base64));
    }
    return headers;
  }

  #readHeader(base64: boolean): ProduceHeader {
    let key: BytesLike | null = null;
    let value: BytesLike | null = null;
    for (let more = this.#open(OPEN_BRACE, CLOSE_BRACE); more; more = this.#next(CLOSE_BRACE)) {
      const name = this.#takeName();
      if (name === 'value') value = this.#readText('header value', base64);
      else if (name === 'key') key = this.#readText('header key', false);
      else throw this.#invalidRecord('a header is {"key": string, "value": string or null}');
    }
    if (key === null) throw this.#invalidRecord('a header has no "key"');
    return { key: typeof key === 'string' ? key : Buffer.from(key).toString('utf8'), value };
  }

  /** Enters a container; false when it is empty (and left again). */
  #open(open: number, close: number): boolean {
    this.#take(open, open === OPEN_BRACE ? '"{"' : '"["');
    if (this.#peek() !== close) return true;
    this.#at++;
    return false;
  }

  /** After a member: true at the next one, false behind the end of the container. */
  #next(close: number): boolean {
    const byte = this.#peek();
    if (byte !== COMMA) this.#take(close, close === CLOSE_BRACE ? '"," or "}"' : '"," or "]"');
    else this.#at++;
    if (byte === COMMA) this.#peek();
    return byte === COMMA;
  }

  /** Passes over whitespace; the byte there, -1 at the end. */
  #peek(): number {
    this.#at = this.#scanner.skipWhitespace(this.#at);
    return this.#at < this.#body.length ? this.#body[this.#at]! : -1;
  }

  #take(byte: number, wanted: string): void {
    if (this.#peek() !== byte) throw this.#scanner.unexpected(this.#at, wanted);
    this.#at++;
  }

  #takeNull(): boolean {
    if (this.#peek() !== NULL_START) return false;
    this.#at = this.#scanner.value(this.#at);
    return true;
  }

  /** The bit of the field whose name stands here; behind it comes the value. */
  #takeField(seen: number): number {
    const start = this.#at;
    this.#skipName();
    const field = FIELDS[this.#body[start + 1]!];
    if (field !== undefined && this.#nameEquals(start, field.name)) {
      if ((seen & field.bit) === 0) return field.bit;
      throw this.#invalidRecord(`"${field.name}" occurs twice`);
    }
    this.#at = start;
    const name = this.#takeName().slice(0, 100);
    throw this.#invalidRecord(`"${name}" is not known (key, value, headers, timestamp, partition are)`);
  }

  #nameEquals(start: number, name: Buffer): boolean {
    const body = this.#body;
    for (let i = 0; i < name.length; i++) {
      if (body[start + 1 + i] !== name[i]) return false;
    }
    return body[start + 1 + name.length] === QUOTE;
  }

  #takeName(): string {
    const start = this.#at;
    return this.#string(start, this.#skipName());
  }

  /** Passes over `"name" :` and whitespace; the position behind the closing quote. */
  #skipName(): number {
    if (this.#peek() !== QUOTE) throw this.#scanner.unexpected(this.#at, 'a name in quotes');
    this.#at = this.#scanner.string(this.#at);
    const end = this.#at;
    this.#take(COLON, '":"');
    this.#peek();
    return end;
  }

  /** The text of the string in quotes at [start, end). */
  #string(start: number, end: number): string {
    const raw = this.#body.toString('utf8', start + 1, end - 1);
    if (!raw.includes('\\')) return raw;
    const text = JSON.parse(`"${raw}"`) as string;
    // Half a surrogate pair has no UTF-8: storing it would replace it.
    if (!text.isWellFormed()) throw new JsonFault(start, 'a string has half a surrogate pair');
    return text;
  }

  #invalidRecord(message: string): HttpProblem {
    const detail = `record ${this.#index}: ${message}; nothing was stored`;
    return new HttpProblem('invalid_record', detail, { record: this.#index, position: this.#at });
  }

  #invalidRequest(message: string): HttpProblem {
    return new HttpProblem('invalid_request', `${message}; nothing was stored`);
  }
}
