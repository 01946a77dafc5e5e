/** Segments of log events in memory, and what there is to know of an event, found out the slow way. */

import { stampBatch } from '../../src/engine/format/record-batch.ts';
import { RecordBatchBuilder } from '../../src/engine/format/record-batch-builder.ts';
import { SEGMENT_HEADER_BYTES } from '../../src/engine/format/segment-header.ts';
import type { CompressionType } from '../../src/engine/index.ts';
import { eventFacts } from '../../src/query/event.ts';
import { fieldToken, type Token, textTokens } from '../../src/query/tokens.ts';
import type { Random } from '../crash/sim/random.ts';

export interface GivenRecord {
  timestamp: number;
  value: Buffer | string | null;
}

export interface SegmentBatch {
  /** The whole batch. */
  bytes: Buffer;
  position: number;
  baseOffset: number;
  records: readonly GivenRecord[];
}

/** Batches as they stand in a segment that begins at `baseOffset`. */
export function segmentBatches(
  batches: readonly { records: readonly GivenRecord[]; codec?: CompressionType }[],
  baseOffset = 0,
): SegmentBatch[] {
  let position = SEGMENT_HEADER_BYTES;
  let offset = baseOffset;
  return batches.map(({ records, codec = 'none' }) => {
    const builder = new RecordBatchBuilder();
    for (const { timestamp, value } of records) builder.add(timestamp, null, value, []);
    const { bytes } = builder.finish(codec);
    stampBatch(bytes, offset, 0);
    const batch = { bytes, position, baseOffset: offset, records };
    position += bytes.length;
    offset += records.length;
    return batch;
  });
}

/** A value somewhere in an event. */
export interface NaiveValue {
  /** Undefined for the event itself. */
  path: string | undefined;
  /** Undefined for true, false and null, which have no words. */
  words: string | undefined;
  /** Undefined for objects and lists. */
  text: string | undefined;
}

/** A number as it is written. */
class RawNumber {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

/** All values of an event; of a value that is no JSON object, its text. */
export function naiveValues(value: Buffer): NaiveValue[] {
  if (!eventFacts(value, 0, value.length, 0).isObject) {
    const text = value.toString();
    return [{ path: undefined, words: text, text }];
  }
  const withNumbers = (_key: string, each: unknown, { source }: { source: string }) =>
    typeof each === 'number' ? new RawNumber(source) : each;
  const values: NaiveValue[] = [];
  collect(JSON.parse(value.toString(), withNumbers as never), undefined, values);
  return values;
}

function collect(value: unknown, path: string | undefined, values: NaiveValue[]): void {
  if (typeof value === 'string') values.push({ path, words: value, text: value });
  else if (value instanceof RawNumber) values.push({ path, words: value.text, text: value.text });
  else if (typeof value !== 'object' || value === null)
    values.push({ path, words: undefined, text: String(value) });
  else {
    values.push({ path, words: undefined, text: undefined });
    for (const [name, each] of Object.entries(value))
      collect(each, Array.isArray(value) ? path : path === undefined ? name : `${path}.${name}`, values);
  }
}

/** All tokens of an event. */
export function naiveTokens(value: Buffer): Set<Token> {
  const tokens = new Set<Token>();
  const { isObject } = eventFacts(value, 0, value.length, 0);
  for (const { path, words, text } of naiveValues(value)) {
    if (words !== undefined) for (const token of textTokens(words)) tokens.add(token);
    const token = isObject && path !== undefined && text !== undefined ? fieldToken(path, text) : undefined;
    if (token !== undefined) tokens.add(token);
  }
  return tokens;
}

const WORDS = [
  'error',
  'Connection',
  'refused',
  'time_out',
  '10.0.0.1',
  '1.2.3.4.5',
  'x1.2.3.4',
  'Größe',
  'ΟΔΟΣ',
  '東京',
];
const SIGNS = [
  ' ',
  ' ',
  ', ',
  '"',
  '\\',
  '\n',
  '\t',
  '/',
  '.',
  '-',
  ': ',
  '\u2028',
  '\u0000',
  '😀',
  '\ud800',
];

/** Text of words and of what stands between them, some of it odd. */
export function randomText(random: Random, words: number): string {
  let text = '';
  for (let i = random.below(words + 1); i > 0; i--) {
    const word = random.chance(0.2) ? `id${random.below(1000)}` : random.pick(WORDS);
    text += (random.chance(0.1) ? word.toUpperCase() : word) + random.pick(SIGNS);
  }
  return text;
}

const NUMBERS = ['0', '-1', '42', '4.20', '1e3', '-0.5E-7', '12345678901234567890'];

const NAMES = ['a', 'b', 'user', 'message', 'trace id', 'größe', '"', '', 'a.b'];

/** JSON of an event, now and then with white space and escapes that it could do without. */
export function randomJson(random: Random, depth: number): string {
  const space = () => (random.chance(0.1) ? random.pick([' ', '\n', '\t\r']) : '');
  const string = (text: string) => (random.chance(0.1) ? escaped(text) : JSON.stringify(text));
  const value = (left: number): string => {
    const kind = random.below(left > 0 ? 8 : 6);
    if (kind < 3) return string(randomText(random, 4));
    if (kind === 3) return random.pick(NUMBERS);
    if (kind === 4) return random.pick(['true', 'false', 'null']);
    if (kind === 5) return string(random.pick(['a', 'Root', 'user-1', 'ärger', '']));
    return kind === 6 ? object(left - 1) : `[${listOf(() => value(left - 1))}]`;
  };
  const listOf = (member: () => string) =>
    Array.from({ length: random.below(5) }, () => space() + member() + space()).join(',');
  const object = (left: number) => {
    const first = random.below(NAMES.length);
    let names = 0;
    return `{${listOf(() => `${string(NAMES[(first + names++) % NAMES.length]!)}${space()}:${space()}${value(left)}`)}}`;
  };
  return space() + object(depth) + space();
}

/** Each unit of a text as `\u`. */
function escaped(text: string): string {
  const units = Array.from({ length: text.length }, (_, i) =>
    text.charCodeAt(i).toString(16).padStart(4, '0'),
  );
  return `"${units.map((unit) => `\\u${unit}`).join('')}"`;
}
