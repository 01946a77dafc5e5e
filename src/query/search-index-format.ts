/**
 * A search index as the parts of its file (the engine's format/search-file.ts is the container):
 *
 *     0    one msgpack map: fields, false positive rate, blocks, dictionaries, how the words are laid out
 *     1    one msgpack array: tables of counts
 *     2 …  the pages of the word filter, of one slice after the other
 *
 * Columns are msgpack binaries: f64 or u32, little-endian. What is decoded is not trusted: what does not fit together makes no
 * index.
 */
import { Decoder, Encoder } from '@msgpack/msgpack';
import { BlockSet } from './block-set.ts';
import { type CountTable, EventCounts, MAX_CELLS } from './event-counts.ts';
import { FieldDictionary, type FieldValue, MAX_DICTIONARY_VALUES } from './field-dictionary.ts';
import type { BlockTable, IndexContent } from './search-index.ts';
import type { BuiltIndex } from './search-index-builder.ts';
import {
  exactEntriesPerPage,
  MAX_SLICE_BLOCKS,
  PAGE_BYTES,
  pageLengths,
  type WordSlice,
} from './word-filter.ts';

export const CONTENT_PART = 0;
export const COUNTS_PART = 1;
export const FIRST_PAGE_PART = 2;

const MAX_HASHES = 64;

const encoder = new Encoder();

export function encodeIndex({ content, counts, pages }: BuiltIndex): Uint8Array[] {
  return [encoder.encode(contentBody(content)), encoder.encode(counts.tables.map(tableBody)), ...pages];
}

function contentBody({
  fields,
  falsePositiveRate,
  blocks,
  dictionaries,
  slices,
  opaque,
  otherTimes,
  pairs,
}: IndexContent) {
  return {
    fields,
    falsePositiveRate,
    pairs,
    blocks: {
      count: blocks.count,
      positions: f64(blocks.positions),
      offsets: f64(blocks.offsets),
      events: f64(blocks.events),
      bytes: f64(blocks.bytes),
      minTimes: f64(blocks.minTimes),
      maxTimes: f64(blocks.maxTimes),
    },
    opaque: blockList(opaque),
    otherTimes: blockList(otherTimes),
    dictionaries: dictionaries.map(dictionaryBody),
    slices: slices.map(({ blocks, exactTokens, fences, bloomPages, bloomRows, hashes }) => ({
      ...{ blocks, exactTokens, bloomPages, bloomRows, hashes },
      fences: u32(fences),
    })),
  };
}

function dictionaryBody({ complete, values, mixed }: FieldDictionary) {
  return {
    complete,
    texts: values.map(({ text }) => text),
    counts: f64(Float64Array.from(values, ({ count }) => count)),
    firstTimes: f64(Float64Array.from(values, ({ firstTime }) => firstTime)),
    lastTimes: f64(Float64Array.from(values, ({ lastTime }) => lastTime)),
    blocks: values.map(({ blocks }) => blockList(blocks)),
    mixed: blockList(mixed),
  };
}

const tableBody = ({ fields, hours, values, counts }: CountTable) => ({
  fields,
  hours: f64(hours),
  values: values.map(u32),
  counts: f64(counts),
});

/** Undefined where this is no content of an index. */
export function decodeContent(bytes: Uint8Array): IndexContent | undefined {
  return decoding(() => {
    const body = map(decoded(bytes));
    const fields = texts(body.fields);
    const blocks = readBlocks(body.blocks);
    const { count } = blocks;
    const bodies = list(body.dictionaries);
    expect(bodies.length === fields.length);
    const slices = list(body.slices).map(readSlice);
    expect(slices.reduce((sum, slice) => sum + slice.blocks, 0) === count);
    expect(typeof body.falsePositiveRate === 'number' && body.falsePositiveRate > 0);
    return {
      fields,
      falsePositiveRate: body.falsePositiveRate as number,
      blocks,
      dictionaries: fields.map((name, i) => readDictionary(name, bodies[i], count)),
      slices,
      opaque: readBlockList(body.opaque, count),
      otherTimes: readBlockList(body.otherTimes, count),
      pairs: body.pairs === true,
    };
  });
}

