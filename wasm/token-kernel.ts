/**
 * Finds the tokens of events in their bytes: the inner loop of src/query/token-kernel.ts, in AssemblyScript
 * (`npm run build:wasm`).
 *
 * It knows ASCII, and escapes of one letter. Strings with others it leaves to the caller, with the hash of the path that leads
 * to them; of an event whose names are written with others it says so, and nothing that it did until then is wrong. It may
 * find a token too many, never one too few. The JSON is known to be valid.
 *
 * The bytes lie in the memory that it shares with the caller.
 */
import { addToken } from './token-set';
import { dottedToken, finishToken, HASH_START, hashByte, isDigit, kindOf, LOOK } from './word-bytes';

export {
  addToken,
  beginBlock,
  beginSlice,
  distinct,
  isOpaque,
  list,
  listed,
  MAX_DISTINCT_TOKENS,
  MAX_SLICE_TOKENS,
} from './token-set';

export const inputStart: usize = (__heap_base + 0xffff) & ~0xffff;

/** Strings that are left to the caller: where the text begins and ends, and the hash of its path. */
export const LEFT_CAPACITY: i32 = 1024;
export const left: usize = memory.data(LEFT_CAPACITY * 12, 16);
export let leftCount: i32 = 0;

/** Fields whose values are wanted, by the hash of their path. */
export const MAX_WATCHED: i32 = 16;
export const watched: usize = memory.data(MAX_WATCHED * 4, 16);
export let watchedCount: i32 = 0;

/**
 * Values that may be of such fields: the field, what it is, where it begins and ends, how many names lead to it, and where each of
 * them begins and ends; zeros stand for no name.
 */
export const NOTES_CAPACITY: i32 = 1 << 14;
export const notes: usize = memory.data(NOTES_CAPACITY * 4, 16);
export let notesLength: i32 = 0;

const STRING: u32 = 1;
const SCALAR: u32 = 2;
const CONTAINER: u32 = 3;

const MAX_FIELD_VALUE_BYTES: usize = 16;
/** Of a string of that many characters, each written as six. */
const MAX_ESCAPED_BYTES: usize = 96;
const MAX_DEPTH: i32 = 128;
const FIELD_MARK: u8 = 0xff;

/** Of the container at each depth: the hash of its path, whether its members have names, and where the last one lies. */
const paths: usize = memory.data((MAX_DEPTH + 1) * 4, 16);
const named: usize = memory.data(MAX_DEPTH + 1, 16);
const names: usize = memory.data((MAX_DEPTH + 1) * 8, 16);

/** The hash of the names that lead to the value that comes next, joined by points. */
let path: u32 = 0;

export function watchFields(count: i32): void {
  watchedCount = count;
}

/** It has names that others have to read; all is read; strings are left, or values noted. */
export const UNREAD: i32 = 0;
export const READ: i32 = 1;
export const MORE: i32 = 2;

/** Adds the tokens of the JSON object in [at, end). Returns how far that goes. */
export function scanObject(at: usize, end: usize): i32 {
  leftCount = 0;
  notesLength = 0;
  let depth: i32 = -1;
  let isName = false;
  path = HASH_START;
  let position = at;
  while (position < end) {
    const byte = load<u8>(position);
    if (byte === 0x22) {
      if (isName) {
        position = scanName(position + 1, depth);
        if (position === 0) return UNREAD;
        isName = false;
      } else {
        position = scanString(position + 1, depth);
        if (position === 0) return UNREAD;
      }
    } else if (byte <= 0x20 || byte === 0x3a) {
      position++;
    } else if (byte === 0x2c) {
      isName = load<u8>(named + depth) !== 0;
      position++;
    } else if (byte === 0x7b || byte === 0x5b) {
      if (watchedCount > 0 && depth >= 0 && !note(CONTAINER, position, position, depth)) return UNREAD;
      depth++;
      isName = byte === 0x7b;
      store<u32>(paths + (depth << 2), path);
      store<u8>(named + depth, <u8>isName);
      store<u64>(names + (depth << 3), 0);
      position++;
    } else if (byte === 0x7d || byte === 0x5d) {
      depth--;
      isName = false;
      // An element of an array may follow, which has no name of its own.
      if (depth >= 0) path = load<u32>(paths + (depth << 2));
      position++;
    } else {
      position = scanScalar(position, end, depth);
      if (position === 0) return UNREAD;
    }
  }
  return leftCount > 0 || notesLength > 0 ? MORE : READ;
}

/** Adds the tokens of [at, end), which is text all of it. False where that has letters beyond ASCII. */
export function scanText(at: usize, end: usize): bool {
  let hash = HASH_START;
  let length: i32 = 0;
  let points: i32 = 0;
  for (let i = at; i < end; i++) {
    const byte = load<u8>(i);
    if (byte >= 0x80) return false;
    const kind = kindOf(byte);
    if (kind > LOOK) {
      hash = hashByte(hash, kind);
      length++;
    } else if (length > 0) {
      addToken(finishToken(hash));
      if (byte === 0x2e && isDigit(load<u8>(i - 1))) points++;
      hash = HASH_START;
      length = 0;
    }
  }
  if (length > 0) addToken(finishToken(hash));
  if (points >= 3) addDotted(at, end, false);
  return true;
}

