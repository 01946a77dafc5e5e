/** A record in JSON, with its key and value as text. */
import { BEGIN, END, KEY, NO_KEY, NO_VALUE, TIMESTAMP, VALUE, writeSlot } from './frame';
import { writeTimestamp } from './timestamp';

/** A control character becomes \u00xx. */
export const MAX_ESCAPE_BYTES: usize = 6;

const QUOTE: u32 = 0x22;
const BACKSLASH: u32 = 0x5c;

/** Zero when a key or a value is not text. */
export function jsonRecord(
  answer: usize,
  frame: usize,
  offset: u64,
  timestamp: i64,
  key: usize,
  keyLength: i32,
  value: usize,
  valueLength: i32,
): usize {
  let to = writeSlot(answer, frame, BEGIN);
  to = writeDecimal(to, offset);
  to = writeSlot(to, frame, TIMESTAMP);
  to = writeTimestamp(to, timestamp);
  if (keyLength < 0) {
    to = writeSlot(to, frame, NO_KEY);
  } else {
    to = writeSlot(to, frame, KEY);
    to = writeString(to, key, key + keyLength);
    if (to === 0) return 0;
    to = writeSlot(to, frame, VALUE);
  }
  to = valueLength < 0 ? writeSlot(to, frame, NO_VALUE) : writeString(to, value, value + valueLength);
  return to === 0 ? 0 : writeSlot(to, frame, END);
}

const MAX_DIGITS: usize = 16;
const digits: usize = memory.data(16, 16);

function writeDecimal(to: usize, value: u64): usize {
  let first = digits + MAX_DIGITS;
  let rest = value;
  do {
    const tenth = rest / 10;
    store<u8>(--first, <u8>(0x30 + rest - tenth * 10));
    rest = tenth;
  } while (rest > 0);
  v128.store(to, v128.load(first));
  return to + (digits + MAX_DIGITS - first);
}

/**
 * For each set of the eight lanes that need a backslash before them: where the sixteen bytes come from. Lanes 0 to 7 are
 * the text, lane 8 is a backslash.
 */
const spread: usize = memory.data(4096, 16);
for (let escapes: u32 = 0; escapes < 256; escapes++) {
  let entry = spread + escapes * 16;
  for (let lane: u32 = 0; lane < 8; lane++) {
    if ((escapes >> lane) & 1) store<u8>(entry++, 8);
    store<u8>(entry++, <u8>lane);
  }
}

/** Text in quotes; zero when it is not valid UTF-8. */
function writeString(answer: usize, start: usize, end: usize): usize {
  const spaces = i8x16.splat(0x20);
  const quotes = i8x16.splat(<i8>QUOTE);
  const backslashes = i8x16.splat(<i8>BACKSLASH);
  let to = answer;
  let from = start;
  store<u8>(to++, QUOTE);
  while (from < end) {
    const text = v128.load(from);
    const toEscape = v128.or(i8x16.eq(text, quotes), i8x16.eq(text, backslashes));
    // Control characters, and bytes beyond ASCII: as signed numbers these are below zero.
    const others = i8x16.lt_s(text, spaces);
    if (!v128.any_true(v128.or(toEscape, others))) {
      v128.store(to, text);
      from += 16;
      to += 16;
      continue;
    }
    const lanes: u32 = end - from < 16 ? (1 << (<u32>(end - from))) - 1 : 0xffff;
    const other = i8x16.bitmask(others) & lanes;
    if (other === 0) {
      const escapes = i8x16.bitmask(toEscape) & lanes;
      to = writeEscaped(to, v128.shuffle<u64>(text, backslashes, 0, 2), escapes & 0xff);
      to = writeEscaped(to, v128.shuffle<u64>(text, backslashes, 1, 2), escapes >> 8);
      from += 16;
      continue;
    }
    for (const stop = from + ctz(other); from < stop; from++) {
      const byte = <u32>load<u8>(from);
      if (byte === QUOTE || byte === BACKSLASH) store<u8>(to++, BACKSLASH);
      store<u8>(to++, <u8>byte);
    }
    if (load<u8>(from) < 0x20) {
      to = writeControl(to, load<u8>(from++));
      continue;
    }
    do {
      const length = lengthOfSequence(from, end);
      if (length === 0) return 0;
      store<u32>(to, load<u32>(from));
      from += length;
      to += length;
    } while (from < end && load<u8>(from) >= 0x80);
  }
  // The last sixteen may have been more than there were.
  to -= from - end;
  store<u8>(to, QUOTE);
  return to + 1;
}

/** Eight bytes of text, with a backslash before each lane of the set. */
function writeEscaped(to: usize, text: v128, escapes: u32): usize {
  v128.store(to, i8x16.swizzle(text, v128.load(spread + escapes * 16)));
  return to + 8 + popcnt(escapes);
}

function writeControl(to: usize, byte: u32): usize {
  const letter = shortEscape(byte);
  if (letter !== 0) {
    store<u16>(to, <u16>(BACKSLASH | (letter << 8)));
    return to + 2;
  }
  const low = byte & 15;
  // "\u00" and two digits of sixteen.
  store<u32>(to, 0x3030_755c);
  store<u8>(to, <u8>(0x30 + (byte >> 4)), 4);
  store<u8>(to, <u8>(low < 10 ? 0x30 + low : 0x57 + low), 5);
  return to + 6;
}

function shortEscape(byte: u32): u32 {
  switch (byte) {
    case 0x08:
      return 0x62;
    case 0x09:
      return 0x74;
    case 0x0a:
      return 0x6e;
    case 0x0c:
      return 0x66;
    case 0x0d:
      return 0x72;
    default:
      return 0;
  }
}

/** Bytes of the UTF-8 sequence of a character beyond ASCII (RFC 3629, table in section 4); zero when it is none. */
function lengthOfSequence(from: usize, end: usize): usize {
  const lead = <u32>load<u8>(from);
  if (lead < 0xc2 || lead > 0xf4) return 0;
  const length: usize = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  if (from + length > end) return 0;
  const second = <u32>load<u8>(from, 1);
  const least: u32 = lead === 0xe0 ? 0xa0 : lead === 0xf0 ? 0x90 : 0x80;
  const most: u32 = lead === 0xed ? 0x9f : lead === 0xf4 ? 0x8f : 0xbf;
  if (second < least || second > most) return 0;
  if (length > 2 && (load<u8>(from, 2) & 0xc0) !== 0x80) return 0;
  if (length > 3 && (load<u8>(from, 3) & 0xc0) !== 0x80) return 0;
  return length;
}
