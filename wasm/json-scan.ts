/**
 * Goes over JSON (RFC 8259), 16 bytes at a time, and checks it. What is wrong is not said: others find that out. Zero is no
 * position, and stands for everything that is wrong or unusual. Up to 15 bytes behind the end are read.
 */

const QUOTE: u32 = 0x22;
const BACKSLASH: u32 = 0x5c;
export const OPEN_BRACE: u32 = 0x7b;
export const CLOSE_BRACE: u32 = 0x7d;
const OPEN_BRACKET: u32 = 0x5b;
const CLOSE_BRACKET: u32 = 0x5d;
export const COMMA: u32 = 0x2c;
const COLON: u32 = 0x3a;
const MINUS: u32 = 0x2d;
const NEWLINE: u32 = 0x0a;
/** Deeper values are unusual. */
const MAX_DEPTH: u32 = 60;

/** Whether the string scanned last has an escape. */
export let hasEscapes: bool = false;
/** Whether newlines count as white space: they do not where they end lines. */
export let newlineIsBlank: bool = false;

export function setNewlineIsBlank(isBlank: bool): void {
  newlineIsBlank = isBlank;
}

export function skipBlanks(at: usize, end: usize): usize {
  let position = at;
  while (position < end) {
    const byte: u32 = load<u8>(position);
    if (byte > 0x20 || !isBlank(byte)) break;
    position++;
  }
  return position;
}

function isBlank(byte: u32): bool {
  return byte === 0x20 || byte === 0x09 || byte === 0x0d || (byte === NEWLINE && newlineIsBlank);
}

/** The position behind the string whose opening quote lies before `at`. */
export function string(at: usize, end: usize): usize {
  hasEscapes = false;
  const quotes = i8x16.splat(<i8>QUOTE);
  const backslashes = i8x16.splat(<i8>BACKSLASH);
  const printable = i8x16.splat(0x20);
  let position = at;
  while (position < end) {
    const bytes = v128.load(position);
    const special = v128.or(
      v128.or(i8x16.eq(bytes, quotes), i8x16.eq(bytes, backslashes)),
      i8x16.lt_u(bytes, printable),
    );
    const found = i8x16.bitmask(special);
    if (found === 0) {
      position += 16;
      continue;
    }
    position += ctz(found);
    if (position >= end) return 0;
    const byte: u32 = load<u8>(position);
    if (byte === QUOTE) return position + 1;
    if (byte !== BACKSLASH) return 0;
    hasEscapes = true;
    position = pastEscape(position, end);
    if (position === 0) return 0;
  }
  return 0;
}

/** The position behind the escape that begins at `at`. */
function pastEscape(at: usize, end: usize): usize {
  if (at + 2 > end) return 0;
  switch (<u32>load<u8>(at, 1)) {
    case 0x22: // "
    case 0x5c: // backslash
    case 0x2f: // /
    case 0x62: // b
    case 0x66: // f
    case 0x6e: // n
    case 0x72: // r
    case 0x74: // t
      return at + 2;
    case 0x75: // u
      if (at + 6 > end) return 0;
      for (let i: usize = 2; i < 6; i++) if (!isHex(load<u8>(at + i))) return 0;
      return at + 6;
    default:
      return 0;
  }
}

function isHex(byte: u32): bool {
  return isDigit(byte) || (byte | 0x20) - 0x61 < 6;
}

export function isDigit(byte: u32): bool {
  return byte - 0x30 < 10;
}

/** Whether a value that begins with this byte is a number. */
export function beginsNumber(byte: u32): bool {
  return byte === MINUS || isDigit(byte);
}

/** The position behind the number that begins at `at`. */
export function number(at: usize, end: usize): usize {
  let position = at;
  if (load<u8>(position) === MINUS) position++;
  const first = position;
  position = digits(position, end);
  if (position === first || (load<u8>(first) === 0x30 && position > first + 1)) return 0;
  if (position < end && load<u8>(position) === 0x2e) {
    const fraction = position + 1;
    position = digits(fraction, end);
    if (position === fraction) return 0;
  }
  if (position < end && (load<u8>(position) | 0x20) === 0x65) {
    let exponent = position + 1;
    const sign: u32 = exponent < end ? load<u8>(exponent) : 0;
    if (sign === 0x2b || sign === MINUS) exponent++;
    position = digits(exponent, end);
    if (position === exponent) return 0;
  }
  return position;
}

function digits(at: usize, end: usize): usize {
  let position = at;
  while (position < end && isDigit(load<u8>(position))) position++;
  return position;
}

/** The position of the value that follows on the name that begins at `at`. */
function pastName(at: usize, end: usize): usize {
  if (at >= end || load<u8>(at) !== QUOTE) return 0;
  const behind = string(at + 1, end);
  return behind === 0 ? 0 : pastColon(behind, end);
}

/** The position of the value behind a colon. */
export function pastColon(at: usize, end: usize): usize {
  const colon = skipBlanks(at, end);
  return colon >= end || load<u8>(colon) !== COLON ? 0 : skipBlanks(colon + 1, end);
}

/** The position behind the value that begins at `at`, where no white space is. */
export function value(at: usize, end: usize): usize {
  /** A bit for each open container, the innermost lowest: set for objects. */
  let kinds: u64 = 0;
  let depth: u32 = 0;
  let position = at;
  while (true) {
    if (position >= end) return 0;
    const byte: u32 = load<u8>(position);
    if (byte === OPEN_BRACE || byte === OPEN_BRACKET) {
      if (depth === MAX_DEPTH) return 0;
      const inside = skipBlanks(position + 1, end);
      if (inside >= end) return 0;
      if (load<u8>(inside) === (byte === OPEN_BRACE ? CLOSE_BRACE : CLOSE_BRACKET)) {
        position = inside + 1;
      } else {
        kinds = (kinds << 1) | u64(byte === OPEN_BRACE);
        depth++;
        position = byte === OPEN_BRACE ? pastName(inside, end) : inside;
        if (position === 0) return 0;
        continue;
      }
    } else {
      position = scalar(position, end, byte);
      if (position === 0) return 0;
    }
    // A value has ended: so may what it is in.
    while (true) {
      if (depth === 0) return position;
      position = skipBlanks(position, end);
      if (position >= end) return 0;
      const next: u32 = load<u8>(position);
      const isObject = (kinds & 1) !== 0;
      if (next === COMMA) {
        position = skipBlanks(position + 1, end);
        if (isObject) position = pastName(position, end);
        if (position === 0) return 0;
        break;
      }
      if (next !== (isObject ? CLOSE_BRACE : CLOSE_BRACKET)) return 0;
      position++;
      kinds >>= 1;
      depth--;
    }
  }
}

function scalar(at: usize, end: usize, byte: u32): usize {
  if (byte === QUOTE) return string(at + 1, end);
  if (beginsNumber(byte)) return number(at, end);
  const word = load<u32>(at);
  if (word === 0x65757274 || word === 0x6c6c756e) return at + 4 <= end ? at + 4 : 0; // true, null
  return word === 0x736c6166 && at + 5 <= end && load<u8>(at, 4) === 0x65 ? at + 5 : 0; // false
}
