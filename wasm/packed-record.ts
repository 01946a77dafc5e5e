/** A record in MessagePack. */
import { BEGIN, END, KEY, NO_KEY, NO_VALUE, TIMESTAMP, VALUE, writeSlot } from './frame';
import { writeTimestamp } from './timestamp';

export function packRecord(
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
  to = packInteger(to, offset);
  to = writeSlot(to, frame, TIMESTAMP);
  to = writeTimestamp(to, timestamp);
  if (keyLength < 0) {
    to = writeSlot(to, frame, NO_KEY);
  } else {
    to = writeSlot(to, frame, KEY);
    to = packBytes(to, key, keyLength);
    to = writeSlot(to, frame, VALUE);
  }
  to = valueLength < 0 ? writeSlot(to, frame, NO_VALUE) : packBytes(to, value, valueLength);
  return writeSlot(to, frame, END);
}

function packInteger(to: usize, value: u64): usize {
  if (value < 0x80) {
    store<u8>(to, <u8>value);
    return to + 1;
  }
  if (value <= 0xffff_ffff) {
    store<u8>(to, 0xce);
    store<u32>(to, bswap<u32>(<u32>value), 1);
    return to + 5;
  }
  store<u8>(to, 0xcf);
  store<u64>(to, bswap<u64>(value), 1);
  return to + 9;
}

function packBytes(answer: usize, source: usize, length: usize): usize {
  let to = answer;
  if (length < 0x100) {
    store<u8>(to, 0xc4);
    store<u8>(to, <u8>length, 1);
    to += 2;
  } else if (length < 0x1_0000) {
    store<u8>(to, 0xc5);
    store<u16>(to, bswap<u16>(<u16>length), 1);
    to += 3;
  } else {
    store<u8>(to, 0xc6);
    store<u32>(to, bswap<u32>(<u32>length), 1);
    to += 5;
  }
  if (length > MAX_LOOP_BYTES) memory.copy(to, source, length);
  else for (let i: usize = 0; i < length; i += 16) v128.store(to + i, v128.load(source + i));
  return to + length;
}

/** Up to this length a loop is quicker than a call. */
const MAX_LOOP_BYTES: usize = 512;
