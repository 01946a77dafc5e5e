/** Options that several commands share, and the parsers of their values. */
import { InvalidArgumentError, Option } from 'commander';
import { DEFAULT_SERVER } from './http-client.ts';

export interface ServerFlag {
  server?: string;
}

export function serverOption(): Option {
  // The environment is read by the HTTP client, from the Io it is given.
  return new Option('--server <url>', `the daemon (default: $SEGLOG_SERVER, else ${DEFAULT_SERVER})`);
}

export function jsonOption(what = 'print the result as JSON'): Option {
  return new Option('--json', what);
}

export function parseWholeNumber(text: string): number {
  const number = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(number)) throw new InvalidArgumentError('It takes a whole number.');
  return number;
}

export function parsePositiveNumber(text: string): number {
  const number = parseWholeNumber(text);
  if (number === 0) throw new InvalidArgumentError('It takes a whole number above zero.');
  return number;
}

const FACTORS: Readonly<Record<string, number>> = { '': 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3 };

/** "65536", "64k", "1m", "1MiB". */
export function parseSize(text: string): number {
  const match = /^(\d+)\s*(?:([kmg])(?:i?b)?)?$/i.exec(text.trim());
  const bytes = match === null ? 0 : Number(match[1]) * FACTORS[(match[2] ?? '').toLowerCase()]!;
  if (!Number.isSafeInteger(bytes) || bytes === 0)
    throw new InvalidArgumentError('It takes a size such as 64k or 1m.');
  return bytes;
}

/** For an option that may be given again: "0,2" and then "5" make [0, 2, 5]. */
export function collectNumbers(text: string, previous: readonly number[] = []): number[] {
  return [...new Set([...previous, ...text.split(',').map((each) => parseWholeNumber(each.trim()))])];
}

/** "name=value", for an option that may be given again. */
export function collectPairs(text: string, previous: readonly [string, string][] = []): [string, string][] {
  const at = text.indexOf('=');
  if (at <= 0) throw new InvalidArgumentError('It takes name=value.');
  return [...previous, [text.slice(0, at).trim(), text.slice(at + 1)]];
}
