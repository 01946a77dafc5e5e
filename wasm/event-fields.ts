/**
 * The fields of an event: the places of their names, as src/query/event-layout.ts has them, and what was found for each. The
 * names of a field have neighbouring places, so that those that were seen are four bits of one number.
 */

const SOURCE_PLACE: u32 = 4;
const LEVEL_PLACE: u32 = 8;
const MESSAGE_PLACE: u32 = 12;
const PLACES: usize = 16;
export const NO_PLACE: u32 = 0xff;

/** Names of up to 15 bytes, two of each length, with their places. */
const MAX_NAME_BYTES: usize = 15;
const NAMES_OF_A_LENGTH: usize = 2;
const names: usize = memory.data(<i32>(16 * NAMES_OF_A_LENGTH * 16), 16);
const places: usize = memory.data(<i32>(16 * NAMES_OF_A_LENGTH), 16);
/** By length, what keeps so many bytes of sixteen. */
const masks: usize = memory.data(16 * 16, 16);

for (let length: usize = 0; length < 16; length++) memory.fill(masks + length * 16, 0xff, length);
memory.fill(places, <u8>NO_PLACE, 16 * NAMES_OF_A_LENGTH);
define('timestamp', 0);
define('@timestamp', 1);
define('time', 2);
define('ts', 3);
define('source', 4);
define('serviceName', 5);
define('service', 6);
define('level', 8);
define('logLevel', 9);
define('severity', 10);
define('message', 12);
define('msg', 13);
define('log', 14);

function define(name: string, place: u8): void {
  let entry = <usize>name.length * NAMES_OF_A_LENGTH;
  if (load<u8>(places + entry) !== <u8>NO_PLACE) entry++;
  for (let i = 0; i < name.length; i++) store<u8>(names + entry * 16 + i, <u8>name.charCodeAt(i));
  store<u8>(places + entry, place);
}

/** The place of the name that lies at `at`, or NO_PLACE. */
export function placeOf(at: usize, length: usize): u32 {
  if (length > MAX_NAME_BYTES) return NO_PLACE;
  const name = v128.and(v128.load(at), v128.load(masks + length * 16));
  const entry = length * NAMES_OF_A_LENGTH;
  if (i8x16.all_true(i8x16.eq(name, v128.load(names + entry * 16)))) return load<u8>(places + entry);
  if (i8x16.all_true(i8x16.eq(name, v128.load(names + entry * 16, 16)))) return load<u8>(places + entry, 1);
  return NO_PLACE;
}

/** Where the values of names begin and end, by place. */
const starts: usize = memory.data(<i32>(PLACES * 4), 16);
const ends: usize = memory.data(<i32>(PLACES * 4), 16);
/** A bit for each place: the names that count, and those whose text has escapes. */
export let seen: u32 = 0;
export let escaped: u32 = 0;

export function forgetFields(): void {
  seen = 0;
  escaped = 0;
}

/** A name has text for its value: a source or level that is empty is none. */
export function noteText(place: u32, start: usize, end: usize, hasEscapes: bool): void {
  const counts = start < end || place < SOURCE_PLACE || place >= MESSAGE_PLACE;
  note(place, start, end, counts, hasEscapes);
}

export function noteOther(place: u32, start: usize, end: usize, isNumber: bool, isNull: bool): void {
  const isLevel = place >= LEVEL_PLACE && place < MESSAGE_PLACE;
  note(place, start, end, place < SOURCE_PLACE ? !isNull : isNumber && isLevel, false);
}

function note(place: u32, start: usize, end: usize, counts: bool, hasEscapes: bool): void {
  const bit: u32 = 1 << place;
  seen = counts ? seen | bit : seen & ~bit;
  escaped = hasEscapes ? escaped | bit : escaped & ~bit;
  store<u32>(starts + (place << 2), <u32>start);
  store<u32>(ends + (place << 2), <u32>end);
}

/** The place of the first name of a field, given by its first place, that counts; NO_PLACE when none does. */
export function placeFor(field: u32): u32 {
  const bits = (seen >>> field) & 0xf;
  return bits === 0 ? NO_PLACE : field + ctz(bits);
}

export function startOf(place: u32): usize {
  return load<u32>(starts + (place << 2));
}

export function endOf(place: u32): usize {
  return load<u32>(ends + (place << 2));
}
