/**
 * What a query asks of an event beside its time: a tree of tests. The parser (expression-parser.ts) makes it of text;
 * `normalized` gives trees that ask the same in the same way one form, and `expressionText` writes it down again, so that a
 * result can be found by what was asked.
 *
 * Plain data: it travels to other threads as it is. Texts are folded (words.ts) unless it says otherwise.
 */

/** The text occurs in a value, with word borders at both its ends; a prefix needs none at its end. */
export interface TextTest {
  readonly type: 'text';
  readonly text: string;
  readonly prefix: boolean;
}

/** Matches somewhere in a value; not folded. */
export interface RegexTest {
  readonly type: 'regex';
  readonly source: string;
  readonly flags: '' | 'i';
}

/** How the value of a field is tested. */
export type FieldTest =
  /** It is this text, as a whole. Of a level: its canonical name, not folded. */
  | { readonly type: 'equal'; readonly text: string }
  /** It has these texts one after the other: the first at its beginning, the last at its end, anything between two. */
  | { readonly type: 'glob'; readonly parts: readonly string[] }
  | { readonly type: 'compare'; readonly operator: '<' | '<=' | '>' | '>='; readonly number: number }
  /** It is there, and not null. */
  | { readonly type: 'exists' }
  | RegexTest
  | TextTest;

/** Some value of a field passes a test. */
export interface FieldExpression {
  readonly type: 'field';
  /** `source` and `level` are the event's (event.ts); others are names in the JSON, joined by ".", and not folded. */
  readonly field: string;
  readonly test: FieldTest;
}

export type Expression =
  | { readonly type: 'all' }
  | { readonly type: 'and'; readonly of: readonly Expression[] }
  | { readonly type: 'or'; readonly of: readonly Expression[] }
  | { readonly type: 'not'; readonly of: Expression }
  | TextTest
  | RegexTest
  | FieldExpression;

export const ALL: Expression = { type: 'all' };
export const NONE: Expression = { type: 'not', of: ALL };

/** What a test of a field counts as in what queries tell of themselves. */
export function kindOfField({ field }: FieldExpression): 'source' | 'level' | 'fields' {
  return field === 'source' || field === 'level' ? field : 'fields';
}

/** Whether a regular expression is in it, which may take any time. */
export function hasRegex(expression: Expression): boolean {
  switch (expression.type) {
    case 'and':
    case 'or':
      return expression.of.some(hasRegex);
    case 'not':
      return hasRegex(expression.of);
    case 'field':
      return expression.test.type === 'regex';
    default:
      return expression.type === 'regex';
  }
}

/** Flat, without repetitions and double negations, in an order of its own. */
export function normalized(expression: Expression): Expression {
  switch (expression.type) {
    case 'not': {
      const of = normalized(expression.of);
      return of.type === 'not' ? of.of : { type: 'not', of };
    }
    case 'and':
    case 'or':
      return normalizedList(expression.type, expression.of);
    default:
      return expression;
  }
}

function normalizedList(type: 'and' | 'or', of: readonly Expression[]): Expression {
  const members = new Map<string, Expression>();
  for (const each of of.map(normalized)) {
    for (const member of each.type === type ? each.of : [each]) {
      // What all events pass, or none, asks nothing beside others, or makes them ask nothing.
      if (!isAll(member) && !isNone(member)) members.set(expressionText(member), member);
      else if (isAll(member) === (type === 'or')) return member;
    }
  }
  const sorted = [...members].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, member]) => member);
  if (sorted.length === 0) return type === 'and' ? ALL : NONE;
  return sorted.length === 1 ? sorted[0]! : { type, of: sorted };
}

export const isAll = ({ type }: Expression): boolean => type === 'all';
export const isNone = (expression: Expression): boolean => expression.type === 'not' && isAll(expression.of);

/** What is left to ask, normalized, once some of its tests are known to be passed or failed; `known` is asked of each. */
export function assuming(
  expression: Expression,
  known: (test: Expression) => boolean | undefined,
): Expression {
  const replace = (each: Expression): Expression => {
    if (each.type === 'and' || each.type === 'or') return { type: each.type, of: each.of.map(replace) };
    if (each.type === 'not') return { type: 'not', of: replace(each.of) };
    const passed = known(each);
    return passed === undefined ? each : passed ? ALL : NONE;
  };
  return normalized(replace(expression));
}

/** The conjunction of both. */
export function both(a: Expression, b: Expression): Expression {
  return normalized({ type: 'and', of: [a, b] });
}

/** Text that parses to the same tree, if that is normalized. */
export function expressionText(expression: Expression): string {
  switch (expression.type) {
    case 'all':
      return '*';
    case 'and':
      return expression.of.map(memberText).join(' ');
    case 'or':
      return expression.of.map(memberText).join(' OR ');
    case 'not':
      return `-${memberText(expression.of)}`;
    case 'field':
      return `${expression.field}:${testText(expression.test)}`;
    default:
      return testText(expression);
  }
}

function memberText(member: Expression): string {
  const text = expressionText(member);
  return member.type === 'and' || member.type === 'or' ? `(${text})` : text;
}

function testText(test: FieldTest): string {
  switch (test.type) {
    case 'text':
      return quoted(test.text) + (test.prefix ? '*' : '');
    case 'regex':
      return `/${test.source}/${test.flags}`;
    case 'equal':
      return quoted(test.text);
    case 'glob':
      return test.parts.map((part) => (part === '' ? '' : quoted(part))).join('*');
    case 'compare':
      return test.operator + test.number;
    case 'exists':
      return '*';
  }
}

function quoted(text: string): string {
  return `"${text.replace(/[\\"]/g, '\\$&')}"`;
}
