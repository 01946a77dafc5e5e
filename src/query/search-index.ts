/**
 * SearchIndex: what is known of a sealed segment without reading it, so that a query reads only blocks that may hold what it
 * looks for. A block is some batches of the segment one after the other, about 256 KiB of its file or 1 MiB of records.
 *
 * An index may name a block that turns out to hold nothing; it never leaves out one that does. Its counts are exact. It is
 * plain data and does not change: any number of queries may ask it at once. search-index-format.ts puts it in a file.
 */
import { BlockSet } from './block-set.ts';
import type { EventCounts } from './event-counts.ts';
import type { FieldDictionary } from './field-dictionary.ts';
import { type IndexOutline, type Outlined, outlineOf } from './index-outline.ts';
import type { Token } from './tokens.ts';
import { blocksWithTokens, type PageReader, type WordSlice } from './word-filter.ts';

/** Of blocks in the order of the segment. Lists with one more than blocks end with the end of the last one. */
export interface BlockTable {
  readonly count: number;
  /** Where each begins in the segment's file. */
  readonly positions: Float64Array;
  /** Base offsets. */
  readonly offsets: Float64Array;
  /** Records with a value: events. */
  readonly events: Float64Array;
  /** Bytes of its records once decompressed. */
  readonly bytes: Float64Array;
  /** Of the times of its events, ms since 1970; Infinity and -Infinity where it has none. */
  readonly minTimes: Float64Array;
  readonly maxTimes: Float64Array;
}

/** What an index was made of, but for the text. */
export interface IndexContent {
  /** The topic's `index.fields` when it was made. */
  readonly fields: readonly string[];
  /** How often a word is looked for in a block in vain, at most, on average. */
  readonly falsePositiveRate: number;
  readonly blocks: BlockTable;
  /** In the order of `fields`. */
  readonly dictionaries: readonly FieldDictionary[];
  readonly slices: readonly WordSlice[];
  /** Blocks that may hold any word. */
  readonly opaque: BlockSet;
  /** Blocks with an event that says another time than its record has. */
  readonly otherTimes: BlockSet;
  /** The words of a block are also those of the pairs of a level and a source in it. */
  readonly pairs: boolean;
}

/** The parts that are read when they are asked for. */
export interface IndexParts {
  /** Rejects with IndexDamaged; so does reading a page. */
  readCounts(): Promise<EventCounts>;
  readonly readPage: PageReader;
  /** That it keeps in memory. */
  readonly bytes: number;
  /** A part could not be read: the index is to be made again. */
  damaged?(): void;
}

/** A part of an index is not what was written. */
export class IndexDamaged extends Error {
  constructor(path: string, cause?: unknown) {
    super(`the search index ${path} is damaged`, { cause });
    this.name = 'IndexDamaged';
  }
}

/** What objects take beside the numbers in them: of an index, of a block, of a value of a field. */
const OBJECT_BYTES = 2000;
const BLOCK_BYTES = 64;
const VALUE_BYTES = 300;

export class SearchIndex implements Outlined<SearchIndex> {
  readonly fields: readonly string[];
  readonly falsePositiveRate: number;
  readonly blocks: BlockTable;
  readonly dictionaries: readonly FieldDictionary[];
  /** Blocks with an event that says another time than its record has. */
  readonly otherTimes: BlockSet;
  /** Whether pairs of a level and a source have tokens. */
  readonly pairs: boolean;
  /** Of all events; Infinity and -Infinity where there are none. */
  readonly minTime: number;
  readonly maxTime: number;
  readonly events: number;
  readonly outline: IndexOutline;
  readonly #slices: readonly WordSlice[];
  readonly #opaque: BlockSet;
  readonly #parts: IndexParts;

  constructor(content: IndexContent, parts: IndexParts) {
    this.fields = content.fields;
    this.falsePositiveRate = content.falsePositiveRate;
    this.blocks = content.blocks;
    this.dictionaries = content.dictionaries;
    this.#slices = content.slices;
    this.#opaque = content.opaque;
    this.otherTimes = content.otherTimes;
    this.pairs = content.pairs;
    this.#parts = parts;
    const { events, minTimes, maxTimes } = content.blocks;
    this.events = events.reduce((sum, count) => sum + count, 0);
    this.minTime = minTimes.reduce((least, time) => Math.min(least, time), Number.POSITIVE_INFINITY);
    this.maxTime = maxTimes.reduce((most, time) => Math.max(most, time), Number.NEGATIVE_INFINITY);
    this.outline = outlineOf(this);
  }

  index(): this {
    return this;
  }

  /** About what it takes of memory. */
  get memoryBytes(): number {
    const { count } = this.blocks;
    const values = this.dictionaries.reduce((sum, dictionary) => sum + dictionary.values.length, 0);
    const fences = this.#slices.reduce((sum, slice) => sum + slice.fences.length, 0);
    const sets = values * (VALUE_BYTES + count / 8);
    return this.#parts.bytes + OBJECT_BYTES + count * BLOCK_BYTES + sets + fences * 4;
  }

  allBlocks(): BlockSet {
    return BlockSet.all(this.blocks.count);
  }

  /** Those with events of startTime ≤ time < endTime. */
  blocksInTime(startTime: number, endTime: number): BlockSet {
    const { count, minTimes, maxTimes } = this.blocks;
    return BlockSet.of(count, (block) => maxTimes[block]! >= startTime && minTimes[block]! < endTime);
  }

  /** Undefined where the field is not indexed, or has too many values for it. */
  dictionary(field: string): FieldDictionary | undefined {
    return this.dictionaries.find(({ name, complete }) => name === field && complete);
  }

  /**
   * Those that may have an event whose field has a value that passes the test; null is no value. All of them where the index
   * does not know.
   */
  blocksWithField(field: string, passes: (value: string | null) => boolean): BlockSet {
    return this.dictionary(field)?.blocksWhere(passes) ?? this.allBlocks();
  }

  /** Of `within`, those that may have all of these tokens. */
  async blocksWithTokens(tokens: readonly Token[], within = this.allBlocks()): Promise<BlockSet> {
    if (tokens.length === 0 || within.isEmpty) return within;
    const found = await this.#orDamaged(blocksWithTokens(this.#slices, this.#parts.readPage, tokens, within));
    return found?.or(within.and(this.#opaque)) ?? within;
  }

  /** Undefined where they cannot be read. */
  counts(): Promise<EventCounts | undefined> {
    return this.#orDamaged(this.#parts.readCounts());
  }

  /** What cannot be read is not known: that is no wrong answer. */
  async #orDamaged<T>(reading: Promise<T>): Promise<T | undefined> {
    try {
      return await reading;
    } catch (error) {
      if (!(error instanceof IndexDamaged)) throw error;
      this.#parts.damaged?.();
      return undefined;
    }
  }
}
