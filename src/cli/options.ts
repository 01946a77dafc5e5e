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

export function parseInteger(text: string): number {
  const number = /^[+-]?\d+$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(number))
    throw new InvalidArgumentError('It takes a whole number, such as 10 or -10.');
  return number;
}

export function parsePositiveNumber(text: string): number {
  const number = parseWholeNumber(text);
  if (number === 0) throw new InvalidArgumentError('It takes a whole number above zero.');
  return number;
}

const MAX_BODY_BYTES = 1024 ** 3;

// The engine reads settings in the same way. Loading it for this would take longer than what most commands do.
const SIZE = /^(\d+)\s*(?:b|([kmgt])i?b?)?$/i;
const SIZE_FACTORS: Readonly<Record<string, number>> = { k: 1024, m: 1024 ** 2, g: 1024 ** 3, t: 1024 ** 4 };
const DURATION = /^(\d+)\s*(ms|[smhd])?$/i;
export const DURATION_FACTORS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/** "65536", "64k", "1MiB": bytes. */
export function parseSize(text: string): number {
  const bytes = multiplied(SIZE.exec(text.trim()), SIZE_FACTORS);
  if (bytes === undefined) throw new InvalidArgumentError('It takes a size such as 65536, 64k or 1MiB.');
  return bytes;
}

/** The size of one request's body: no daemon takes a larger one. */
export function parseBatchSize(text: string): number {
  const bytes = parseSize(text);
  if (bytes > MAX_BODY_BYTES) throw new InvalidArgumentError('It takes at most 1GiB.');
  return bytes;
}

/** A text that is not empty. */
export function parseText(text: string): string {
  if (text === '') throw new InvalidArgumentError('It takes at least one character.');
  return text;
}

/** "5000", "500ms", "30s", "1h": milliseconds. */
export function parseDuration(text: string): number {
  const ms = multiplied(DURATION.exec(text.trim()), DURATION_FACTORS);
  if (ms === undefined)
    throw new InvalidArgumentError('It takes milliseconds, or a time such as 500ms, 30s or 5m.');
  return ms;
}

/** "15m", "2h", "3d": a time back from now, with its unit. */
export const isDuration = (text: string): boolean => /^\d{1,9}[smhd]$/.test(text);

function multiplied(
  match: RegExpExecArray | null,
  factors: Readonly<Record<string, number>>,
): number | undefined {
  if (match === null) return undefined;
  const number = Number(match[1]) * (match[2] === undefined ? 1 : factors[match[2].toLowerCase()]!);
  return Number.isSafeInteger(number) && number > 0 ? number : undefined;
}

/** For an option that may be given again: "0,2" and then "5" make [0, 2, 5]. */
export function collectNumbers(text: string, previous: readonly number[] = []): number[] {
  return [...new Set([...previous, ...text.split(',').map((each) => parseWholeNumber(each.trim()))])];
}

/** For an option that may be given again. */
export function collectTexts(text: string, previous: readonly string[] = []): string[] {
  return [...new Set([...previous, parseText(text)])];
}

/** "name=value", for an option that may be given again. */
export function collectPairs(text: string, previous: readonly [string, string][] = []): [string, string][] {
  const at = text.indexOf('=');
  if (at <= 0) throw new InvalidArgumentError('It takes name=value.');
  return [...previous, [text.slice(0, at).trim(), text.slice(at + 1)]];
}
