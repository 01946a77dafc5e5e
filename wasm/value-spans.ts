/**
 * Where the strings and numbers of an event's JSON lie that are values, not names. It checks the JSON while it goes over it,
 * and knows ordinary JSON only: anything else is UNUSUAL, as is a value that is broken. A value that is no object is one
 * span as a whole, for there is nothing in it but text.
 */
const MAX_SPANS: i32 = 256;
const MAX_DEPTH: i32 = 32;

export const UNUSUAL: i32 = -1;

/** In the order of the text; of strings what lies between the quotes. */
export const spanStarts: usize = memory.data(MAX_SPANS * 4, 16);
export const spanEnds: usize = memory.data(MAX_SPANS * 4, 16);
/** The string has backslashes. */
export const spanEscaped: usize = memory.data(MAX_SPANS, 16);

const QUOTE: u32 = 0x22;
const BACKSLASH: u32 = 0x5c;
const COMMA: u32 = 0x2c;
const COLON: u32 = 0x3a;
const OPEN_BRACE: u32 = 0x7b;
const CLOSE_BRACE: u32 = 0x7d;
const OPEN_BRACKET: u32 = 0x5b;
const CLOSE_BRACKET: u32 = 0x5d;

let at: usize = 0;
let end: usize = 0;
let spans: i32 = 0;
let stringEscaped: bool = false;

export function spansOf(valueStart: usize, valueEnd: usize): i32 {
  at = valueStart;
  end = valueEnd;
  spans = 0;
  if (at === end || byteAt() !== OPEN_BRACE) return wholeSpan();
  // A bit for each level: set in objects.
  let objects: u32 = 0;
  let depth: i32 = 0;
  do {
    // A value begins here.
    const byte = byteAt();
    if (byte === OPEN_BRACE || byte === OPEN_BRACKET) {
      if (++depth === MAX_DEPTH) return UNUSUAL;
      const isObject = byte === OPEN_BRACE;
      objects = (objects << 1) | (isObject ? 1 : 0);
      at++;
      skipSpace();
      if (byteAt() !== (isObject ? CLOSE_BRACE : CLOSE_BRACKET)) {
        if (isObject && !skipName()) return UNUSUAL;
        continue;
      }
    } else if (!takeScalar(byte)) {
      return UNUSUAL;
    }
    // A value has ended, or an empty object or array is about to.
    while (depth > 0) {
      skipSpace();
      const inObject = (objects & 1) !== 0;
      const next = byteAt();
      if (next === COMMA) {
        at++;
        skipSpace();
        if (inObject && !skipName()) return UNUSUAL;
        break;
      }
      if (next !== (inObject ? CLOSE_BRACE : CLOSE_BRACKET)) return UNUSUAL;
      at++;
      objects >>= 1;
      depth--;
    }
  } while (depth > 0);
  skipSpace();
  return at === end ? spans : UNUSUAL;
}

/** All of a value that is no object. One that has space before its first character may still be one. */
function wholeSpan(): i32 {
  if (at < end && byteAt() <= 0x20) return UNUSUAL;
  return addSpan(at, end, false) ? 1 : UNUSUAL;
}

/** Zero at the end, where no byte of JSON can be zero. */
function byteAt(): u32 {
  return at < end ? <u32>load<u8>(at) : 0;
}

function skipSpace(): void {
  for (;;) {
    const byte = byteAt();
    if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) return;
    at++;
  }
}

function addSpan(from: usize, to: usize, escaped: bool): bool {
  if (spans === MAX_SPANS) return false;
  store<u32>(spanStarts + (spans << 2), <u32>from);
  store<u32>(spanEnds + (spans << 2), <u32>to);
  store<u8>(spanEscaped + spans, escaped ? 1 : 0);
  spans++;
  return true;
}

/** A name of a member, and what stands before its value. */
function skipName(): bool {
  if (!skipString()) return false;
  skipSpace();
  if (byteAt() !== COLON) return false;
  at++;
  skipSpace();
  return true;
}

/** False where no string begins, or one that is unusual. */
function skipString(): bool {
  if (byteAt() !== QUOTE) return false;
  at++;
  stringEscaped = false;
  const quotes = i8x16.splat(<i8>QUOTE);
  const backslashes = i8x16.splat(<i8>BACKSLASH);
  const spaces = i8x16.splat(0x20);
  while (at < end) {
    const text = v128.load(at);
    const stops = v128.or(
      v128.or(i8x16.eq(text, quotes), i8x16.eq(text, backslashes)),
      i8x16.lt_u(text, spaces),
    );
    const lanes: u32 = i8x16.bitmask(stops);
    if (lanes === 0) {
      at += 16;
      continue;
    }
    at += ctz(lanes);
    const byte = byteAt();
    if (byte === QUOTE) {
      at++;
      return true;
    }
    if (byte !== BACKSLASH || !isShortEscape(at + 1 < end ? <u32>load<u8>(at, 1) : 0)) return false;
    stringEscaped = true;
    at += 2;
  }
  return false;
}

function isShortEscape(byte: u32): bool {
  switch (byte) {
    case QUOTE:
    case BACKSLASH:
    case 0x2f:
    case 0x62:
    case 0x66:
    case 0x6e:
    case 0x72:
    case 0x74:
      return true;
    default:
      return false;
  }
}

function takeScalar(byte: u32): bool {
  const from = at;
  if (byte === QUOTE) return skipString() && addSpan(from + 1, at - 1, stringEscaped);
  if (byte === 0x74) return skipLetters(0x65757274, 4);
  if (byte === 0x66) return at + 5 <= end && load<u8>(at, 4) === 0x65 && skipLetters(0x736c6166, 5);
  if (byte === 0x6e) return skipLetters(0x6c6c756e, 4);
  return skipNumber() && addSpan(from, at, false);
}

/** Of a word of JSON, whose first four letters are given as a number. */
function skipLetters(letters: u32, length: usize): bool {
  if (at + length > end || load<u32>(at) !== letters) return false;
  at += length;
  return true;
}

function skipNumber(): bool {
  if (byteAt() === 0x2d) at++;
  if (byteAt() === 0x30) at++;
  else if (!skipDigits()) return false;
  if (byteAt() === 0x2e) {
    at++;
    if (!skipDigits()) return false;
  }
  if ((byteAt() | 0x20) === 0x65) {
    at++;
    const sign = byteAt();
    if (sign === 0x2b || sign === 0x2d) at++;
    if (!skipDigits()) return false;
  }
  return true;
}

/** One digit at least. */
function skipDigits(): bool {
  const from = at;
  while (byteAt() >= 0x30 && byteAt() <= 0x39) at++;
  return at > from;
}
