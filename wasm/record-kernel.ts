/**
 * Writes the records of batches as answers carry them: the inner loop of src/server/record-kernel.ts, in AssemblyScript
 * (`npm run build:wasm`), because looking at 16 bytes at a time is beyond JavaScript.
 *
 * It knows ordinary records only: uncompressed, without headers, text that is valid UTF-8, a time in the years 1970 to
 * 9999. At anything else, be it unusual, malformed or beyond a limit, it stops in front of it, and the caller has that
 * record looked at by the code that knows all cases and all errors. So it never has to say what is wrong.
 *
 * Batches, the answer and the frames lie in the memory that it shares with the caller. Up to 15 bytes behind a batch are
 * read, and up to SLACK_BYTES behind what is written are overwritten.
 */

import { isPacked, MAX_FRAME_BYTES, SLACK_BYTES, separatorOf } from './frame';
import { jsonRecord, MAX_ESCAPE_BYTES } from './json-record';
import { packRecord } from './packed-record';

export { frames } from './frame';

const BATCH_HEADER_BYTES: usize = 80;
const BATCH_MAGIC: u32 = 0x014253f5;
const CODEC_MASK: u32 = 0b111;
/** The offsets of a batch from here on may not all be safe integers of JavaScript. */
const MAX_BASE_OFFSET: u64 = 0x1f_ffff_0000_0000;
const FIRST_FIVE_DIGIT_YEAR_MS: u64 = 253_402_300_800_000;

/** How far the last call came: where the answer ends now, how many records it has, which offset is next. */
export let answerEnd: usize = 0;
export let records: f64 = 0;
export let nextOffset: f64 = 0;
/** Room that the record needs before which it stopped; zero when room is not why. */
export let roomNeeded: usize = 0;
/** The end of the batch that it stopped in. */
export let batchEnd: usize = 0;

/** The place in the records that are being read, and whether what was read there is not as it should be. */
let at: usize = 0;
let unusual: bool = false;

/**
 * Writes the records from `from` on (and before `end`) of the batches in [chunk, chunkEnd) to [answer, …answerLimit), with
 * `frame` around their fields. `written` is how many records the answer has, which get to be `maxRecords` at most; records
 * after the first one must end at `softLimit` at most. Returns the position of the batch that is to be looked at by
 * others, or `chunkEnd`.
 */
export function writeRecords(
  frame: usize,
  chunk: usize,
  chunkEnd: usize,
  from: f64,
  end: f64,
  written: f64,
  maxRecords: f64,
  answer: usize,
  answerLimit: usize,
  softLimit: usize,
): usize {
  answerEnd = answer;
  records = written;
  nextOffset = from;
  roomNeeded = 0;
  let batch = chunk;
  while (batch < chunkEnd) {
    batchEnd = endOfBatch(batch, chunkEnd);
    if (batchEnd === 0) {
      batchEnd = chunkEnd;
      return batch;
    }
    if (
      lastOffset(batch) >= <u64>from &&
      !writeBatch(frame, batch, <u64>from, end, maxRecords, answerLimit, softLimit)
    )
      return batch;
    batch = batchEnd;
  }
  return batch;
}

function lastOffset(batch: usize): u64 {
  return load<u64>(batch, 16) + load<u32>(batch, 24);
}

/** Zero where no batch begins that this code can make sense of. */
function endOfBatch(batch: usize, chunkEnd: usize): usize {
  const available = chunkEnd - batch;
  if (available < BATCH_HEADER_BYTES || load<u32>(batch, 4) !== BATCH_MAGIC) return 0;
  const size = <u64>load<u32>(batch) + 4;
  if (size < BATCH_HEADER_BYTES || size > available || load<u64>(batch, 16) > MAX_BASE_OFFSET) return 0;
  return batch + <usize>size;
}

/** False at a record, or an end of the batch, that others have to look at. */
function writeBatch(
  frame: usize,
  batch: usize,
  from: u64,
  end: f64,
  maxRecords: f64,
  answerLimit: usize,
  softLimit: usize,
): bool {
  const baseOffset = load<u64>(batch, 16);
  const lastDelta = load<u32>(batch, 24);
  const baseTimestamp = load<i64>(batch, 32);
  if ((load<u16>(batch, 70) & CODEC_MASK) !== 0 || !isUsual(baseTimestamp)) return false;
  const packed = isPacked(frame);
  const separator = separatorOf(frame);
  const limit = batchEnd;
  at = batch + BATCH_HEADER_BYTES;
  unusual = false;
  let previousDelta: i32 = -1;
  for (let left = load<u32>(batch, 28); left > 0; left--) {
    const length = varint(limit);
    const recordEnd = at + length;
    if (unusual || length < 0 || recordEnd > limit) return false;
    // Attributes of a record: none are defined.
    at++;
    const timestamp = baseTimestamp + varlong(recordEnd);
    const delta = varint(recordEnd);
    if (delta <= previousDelta || <u32>delta > lastDelta) return false;
    previousDelta = delta;
    const keyLength = lengthOfBytes(recordEnd);
    const key = at;
    at += max(keyLength, 0);
    const valueLength = lengthOfBytes(recordEnd);
    const value = at;
    at += max(valueLength, 0);
    const headers = varint(recordEnd);
    if (unusual || headers !== 0 || at !== recordEnd || !isUsual(timestamp)) return false;
    const offset = baseOffset + delta;
    if (offset < from) continue;
    if (<f64>offset >= end || records >= maxRecords) return false;

    const bytes = <usize>max(keyLength, 0) + <usize>max(valueLength, 0);
    const room = (packed ? bytes : bytes * MAX_ESCAPE_BYTES) + MAX_FRAME_BYTES + SLACK_BYTES;
    if (answerEnd + room > answerLimit) {
      roomNeeded = room;
      return false;
    }
    let to = answerEnd;
    if (separator !== 0 && records > 0) store<u8>(to++, separator);
    to = packed
      ? packRecord(to, frame, offset, timestamp, key, keyLength, value, valueLength)
      : jsonRecord(to, frame, offset, timestamp, key, keyLength, value, valueLength);
    if (to === 0 || (records > 0 && to > softLimit)) return false;
    answerEnd = to;
    records += 1;
    nextOffset = <f64>offset + 1;
  }
  return at === limit;
}

function isUsual(timestamp: i64): bool {
  return <u64>timestamp < FIRST_FIVE_DIGIT_YEAR_MS;
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
  unusual = true;
  return 0;
}

/** The length of bytes that follow, all before `end`; -1 for null. */
function lengthOfBytes(end: usize): i32 {
  const length = varint(end);
  if (length >= -1 && (length < 0 || at + length <= end)) return length;
  unusual = true;
  return 0;
}
