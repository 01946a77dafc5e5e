/** Reads timestamps from bytes: the usual ISO 8601 form without making text of it, all others by way of parseTimestamp. */
import { parseTimestamp } from './timestamps.ts';

const DAY_MS = 86_400_000;
/** `2026-11-21T08:00:00`, which a fraction and a zone may follow. */
const SECONDS_FORM_BYTES = 19;
const [ZERO, DASH, COLON, DOT, SPACE, T, Z] = [0x30, 0x2d, 0x3a, 0x2e, 0x20, 0x54, 0x5a];
/** Numbers as some programs write large ones. */
const EXPONENT = /^\d+(?:\.\d+)?[eE]\+?\d+$/;
/** What is longer is no timestamp. */
const MAX_BYTES = 64;

/** Events in a row mostly share their day: the last one that was asked for, as the number 20261121. */
let lastDate = -1;
let lastDateMs = 0;

/** Milliseconds since 1970; undefined for what is no timestamp, or one before 1970. Finer digits are cut off. */
export function timestampFromBytes(bytes: Buffer, at: number, end: number): number | undefined {
  const usual = usualTimestamp(bytes, at, end);
  if (usual >= 0) return usual;
  if (end - at > MAX_BYTES) return undefined;
  return timestampFromText(bytes.toString('latin1', at, end));
}

/** As {@link timestampFromBytes}. */
export function timestampFromText(text: string): number | undefined {
  const time = parseTimestamp(EXPONENT.test(text) ? String(Math.trunc(Number(text))) : text);
  return time === undefined || time < 0 ? undefined : time;
}

/** The time where it is `2026-11-21T08:00:00.000Z`, with or without the fraction and the Z; -1 for anything else. */
export function usualTimestamp(bytes: Buffer, at: number, end: number): number {
  if (end - at < SECONDS_FORM_BYTES) return -1;
  const separator = bytes[at + 10];
  if (
    bytes[at + 4] !== DASH ||
    bytes[at + 7] !== DASH ||
    (separator !== T && separator !== SPACE) ||
    bytes[at + 13] !== COLON ||
    bytes[at + 16] !== COLON
  )
    return -1;
  const century = twoDigits(bytes, at);
  const year = twoDigits(bytes, at + 2);
  const month = twoDigits(bytes, at + 5);
  const day = twoDigits(bytes, at + 8);
  const hour = twoDigits(bytes, at + 11);
  const minute = twoDigits(bytes, at + 14);
  const second = twoDigits(bytes, at + 17);
  // A negative number has its sign bit set, and keeps it here.
  if ((century | year | month | day | hour | minute | second) < 0) return -1;
  if (century < 20 || hour > 23 || minute > 59 || second > 59) return -1;
  const date = (century * 100 + year) * 10_000 + month * 100 + day;
  if (date !== lastDate && !noteDate(date, bytes.toString('latin1', at, at + 10))) return -1;
  const ms = millisOf(bytes, at + SECONDS_FORM_BYTES, end);
  return ms < 0 ? -1 : lastDateMs + ((hour * 60 + minute) * 60 + second) * 1000 + ms;
}

function noteDate(date: number, text: string): boolean {
  const ms = parseTimestamp(text);
  if (ms === undefined || ms % DAY_MS !== 0) return false;
  lastDate = date;
  lastDateMs = ms;
  return true;
}

/** What follows the seconds: up to twelve digits after a point, and a Z; -1 when it is something else. */
function millisOf(bytes: Buffer, at: number, end: number): number {
  let position = at;
  let ms = 0;
  if (position < end && bytes[position] === DOT) {
    position++;
    const first = position;
    for (let unit = 100; position < end; position++, unit = unit >= 10 ? unit / 10 : 0) {
      const digit = bytes[position]! - ZERO;
      if (digit < 0 || digit > 9) break;
      ms += digit * unit;
    }
    if (position === first || position > first + 12) return -1;
  }
  if (position < end && bytes[position] === Z) position++;
  return position === end ? ms : -1;
}

/** 0 to 99; negative where these are no two digits. */
function twoDigits(bytes: Buffer, at: number): number {
  const tens = bytes[at]! - ZERO;
  const ones = bytes[at + 1]! - ZERO;
  return tens < 0 || tens > 9 || ones < 0 || ones > 9 ? -1 : tens * 10 + ones;
}
