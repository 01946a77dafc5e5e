/**
 * Whether an event passes an expression: the reference for what every test means. Whatever looks at bytes instead, because
 * that is quicker, has to come to the same answer.
 */
import { scalarText, someAt, someText } from './event-values.ts';
import type { Expression, FieldExpression, FieldTest } from './expression.ts';
import { compileRegex } from './expression-parser.ts';
import { occursInWords } from './text-search.ts';
import { fold } from './words.ts';

/** An event as queries see it. Of one that is no JSON object the whole is the message, and its content. */
export interface SearchEvent {
  readonly source: string | null;
  /** One of LEVELS, or another name in capitals. */
  readonly level: string | null;
  readonly message: string | null;
  /** What its JSON holds (event-values.ts). */
  readonly content: unknown;
}

export type Matcher = (event: SearchEvent) => boolean;

export function matches(expression: Expression, event: SearchEvent): boolean {
  return matcherOf(expression)(event);
}

/** The expression as a function, for many events. */
export function matcherOf(expression: Expression): Matcher {
  switch (expression.type) {
    case 'all':
      return () => true;
    case 'and': {
      const of = expression.of.map(matcherOf);
      return (event) => of.every((each) => each(event));
    }
    case 'or': {
      const of = expression.of.map(matcherOf);
      return (event) => of.some((each) => each(event));
    }
    case 'not': {
      const of = matcherOf(expression.of);
      return (event) => !of(event);
    }
    case 'field':
      return fieldMatcher(expression);
    default: {
      const test = textTest(expression);
      return ({ content }) => someText(content, test);
    }
  }
}

function fieldMatcher({ field, test }: FieldExpression): Matcher {
  if (field === 'source' || field === 'level' || field === 'message') {
    const passes = factTest(field, test);
    return ({ [field]: text }) => text !== null && passes(text);
  }
  if (test.type === 'exists') return ({ content }) => someAt(content, field, (value) => value !== null);
  const passes = textTest(test);
  return ({ content }) =>
    someAt(content, field, (value) => {
      const text = scalarText(value);
      return text !== undefined && passes(text);
    });
}

/** The test of a field for a value of it as an index has it; null is none. */
export function fieldValueTest({ field, test }: FieldExpression): (value: string | null) => boolean {
  const passes = factTest(field, test);
  return (value) => value !== null && passes(value);
}

function factTest(field: string, test: FieldTest): (text: string) => boolean {
  if (test.type === 'exists') return () => true;
  // A level has one name, and the parser made the one that was asked for that.
  if (field === 'level' && test.type === 'equal') return (level) => level === test.text;
  return textTest(test);
}

function textTest(test: Exclude<FieldTest, { type: 'exists' }>): (text: string) => boolean {
  switch (test.type) {
    case 'text':
      return (text) => occursInWords(fold(text), test.text, test.prefix);
    case 'regex': {
      const regex = compileRegex(test.source, test.flags);
      return (text) => regex.test(text);
    }
    case 'equal':
      return (text) => fold(text) === test.text;
    case 'glob':
      return (text) => matchesGlob(fold(text), test.parts);
    case 'compare': {
      const compare = COMPARE[test.operator];
      return (text) => isNumber(text) && compare(Number(text), test.number);
    }
  }
}

const COMPARE: Readonly<Record<string, (a: number, b: number) => boolean>> = {
  '<': (a, b) => a < b,
  '<=': (a, b) => a <= b,
  '>': (a, b) => a > b,
  '>=': (a, b) => a >= b,
};

/** A string of digits counts as their number. */
const isNumber = (text: string) => /^-?\d+(\.\d+)?([eE][+-]?\d+)?$/.test(text);

function matchesGlob(text: string, parts: readonly string[]): boolean {
  const first = parts[0]!;
  const last = parts.at(-1)!;
  if (text.length < first.length + last.length || !text.startsWith(first) || !text.endsWith(last))
    return false;
  let at = first.length;
  const end = text.length - last.length;
  for (const part of parts.slice(1, -1)) {
    const found = text.indexOf(part, at);
    if (found < 0 || found + part.length > end) return false;
    at = found + part.length;
  }
  return true;
}
