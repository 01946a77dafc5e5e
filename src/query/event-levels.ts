/**
 * Levels: what log events call them, and the six names that they are known by here. A level that is none of them keeps
 * its name, in capitals.
 */
export const LEVELS = ['TRACE', 'DEBUG', 'INFO', 'WARN', 'ERROR', 'FATAL'] as const;

/** Names of other levels are cut there. */
const MAX_LEVEL_LENGTH = 64;

/** What a message may begin with, and a level may be called, in small letters. */
const WORDS: Readonly<Record<string, (typeof LEVELS)[number]>> = {
  trace: 'TRACE',
  debug: 'DEBUG',
  dbg: 'DEBUG',
  info: 'INFO',
  inf: 'INFO',
  notice: 'INFO',
  warn: 'WARN',
  warning: 'WARN',
  wrn: 'WARN',
  error: 'ERROR',
  err: 'ERROR',
  severe: 'ERROR',
  fatal: 'FATAL',
  ftl: 'FATAL',
  critical: 'FATAL',
  crit: 'FATAL',
  alert: 'FATAL',
  emerg: 'FATAL',
  emergency: 'FATAL',
  panic: 'FATAL',
};

/** What only a field says: words that messages begin with for other reasons, letters of glog, numbers of pino and bunyan. */
const FIELD_WORDS: Readonly<Record<string, (typeof LEVELS)[number]>> = {
  ...WORDS,
  verbose: 'TRACE',
  finest: 'TRACE',
  finer: 'TRACE',
  fine: 'DEBUG',
  information: 'INFO',
  informational: 'INFO',
  v: 'TRACE',
  t: 'TRACE',
  d: 'DEBUG',
  i: 'INFO',
  w: 'WARN',
  e: 'ERROR',
  f: 'FATAL',
  c: 'FATAL',
  10: 'TRACE',
  20: 'DEBUG',
  30: 'INFO',
  40: 'WARN',
  50: 'ERROR',
  60: 'FATAL',
};

/** The level that a field's text names; null when it names none. */
export function levelOfField(text: string): string | null {
  const name = text.trim();
  if (name === '') return null;
  const word = name.toLowerCase();
  return Object.hasOwn(FIELD_WORDS, word)
    ? FIELD_WORDS[word]!
    : name.toUpperCase().slice(0, MAX_LEVEL_LENGTH);
}

/** Only the begin of a message is looked at. */
export const LEVEL_SEARCH_BYTES = 256;

const levelOfWord = (word: string) =>
  Object.hasOwn(WORDS, word.toLowerCase()) ? WORDS[word.toLowerCase()]! : null;

/** Escapes that colour terminals. */
const COLOURS = /\x1b\[[\d;]*m/g;
const TOKEN = /\S+/g;
/** A date or a time of day, or a piece of one. */
const CLOCK = /^\d[\d.,:/TZ+-]*[:/-][\d.,:/TZ+-]*$/;
/** What stands beside a time, or before a level: numbers, names of days, months and zones, and signs alone. */
const BESIDE_TIME =
  /^(?:[\d.,#]+|mon|tue|wed|thu|fri|sat|sun|jan|feb|mar|apr|may|june?|july?|aug|sept?|oct|nov|dec|utc|gmt|cet|cest|[ap]m|\W*)$/i;
const AROUND = /^[[(<|{"'*-]*|[\])>|}"'*:,-]*$/g;
/** The first word of a token, where it ends there or a sign of punctuation follows. */
const FIRST_WORD = /^([A-Za-z]{3,9})(?=$|[:\])>|,])/;
const GLOG = /^([IWEF])\d{4}$/;
const GLOG_LEVELS: Readonly<Record<string, string>> = { I: 'INFO', W: 'WARN', E: 'ERROR', F: 'FATAL' };
const IN_BRACKETS = /[[<]\s*([A-Za-z]{3,9})\s*[\]>]/g;
const ASSIGNED = /(?:^|[\s,;{])(?:level|lvl|log_?level|severity)=\\?["']?([A-Za-z]{3,9})\b/i;
/** After a time, a level in capitals may have some words before it: a thread, a logger. */
const WORDS_BEFORE_LEVEL = 3;

/**
 * The level that the begin of a message says plainly: as its first word in capitals, with a colon or in brackets; after
 * a time; in brackets anywhere; or as `level=…`. Null when it does not: "error" somewhere in a sentence is no level.
 */
export function levelOfMessage(message: string): string | null {
  const text = message.includes('\x1b') ? message.replace(COLOURS, '') : message;
  return levelAtStart(text) ?? levelInBrackets(text) ?? levelOfWord(ASSIGNED.exec(text)?.[1] ?? '');
}

function levelAtStart(text: string): string | null {
  let afterTime = false;
  let others = 0;
  for (const [token] of text.matchAll(TOKEN)) {
    const bare = token.replace(AROUND, '');
    if (CLOCK.test(bare)) {
      afterTime = true;
      continue;
    }
    if (BESIDE_TIME.test(bare)) continue;
    const glog = others === 0 && !afterTime ? GLOG.exec(bare) : null;
    if (glog !== null) return GLOG_LEVELS[glog[1]!]!;
    const word = FIRST_WORD.exec(bare)?.[1];
    const level = word === undefined ? null : levelOfWord(word);
    if (level !== null && (isCapital(word!) || (others === 0 && (afterTime || isMarked(token, word!)))))
      return level;
    others++;
    const mayFollow = afterTime || token.startsWith('[');
    if (!mayFollow || others > WORDS_BEFORE_LEVEL) return null;
  }
  return null;
}

const isCapital = (word: string) => word === word.toUpperCase();

/** It stands in brackets, or a colon follows. */
function isMarked(token: string, word: string): boolean {
  return token !== word && /[\])>|:]/.test(token.charAt(token.indexOf(word) + word.length));
}

function levelInBrackets(text: string): string | null {
  for (const [, word] of text.matchAll(IN_BRACKETS)) {
    const level = levelOfWord(word!);
    if (level !== null) return level;
  }
  return null;
}
