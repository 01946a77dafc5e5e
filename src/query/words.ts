/**
 * What a word of a log event is: a run of letters, digits and `_`, without regard to case. A letter is what Unicode has for one,
 * with the marks on it.
 *
 * Folding takes away what is not looked at: case, and the other form that a sigma has at the end of a word. It never
 * depends on what stands beside a letter, so a text folded as a whole has the same words as its words folded one by one. Two
 * letters of no English word become ASCII by it: the Kelvin sign and the Turkish capital I with a dot.
 */
const WORD = /[\p{L}\p{M}\p{N}_]+/gu;

export function fold(text: string): string {
  return text.toLowerCase().replaceAll('ς', 'σ');
}

/** The words of a text in their order, folded. */
export function wordsOf(text: string): string[] {
  return fold(text).match(WORD) ?? [];
}
