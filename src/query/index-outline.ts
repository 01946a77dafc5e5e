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

/** Tells by which knowledge no event of a segment passes; undefined where one may. For any number of segments. */
export type OutlineTest = (outline: IndexOutline) => PrunedBy | undefined;

export function outlineTest(expression: Expression, from: number, until: number): OutlineTest {
  const tests = (['source', 'level', 'fields'] as const)
    .map((kind) => ({ kind, mayPass: valuesTest(expression, kind) }))
    .filter(({ mayPass }) => mayPass !== undefined);
  return ({ minTime, maxTime, values }) => {
    if (maxTime < from || minTime >= until) return 'time';
    for (const { kind, mayPass } of tests) if (!mayPass!(values)) return kind;
    return undefined;
  };
}

type ValuesTest = (values: IndexOutline['values']) => boolean;

/** By the tests of one kind; undefined where they say nothing. */
function valuesTest(expression: Expression, kind: PrunedBy): ValuesTest | undefined {
  switch (expression.type) {
    case 'and': {
      const tests = expression.of.map((each) => valuesTest(each, kind)).filter((test) => test !== undefined);
      return tests.length === 0 ? undefined : (values) => tests.every((test) => test(values));
    }
    case 'or': {
      const tests = expression.of.map((each) => valuesTest(each, kind));
      return tests.includes(undefined) ? undefined : (values) => tests.some((test) => test!(values));
    }
    case 'field':
      return kindOfField(expression) === kind ? fieldTest(expression) : undefined;
    default:
      return undefined;
  }
}

function fieldTest({ field, test }: FieldExpression): ValuesTest | undefined {
  // A message is found under several names.
  if (field === 'message' || test.type !== 'equal') return undefined;
  const hash = hashOf(test.text);
  return (values) => {
    const known = values.get(field);
    if (known === undefined) return true;
    // Quicker than `includes` for the few that there are.
    for (let i = 0; i < known.length; i++) if (known[i] === hash) return true;
    return false;
  };
}

const hashOf = (text: string): number => hashText(fold(text)) >>> 0;
