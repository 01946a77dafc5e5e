/** Times of the years 1970 to 9999 as ISO 8601 with milliseconds. */

const DAY_MS: i64 = 86_400_000;

/** The timestamp written last, `2026-11-21T08:00:00.000Z`: records in a row often share it, and mostly the day. */
const stamp: usize = memory.data<u8>(
  [0, 0, 0, 0, 0x2d, 0, 0, 0x2d, 0, 0, 0x54, 0, 0, 0x3a, 0, 0, 0x3a, 0, 0, 0x2e, 0, 0, 0, 0x5a],
  16,
);
let stampMs: i64 = -1;
let stampDay: i64 = -1;

export function writeTimestamp(to: usize, ms: i64): usize {
  if (ms !== stampMs) makeStamp(ms);
  v128.store(to, v128.load(stamp));
  store<u64>(to, load<u64>(stamp, 16), 16);
  return to + 24;
}

function makeStamp(ms: i64): void {
  const day = ms / DAY_MS;
  if (day !== stampDay) makeDate(<u32>day);
  stampMs = ms;
  stampDay = day;
  const ofDay = <u32>(ms - day * DAY_MS);
  const seconds = ofDay / 1000;
  const millis = ofDay - seconds * 1000;
  const minutes = seconds / 60;
  writeTwoDigits(stamp + 11, minutes / 60);
  writeTwoDigits(stamp + 14, minutes % 60);
  writeTwoDigits(stamp + 17, seconds % 60);
  store<u8>(stamp, <u8>(0x30 + millis / 100), 20);
  writeTwoDigits(stamp + 21, millis % 100);
}

/** The date of a day since 1970: Howard Hinnant's civil_from_days, with years that begin in March. */
function makeDate(day: u32): void {
  const sinceYearZero = day + 719_468;
  const era = sinceYearZero / 146_097;
  const dayOfEra = sinceYearZero - era * 146_097;
  const yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365;
  const dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100);
  const fromMarch = (5 * dayOfYear + 2) / 153;
  const month = fromMarch < 10 ? fromMarch + 3 : fromMarch - 9;
  const year = era * 400 + yearOfEra + (month <= 2 ? 1 : 0);
  writeTwoDigits(stamp, year / 100);
  writeTwoDigits(stamp + 2, year % 100);
  writeTwoDigits(stamp + 5, month);
  writeTwoDigits(stamp + 8, dayOfYear - (153 * fromMarch + 2) / 5 + 1);
}

function writeTwoDigits(to: usize, value: u32): void {
  store<u8>(to, <u8>(0x30 + value / 10));
  store<u8>(to, <u8>(0x30 + (value % 10)), 1);
}
