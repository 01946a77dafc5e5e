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
import type { BlockTable, IndexContent } from './search-index.ts';
import { giveKernel, MAX_INPUT_BYTES, type TokenKernel, takeKernel } from './token-kernel.ts';
import { type FieldSink, TokenScanner } from './token-scanner.ts';
import { pairToken } from './tokens.ts';
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

/** Fields that are counted together, by their places; the second is -1 where there is one only. */
interface CountedFields {
  readonly counts: CountCollector;
  readonly first: number;
  readonly second: number;
}

export class SearchIndexBuilder implements FieldSink {
  readonly #settings: IndexSettings;
  readonly #fields: FieldCollector[];
  readonly #counts: CountedFields[];
  readonly #kernel: TokenKernel;
  readonly #words: WordSliceBuilder;
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
  /** Of the last block: the sources that events of a level have. */
  readonly #pairs = new Map<string, Set<string>>();

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
      .map((names) => ({
        counts: new CountCollector(names),
        first: fields.indexOf(names[0]!),
        second: names.length === 1 ? -1 : fields.indexOf(names[1]!),
      }));
    const paths = this.#others.map((i) => fields[i]!);
    this.#kernel = takeKernel();
    this.#words = new WordSliceBuilder(this.#kernel);
    this.#scanner = new TokenScanner(this.#kernel, paths, this);
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
    const { buffer, recordsStart, recordsEnd } = record;
    const fits = recordsEnd - recordsStart <= MAX_INPUT_BYTES;
    const start = fits ? this.#kernel.input(buffer, recordsStart, recordsEnd) : 0;
    while (record.next()) {
      const { valueStart, valueEnd, timestamp } = record;
      if (valueStart < 0) continue;
      if (fits) {
        const moved = start - recordsStart;
        this.#addEvent(block, this.#kernel.bytes, valueStart + moved, valueEnd + moved, timestamp);
      } else {
        this.#addLargeEvent(block, buffer.subarray(valueStart, valueEnd), timestamp);
      }
    }
  }

  /** The builder is done with then. */
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
      pairs: this.#level >= 0 && this.#source >= 0,
    };
    const counts = new EventCounts(this.#tables(), dictionaries);
    giveKernel(this.#kernel);
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
    this.#pairs.clear();
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

  /** Of a batch that does not fit into the kernel's input. */
  #addLargeEvent(block: OpenBlock, value: Buffer, recordTime: number): void {
    if (value.length <= MAX_INPUT_BYTES) {
      const at = this.#kernel.input(value, 0, value.length);
      this.#addEvent(block, this.#kernel.bytes, at, at + value.length, recordTime);
      return;
    }
    // One that large is not worth a look at its words.
    this.#words.giveUpBlock();
    const facts = eventFacts(value, 0, value.length, recordTime);
    this.#note(block, facts, recordTime);
    for (const i of this.#others.keys()) this.#found[i] = 2;
    this.#collect(facts);
  }

  /** In the kernel's memory. */
  #addEvent(block: OpenBlock, bytes: Buffer, at: number, end: number, recordTime: number): void {
    const facts = eventFacts(bytes, at, end, recordTime);
    this.#note(block, facts, recordTime);
    for (const i of this.#others.keys()) {
      this.#texts[i] = null;
      this.#found[i] = 0;
    }
    if (facts.isObject) this.#scanner.object(at, end);
    else this.#scanner.text(at, end);
    this.#collect(facts);
  }

  #note(block: OpenBlock, { timestamp }: EventFacts, recordTime: number): void {
    block.events++;
    if (timestamp !== recordTime) this.#noteOtherTime();
    if (timestamp < block.minTime) block.minTime = timestamp;
    if (timestamp > block.maxTime) block.maxTime = timestamp;
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
    if (this.#level >= 0 && this.#source >= 0 && level !== null && source !== null)
      this.#addPair(level, source);
    for (let other = 0; other < this.#others.length; other++) {
      const place = this.#others[other]!;
      const found = this.#found[other]!;
      const field = this.#fields[place]!;
      if (found > 1) field.addMixed(block);
      numbers[place] = field.add(found === 1 ? this.#texts[other]! : null, timestamp, block);
    }
    for (const { counts, first, second } of this.#counts)
      counts.add(timestamp, numbers[first]!, second < 0 ? 0 : numbers[second]!);
  }

  #addPair(level: string, source: string): void {
    let sources = this.#pairs.get(level);
    if (sources === undefined) {
      sources = new Set();
      this.#pairs.set(level, sources);
    }
    if (sources.has(source)) return;
    sources.add(source);
    this.#kernel.add(pairToken(level, source));
  }

  /** Without those that others say as well, and those of fields with too many values. */
  #tables() {
    const tables = this.#counts
      .map(({ counts }) => counts)
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
