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
  };
  const pages = pieces.flatMap((piece) => piece.pages);
  return new SearchIndex(content, {
    readPage: (page) => pages[page]!,
    readCounts: async () => mergedCounts(pieces, dictionaries),
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
    const cells = pieces.map(({ counts }) => counts.cells(fields));
    if (cells.some((each) => each === undefined) || !known.every(({ complete }) => complete)) continue;
    const columns = known.map(({ values }) => new Map(values.map(({ text }, number) => [text, number])));
    const all = cells.flatMap((each) => each!);
    tables.push({
      fields,
      hours: Float64Array.from(all, ({ hour }) => hour),
      values: columns.map((numbers, i) => Uint32Array.from(all, ({ values }) => numbers.get(values[i]!)!)),
      counts: Float64Array.from(all, ({ count }) => count),
    });
  }
  return new EventCounts(tables, dictionaries);
}
