/**
 * Tokens: 32 bit hashes of what a search index knows of the text in events. Two things with one token are one to the index: it
 * may hold a block for a match that has none, never the other way round.
 *
 * - A *word* (words.ts) of a string or a number, wherever in an event it stands, but for the names of fields.
 * - Four numbers with points between them, such as `10.0.0.1`: each of them alone is in every block. Of more than four, any
 *   four neighbours.
 * - A *level with a source*, of events that have both: the blocks with each of them are many more.
 * - A *field with its value*, where the value is a short scalar: `metadata.userId=42`. An element of an array has the path of
 *   the array. Longer ones are found by their words.
 *
 * A number counts with its text as it is written.
 */
import { fold, wordsOf } from './words.ts';

export type Token = number;

/** Longer values of fields, folded and as UTF-8, have no token of their own. */
export const MAX_FIELD_VALUE_BYTES = 16;

const HASH_START = 0x811c9dc5;
const HASH_PRIME = 0x01000193;
const DOTTED_PRIME = 0x9e3779b1;
/** Between a field's path and its value: no byte of UTF-8. */
const FIELD_MARK = 0xff;

const DOTTED = /(?<![\p{L}\p{M}\p{N}_])[0-9]+(?:\.[0-9]+){3,}(?![\p{L}\p{M}\p{N}_])/gu;

/** FNV-1a over the bytes, from the hash of what stood before them. */
function hashBytes(bytes: Uint8Array, start: number): number {
  let hash = start;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, HASH_PRIME);
  return hash;
}

/** FNV-1a leaves the upper bits of short texts alike: this mixes them (the last step of MurmurHash3). */
function finishToken(hash: number): Token {
  let mixed = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}

export const hashText = (text: string, start = HASH_START): number => hashBytes(Buffer.from(text), start);

/** Of one word, folded. */
export function wordToken(word: string): Token {
  return finishToken(hashText(word));
}

/** Of four neighbouring numbers, by the hashes of their texts. */
function dottedToken(a: number, b: number, c: number, d: number): Token {
  const first = Math.imul(a, DOTTED_PRIME) ^ b;
  const second = Math.imul(first, DOTTED_PRIME) ^ c;
  return finishToken(Math.imul(second, DOTTED_PRIME) ^ d);
}

/** Of an event's level and source, but for case. */
export function pairToken(level: string, source: string): Token {
  const marked = (hash: number) => Math.imul(hash ^ FIELD_MARK, HASH_PRIME);
  const levelHash = hashText(fold(level), marked(hashText('level')));
  return finishToken(hashText(fold(source), marked(levelHash)));
}

/**
 * All tokens of a text: an event that has it as text of its own, or between others where no word goes on at either end, has
 * them all.
 */
export function textTokens(text: string): Set<Token> {
  const tokens = new Set(wordsOf(text).map(wordToken));
  for (const [dotted] of text.matchAll(DOTTED)) {
    const [a, b, c, ...others] = dotted.split('.').map((number) => hashText(number));
    let last = [a!, b!, c!] as const;
    for (const next of others) {
      tokens.add(dottedToken(...last, next));
      last = [last[1], last[2], next];
    }
  }
  return tokens;
}

/**
 * Of a field, by the names that lead to it, joined by ".", whose whole value is this text but for case; undefined where such
 * values have none. `true`, `false` and `null` are their names.
 */
export function fieldToken(path: string, text: string): Token | undefined {
  return pathToken(hashText(path), text);
}

/** As `fieldToken`, by the hash of the path. */
export function pathToken(pathHash: number, text: string): Token | undefined {
  if (text.length > MAX_FIELD_VALUE_BYTES) return undefined;
  const value = Buffer.from(fold(text));
  if (value.length > MAX_FIELD_VALUE_BYTES) return undefined;
  return finishToken(hashBytes(value, Math.imul(pathHash ^ FIELD_MARK, HASH_PRIME)));
}
