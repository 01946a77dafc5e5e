/** Where in a log to begin and to stop, as `consume -o` and `--until` spell it. */
import { InvalidArgumentError } from 'commander';

export type Position =
  | { readonly at: 'beginning' }
  | { readonly at: 'end' }
  /** Nowhere: a group must have committed something. */
  | { readonly at: 'none' }
  | { readonly at: 'offset'; readonly offset: number }
  /** This many records before the end. */
  | { readonly at: 'tail'; readonly count: number }
  /** The first record whose timestamp is not before this time. */
  | { readonly at: 'time'; readonly time: string };

const FORMS = 'beginning, end, an offset N, the last -N, or a time @T';

/** Parses `beginning|end|none|N|-N|@T`. */
export function parsePosition(text: string): Position {
  if (text === 'beginning' || text === 'end' || text === 'none') return { at: text };
  if (text.startsWith('@') && text.length > 1) return { at: 'time', time: text.slice(1) };
  const number = /^-?\d+$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(number)) throw new InvalidArgumentError(`It takes ${FORMS}.`);
  return number < 0 || text.startsWith('-')
    ? { at: 'tail', count: -number }
    : { at: 'offset', offset: number };
}

/** Parses `end|N|@T`. */
export function parseUntil(text: string): Position {
  const position = parsePosition(text);
  if (!['end', 'offset', 'time'].includes(position.at)) {
    throw new InvalidArgumentError('It takes an offset N, a time @T, or end.');
  }
  return position;
}