/** The path to a member, whose name begins at `start`; returns where it goes on behind it, or zero. */
function scanName(start: usize, depth: i32): usize {
  let hash = load<u32>(paths + (depth << 2));
  if (depth > 0) hash = hashByte(hash, 0x2e);
  let i = start;
  for (;;) {
    const byte = load<u8>(i);
    if (byte === 0x22) break;
    if (byte >= 0x80 || byte === 0x5c) return 0;
    hash = hashByte(hash, byte);
    i++;
  }
  path = hash;
  store<u32>(names + (depth << 3), <u32>start);
  store<u32>(names + (depth << 3), <u32>i, 4);
  return i + 1;
}

/** Of the string whose text begins at `start`; returns where it goes on behind it, or zero where there is no room to leave it. */
function scanString(start: usize, depth: i32): usize {
  let hash = HASH_START;
  let length: i32 = 0;
  let points: i32 = 0;
  let escapes = false;
  let i = start;
  for (;;) {
    const byte = load<u8>(i);
    const kind = kindOf(byte);
    if (kind > LOOK) {
      hash = hashByte(hash, kind);
      length++;
      i++;
      continue;
    }
    if (length > 0) {
      addToken(finishToken(hash));
      if (byte === 0x2e && isDigit(load<u8>(i - 1))) points++;
      hash = HASH_START;
      length = 0;
    }
    if (kind === LOOK) {
      if (byte === 0x22) break;
      if (byte !== 0x5c || load<u8>(i + 1) === 0x75) return leaveString(start, endOfString(i), depth);
      escapes = true;
      i++;
    }
    i++;
  }
  if (points >= 3) addDotted(start, i, true);
  if (watchedCount > 0 && !note(STRING, start, i, depth)) return 0;
  if (escapes) {
    // What it is as a value is for the caller to say; its words are known.
    if (i - start <= MAX_ESCAPED_BYTES) return leaveString(start, i, -1);
  } else if (i - start <= MAX_FIELD_VALUE_BYTES) {
    addField(start, i);
  }
  return i + 1;
}

/** Returns where it goes on behind the string, or zero where there is no room. Noted unless `depth` is negative. */
function leaveString(start: usize, end: usize, depth: i32): usize {
  if (leftCount === LEFT_CAPACITY) return 0;
  if (depth >= 0 && watchedCount > 0 && !note(STRING, start, end, depth)) return 0;
  const at = left + <usize>leftCount * 12;
  store<u32>(at, <u32>start);
  store<u32>(at, <u32>end, 4);
  store<u32>(at, path, 8);
  leftCount++;
  return end + 1;
}

function endOfString(from: usize): usize {
  let i = from;
  while (load<u8>(i) !== 0x22) i += load<u8>(i) === 0x5c ? 2 : 1;
  return i;
}

/** Of a number, true, false or null; returns where it ends, or zero. */
function scanScalar(start: usize, end: usize, depth: i32): usize {
  let hash = HASH_START;
  let length: i32 = 0;
  // Numbers begin with digits or a minus, the others, which are no words, with small letters.
  const isNumber = load<u8>(start) < 0x60;
  let i = start;
  for (; i < end; i++) {
    const byte = load<u8>(i);
    if (byte <= 0x20 || byte === 0x2c || byte === 0x7d || byte === 0x5d) break;
    const kind = kindOf(byte);
    if (kind > LOOK) {
      hash = hashByte(hash, kind);
      length++;
    } else if (length > 0) {
      addToken(finishToken(hash));
      hash = HASH_START;
      length = 0;
    }
  }
  if (length > 0 && isNumber) addToken(finishToken(hash));
  if (watchedCount > 0 && !note(SCALAR, start, i, depth)) return 0;
  if (i - start <= MAX_FIELD_VALUE_BYTES) addField(start, i);
  return i;
}

/** Of a short value, as it is written. */
function addField(start: usize, end: usize): void {
  let hash = hashByte(path, FIELD_MARK);
  for (let i = start; i < end; i++) {
    const byte = load<u8>(i);
    hash = hashByte(hash, byte - 0x41 < 26 ? byte | 0x20 : byte);
  }
  addToken(finishToken(hash));
}

/** Of four numbers with points between them, in plain bytes. */
function addDotted(start: usize, end: usize, inJson: bool): void {
  let numbers: i32 = 0;
  let a: u32 = 0;
  let b: u32 = 0;
  let c: u32 = 0;
  let i = start;
  while (i < end) {
    const first = i;
    let hash = HASH_START;
    let digits = true;
    for (; i < end; i++) {
      const byte = load<u8>(i);
      if (kindOf(byte) <= LOOK) break;
      digits = digits && isDigit(byte);
      hash = hashByte(hash, byte);
    }
    const isNumber = digits && i > first;
    if (isNumber) {
      if (++numbers >= 4) addToken(dottedToken(a, b, c, hash));
      a = b;
      b = c;
      c = hash;
    }
    if (i >= end) break;
    const byte = load<u8>(i);
    if (!isNumber || byte !== 0x2e) numbers = 0;
    i += inJson && byte === 0x5c ? 2 : 1;
  }
}

/** Notes a value whose path has the hash of one that is wanted. False where there is no room. */
function note(kind: u32, start: usize, end: usize, depth: i32): bool {
  for (let field: i32 = 0; field < watchedCount; field++) {
    if (load<u32>(watched + (field << 2)) !== path) continue;
    if (notesLength + 5 + 2 * (depth + 1) > NOTES_CAPACITY) return false;
    put(field);
    put(kind);
    put(<u32>start);
    put(<u32>end);
    put(depth + 1);
    for (let i: i32 = 0; i <= depth; i++) {
      put(load<u32>(names + (i << 3)));
      put(load<u32>(names + (i << 3), 4));
    }
  }
  return true;
}

function put(value: u32): void {
  store<u32>(notes + (notesLength << 2), value);
  notesLength++;
}
