/**
 * Finds records by texts that their values must have: the inner loops of src/query/search-kernel.ts, in AssemblyScript
 * (`npm run build:wasm`), because looking at 16 bytes at a time is beyond JavaScript.
 *
 * `walk` notes where the records of a batch lie, `mark` notes which of them have a text somewhere in their bytes, without
 * regard to the case of ASCII letters, and `verify` which texts they have as a query means it: in a value of the JSON, where
 * no word goes on at its ends. Verifying knows ordinary JSON only. Of anything else, be it unusual or broken, it says that it
 * is not sure, and the caller has it looked at by the code that knows all cases.
 *
 * The records lie in the memory that it shares with the caller. Up to SLACK_BYTES behind them are read.
 */
import { findTerm, TERM_BYTES, termLength, termOpenEnd, termOpenStart } from './search-term';
import { spanEnds, spanEscaped, spanStarts, spansOf, UNUSUAL } from './value-spans';

export { TERM_BYTES, terms } from './search-term';

/** Records that are noted at a time. */
export const CAPACITY: i32 = 4096;
export const inputStart: usize = (__heap_base + 0xffff) & ~0xffff;

/** Where each record's value begins and ends. */
export const valueStarts: usize = memory.data(CAPACITY * 4, 16);
export const valueEnds: usize = memory.data(CAPACITY * 4, 16);
/** Its offset less the base offset of the batch, and its time. */
export const offsetDeltas: usize = memory.data(CAPACITY * 4, 16);
export const timestamps: usize = memory.data(CAPACITY * 8, 16);
/** A set of the bits below. */
export const marks: usize = memory.data(CAPACITY, 16);
/** Of candidates that were verified: the terms that they have, and those of which nothing is sure; a bit for each. */
export const termsFound: usize = memory.data(CAPACITY * 2, 16);
export const termsUnsure: usize = memory.data(CAPACITY * 2, 16);

/** It has a value, and its offset and time are within bounds. */
const WITHIN: u8 = 1;
/** It has a text that was marked. */
const CANDIDATE: u8 = 2;
/** Its bytes may be spelt in a way that this code does not look for. */
const HIDDEN: u8 = 4;

/** How far `walk` came, the records and the last offset of which are behind it; what is not as it should be. */
export let walkedTo: usize = 0;
export let recordsLeft: i32 = 0;
export let lastDelta: i32 = -1;
export let malformed: bool = false;

let at: usize = 0;

/**
 * Notes the records of a batch from `from` on, up to CAPACITY of the `left` that there are, in [from, end). Those with
 * an offset delta in [firstDelta, endDelta) and a time in [fromTime, untilTime) are WITHIN. Returns how many.
 */
export function walk(
  from: usize,
  end: usize,
  left: i32,
  previousDelta: i32,
  maxDelta: i32,
  baseTime: f64,
  firstDelta: f64,
  endDelta: f64,
  fromTime: f64,
  untilTime: f64,
): i32 {
  at = from;
  malformed = false;
  let delta = previousDelta;
  let noted: i32 = 0;
  const most = min(left, CAPACITY);
  while (noted < most) {
    const length = varint(end);
    const recordEnd = at + length;
    if (malformed || length < 0 || recordEnd > end) break;
    // Attributes of a record: none are defined.
    at++;
    const time = baseTime + <f64>varlong(recordEnd);
    const next = varint(recordEnd);
    if (next <= delta || next > maxDelta) malformed = true;
    delta = next;
    skipBytes(recordEnd);
    const valueLength = lengthOfBytes(recordEnd);
    const value = at;
    at += max(valueLength, 0);
    skipHeaders(recordEnd);
    if (malformed || at !== recordEnd) break;
    store<u32>(valueStarts + (noted << 2), <u32>value);
    store<u32>(valueEnds + (noted << 2), <u32>(value + max(valueLength, 0)));
    store<u32>(offsetDeltas + (noted << 2), <u32>delta);
    store<f64>(timestamps + (noted << 3), time);
    const within =
      valueLength >= 0 &&
      <f64>delta >= firstDelta &&
      <f64>delta < endDelta &&
      time >= fromTime &&
      time < untilTime;
    store<u8>(marks + noted, within ? WITHIN : 0);
    noted++;
  }
  recordsLeft = left - noted;
  if (noted < most || (recordsLeft === 0 && at !== end)) malformed = true;
  walkedTo = at;
  lastDelta = delta;
  return noted;
}

