/**
 * IndexOutline: the little that is kept of a search index at all times, so that a query can rule a segment out without having its
 * index at hand: where it ends, its times, and which values its fields have.
 */
import type { PrunedBy } from './block-filter.ts';
import { type Expression, type FieldExpression, kindOfField } from './expression.ts';
import type { SearchIndex } from './search-index.ts';
import { hashText } from './tokens.ts';
import { fold } from './words.ts';

export interface IndexOutline {
  /** Of all events; Infinity and -Infinity where there are none. */
  readonly minTime: number;
  readonly maxTime: number;
  readonly blocks: number;
  /** Where the last block ends in the segment's file, and before which offset. */
  readonly endPosition: number;
  readonly endOffset: number;
  /** Hashes of the values of a field, folded; of a field that is not here nothing is known. */
  readonly values: ReadonlyMap<string, Uint32Array>;
}

/** Whoever has an outline, and can get the index. */
export interface Outlined<T> {
  readonly outline: IndexOutline;
  /** Undefined when it is not there any more. */
  index(): T | undefined | Promise<T | undefined>;
}

/** A field with more values is left out. */
const MAX_VALUES = 64;
/** Of an outline, roughly, beside its values. */
const OUTLINE_BYTES = 500;
const VALUE_BYTES = 4;

export function outlineOf({
  minTime,
  maxTime,
  blocks,
  dictionaries,
}: Pick<SearchIndex, 'minTime' | 'maxTime' | 'blocks' | 'dictionaries'>): IndexOutline {
  const values = new Map<string, Uint32Array>();
  for (const { name, complete, values: known, mixed } of dictionaries) {
    if (!complete || !mixed.isEmpty || known.length > MAX_VALUES) continue;
    const texts = known.map(({ text }) => text).filter((text) => text !== null);
    values.set(name, Uint32Array.from(texts, hashOf));
  }
  const { count, positions, offsets } = blocks;
  return {
    minTime,
    maxTime,
    blocks: count,
    endPosition: positions[count]!,
    endOffset: offsets[count]!,
    values,
  };
}

export function outlineBytes({ values }: IndexOutline): number {
  return [...values.values()].reduce((sum, { length }) => sum + length * VALUE_BYTES, OUTLINE_BYTES);
}

/** By which knowledge no event of the segment passes; undefined where one may. */
export function ruledOutBy(
  { minTime, maxTime, values }: IndexOutline,
  expression: Expression,
  from: number,
  until: number,
): PrunedBy | undefined {
  if (maxTime < from || minTime >= until) return 'time';
  for (const kind of ['source', 'level', 'fields'] as const)
    if (!mayPass(expression, values, kind)) return kind;
  return undefined;
}

/** By the tests of one kind. */
function mayPass(expression: Expression, values: IndexOutline['values'], kind: PrunedBy): boolean {
  switch (expression.type) {
    case 'and':
      return expression.of.every((each) => mayPass(each, values, kind));
    case 'or':
      return expression.of.some((each) => mayPass(each, values, kind));
    case 'field':
      return kindOfField(expression) !== kind || mayHave(expression, values.get(expression.field));
    default:
      return true;
  }
}

function mayHave({ field, test }: FieldExpression, hashes: Uint32Array | undefined): boolean {
  // A message is found under several names.
  if (hashes === undefined || field === 'message' || test.type !== 'equal') return true;
  return hashes.includes(hashOf(test.text));
}

const hashOf = (text: string): number => hashText(fold(text)) >>> 0;
