/**
 * Makes the search index of a segment from its batches, which it is given one after the other, whole and checked.
 *
 * Records without a value are no events: they are in no count. Memory is that of the words of one slice of blocks, and of the
 * pages that are done.
 */
import {
  batchBaseOffset,
  batchNextOffset,
  batchSize,
  batchUncompressedBytes,
  RecordCursor,
} from '../engine/index.ts';
import { BlockSet } from './block-set.ts';
import { CountCollector } from './count-collector.ts';
import { type EventFacts, eventFacts } from './event.ts';
import { EventCounts } from './event-counts.ts';
import { FieldCollector } from './field-collector.ts';
import type { FieldSink } from './field-watch.ts';
import type { BlockTable, IndexContent } from './search-index.ts';
import { TokenScanner } from './token-scanner.ts';
import type { WordSlice } from './word-filter.ts';
import { WordSliceBuilder } from './word-filter-builder.ts';

/** A block ends before it would have more of the file; it has one batch at least. */
export const BLOCK_BYTES = 256 * 1024;
/** Or before it would have more once decompressed, if it has so much of the file. */
export const BLOCK_DECOMPRESSED_BYTES = 1024 * 1024;
const LEAST_BLOCK_BYTES = 4096;

export interface IndexSettings {
  /** The topic's `index.fields`. */
  readonly fields: readonly string[];
  readonly falsePositiveRate: number;
}

export interface BuiltIndex {
  readonly content: IndexContent;
  readonly counts: EventCounts;
  /** Of the word filter. */
  readonly pages: readonly Buffer[];
}

interface OpenBlock {
  readonly position: number;
  readonly offset: number;
  events: number;
  bytes: number;
  minTime: number;
  maxTime: number;
}

function mayGrow(block: OpenBlock, position: number, size: number, bytes: number): boolean {
  if (position + size - block.position > BLOCK_BYTES) return false;
  return position - block.position < LEAST_BLOCK_BYTES || block.bytes + bytes <= BLOCK_DECOMPRESSED_BYTES;
}

export class SearchIndexBuilder implements FieldSink {
  readonly #settings: IndexSettings;
  readonly #fields: FieldCollector[];
  readonly #counts: CountCollector[];
  readonly #words = new WordSliceBuilder();
  readonly #scanner: TokenScanner;
  /** Places of the fields that event.ts knows, and of all others. */
  readonly #level: number;
  readonly #source: number;
  readonly #others: number[];
  readonly #blocks: OpenBlock[] = [];
  readonly #slices: WordSlice[] = [];
  readonly #pages: Buffer[] = [];
  readonly #opaque: number[] = [];
  readonly #otherTimes: number[] = [];
  #endPosition = 0;
  #endOffset = 0;
  /** Of the event that is being looked at: of each field, the number of its value. */
  readonly #numbers: number[] = [];
  /** Of the other fields: what was found, and how many. */
  readonly #texts: (string | null)[] = [];
  readonly #found: number[] = [];

  constructor(settings: IndexSettings) {
    this.#settings = settings;
    const { fields } = settings;
    this.#fields = fields.map((name) => new FieldCollector(name));
    this.#level = fields.indexOf('level');
    this.#source = fields.indexOf('source');
    this.#others = [...fields.keys()].filter((i) => i !== this.#level && i !== this.#source);
    const together = ['level', 'source'].filter((field) => fields.includes(field));
    this.#counts = [together, ...fields.map((field) => [field])]
      .filter(
        (names, i) => names.length > 0 && (i === 0 || together.length !== 1 || names[0] !== together[0]),
      )
      .map((names) => new CountCollector(names));
    const paths = this.#others.map((i) => fields[i]!);
    this.#scanner = new TokenScanner(this.#words, paths, this);
  }

  /** The batch at `at` of `chunk`, which begins at `position` of the segment's file. Throws CORRUPT_MESSAGE. */
  add(chunk: Buffer, at: number, position: number): void {
    const size = batchSize(chunk, at);
    const bytes = batchUncompressedBytes(chunk, at);
    const block = this.#blockFor(position, size, bytes, batchBaseOffset(chunk, at));
    block.bytes += bytes;
    this.#endPosition = position + size;
    this.#endOffset = batchNextOffset(chunk, at);
    const record = new RecordCursor(chunk, at);
    while (record.next()) {
      const { buffer, valueStart, valueEnd, timestamp } = record;
      if (valueStart >= 0) this.#addEvent(block, buffer, valueStart, valueEnd, timestamp);
    }
  }