/** Makes candidates of those of the first `count` records WITHIN bounds that have the text of a term. */
export function mark(term: usize, count: i32): void {
  if (count === 0) return;
  const end = <usize>load<u32>(valueEnds + ((count - 1) << 2));
  const length = termLength(term);
  let record: i32 = 0;
  let from = <usize>load<u32>(valueStarts);
  for (;;) {
    const hit = findTerm(term, from, end);
    if (hit === 0) return;
    record = recordAt(record, hit);
    const valueEnd = <usize>load<u32>(valueEnds + (record << 2));
    const set = load<u8>(marks + record);
    if (set === 0) {
      from = valueEnd;
    } else if (hit >= <usize>load<u32>(valueStarts + (record << 2)) && hit + length <= valueEnd) {
      store<u8>(marks + record, set | CANDIDATE);
      from = valueEnd;
    } else {
      from = hit + 1;
    }
  }
}

/** The first record from `record` on that ends behind a place. */
function recordAt(record: i32, place: usize): i32 {
  let found = record;
  while (<usize>load<u32>(valueEnds + (found << 2)) <= place) found++;
  return found;
}

/**
 * Makes candidates, and HIDDEN ones, of those WITHIN bounds whose bytes may hide ASCII letters: they have a backslash and a "u", or
 * the letters beyond ASCII that count as one of ASCII in some comparison (U+212A, U+0130, U+017F). Where it matters also those
 * with a slash that has a backslash before it.
 */
export function markHidden(count: i32, slashes: bool): void {
  if (count === 0) return;
  const end = <usize>load<u32>(valueEnds + ((count - 1) << 2));
  const backslashes = i8x16.splat(0x5c);
  const us = i8x16.splat(0x75);
  const alsoUs = i8x16.splat(slashes ? 0x2f : 0x75);
  const kelvin0 = i8x16.splat(<i8>0xe2);
  const kelvin1 = i8x16.splat(<i8>0x84);
  const dotted0 = i8x16.splat(<i8>0xc4);
  const dotted1 = i8x16.splat(<i8>0xb0);
  const long0 = i8x16.splat(<i8>0xc5);
  const long1 = i8x16.splat(<i8>0xbf);
  let record: i32 = 0;
  for (let from = <usize>load<u32>(valueStarts); from < end; from += 16) {
    const text = v128.load(from);
    // Few bytes are a backslash or beyond ASCII.
    const few = v128.or(i8x16.eq(text, backslashes), i8x16.lt_s(text, i8x16.splat(0)));
    if (!v128.any_true(few)) continue;
    const next = v128.load(from, 1);
    const hits = v128.or(
      v128.and(i8x16.eq(text, backslashes), v128.or(i8x16.eq(next, us), i8x16.eq(next, alsoUs))),
      v128.or(
        v128.and(i8x16.eq(text, kelvin0), i8x16.eq(next, kelvin1)),
        v128.or(
          v128.and(i8x16.eq(text, dotted0), i8x16.eq(next, dotted1)),
          v128.and(i8x16.eq(text, long0), i8x16.eq(next, long1)),
        ),
      ),
    );
    for (let lanes: u32 = i8x16.bitmask(hits); lanes !== 0; lanes &= lanes - 1) {
      const hit = from + ctz(lanes);
      if (hit >= end) return;
      record = recordAt(record, hit);
      const set = load<u8>(marks + record);
      if (set !== 0) store<u8>(marks + record, set | CANDIDATE | HIDDEN);
    }
  }
}

/** Finds out which of the first `termCount` terms, 16 at most, the candidates among the first `count` records have. */
export function verify(first: usize, termCount: i32, count: i32): void {
  const all: u32 = (1 << termCount) - 1;
  for (let record: i32 = 0; record < count; record++) {
    const set = load<u8>(marks + record);
    if ((set & CANDIDATE) === 0) continue;
    const start = <usize>load<u32>(valueStarts + (record << 2));
    const end = <usize>load<u32>(valueEnds + (record << 2));
    const spans = set & HIDDEN ? UNUSUAL : spansOf(start, end);
    let found: u32 = 0;
    let unsure = spans === UNUSUAL ? all : 0;
    for (let i: i32 = 0; i < termCount && spans !== UNUSUAL; i++) {
      const answer = occurs(first + i * TERM_BYTES, start, end, spans);
      if (answer === YES) found |= 1 << i;
      else if (answer === PERHAPS) unsure |= 1 << i;
    }
    store<u16>(termsFound + (record << 1), <u16>found);
    store<u16>(termsUnsure + (record << 1), <u16>unsure);
  }
}