/** Undefined where these are no counts of an index with these dictionaries. */
export function decodeCounts(
  bytes: Uint8Array,
  dictionaries: readonly FieldDictionary[],
): EventCounts | undefined {
  return decoding(
    () =>
      new EventCounts(
        list(decoded(bytes)).map((body) => readTable(body, dictionaries)),
        dictionaries,
      ),
  );
}

/** Whether the parts of a file are as long as an index with these slices has them. */
export function partsFit(lengths: readonly number[], { slices }: IndexContent): boolean {
  const expected = slices.flatMap(pageLengths);
  return (
    lengths.length === FIRST_PAGE_PART + expected.length &&
    expected.every((length, page) => lengths[FIRST_PAGE_PART + page] === length)
  );
}

function readBlocks(value: unknown): BlockTable {
  const body = map(value);
  const count = whole(body.count, 0, 2 ** 31);
  const table: BlockTable = {
    count,
    positions: readF64(body.positions, count + 1),
    offsets: readF64(body.offsets, count + 1),
    events: readF64(body.events, count),
    bytes: readF64(body.bytes, count),
    minTimes: readF64(body.minTimes, count),
    maxTimes: readF64(body.maxTimes, count),
  };
  const { positions, offsets, events, bytes } = table;
  for (let i = 0; i < count; i++) {
    expect(isCount(positions[i]!) && positions[i]! < positions[i + 1]!);
    expect(isCount(offsets[i]!) && offsets[i]! < offsets[i + 1]!);
    expect(isCount(events[i]!) && isCount(bytes[i]!));
  }
  expect(isCount(positions[count]!) && isCount(offsets[count]!));
  return table;
}

function readDictionary(name: string, value: unknown, blocks: number): FieldDictionary {
  const body = map(value);
  const names = list(body.texts);
  expect(typeof body.complete === 'boolean' && names.length <= MAX_DICTIONARY_VALUES);
  const counts = readF64(body.counts, names.length);
  const firstTimes = readF64(body.firstTimes, names.length);
  const lastTimes = readF64(body.lastTimes, names.length);
  const sets = list(body.blocks);
  const values = names.map((text, i): FieldValue => {
    expect((text === null || typeof text === 'string') && isCount(counts[i]!));
    return {
      text: text as string | null,
      count: counts[i]!,
      firstTime: firstTimes[i]!,
      lastTime: lastTimes[i]!,
      blocks: readBlockList(sets[i], blocks),
    };
  });
  return new FieldDictionary(name, body.complete as boolean, values, readBlockList(body.mixed, blocks));
}

function readSlice(value: unknown): WordSlice {
  const body = map(value);
  const blocks = whole(body.blocks, 1, MAX_SLICE_BLOCKS);
  const exactTokens = whole(body.exactTokens, 0, 2 ** 31);
  const bloomPages = whole(body.bloomPages, 0, 2 ** 31);
  const bloomRows = whole(body.bloomRows, bloomPages > 0 ? 1 : 0, (PAGE_BYTES * 8) / blocks);
  const hashes = whole(body.hashes, 1, MAX_HASHES);
  const fences = readU32(body.fences, Math.ceil(exactTokens / exactEntriesPerPage(blocks)));
  expect(fences.every((token, i) => i === 0 || fences[i - 1]! < token));
  return { blocks, exactTokens, fences, bloomPages, bloomRows, hashes };
}

function readTable(value: unknown, dictionaries: readonly FieldDictionary[]): CountTable {
  const body = map(value);
  const fields = texts(body.fields);
  const counts = readF64(body.counts);
  const cells = counts.length;
  expect(cells <= MAX_CELLS && counts.every(isCount));
  const columns = list(body.values);
  expect(columns.length === fields.length);
  const values = fields.map((field, i) => {
    const known = dictionaries.find(({ name, complete }) => name === field && complete)?.values.length ?? 0;
    const column = readU32(columns[i], cells);
    expect(column.every((number) => number < known));
    return column;
  });
  return { fields, hours: readF64(body.hours, cells), values, counts };
}

