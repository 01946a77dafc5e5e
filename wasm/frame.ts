/**
 * A frame: what stands around the fields of a record, as the caller set it. It is a row of slots of 31 bytes at most with
 * their length behind; the last one is no text, but says whether fields are packed (MessagePack) or JSON, and which byte
 * stands between records (none if zero).
 */

const SLOT_BYTES: usize = 32;
export const BEGIN: usize = 0;
export const TIMESTAMP: usize = 1;
/** With what stands before the value. */
export const NO_KEY: usize = 2;
export const KEY: usize = 3;
export const VALUE: usize = 4;
export const NO_VALUE: usize = 5;
export const END: usize = 6;
const OPTIONS: usize = 7;
const SLOTS: usize = 8;

/** The slots of a record, its numbers and times, and the bytes before keys and values. */
export const MAX_FRAME_BYTES: usize = SLOTS * SLOT_BYTES + 64;
/** Behind what is written, up to a slot is overwritten. */
export const SLACK_BYTES: usize = SLOT_BYTES;

const FRAMES: usize = 4;
/** Where the caller puts frames. */
export const frames: usize = memory.data(<i32>(FRAMES * SLOTS * SLOT_BYTES), 16);

export function isPacked(frame: usize): bool {
  return load<u8>(frame, OPTIONS * SLOT_BYTES) !== 0;
}

export function separatorOf(frame: usize): u8 {
  return load<u8>(frame, OPTIONS * SLOT_BYTES + 1);
}

export function writeSlot(to: usize, frame: usize, slot: usize): usize {
  const source = frame + slot * SLOT_BYTES;
  v128.store(to, v128.load(source));
  v128.store(to, v128.load(source, 16), 16);
  return to + load<u8>(source, SLOT_BYTES - 1);
}