const NO: i32 = 0;
const YES: i32 = 1;
const PERHAPS: i32 = 2;

function occurs(term: usize, start: usize, end: usize, spans: i32): i32 {
  const length = termLength(term);
  let answer = NO;
  let span: i32 = 0;
  for (let hit = findTerm(term, start, end); hit !== 0; hit = findTerm(term, hit + 1, end)) {
    while (span < spans && <usize>load<u32>(spanEnds + (span << 2)) <= hit) span++;
    if (span === spans) break;
    const spanStart = <usize>load<u32>(spanStarts + (span << 2));
    const spanEnd = <usize>load<u32>(spanEnds + (span << 2));
    if (hit < spanStart || hit + length > spanEnd) continue;
    const escaped = load<u8>(spanEscaped + span) !== 0;
    // What follows a backslash is not the letter that it looks like.
    if (escaped && isEscaped(spanStart, hit)) continue;
    const before = termOpenStart(term) ? NO : goesOnBefore(spanStart, hit, escaped);
    const after = termOpenEnd(term) ? NO : goesOn(hit + length, spanEnd);
    if (before === NO && after === NO) return YES;
    if (before !== YES && after !== YES) answer = PERHAPS;
  }
  return answer;
}

/** Whether a word goes on before a place. */
function goesOnBefore(spanStart: usize, place: usize, escaped: bool): i32 {
  if (place === spanStart) return NO;
  // A line break, a quote: no escape that gets here is of a letter.
  if (escaped && isEscaped(spanStart, place - 1)) return NO;
  return goesOn(place - 1, place);
}

function goesOn(place: usize, end: usize): i32 {
  if (place === end) return NO;
  const byte = <u32>load<u8>(place);
  if (byte >= 0x80) return PERHAPS;
  const lower = byte | 0x20;
  return (byte - 0x30 < 10 && byte >= 0x30) || (lower >= 0x61 && lower <= 0x7a) || byte === 0x5f ? YES : NO;
}

/** Whether the byte at a place is one that a backslash changes. */
function isEscaped(spanStart: usize, place: usize): bool {
  let backslashes = place;
  while (backslashes > spanStart && load<u8>(backslashes - 1) === 0x5c) backslashes--;
  return ((place - backslashes) & 1) !== 0;
}

/* Integers of variable length, zigzag. */

function varint(end: usize): i32 {
  // One or two bytes are nearly all there is.
  const low = <i32>load<u8>(at);
  if (low < 0x80 && at < end) {
    at++;
    return (low >> 1) ^ -(low & 1);
  }
  const high = <i32>load<u8>(at, 1);
  if (high < 0x80 && at + 1 < end) {
    at += 2;
    return (((low & 0x7f) | (high << 7)) >> 1) ^ -(low & 1);
  }
  return <i32>longVarint(end, 32);
}

function varlong(end: usize): i64 {
  return longVarint(end, 56);
}

/** Of at most `bits` bits. */
function longVarint(end: usize, bits: u64): i64 {
  let zigzag: u64 = 0;
  for (let shift: u64 = 0; at < end && shift < bits; shift += 7) {
    const byte = <u64>load<u8>(at++);
    zigzag |= (byte & 0x7f) << shift;
    if (byte < 0x80) {
      if (bits === 32 && zigzag >> 32 !== 0) break;
      return <i64>(zigzag >> 1) ^ -(<i64>(zigzag & 1));
    }
  }
  malformed = true;
  return 0;
}

/** The length of bytes that follow, all before `end`; -1 for null. */
function lengthOfBytes(end: usize): i32 {
  const length = varint(end);
  if (length >= -1 && (length < 0 || at + length <= end)) return length;
  malformed = true;
  return 0;
}

function skipBytes(end: usize): void {
  // The place moves on while the length is read.
  const length = lengthOfBytes(end);
  at += max(length, 0);
}

function skipHeaders(end: usize): void {
  let headers = varint(end);
  if (headers < 0) malformed = true;
  while (headers-- > 0 && !malformed) {
    skipBytes(end);
    skipBytes(end);
  }
}
