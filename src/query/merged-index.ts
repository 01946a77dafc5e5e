/**
 * One search index of several that are of neighbouring pieces of a segment, in their order: it answers as one would that was made of
 * all of them at once. They were made for the same fields.
 */
import { BlockSet } from './block-set.ts';
import { type CountTable, EventCounts } from './event-counts.ts';
import { FieldDictionary, type FieldValue } from './field-dictionary.ts';
import { type BlockTable, type IndexContent, SearchIndex } from './search-index.ts';

/** What an index is made of that lies in memory. */
export interface IndexPiece {
  readonly content: IndexContent;
  readonly counts: EventCounts;
  readonly pages: readonly Buffer[];
}

export function mergedIndex(pieces: readonly IndexPiece[]): SearchIndex {
  const contents = pieces.map(({ content }) => content);
  const { fields, falsePositiveRate } = contents[0]!;
  const sets = new ShiftedSets(contents.map(({ blocks }) => blocks.count));
  const dictionaries = fields.map((name, i) =>
    mergedDictionary(
      name,
      contents.map((content) => content.dictionaries[i]!),
      sets,
    ),
  );
  const content: IndexContent = {
    fields,
    falsePositiveRate,
    blocks: mergedBlocks(contents.map(({ blocks }) => blocks)),
    dictionaries,
    slices: contents.flatMap(({ slices }) => slices),
    opaque: sets.join(contents.map(({ opaque }) => opaque)),
    otherTimes: sets.join(contents.map(({ otherTimes }) => otherTimes)),
    pairs: contents.every(({ pairs }) => pairs),
  };
  const pages = pieces.flatMap((piece) => piece.pages);
  let counts: EventCounts | undefined;
  return new SearchIndex(content, {
    readPage: (page) => pages[page]!,
    readCounts: async () => {
      counts ??= mergedCounts(pieces, dictionaries);
      return counts;
    },
    bytes: pages.reduce((sum, { length }) => sum + length, 0),
  });
}

/** Sets of the blocks of the pieces, as sets of all blocks. */
class ShiftedSets {
  readonly #starts: number[];
  readonly #all: number;

  constructor(counts: readonly number[]) {
    let start = 0;
    this.#starts = counts.map((count) => {
      start += count;
      return start - count;
    });
    this.#all = start;
  }

  /** A piece may have none. */
  join(sets: readonly (BlockSet | undefined)[]): BlockSet {
    const joined = BlockSet.none(this.#all);
    for (const [piece, set] of sets.entries())
      for (const block of set ?? []) joined.add(this.#starts[piece]! + block);
    return joined;
  }
}

function mergedBlocks(tables: readonly BlockTable[]): BlockTable {
  const joined = (column: (table: BlockTable) => Float64Array) =>
    Float64Array.from(tables.flatMap((table) => [...column(table).subarray(0, table.count)]));
  const withEnd = (column: (table: BlockTable) => Float64Array) =>
    Float64Array.from([...joined(column), column(tables.at(-1)!).at(-1)!]);
  return {
    count: tables.reduce((sum, { count }) => sum + count, 0),
    positions: withEnd(({ positions }) => positions),
    offsets: withEnd(({ offsets }) => offsets),
    events: joined(({ events }) => events),
    bytes: joined(({ bytes }) => bytes),
    minTimes: joined(({ minTimes }) => minTimes),
    maxTimes: joined(({ maxTimes }) => maxTimes),
  };
}

function mergedDictionary(
  name: string,
  dictionaries: readonly FieldDictionary[],
  sets: ShiftedSets,
): FieldDictionary {
  const mixed = sets.join(dictionaries.map((dictionary) => dictionary.mixed));
  if (!dictionaries.every(({ complete }) => complete)) return new FieldDictionary(name, false, [], mixed);
  const byText = new Map<string | null, (FieldValue | undefined)[]>();
  for (const [piece, { values }] of dictionaries.entries()) {
    for (const value of values) {
      const found = byText.get(value.text) ?? new Array<FieldValue | undefined>(dictionaries.length);
      byText.set(value.text, found);
      found[piece] = value;
    }
  }
  const values = [...byText].map(([text, found]): FieldValue => {
    const present = found.filter((value) => value !== undefined);
    return {
      text,
      count: present.reduce((sum, { count }) => sum + count, 0),
      firstTime: Math.min(...present.map(({ firstTime }) => firstTime)),
      lastTime: Math.max(...present.map(({ lastTime }) => lastTime)),
      blocks: sets.join(Array.from(found, (value) => value?.blocks)),
    };
  });
  return new FieldDictionary(name, true, values, mixed);
}

/** What all pieces have counted. */
function mergedCounts(pieces: readonly IndexPiece[], dictionaries: readonly FieldDictionary[]): EventCounts {
  const tables: CountTable[] = [];
  for (const { fields } of pieces[0]!.counts.tables) {
    const known = fields.map((field) => dictionaries.find(({ name }) => name === field)!);
    const parts = pieces.map(({ counts }) => counts.tableOf(fields));
    if (parts.some((part) => part === undefined) || !known.every(({ complete }) => complete)) continue;
    const sum = new CellSum(known);
    for (const [i, { counts }] of pieces.entries()) sum.add(counts, parts[i]!);
    tables.push(sum.table());
  }
  return new EventCounts(tables, dictionaries);
}

/** Adds up the cells of tables whose values have other numbers. */
class CellSum {
  readonly #fields: readonly string[];
  readonly #numbers: readonly Map<string | null, number>[];
  readonly #cells = new Map<number, number>();
  readonly #hours: number[] = [];
  readonly #values: number[][];
  readonly #counts: number[] = [];

  constructor(dictionaries: readonly FieldDictionary[]) {
    this.#fields = dictionaries.map(({ name }) => name);
    this.#numbers = dictionaries.map(
      ({ values }) => new Map(values.map(({ text }, number) => [text, number])),
    );
    this.#values = dictionaries.map(() => []);
  }

  add(counts: EventCounts, { fields, hours, values, counts: events }: CountTable): void {
    const columns = this.#fields.map((field) => values[fields.indexOf(field)]!);
    const renumbered = this.#fields.map((field, i) =>
      counts.valuesOf(field).map(({ text }) => this.#numbers[i]!.get(text)!),
    );
    for (const [cell, hour] of hours.entries()) {
      const numbers = columns.map((column, i) => renumbered[i]![column[cell]!]!);
      const key = numbers.reduce((sum, number, i) => sum * this.#numbers[i]!.size + number, hour);
      const at = this.#cells.get(key);
      if (at !== undefined) {
        this.#counts[at]! += events[cell]!;
        continue;
      }
      this.#cells.set(key, this.#hours.length);
      this.#hours.push(hour);
      this.#counts.push(events[cell]!);
      for (const [i, number] of numbers.entries()) this.#values[i]!.push(number);
    }
  }

  table(): CountTable {
    return {
      fields: this.#fields,
      hours: Float64Array.from(this.#hours),
      values: this.#values.map((column) => Uint32Array.from(column)),
      counts: Float64Array.from(this.#counts),
    };
  }
}