  finish(): BuiltIndex {
    this.#finishSlice();
    const count = this.#blocks.length;
    const opaque = BlockSet.none(count);
    for (const block of this.#opaque) opaque.add(block);
    const otherTimes = BlockSet.none(count);
    for (const block of this.#otherTimes) otherTimes.add(block);
    const dictionaries = this.#fields.map((field) => field.dictionary(count));
    const content: IndexContent = {
      ...this.#settings,
      blocks: this.#table(),
      dictionaries,
      slices: this.#slices,
      opaque,
      otherTimes,
    };
    const counts = new EventCounts(this.#tables(), dictionaries);
    return { content, counts, pages: this.#pages };
  }

  value(other: number, text: string): void {
    this.#texts[other] = text;
    this.#found[other]!++;
  }

  mixed(other: number): void {
    this.#found[other] = 2;
  }

  #blockFor(position: number, size: number, bytes: number, offset: number): OpenBlock {
    const last = this.#blocks.at(-1);
    if (last !== undefined && mayGrow(last, position, size, bytes)) return last;
    const block: OpenBlock = {
      position,
      offset,
      events: 0,
      bytes: 0,
      minTime: Number.POSITIVE_INFINITY,
      maxTime: Number.NEGATIVE_INFINITY,
    };
    if (this.#words.isFull) this.#finishSlice();
    this.#blocks.push(block);
    this.#words.beginBlock();
    return block;
  }

  #finishSlice(): void {
    const { blocks } = this.#words;
    if (blocks === 0) return;
    const { slice, pages, opaque } = this.#words.finish(this.#settings.falsePositiveRate);
    const first = this.#blocks.length - blocks;
    this.#slices.push(slice);
    for (const page of pages) this.#pages.push(page);
    for (const block of opaque) this.#opaque.push(first + block);
  }

  #addEvent(block: OpenBlock, bytes: Buffer, at: number, end: number, recordTime: number): void {
    const facts = eventFacts(bytes, at, end, recordTime);
    const { timestamp } = facts;
    block.events++;
    if (timestamp !== recordTime) this.#noteOtherTime();
    if (timestamp < block.minTime) block.minTime = timestamp;
    if (timestamp > block.maxTime) block.maxTime = timestamp;
    for (const i of this.#others.keys()) {
      this.#texts[i] = null;
      this.#found[i] = 0;
    }
    if (facts.isObject) this.#scanner.object(bytes, at, end);
    else this.#scanner.text(bytes, at, end);
    this.#collect(facts);
  }

  #noteOtherTime(): void {
    const block = this.#blocks.length - 1;
    if (this.#otherTimes.at(-1) !== block) this.#otherTimes.push(block);
  }

  #collect({ timestamp, level, source }: EventFacts): void {
    const block = this.#blocks.length - 1;
    const numbers = this.#numbers;
    if (this.#level >= 0) numbers[this.#level] = this.#fields[this.#level]!.add(level, timestamp, block);
    if (this.#source >= 0) numbers[this.#source] = this.#fields[this.#source]!.add(source, timestamp, block);
    for (const [other, place] of this.#others.entries()) {
      const found = this.#found[other]!;
      const field = this.#fields[place]!;
      if (found > 1) field.addMixed(block);
      numbers[place] = field.add(found === 1 ? this.#texts[other]! : null, timestamp, block);
    }
    for (const counts of this.#counts) {
      const [first, second] = counts.fields;
      const place = this.#settings.fields.indexOf(first!);
      const other = second === undefined ? 0 : numbers[this.#settings.fields.indexOf(second)]!;
      counts.add(timestamp, numbers[place]!, other);
    }
  }

  /** Without those that others say as well, and those of fields with too many values. */
  #tables() {
    const tables = this.#counts
      .filter(({ fields }) =>
        fields.every((field) => this.#fields.find(({ name }) => name === field)!.complete),
      )
      .map((counts) => counts.table())
      .filter((table) => table !== undefined);
    return tables.filter(
      (table, i) =>
        !tables.slice(0, i).some(({ fields }) => table.fields.every((field) => fields.includes(field))),
    );
  }

  #table(): BlockTable {
    const blocks = this.#blocks;
    const column = (of: (block: OpenBlock) => number) => Float64Array.from(blocks, of);
    return {
      count: blocks.length,
      positions: Float64Array.from([...blocks.map(({ position }) => position), this.#endPosition]),
      offsets: Float64Array.from([...blocks.map(({ offset }) => offset), this.#endOffset]),
      events: column(({ events }) => events),
      bytes: column(({ bytes }) => bytes),
      minTimes: column(({ minTime }) => minTime),
      maxTimes: column(({ maxTime }) => maxTime),
    };
  }
}
