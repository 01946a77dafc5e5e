/**
 * Finds the fields of log events in their bytes: the inner loop of src/query/event-kernel.ts, in AssemblyScript
 * (`npm run build:wasm`), because looking at 16 bytes at a time is beyond JavaScript.
 *
 * It knows ordinary events: JSON objects as they should be, not too deep, with the names of their fields written without escapes. Of
 * anything else it says that it is unusual, and the caller has it looked at by the code that knows all cases and all
 * errors. Text is not checked for being UTF-8.
 *
 * The bytes and the rows lie in the memory that it shares with the caller. Up to 15 bytes behind the bytes are read.
 */
import {
  endOf,
  escaped,
  forgetFields,
  NO_PLACE,
  noteOther,
  noteText,
  placeFor,
  placeOf,
  seen,
  startOf,
} from './event-fields';
import { timeOf } from './event-time';
import {
  beginsNumber,
  CLOSE_BRACE,
  COMMA,
  hasEscapes,
  number,
  OPEN_BRACE,
  pastColon,
  setNewlineIsBlank,
  skipBlanks,
  string,
  value,
} from './json-scan';
import { murmur2 } from './murmur2';

/** Where the caller puts bytes, and finds rows. */
export const input: usize = (__heap_base + 0xffff) & ~0xffff;
export const MAX_ROWS: i32 = 512;
const ROW_BYTES: usize = 64;
export const rows: usize = memory.data(512 * 64, 16);

/**
 * A row, of 32 bits each but the last one:
 *
 *     0  what it is             1  where the value begins      2  where it ends          3  where the line ends
 *     4  names seen, escaped    5, 6  time                     7, 8  source              9, 10  level
 *     11, 12  message           13  hash of the source         14  time, f64: -1 when others have to look
 *
 * Fields that are not there begin and end at 0.
 */
const UNUSUAL: u32 = 0;
const EVENT: u32 = 1;
const BLANK: u32 = 2;

const TIMESTAMP: u32 = 0;
const SOURCE: u32 = 4;
const LEVEL: u32 = 8;
const MESSAGE: u32 = 12;

const NEWLINE: u32 = 0x0a;
const NULL_START: u32 = 0x6e;
const QUOTE: u32 = 0x22;

/** Where the lines go on that the last call had no rows for. */
export let nextLine: usize = 0;

/** Makes a row for each line in [at, end), as many as there is room for; how many there are. */
export function readLines(at: usize, end: usize): i32 {
  setNewlineIsBlank(false);
  let count: i32 = 0;
  let line = at;
  while (line < end && count < MAX_ROWS) {
    line = readLine(line, end, rows + <usize>count * ROW_BYTES);
    count++;
  }
  nextLine = line;
  return count;
}

/** Makes the first row for the value in [at, end). */
export function readValue(at: usize, end: usize): void {
  setNewlineIsBlank(true);
  const start = skipBlanks(at, end);
  const behind = object(start, end);
  const isEvent = behind !== 0 && skipBlanks(behind, end) === end;
  writeRow(rows, isEvent ? EVENT : UNUSUAL, start, behind, end);
}

/** The begin of the next line. */
function readLine(at: usize, end: usize, row: usize): usize {
  const start = skipBlanks(at, end);
  const isBlank = start >= end || load<u8>(start) === NEWLINE;
  const behind = isBlank ? start : object(start, end);
  const lineEnd: usize = behind === 0 ? 0 : skipBlanks(behind, end);
  if (lineEnd !== 0 && (lineEnd === end || load<u8>(lineEnd) === NEWLINE)) {
    writeRow(row, isBlank ? BLANK : EVENT, start, behind, lineEnd);
    return lineEnd + 1;
  }
  const newline = endOfLine(start, end);
  writeRow(row, UNUSUAL, start, newline, newline);
  return newline + 1;
}

function endOfLine(at: usize, end: usize): usize {
  const newlines = i8x16.splat(<i8>NEWLINE);
  for (let position = at; position < end; position += 16) {
    const found = i8x16.bitmask(i8x16.eq(v128.load(position), newlines));
    if (found !== 0) return min(position + ctz(found), end);
  }
  return end;
}

function writeRow(row: usize, kind: u32, start: usize, behind: usize, lineEnd: usize): void {
  store<u32>(row, kind);
  store<u32>(row, <u32>start, 4);
  store<u32>(row, <u32>behind, 8);
  store<u32>(row, <u32>lineEnd, 12);
  if (kind !== EVENT) return;
  store<u32>(row, seen | (escaped << 16), 16);
  writeField(row + 20, TIMESTAMP);
  writeField(row + 28, SOURCE);
  writeField(row + 36, LEVEL);
  writeField(row + 44, MESSAGE);
  const source = load<u32>(row, 28);
  store<u32>(row, murmur2(source, load<u32>(row, 32) - source), 52);
  const time = placeFor(TIMESTAMP);
  const isPlain = time !== NO_PLACE && ((escaped >>> time) & 1) === 0;
  store<f64>(row, isPlain ? timeOf(startOf(time), endOf(time)) : -1, 56);
}

function writeField(cell: usize, field: u32): void {
  const place = placeFor(field);
  store<u32>(cell, place === NO_PLACE ? 0 : <u32>startOf(place));
  store<u32>(cell, place === NO_PLACE ? 0 : <u32>endOf(place), 4);
}

/** The position behind the object that opens at `at`; zero when it is unusual. */
function object(at: usize, end: usize): usize {
  forgetFields();
  if (at >= end || load<u8>(at) !== OPEN_BRACE) return 0;
  let position = skipBlanks(at + 1, end);
  if (position < end && load<u8>(position) === CLOSE_BRACE) return position + 1;
  while (true) {
    position = member(position, end);
    if (position === 0) return 0;
    position = skipBlanks(position, end);
    if (position >= end) return 0;
    const byte: u32 = load<u8>(position);
    if (byte === CLOSE_BRACE) return position + 1;
    if (byte !== COMMA) return 0;
    position = skipBlanks(position + 1, end);
  }
}

/** The position behind the name and value that begin at `at`. */
function member(at: usize, end: usize): usize {
  if (at >= end || load<u8>(at) !== QUOTE) return 0;
  const behindName = string(at + 1, end);
  if (behindName === 0 || hasEscapes) return 0;
  const place = placeOf(at + 1, behindName - at - 2);
  const start = pastColon(behindName, end);
  if (start === 0 || start >= end) return 0;
  const kind: u32 = load<u8>(start);
  if (kind === QUOTE) {
    const behind = string(start + 1, end);
    if (behind !== 0 && place !== NO_PLACE) noteText(place, start + 1, behind - 1, hasEscapes);
    return behind;
  }
  const isNumber = beginsNumber(kind);
  const behind = isNumber ? number(start, end) : value(start, end);
  if (behind !== 0 && place !== NO_PLACE) noteOther(place, start, behind, isNumber, kind === NULL_START);
  return behind;
}
