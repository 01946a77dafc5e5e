/** Finding a folded text in others as a query means it: where no word goes on at its ends. What a word is, words.ts says. */

const WORD_CHARACTER = /[\p{L}\p{M}\p{N}_]/u;

/** Whether the character that begins at `at` is one of a word; false outside of the text. */
export function isWordCharacterAt(text: string, at: number): boolean {
  const code = text.charCodeAt(at);
  if (code < 0x80) return isAsciiWordCharacter(code);
  const whole = text.codePointAt(at);
  return whole !== undefined && WORD_CHARACTER.test(String.fromCodePoint(whole));
}

/** Whether the character that ends before `at` is one of a word; false outside of the text. */
export function isWordCharacterBefore(text: string, at: number): boolean {
  if (at <= 0) return false;
  const code = text.charCodeAt(at - 1);
  if (code < 0x80) return isAsciiWordCharacter(code);
  const isSecondHalf = code >= 0xdc00 && code <= 0xdfff && at > 1;
  return isWordCharacterAt(text, isSecondHalf ? at - 2 : at - 1);
}

/** Digits, letters and "_". */
function isAsciiWordCharacter(code: number): boolean {
  const lower = code | 0x20;
  return (code >= 0x30 && code <= 0x39) || (lower >= 0x61 && lower <= 0x7a) || code === 0x5f;
}

/**
 * Whether `text` occurs in `value`, both folded, with a border of words at its beginning, and, unless it is a prefix, at its
 * end. There is a border where the text itself begins or ends with a character of no word.
 */
export function occursInWords(value: string, text: string, prefix: boolean): boolean {
  const openStart = !isWordCharacterAt(text, 0);
  const openEnd = prefix || !isWordCharacterBefore(text, text.length);
  for (let at = value.indexOf(text); at >= 0; at = value.indexOf(text, at + 1)) {
    if (
      (openStart || !isWordCharacterBefore(value, at)) &&
      (openEnd || !isWordCharacterAt(value, at + text.length))
    )
      return true;
  }
  return false;
}
