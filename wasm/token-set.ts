/**
 * The tokens of a slice of blocks: of each block those that occur in it, each once, one block after the other in a list. Whether
 * a token was seen in the block before is known by a hash table of tokens with the last block that each was in.
 */

/** Of all blocks together, and different ones: a slice with more has to be ended before another block begins. */
export const MAX_SLICE_TOKENS: i32 = 1 << 20;
export const MAX_DISTINCT_TOKENS: i32 = 1 << 19;
/** A block with more may as well hold any token: of such a one nothing is listed. */
export const MAX_BLOCK_TOKENS: i32 = 1 << 17;

/** Slots of the smallest and of the largest table; each table has a place of its own. */
const LEAST_SLOTS: i32 = 1 << 13;
const MOST_SLOTS: i32 = 1 << 21;
const SLOT_BYTES: usize = 8;

const tables: usize = memory.data(2 * MOST_SLOTS * 8, 16);
export const list: usize = memory.data((MAX_SLICE_TOKENS + MAX_BLOCK_TOKENS + 1) * 4, 16);
/** Of the list. */
export let listed: i32 = 0;
/** Different ones in the table. */
export let distinct: i32 = 0;
/** The block that was begun last has too many. */
export let isOpaque: bool = false;

let slots: i32 = LEAST_SLOTS;
let block: u32 = 0;
let blockStart: i32 = 0;

/** A table of n slots lies behind all smaller ones, which have less than n together. */
function tableOf(count: i32): usize {
  return tables + <usize>count * SLOT_BYTES;
}

/** Begins a slice. */
export function beginSlice(): void {
  memory.fill(tableOf(slots), 0, <usize>slots * SLOT_BYTES);
  slots = LEAST_SLOTS;
  memory.fill(tableOf(slots), 0, <usize>slots * SLOT_BYTES);
  listed = 0;
  distinct = 0;
  block = 0;
}

/** Begins a block of the slice. */
export function beginBlock(): void {
  block++;
  blockStart = listed;
  isOpaque = false;
}

/** Adds a token to the block. */
export function addToken(token: u32): void {
  if (isOpaque) return;
  const mask: u32 = slots - 1;
  const table = tableOf(slots);
  let slot = token & mask;
  for (;;) {
    const at = table + <usize>slot * SLOT_BYTES;
    const last = load<u32>(at, 4);
    if (last === 0) {
      store<u32>(at, token);
      store<u32>(at, block, 4);
      noteToken(token);
      if (++distinct * 2 > slots) grow();
      return;
    }
    if (load<u32>(at) === token) {
      if (last === block) return;
      store<u32>(at, block, 4);
      noteToken(token);
      return;
    }
    slot = (slot + 1) & mask;
  }
}

function noteToken(token: u32): void {
  if (listed - blockStart >= MAX_BLOCK_TOKENS) {
    isOpaque = true;
    listed = blockStart;
  } else {
    store<u32>(list + ((<usize>listed) << 2), token);
    listed++;
  }
}

function grow(): void {
  const old = tableOf(slots);
  const oldEnd = old + <usize>slots * SLOT_BYTES;
  slots <<= 1;
  const mask: u32 = slots - 1;
  const table = tableOf(slots);
  memory.fill(table, 0, <usize>slots * SLOT_BYTES);
  for (let from = old; from < oldEnd; from += SLOT_BYTES) {
    if (load<u32>(from, 4) === 0) continue;
    let slot = load<u32>(from) & mask;
    while (load<u32>(table + <usize>slot * SLOT_BYTES, 4) !== 0) slot = (slot + 1) & mask;
    store<u64>(table + <usize>slot * SLOT_BYTES, load<u64>(from));
  }
}
