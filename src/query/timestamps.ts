/**
 * Timestamps as log events and HTTP carry them: accepted as ISO 8601 (without a zone: UTC) or as epoch numbers, given
 * as ISO 8601 with milliseconds. Inside they are milliseconds since 1970.
 *
 * The unit of an epoch number is told by its size: up to 11 digits are seconds (to the year 5138), up to
 * 14 milliseconds, up to 17 microseconds, more are nanoseconds. So 0 is 1970 in each of them.
 */
const EPOCH = /^(-?)0*(\d{1,19})(?:\.(\d{1,12}))?$/;
const ISO =
  /^([+-]\d{6}|\d{4})-(\d\d)-(\d\d)(?:[Tt ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,12}))?)?\s?([Zz]|[+-]\d\d(?::?\d\d)?)?)?$/;

/** The range of JavaScript's Date, which is also what ISO 8601 with six-digit years can say. */
const MAX_DATE_MS = 8.64e15;
const DAY_MS = 86_400_000;

/** Milliseconds since 1970, or undefined when the text is no timestamp. Finer digits are cut off. */
export function parseTimestamp(text: string): number | undefined {
  const epoch = EPOCH.exec(text);
  if (epoch !== null) return epochMs(epoch[1] === '-', epoch[2]!, epoch[3] ?? '');
  const iso = ISO.exec(text);
  return iso === null ? undefined : isoMs(iso);
}

function epochMs(negative: boolean, digits: string, fraction: string): number | undefined {
  let ms: number;
  if (digits.length <= 11) ms = Number(digits) * 1000 + Number(fraction.slice(0, 3).padEnd(3, '0'));
  else if (digits.length <= 14) ms = Number(digits);
  else ms = Number(digits.slice(0, digits.length <= 17 ? -3 : -6));
  if (ms > MAX_DATE_MS) return undefined;
  return negative && ms !== 0 ? -ms : ms;
}

function isoMs(match: RegExpExecArray): number | undefined {
  const field = (group: number) => Number(match[group] ?? 0);
  const [year, month, day, hour, minute, second] = [
    field(1),
    field(2),
    field(3),
    field(4),
    field(5),
    field(6),
  ];
  if (month < 1 || month > 12 || day < 1 || hour > 24 || minute > 59 || second > 60) return undefined;
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  // A day that the month does not have would have moved to the next month.
  if (date.getUTCMonth() !== month - 1) return undefined;
  const fraction = Number((match[7] ?? '').slice(0, 3).padEnd(3, '0'));
  const time = ((hour * 60 + minute) * 60 + second) * 1000 + fraction;
  // A leap second goes on into the next day; midnight at the day's end does not.
  if (time > DAY_MS && (second < 60 || time - fraction > DAY_MS)) return undefined;
  const zone = zoneMs(match[8]);
  if (zone === undefined) return undefined;
  const ms = date.getTime() + time - zone;
  return Math.abs(ms) <= MAX_DATE_MS ? ms : undefined;
}

function zoneMs(zone: string | undefined): number | undefined {
  if (zone === undefined || zone === 'Z' || zone === 'z') return 0;
  const [hours, minutes] = [Number(zone.slice(1, 3)), Number(zone.slice(3).replace(':', ''))];
  if (hours > 23 || minutes > 59) return undefined;
  return (zone[0] === '-' ? -1 : 1) * (hours * 60 + minutes) * 60_000;
}

let lastMs = 0;
let lastText = '1970-01-01T00:00:00.000Z';

/** ISO 8601 with milliseconds; a time that no date can express is given as its number. */
export function formatTimestamp(ms: number): string {
  // Answers of the same millisecond say the same time.
  if (ms !== lastMs) {
    lastText = Math.abs(ms) <= MAX_DATE_MS ? new Date(ms).toISOString() : String(ms);
    lastMs = ms;
  }
  return lastText;
}

/** As formatTimestamp; null stays null. */
export const isoTime = (ms: number | null): string | null => (ms === null ? null : formatTimestamp(ms));

/** Bytes of what {@link writeTimestamp} writes for times of the years 0 to 9999. */
export const TIMESTAMP_BYTES = 24;
const FIRST_FOUR_DIGIT_YEAR_MS = -62_167_219_200_000;
const FIRST_FIVE_DIGIT_YEAR_MS = 253_402_300_800_000;

let cachedDay = Number.NaN;
const cachedDate = Buffer.alloc(10);

/** True when the time has the usual 24 bytes. */
export function hasUsualLength(ms: number): boolean {
  return ms >= FIRST_FOUR_DIGIT_YEAR_MS && ms < FIRST_FIVE_DIGIT_YEAR_MS;
}

/** Writes `2026-11-21T08:00:00.000Z` at `at`. Much faster than toISOString: records in a row share their day. */
export function writeTimestamp(target: Uint8Array, at: number, ms: number): void {
  const day = Math.floor(ms / DAY_MS);
  if (day !== cachedDay) {
    cachedDate.write(new Date(day * DAY_MS).toISOString(), 0, 10, 'latin1');
    cachedDay = day;
  }
  for (let i = 0; i < 10; i++) target[at + i] = cachedDate[i]!;
  let rest = ms - day * DAY_MS;
  const millis = rest % 1000;
  rest = (rest - millis) / 1000;
  const seconds = rest % 60;
  rest = (rest - seconds) / 60;
  const minutes = rest % 60;
  target[at + 10] = 0x54;
  writeTwoDigits(target, at + 11, (rest - minutes) / 60);
  target[at + 13] = 0x3a;
  writeTwoDigits(target, at + 14, minutes);
  target[at + 16] = 0x3a;
  writeTwoDigits(target, at + 17, seconds);
  target[at + 19] = 0x2e;
  const hundreds = (millis / 100) | 0;
  target[at + 20] = 0x30 + hundreds;
  writeTwoDigits(target, at + 21, millis - hundreds * 100);
  target[at + 23] = 0x5a;
}

function writeTwoDigits(target: Uint8Array, at: number, value: number): void {
  const tens = (value / 10) | 0;
  target[at] = 0x30 + tens;
  target[at + 1] = 0x30 + value - tens * 10;
}
