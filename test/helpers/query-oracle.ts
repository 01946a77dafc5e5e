/**
 * Random questions about log events, each with a plain filter beside it that answers it from the parsed JSON: what the
 * search is compared with. Nothing here is shared with the search.
 */
import type { Random } from '../crash/sim/random.ts';

/** An event as the oracle knows it. */
export interface OracleEvent {
  timestamp: number;
  partition: number;
  offset: number;
  source: string | null;
  level: string | null;
  /** The JSON, or the text of a value that is none. */
  value: string;
  content: unknown;
}

export interface Question {
  q: string;
  passes(event: OracleEvent): boolean;
}

const WORD = /[\p{L}\p{M}\p{N}_]+/gu;
const lower = (text: string) => text.toLowerCase().replaceAll('ς', 'σ');
const literally = (text: string) => text.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&');

interface Texts {
  /** All strings and numbers. */
  readonly texts: readonly string[];
  readonly lowered: readonly string[];
  readonly words: ReadonlySet<string>;
}

const known = new WeakMap<OracleEvent, Texts>();

function textsOf(event: OracleEvent): Texts {
  let found = known.get(event);
  if (found === undefined) {
    const texts = collectTexts(event.content);
    const lowered = texts.map(lower);
    found = { texts, lowered, words: new Set(lowered.flatMap(wordsOf)) };
    known.set(event, found);
  }
  return found;
}

function collectTexts(value: unknown): string[] {
  if (typeof value === 'string') return [value];
  if (typeof value === 'number') return [String(value)];
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(collectTexts) : [];
}

const wordsOf = (text: string): string[] => lower(text).match(WORD) ?? [];

/** A question about events such as these. */
export function randomQuestion(random: Random, events: readonly OracleEvent[], depth = 2): Question {
  const kind = depth === 0 ? random.below(8) : random.below(12);
  const event = random.pick(events);
  const { texts } = textsOf(event);
  const text = texts.length === 0 ? 'nothing' : random.pick(texts);
  const words = wordsOf(text);
  const word = words.length === 0 ? 'nothing' : random.pick(words);
  switch (kind) {
    case 0:
    case 1:
      return wordQuestion(random.chance(0.1) ? `x${word}` : word, random);
    case 2:
      return phraseQuestion(pieceOf(text, random));
    case 3:
      return prefixQuestion([...word].slice(0, 1 + random.below(4)).join(''));
    case 4:
      return random.chance(0.5) ? levelQuestion(event) : sourceQuestion(event, random);
    case 5:
      return fieldQuestion(event, random);
    case 6:
      return regexQuestion(word, random);
    case 7:
      return { q: '*', passes: () => true };
    case 8:
    case 9: {
      const [a, b] = [randomQuestion(random, events, depth - 1), randomQuestion(random, events, depth - 1)];
      return { q: `(${a.q}) (${b.q})`, passes: (each) => a.passes(each) && b.passes(each) };
    }
    case 10: {
      const [a, b] = [randomQuestion(random, events, depth - 1), randomQuestion(random, events, depth - 1)];
      return { q: `(${a.q}) OR (${b.q})`, passes: (each) => a.passes(each) || b.passes(each) };
    }
    default: {
      const a = randomQuestion(random, events, depth - 1);
      return { q: `${random.pick(['-', 'NOT '])}(${a.q})`, passes: (each) => !a.passes(each) };
    }
  }
}

function wordQuestion(word: string, random: Random): Question {
  const typed = random.chance(0.3) && word.toUpperCase().toLowerCase() === word ? word.toUpperCase() : word;
  return {
    q: /^(and|or|not)$/i.test(typed) ? `"${typed}"` : typed,
    passes: (event) => textsOf(event).words.has(word),
  };
}

/** A piece of a text from one word to another. */
function pieceOf(text: string, random: Random): string {
  const places = [...text.matchAll(WORD)];
  if (places.length === 0) return 'nothing';
  const first = random.below(places.length);
  const last = Math.min(places.length - 1, first + random.below(4));
  return text.slice(places[first]!.index, places[last]!.index + places[last]![0].length);
}

function phraseQuestion(phrase: string): Question {
  const pattern = new RegExp(
    `(?<![\\p{L}\\p{M}\\p{N}_])${literally(lower(phrase))}(?![\\p{L}\\p{M}\\p{N}_])`,
    'u',
  );
  return {
    q: `"${phrase.replace(/["\\]/g, '\\$&')}"`,
    passes: (event) => textsOf(event).lowered.some((text) => pattern.test(text)),
  };
}

