/**
 * Which partition a record goes to when nobody says: by its key as Kafka's Java client does it, so that
 * the same key lands on the same partition number there; without a key, in turns.
 */
import type { BytesLike } from '../common/types.ts';

const SEED = 0x9747b28c;
const MULTIPLIER = 0x5bd1e995;
/** A key as text is encoded here: keys are short, and hashing is synchronous. */
const scratch = Buffer.allocUnsafeSlow(4096);
const MAX_UTF8_BYTES_PER_UNIT = 3;

/** MurmurHash2 with 32 bits, as `Utils.murmur2` of Kafka's Java client; signed. */
export function murmur2(bytes: Uint8Array): number {
  return hash(bytes, bytes.length);
}

function hash(bytes: Uint8Array, length: number): number {
  let state = SEED ^ length;
  let at = 0;
  for (; at + 4 <= length; at += 4) {
    let word = bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
    word = Math.imul(word, MULTIPLIER);
    word ^= word >>> 24;
    state = Math.imul(state, MULTIPLIER) ^ Math.imul(word, MULTIPLIER);
  }
  const left = length - at;
  if (left >= 3) state ^= bytes[at + 2]! << 16;
  if (left >= 2) state ^= bytes[at + 1]! << 8;
  if (left >= 1) state = Math.imul(state ^ bytes[at]!, MULTIPLIER);
  state = Math.imul(state ^ (state >>> 13), MULTIPLIER);
  return state ^ (state >>> 15);
}

/** The partition of a key among `partitions`, from 0. Text counts as its UTF-8. */
export function partitionForKey(key: BytesLike, partitions: number): number {
  return partitionForHash(hashOf(key), partitions);
}

/** The partition of a key that murmur2 makes `hash` of. */
export function partitionForHash(hash: number, partitions: number): number {
  // Kafka's toPositive drops the sign bit; it does not negate.
  return (hash & 0x7fff_ffff) % partitions;
}

function hashOf(key: BytesLike): number {
  if (typeof key !== 'string') return murmur2(key);
  if (key.length * MAX_UTF8_BYTES_PER_UNIT > scratch.length) return murmur2(Buffer.from(key));
  return hash(scratch, scratch.write(key));
}

/**
 * Spreads records without a key: all of one append go to one partition, so that they make one batch, and
 * the next append goes to the next partition.
 */
export class StickyRoundRobin {
  #next = 0;

  next(partitions: number): number {
    const partition = this.#next < partitions ? this.#next : 0;
    this.#next = partition + 1;
    return partition;
  }
}