/** Runs of blocks: how many lie between one and the run before it, and how many it has, as varints. */
function blockList(set: BlockSet): Uint8Array {
  const runs: number[] = [];
  let last = 0;
  for (const { from, end } of set.runs()) {
    pushVarint(runs, from - last);
    pushVarint(runs, end - from);
    last = end;
  }
  return Uint8Array.from(runs);
}

function pushVarint(bytes: number[], value: number): void {
  let rest = value;
  for (; rest >= 0x80; rest >>>= 7) bytes.push((rest & 0x7f) | 0x80);
  bytes.push(rest);
}

function readBlockList(value: unknown, blocks: number): BlockSet {
  expect(value instanceof Uint8Array);
  const numbers = varints(value as Uint8Array);
  expect(numbers.length % 2 === 0);
  const set = BlockSet.none(blocks);
  let at = 0;
  for (let i = 0; i < numbers.length; i += 2) {
    const from = at + numbers[i]!;
    at = from + numbers[i + 1]!;
    expect(at <= blocks);
    set.addRange(from, at);
  }
  return set;
}

function varints(bytes: Uint8Array): number[] {
  const numbers: number[] = [];
  let value = 0;
  let shift = 0;
  for (const byte of bytes) {
    value += (byte & 0x7f) * 2 ** shift;
    shift += 7;
    expect(shift <= 35);
    if (byte < 0x80) {
      numbers.push(value);
      value = 0;
      shift = 0;
    }
  }
  expect(shift === 0);
  return numbers;
}

function f64(column: Float64Array): Uint8Array {
  const bytes = Buffer.allocUnsafe(column.length * 8);
  for (const [i, value] of column.entries()) bytes.writeDoubleLE(value, i * 8);
  return bytes;
}

function u32(column: Uint32Array): Uint8Array {
  const bytes = Buffer.allocUnsafe(column.length * 4);
  for (const [i, value] of column.entries()) bytes.writeUInt32LE(value, i * 4);
  return bytes;
}

function readF64(value: unknown, length?: number): Float64Array {
  const bytes = binary(value, 8, length);
  return Float64Array.from({ length: bytes.length / 8 }, (_, i) => bytes.readDoubleLE(i * 8));
}

function readU32(value: unknown, length?: number): Uint32Array {
  const bytes = binary(value, 4, length);
  return Uint32Array.from({ length: bytes.length / 4 }, (_, i) => bytes.readUInt32LE(i * 4));
}

function binary(value: unknown, size: number, length: number | undefined): Buffer {
  expect(value instanceof Uint8Array);
  const { buffer, byteOffset, byteLength } = value as Uint8Array;
  expect(length === undefined ? byteLength % size === 0 : byteLength === length * size);
  return Buffer.from(buffer, byteOffset, byteLength);
}

class Misfit extends Error {}

function expect(isSo: boolean): void {
  if (!isSo) throw new Misfit();
}

function decoding<T>(decode: () => T): T | undefined {
  try {
    return decode();
  } catch (error) {
    if (error instanceof Misfit) return undefined;
    throw error;
  }
}

function decoded(bytes: Uint8Array): unknown {
  // Each element, character and byte takes at least a byte: no length beyond that is to be believed.
  const { length } = bytes;
  const limits = { maxStrLength: length, maxBinLength: length, maxArrayLength: length, maxMapLength: length };
  try {
    return new Decoder({ ...limits, maxExtLength: length }).decode(bytes);
  } catch {
    throw new Misfit();
  }
}

function map(value: unknown): Record<string, unknown> {
  expect(typeof value === 'object' && value !== null && !Array.isArray(value));
  return value as Record<string, unknown>;
}

function list(value: unknown): unknown[] {
  expect(Array.isArray(value));
  return value as unknown[];
}

function texts(value: unknown): string[] {
  expect(list(value).every((each) => typeof each === 'string'));
  return value as string[];
}

const isCount = (value: number): boolean => Number.isSafeInteger(value) && value >= 0;

function whole(value: unknown, least: number, most: number): number {
  expect(typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most);
  return value as number;
}