function prefixQuestion(prefix: string): Question {
  return {
    q: `"${prefix}"*`,
    passes: (event) => [...textsOf(event).words].some((word) => word.startsWith(prefix)),
  };
}

const levelQuestion = ({ level }: OracleEvent): Question => ({
  q: level === null ? '-level:*' : `level:${level.toLowerCase()}`,
  passes: (event) => event.level === level,
});

function sourceQuestion({ source }: OracleEvent, random: Random): Question {
  if (source === null) return { q: '-source:*', passes: (event) => event.source === null };
  if (random.chance(0.5)) return { q: `source:"${source}"`, passes: (event) => event.source === source };
  const start = source.slice(0, 3);
  return { q: `source:"${start}"*`, passes: (event) => event.source?.startsWith(start) ?? false };
}

function fieldQuestion(event: OracleEvent, random: Random): Question {
  const metadata = metadataOf(event);
  const names = Object.keys(metadata).filter((name) => /^\w+$/.test(name));
  if (names.length === 0) return { q: 'metadata.never:*', passes: () => false };
  const name = random.pick(names);
  const value = metadata[name];
  if (random.chance(0.2) || typeof value === 'object')
    return { q: `metadata.${name}:*`, passes: (each) => (metadataOf(each)[name] ?? null) !== null };
  if (typeof value === 'number' && random.chance(0.5))
    return { q: `metadata.${name}:>=${value}`, passes: (each) => Number(metadataOf(each)[name]) >= value };
  const text = lower(String(value));
  return {
    q: `metadata.${name}:"${text.replace(/["\\]/g, '\\$&')}"`,
    passes: (each) => {
      const other = metadataOf(each)[name];
      return other !== undefined && typeof other !== 'object' && lower(String(other)) === text;
    },
  };
}

function metadataOf({ content }: OracleEvent): Record<string, unknown> {
  if (typeof content !== 'object' || content === null || !('metadata' in content)) return {};
  const { metadata } = content;
  return typeof metadata === 'object' && metadata !== null ? { ...metadata } : {};
}

function regexQuestion(word: string, random: Random): Question {
  const [source, flags] = random.pick([
    [`${literally(word)}.*\\d`, ''],
    [`^[^ ]*${literally(word)}`, 'i'],
    [`${literally(word)}s?$`, 'i'],
  ] as const);
  const regex = new RegExp(source, flags);
  return {
    q: `/${source}/${flags}`,
    passes: (event) => textsOf(event).texts.some((text) => regex.test(text)),
  };
}

/** Events that a plain producer or an odd application might log; with sources and levels in all their spellings. */
export function oddEvent(
  random: Random,
  timestamp: number,
): { event: Record<string, unknown>; source: string; level: string | null } {
  const level = random.pick([
    ['ERROR', 'ERROR'],
    ['warning', 'WARN'],
    ['Info', 'INFO'],
    [50, 'ERROR'],
    [undefined, null],
  ] as const);
  const source = random.pick(['payment-service', 'auth', 'Größe', 'a b', 'edge-7']);
  const event: Record<string, unknown> = {
    timestamp: new Date(timestamp).toISOString(),
    [random.pick(['source', 'service'])]: source,
    level: level[0],
    message: oddMessage(random),
    metadata: {
      userId: random.below(50),
      ratio: random.below(100) / 8,
      ok: random.chance(0.5),
      'connection refused': random.pick(['no', 'YES', null]),
      tags: [random.pick(['alpha', 'beta']), oddMessage(random)],
    },
  };
  return { event, source, level: level[1] };
}

const WORDS = [
  ...[
    'connection',
    'refused',
    'Connection refused',
    'timeout',
    'naïve',
    'CAFÉ',
    'ΟΔΟΣ',
    'straße',
    '日本語',
    '😀',
    'user_42',
  ],
  ...[
    '10.0.0.1',
    '10.0.0.12',
    'C:\\temp\\x',
    '"quoted"',
    'line\nbreak',
    'tab\there',
    '/var/log',
    '\u0001',
    'blk_-77',
    'a-b',
    '99',
  ],
];

function oddMessage(random: Random): string {
  const words = Array.from({ length: 1 + random.below(8) }, () => random.pick(WORDS));
  // Now and then a very long line.
  if (random.chance(0.003)) words.splice(1, 0, 'long '.repeat(20_000));
  return words.join(random.pick([' ', ' ', ' ', ': ', '-']));
}
