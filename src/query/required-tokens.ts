/** The tokens (tokens.ts) that an event has to have in order to pass a test; pure. */
import type { FieldExpression, FieldTest } from './expression.ts';
import { regexLiterals } from './regex-literals.ts';
import { fieldToken, type Token, textTokens } from './tokens.ts';

/** Fields whose values are found under several names. */
const FACTS: readonly string[] = ['source', 'level', 'message'];

const WORD_AT_START = /^[\p{L}\p{M}\p{N}_]+/u;
const WORD_AT_END = /[\p{L}\p{M}\p{N}_]+$/u;

export function requiredTokens(test: FieldTest): Token[] {
  switch (test.type) {
    case 'text':
      return [...tokensWithin(test.text, false, test.prefix)];
    case 'equal':
      return [...textTokens(test.text)];
    case 'glob':
      return test.parts.flatMap((part, i) => [...tokensWithin(part, i > 0, i < test.parts.length - 1)]);
    case 'regex':
      return regexLiterals(test.source).flatMap((literal) => [...tokensWithin(literal, true, true)]);
    default:
      return [];
  }
}

export function requiredFieldTokens({ field, test }: FieldExpression): Token[] {
  // A level may be written in many ways.
  if (field === 'level') return [];
  const own = test.type === 'equal' && !FACTS.includes(field) ? fieldToken(field, test.text) : undefined;
  return own === undefined ? requiredTokens(test) : [own];
}

/** Of a text that others may go on before or behind: a word that may be part of a longer one is no token. */
function tokensWithin(text: string, openStart: boolean, openEnd: boolean): Set<Token> {
  let whole = text;
  if (openStart) whole = whole.replace(WORD_AT_START, '');
  if (openEnd) whole = whole.replace(WORD_AT_END, '');
  return textTokens(whole);
}
