/** Times in the forms that events mostly have them in; src/query/event-times.ts knows all others. */
import { isDigit } from './json-scan';

const DASH: u32 = 0x2d;
const COLON: u32 = 0x3a;
/** `2026-11-21T08:00:00`, which a fraction and a Z may follow. */
const SECONDS_FORM_BYTES: usize = 19;
const MAX_FRACTION_BYTES: usize = 12;
/** Of an epoch number: its unit is told by its length. */
const MAX_SECONDS_DIGITS: usize = 11;
const MAX_MILLIS_DIGITS: usize = 14;

/** Milliseconds since 1970; -1 for what others have to look at. */
export function timeOf(at: usize, end: usize): f64 {
  const length = end - at;
  if (length >= SECONDS_FORM_BYTES && load<u8>(at, 4) === DASH) return isoTime(at, end);
  return length <= MAX_MILLIS_DIGITS ? epochTime(at, end) : -1;
}

function epochTime(at: usize, end: usize): f64 {
  if (at === end) return -1;
  let sum: u64 = 0;
  for (let position = at; position < end; position++) {
    const byte: u32 = load<u8>(position);
    if (!isDigit(byte)) return -1;
    sum = sum * 10 + (byte - 0x30);
  }
  // A number that begins with zeros has fewer digits than it seems.
  if (load<u8>(at) === 0x30) return -1;
  return end - at <= MAX_SECONDS_DIGITS ? <f64>(sum * 1000) : <f64>sum;
}

/** The day of the date seen last, and the date as it is written: events in a row mostly share it. */
let lastDate: u64 = 0;
let lastDateEnd: u32 = 0;
let lastDayMs: f64 = 0;

function isoTime(at: usize, end: usize): f64 {
  const separator: u32 = load<u8>(at, 10);
  if (separator !== 0x54 && separator !== 0x20) return -1;
  if (load<u8>(at, 13) !== COLON || load<u8>(at, 16) !== COLON) return -1;
  const date = load<u64>(at);
  const dateEnd: u32 = load<u16>(at, 8);
  if ((date !== lastDate || dateEnd !== lastDateEnd) && !noteDate(at, date, dateEnd)) return -1;
  const hour = twoDigits(at + 11);
  const minute = twoDigits(at + 14);
  const second = twoDigits(at + 17);
  if ((hour | minute | second) < 0 || hour > 23 || minute > 59 || second > 59) return -1;
  const millis = millisOf(at + SECONDS_FORM_BYTES, end);
  return millis < 0 ? -1 : lastDayMs + <f64>(((hour * 60 + minute) * 60 + second) * 1000 + millis);
}

function noteDate(at: usize, date: u64, dateEnd: u32): bool {
  if (load<u8>(at, 7) !== DASH) return false;
  const century = twoDigits(at);
  const yearOfCentury = twoDigits(at + 2);
  const month = twoDigits(at + 5);
  const day = twoDigits(at + 8);
  if ((century | yearOfCentury | month | day) < 0) return false;
  const year = century * 100 + yearOfCentury;
  if (century < 20 || month < 1 || month > 12 || day < 1 || day > daysOf(year, month)) return false;
  lastDate = date;
  lastDateEnd = dateEnd;
  lastDayMs = <f64>daysSince1970(year, month, day) * 86_400_000;
  return true;
}

function daysOf(year: i32, month: i32): i32 {
  if (month === 2) return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28;
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31;
}

/** Howard Hinnant's days_from_civil, with years that begin in March. */
function daysSince1970(year: i32, month: i32, day: i32): i32 {
  const fromMarch = month > 2 ? month - 3 : month + 9;
  const yearFromMarch = month > 2 ? year : year - 1;
  const era = yearFromMarch / 400;
  const yearOfEra = yearFromMarch - era * 400;
  const dayOfYear = (153 * fromMarch + 2) / 5 + day - 1;
  const dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear;
  return era * 146_097 + dayOfEra - 719_468;
}

/** What follows the seconds: a fraction after a point, and a Z; negative when it is something else. */
function millisOf(at: usize, end: usize): i32 {
  let position = at;
  let millis: i32 = 0;
  if (position < end && load<u8>(position) === 0x2e) {
    position++;
    const first = position;
    let unit: i32 = 100;
    while (position < end && isDigit(load<u8>(position))) {
      millis += (<i32>load<u8>(position) - 0x30) * unit;
      unit /= 10;
      position++;
    }
    if (position === first || position > first + MAX_FRACTION_BYTES) return -1;
  }
  if (position < end && load<u8>(position) === 0x5a) position++;
  return position === end ? millis : -1;
}

/** 0 to 99; negative where these are no two digits. */
function twoDigits(at: usize): i32 {
  const tens: u32 = load<u8>(at);
  const ones: u32 = load<u8>(at, 1);
  return isDigit(tens) && isDigit(ones) ? <i32>((tens - 0x30) * 10 + (ones - 0x30)) : -1;
}
