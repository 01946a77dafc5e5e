/**
 * Reads the language of queries (docs/query-language.md):
 *
 *     any      = all { "OR" all }
 *     all      = one { ["AND"] one }
 *     one      = ["NOT" | "-"] ( "(" any ")" | field ":" value | value )
 *     value    = word | word"*" | "phrase" | "phrase"* | /regex/ | /regex/i
 *     of a field also: texts and "*" in any order, "*" alone, <n <=n >n >=n, "(" any of these ")"
 */
import { LEVELS, levelOfField } from './event-levels.ts';
import { ALL, type Expression, type FieldTest, normalized } from './expression.ts';
import { QueryError } from './query-error.ts';
import { fold } from './words.ts';

const MAX_LENGTH = 8192;
const MAX_DEPTH = 32;
const MAX_TESTS = 256;

/** Where a bare word ends. */
const BARE = /[^\s"()]+/y;
const FIELD = /([\p{L}_@$][\p{L}\p{N}_@$.-]*):(?!\/\/)/uy;
const SPACE = /\s*/y;
const KEYWORD = /(AND|OR|NOT)(?=[\s()"]|$)/y;
const COMPARISON = /(<=|>=|<|>)/y;
const QUOTED = /"((?:[^"\\]|\\.)*)"/suy;
const REGEX = /\/((?:[^/\\[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+)\/([a-z]*)(?=[\s()]|$)/suy;
/** Those of JavaScript. */
const FLAGS = /^[dgimsuvy]*$/;

/** @throws QueryError that says where. */
export function parseExpression(text: string): Expression {
  if (text.length > MAX_LENGTH)
    throw new QueryError(`a query has at most ${MAX_LENGTH} characters, not ${text.length}`, MAX_LENGTH);
  return normalized(new Parser(text).parse());
}

/** The test of a field for a text as a filter gives it: `*` stands for anything. */
export function fieldFilter(field: string, text: string): Expression {
  return { type: 'field', field, test: fieldTest(field, [...splitGlob(text)]) };
}

/** The test of a field for one of its values as they are. */
export function valueFilter(field: string, value: string): Expression {
  return { type: 'field', field, test: { type: 'equal', text: field === 'level' ? value : fold(value) } };
}

class Parser {
  readonly #text: string;
  #at = 0;
  #depth = 0;
  #tests = 0;

  constructor(text: string) {
    this.#text = text;
  }

  parse(): Expression {
    this.#skipSpace();
    if (this.#at === this.#text.length) return ALL;
    const expression = this.#any(undefined);
    if (this.#at < this.#text.length) throw this.#error('this ")" closes nothing');
    return expression;
  }

  #any(field: string | undefined): Expression {
    const of = [this.#all(field)];
    while (this.#keyword('OR')) of.push(this.#all(field));
    return { type: 'or', of };
  }

  #all(field: string | undefined): Expression {
    const of = [this.#one(field)];
    for (;;) {
      const and = this.#keyword('AND');
      if (!and && (this.#at === this.#text.length || this.#text[this.#at] === ')' || this.#sees('OR')))
        return { type: 'and', of };
      of.push(this.#one(field));
    }
  }

  #one(field: string | undefined): Expression {
    const before = this.#at;
    // A minus that nothing adjoins denies nothing.
    const minus = this.#text[this.#at] === '-' && /[^\s)]/.test(this.#text[this.#at + 1] ?? ' ');
    if (!minus && !this.#keyword('NOT')) return this.#positive(field);
    if (minus) this.#at++;
    this.#enter(before);
    const of = this.#one(field);
    this.#depth--;
    return { type: 'not', of };
  }

  #positive(field: string | undefined): Expression {
    const start = this.#at;
    if (this.#text[start] === '(') return this.#group(field);
    if (this.#sees('OR') || this.#sees('AND')) throw this.#error('there is nothing before it to join', start);
    if (start === this.#text.length) throw this.#error('something to look for is missing at the end');
    if (this.#text[start] === ')') throw this.#error('something to look for is missing before this ")"');
    if (++this.#tests > MAX_TESTS) throw this.#error(`a query has at most ${MAX_TESTS} tests`);
    if (field !== undefined) return this.#fieldValue(field);
    const named = this.#match(FIELD);
    if (named === null) return this.#value();
    if (/[\s)]/.test(this.#text[this.#at] ?? ' '))
      throw this.#error(`a value is missing behind "${named[0]}"; put text with a colon in quotes`);
    return this.#text[this.#at] === '(' ? this.#group(named[1]!) : this.#fieldValue(named[1]!);
  }

  #group(field: string | undefined): Expression {
    const start = this.#at++;
    this.#enter(start);
    this.#skipSpace();
    const expression = this.#any(field);
    if (this.#text[this.#at] !== ')') throw this.#error('this "(" is not closed', start);
    this.#at++;
    this.#depth--;
    this.#skipSpace();
    return expression;
  }

  /** A text or a regular expression that is looked for in all values. */
  #value(): Expression {
    const start = this.#at;
    const regex = this.#regex();
    if (regex !== undefined) return regex;
    const pieces = this.#pieces();
    const [text = '', ...others] = pieces;
    if (pieces.every((piece) => piece === '')) return ALL;
    if (others.length > 1 || (others.length === 1 && others[0] !== ''))
      throw this.#error('a "*" stands at the end of a word, or in the value of a field', start);
    return { type: 'text', text: fold(text), prefix: others.length === 1 };
  }

  #fieldValue(field: string): Expression {
    const regex = this.#regex();
    if (regex !== undefined) return { type: 'field', field, test: regex };
    const operator = this.#match(COMPARISON)?.[1] as '<' | '<=' | '>' | '>=' | undefined;
    if (operator !== undefined) return this.#comparison(field, operator);
    return { type: 'field', field, test: fieldTest(field, this.#pieces()) };
  }

  #comparison(field: string, operator: '<' | '<=' | '>' | '>='): Expression {
    const start = this.#at;
    const text = this.#pieces().join('*');
    if (field === 'level') {
      const of = levelsThat(operator, levelOfField(text));
      if (of.length > 0) return { type: 'or', of };
    }
    const number = text === '' ? Number.NaN : Number(text);
    if (!Number.isFinite(number)) throw this.#error(`"${operator}" takes a number, not "${text}"`, start);
    // There is one zero.
    return { type: 'field', field, test: { type: 'compare', operator, number: number + 0 } };
  }

  #regex(): { type: 'regex'; source: string; flags: '' | 'i' } | undefined {
    const start = this.#at;
    if (this.#text[start] !== '/') return undefined;
    const match = this.#match(REGEX);
    if (match === null) return undefined;
    const [, source = '', flags = ''] = match;
    // What has other letters behind it is a path: /var/log.
    if (!FLAGS.test(flags)) {
      this.#at = start;
      return undefined;
    }
    if (flags !== '' && flags !== 'i')
      throw this.#error(`a regular expression may be followed by "i" only, not by "${flags}"`, start);
    try {
      compileRegex(source, flags);
    } catch (error) {
      throw this.#error(`the regular expression is not valid: ${regexFault(error)}`, start);
    }
    this.#skipSpace();
    return { type: 'regex', source, flags };
  }

  /** Bare and quoted texts up to the next space or parenthesis, parted by the "*" that stand outside of quotes. */
  #pieces(): string[] {
    const start = this.#at;
    const pieces = [''];
    for (;;) {
      if (this.#text[this.#at] === '"') {
        const quoted = this.#match(QUOTED);
        if (quoted === null) throw this.#error('this quote is not closed');
        pieces.push(pieces.pop() + quoted[1]!.replace(/\\(["\\])/g, '$1'));
      } else {
        const bare = this.#match(BARE)?.[0];
        if (bare === undefined) break;
        const [first = '', ...others] = splitGlob(bare);
        pieces.push(pieces.pop() + first, ...others);
      }
    }
    if (pieces.length === 1 && pieces[0] === '')
      throw this.#error(
        this.#at === start ? 'a value is missing here' : 'there is nothing between the quotes',
        start,
      );
    this.#skipSpace();
    return pieces;
  }

  #keyword(word: string): boolean {
    if (!this.#sees(word)) return false;
    this.#at += word.length;
    this.#skipSpace();
    return true;
  }

  #sees(word: string): boolean {
    KEYWORD.lastIndex = this.#at;
    return KEYWORD.exec(this.#text)?.[1] === word;
  }

  #match(pattern: RegExp): RegExpExecArray | null {
    pattern.lastIndex = this.#at;
    const match = pattern.exec(this.#text);
    if (match !== null) this.#at = pattern.lastIndex;
    return match;
  }

  #skipSpace(): void {
    this.#match(SPACE);
  }

  #enter(start: number): void {
    if (++this.#depth > MAX_DEPTH) throw this.#error(`a query is nested at most ${MAX_DEPTH} deep`, start);
  }

  #error(message: string, position = this.#at): QueryError {
    return new QueryError(message, position);
  }
}

/** Parted at "*", where two in a row are as one. */
function splitGlob(text: string): string[] {
  return text.replace(/\*+/g, '*').split('*');
}

function fieldTest(field: string, pieces: readonly string[]): FieldTest {
  const [first = '', ...others] = pieces;
  if (pieces.length > 1 && pieces.every((piece) => piece === '')) return { type: 'exists' };
  if (field === 'message' && pieces.length === 1) return { type: 'text', text: fold(first), prefix: false };
  if (field === 'message' && pieces.length === 2 && others[0] === '')
    return { type: 'text', text: fold(first), prefix: true };
  if (pieces.length > 1) return { type: 'glob', parts: pieces.map(fold) };
  return { type: 'equal', text: field === 'level' ? (levelOfField(first) ?? first) : fold(first) };
}

/** One test for each of the levels, since an event says its own by name. */
function levelsThat(operator: string, level: string | null): Expression[] {
  const names: readonly (string | null)[] = LEVELS;
  const rank = names.indexOf(level);
  if (rank < 0) return [];
  const passes = (other: number) =>
    operator.startsWith('>') ? other > rank : other < rank || (operator.endsWith('=') && other === rank);
  return LEVELS.filter((_, other) => passes(other) || (operator.endsWith('=') && other === rank)).map(
    (name) => ({ type: 'field', field: 'level', test: { type: 'equal', text: name } }),
  );
}

/** By code points where the pattern allows it. @throws SyntaxError. */
export function compileRegex(source: string, flags: string): RegExp {
  try {
    return new RegExp(source, `${flags}u`);
  } catch {
    return new RegExp(source, flags);
  }
}

const regexFault = (error: unknown) =>
  (error as Error).message.replace(/^Invalid regular expression: .*: /s, '').toLowerCase();
