/**
 * RecordTemplate: text with places in braces that each record fills in anew.
 *
 *     {key}      the record's key               {int:1-500}   a whole number
 *     {seq}      its number, from 0 on          {pick:a|b|b}  one of these, here b twice as often as a
 *     {now}      the time, ISO 8601             {hex:32}      hexadecimal digits
 *     {epoch}    the time, ms since 1970        {text:100}    words, so many characters
 *     {ago:15m}  the time so long ago           {{            a brace
 *
 * The same seed makes the same records, but for the times.
 */
import { nearestName } from '../../engine/index.ts';
import type { SeededRandom } from './seeded-random.ts';

export interface TemplateValues {
  key: string;
  seq: number;
  /** Milliseconds since 1970. */
  now: number;
}

type Place = (values: TemplateValues) => string;

export class RecordTemplate {
  readonly #places: readonly (string | Place)[];

  /** Throws RangeError for a place that makes no sense. */
  constructor(text: string, random: SeededRandom) {
    this.#places = compile(text, random);
  }

  render(values: TemplateValues): string {
    let text = '';
    for (const place of this.#places) text += typeof place === 'string' ? place : place(values);
    return text;
  }
}

const PLACE = /\{\{|\{([a-z]+)(?::([^{}]*))?\}/g;

function compile(text: string, random: SeededRandom): (string | Place)[] {
  const places: (string | Place)[] = [];
  let at = 0;
  for (const match of text.matchAll(PLACE)) {
    places.push(text.slice(at, match.index));
    at = match.index + match[0].length;
    if (match[0] === '{{') {
      places.push('{');
      continue;
    }
    const maker = Object.hasOwn(MAKERS, match[1]!) ? MAKERS[match[1]!] : undefined;
    const place = maker?.(match[2] ?? '', random);
    if (place === undefined) throw new RangeError(complaint(match[0], match[1]!, maker !== undefined));
    places.push(place);
  }
  places.push(text.slice(at));
  return places.filter((place) => place !== '');
}

function complaint(place: string, name: string, known: boolean): string {
  if (known) return `${place} in a template lacks what it takes: write it as ${EXAMPLES[name]}`;
  const near = nearestName(name, Object.keys(MAKERS));
  const hint = near === undefined ? '' : `; did you mean ${EXAMPLES[near]}?`;
  return `there is no ${place} in templates${hint} (a brace itself is written {{)`;
}

const EXAMPLES: Readonly<Record<string, string>> = {
  key: '{key}',
  seq: '{seq}',
  now: '{now}',
  epoch: '{epoch}',
  ago: '{ago:15m}',
  int: '{int:1-500}',
  pick: '{pick:a|b|c}',
  hex: '{hex:32}',
  text: '{text:100}',
};

const MAX_LENGTH = 1024 * 1024;
const UNITS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** By name: makes a place of what stands behind the colon; undefined where that makes no sense. */
const MAKERS: Readonly<Record<string, (takes: string, random: SeededRandom) => Place | undefined>> = {
  key: () => (values) => values.key,
  seq: () => (values) => String(values.seq),
  now: () => isoWriter(),
  epoch: () => (values) => String(values.now),
  ago(takes) {
    const match = /^(\d{1,9})([smhd])$/.exec(takes);
    if (match === null) return undefined;
    const ms = Number(match[1]) * UNITS[match[2]!]!;
    return isoWriter(ms);
  },
  int(takes, random) {
    const match = /^(\d{1,15})-(\d{1,15})$/.exec(takes);
    if (match === null) return undefined;
    const [least, most] = [Number(match[1]), Number(match[2])];
    return most < least ? undefined : () => String(least + random.below(most - least + 1));
  },
  pick(takes, random) {
    const choices = takes.split('|');
    return takes === '' ? undefined : () => random.pick(choices);
  },
  hex: (takes, random) => sliceOf(takes, random, HEX_DIGITS),
  text: (takes, random) => sliceOf(takes, random, LETTERS),
};

/** Many records are made within one millisecond. */
function isoWriter(agoMs = 0): Place {
  let written = Number.NaN;
  let text = '';
  return ({ now }) => {
    if (now !== written) text = new Date(now - agoMs).toISOString();
    written = now;
    return text;
  };
}

type Stock = (random: SeededRandom, length: number) => string;

const STOCK_LENGTH = 64 * 1024;
const WORDS = (
  'accept account again answer batch before buffer cache cancel charge check client close commit connect count credit ' +
  'customer declined deliver done entry error failed fetch first found handle index invoice item join key last late limit ' +
  'list lock login lost memory message missing moved network node offset open order paid parcel partner payment pending ' +
  'queue quota read ready refund refused region reply report request retry route sent session shard ship slow start state ' +
  'stock store sync table taken timeout token total trace user value wait warehouse write'
).split(' ');

const HEX_DIGITS: Stock = (random, length) =>
  Array.from({ length }, () => random.below(16).toString(16)).join('');
const LETTERS: Stock = (random, length) => {
  let text = '';
  while (text.length < length) text += `${random.pick(WORDS)} `;
  return text;
};

/** A piece of a stock that is made once: cheaper than a random character each. */
function sliceOf(takes: string, random: SeededRandom, stock: Stock): Place | undefined {
  const length = /^\d{1,7}$/.test(takes) ? Number(takes) : Number.NaN;
  if (!(length >= 1 && length <= MAX_LENGTH)) return undefined;
  const text = stock(random, STOCK_LENGTH + length);
  return () => {
    const at = random.below(STOCK_LENGTH);
    return text.slice(at, at + length);
  };
}
