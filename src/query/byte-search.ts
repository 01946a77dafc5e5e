/**
 * What an expression lets one look for in bytes before anything is parsed: texts that all events that pass must have, by
 * which most of the others are told apart. Pure, and never more than a hint: what is not ruled out is looked at closely.
 */
import { type Expression, expressionText, type FieldTest, type TextTest } from './expression.ts';
import { regexLiterals } from './regex-literals.ts';
import { MAX_TERM_BYTES, MAX_TERMS, MAX_VERIFIED_TERMS, type Term } from './search-kernel.ts';
import { isWordCharacterAt, isWordCharacterBefore } from './text-search.ts';
import { fold } from './words.ts';

export interface ByteSearch {
  /** Tests of text that bytes decide, nearly always: whether events pass these, and what is left to ask them then. */
  readonly tests: readonly TextTest[];
  /** The texts of these tests. */
  readonly terms: readonly Term[];
  /** One of them is in the bytes of every event that passes; none is known where this is empty. */
  readonly anyOf: readonly Term[];
  /** A slash is looked for, which JSON may write in two ways. */
  readonly slashes: boolean;
}

const MAX_ALTERNATIVES = MAX_TERMS - MAX_VERIFIED_TERMS;

/** Printable ASCII but for the two that JSON cannot write as they are. */
const PLAIN = /^[ !#-[\]-~]+$/;
const PLAIN_RUNS = /[ !#-[\]-~]+/g;

export function byteSearchOf(expression: Expression): ByteSearch {
  const tests = [...testsIn(expression)].slice(0, MAX_VERIFIED_TERMS).map(([, test]) => test);
  const terms = tests.map((test) => ({
    text: test.text,
    openStart: !isWordCharacterAt(test.text, 0),
    openEnd: test.prefix || !isWordCharacterBefore(test.text, test.text.length),
  }));
  const anyOf = needlesOf(expression) ?? [];
  return { tests, terms, anyOf, slashes: [...terms, ...anyOf].some(({ text }) => text.includes('/')) };
}

/** The tests that the kernel decides, each once. */
function testsIn(expression: Expression, found = new Map<string, TextTest>()): Map<string, TextTest> {
  if (expression.type === 'and' || expression.type === 'or')
    for (const each of expression.of) testsIn(each, found);
  else if (expression.type === 'not') testsIn(expression.of, found);
  else if (expression.type === 'text' && isPlain(expression.text))
    found.set(expressionText(expression), expression);
  return found;
}

const isPlain = (text: string) => PLAIN.test(text) && text.length <= MAX_TERM_BYTES;

/** Texts one of which is in the bytes of each event that passes; undefined when none is known. */
function needlesOf(expression: Expression): readonly Term[] | undefined {
  switch (expression.type) {
    case 'and':
      return expression.of
        .map(needlesOf)
        .reduce((best, each) => (rarityOf(each ?? []) > rarityOf(best ?? []) ? each : best), undefined);
    case 'or': {
      const alternatives = expression.of.map(needlesOf);
      const known = alternatives.filter((each) => each !== undefined).flat();
      const all = known.length > 0 && !alternatives.includes(undefined) && known.length <= MAX_ALTERNATIVES;
      return all ? known : undefined;
    }
    case 'field':
      // A level has many names.
      return expression.field === 'level' ? undefined : needleIn(textsOf(expression.test));
    case 'text':
    case 'regex':
      return needleIn(textsOf(expression));
    default:
      return undefined;
  }
}

/** Texts that are all in a value that passes. */
function textsOf(test: FieldTest): readonly string[] {
  switch (test.type) {
    case 'text':
    case 'equal':
      return [test.text];
    case 'glob':
      return test.parts;
    case 'regex':
      return regexLiterals(test.source).map(fold);
    default:
      return [];
  }
}

/** The rarest piece of the texts that bytes can be searched for. */
function needleIn(texts: readonly string[]): readonly Term[] | undefined {
  const pieces = texts
    .flatMap((text) => text.match(PLAIN_RUNS) ?? [])
    .map((text): Term[] => [{ text: text.slice(0, MAX_TERM_BYTES), openStart: true, openEnd: true }]);
  const best = pieces.reduce<readonly Term[]>(
    (found, piece) => (rarityOf(piece) > rarityOf(found) ? piece : found),
    [],
  );
  return best.length === 0 ? undefined : best;
}

/** A guess: longer texts are rarer, digits and signs more so, and each alternative makes them more common. */
function rarityOf(alternatives: readonly Term[]): number {
  if (alternatives.length === 0) return 0;
  const rarest = alternatives.map(({ text }) => text.length + text.replace(/[a-z ]/g, '').length / 2);
  return Math.min(...rarest) / alternatives.length;
}
