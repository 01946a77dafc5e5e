/**
 * A key map: the newest offset of each key of a range of the log, in one flat piece of shared memory that never grows.
 *
 * It knows a key by a hash of 128 bits (key-hash.ts), whose secret is random and of this map alone. Entries lie where
 * their hash says or, when that place is taken, in the next free one; none is ever removed. A map is full at nine tenths
 * of its places: then it takes no new key, but newer offsets of those that it has.
 *
 *     0   u32       count of entries
 *     4   u32 × 4   secret of the hash
 *     20  12 bytes  zero
 *     32  places of 24 bytes, as many as there is room for:
 *         u32 × 4  hash of the key
 *         u64      offset + 1; zero where there is no entry
 *
 * The memory goes from thread to thread; only one of them may work with it at a time.
 */
import assert from 'node:assert';
import { randomBytes } from 'node:crypto';
import { KeyHasher } from './key-hash.ts';

const HEADER_WORDS = 8;
const ENTRY_WORDS = 6;
const WORD_BYTES = 4;
const ENTRY_BYTES = ENTRY_WORDS * WORD_BYTES;
const SECRET_AT = 1;
const SECRET_WORDS = 4;
const MAX_LOAD = 0.9;
const TWO_32 = 2 ** 32;
const NONE = -1;

/** Bytes of the smallest map: one that takes a key. */
export const MIN_KEY_MAP_BYTES = HEADER_WORDS * WORD_BYTES + 2 * ENTRY_BYTES;

/** What a map takes that is sure to have room for so many keys. */
export function keyMapBytes(keys: number): number {
  return MIN_KEY_MAP_BYTES + Math.ceil(keys / MAX_LOAD) * ENTRY_BYTES;
}

/** An empty map of at most so many bytes. */
export function createKeyMap(maxBytes: number): SharedArrayBuffer {
  assert(maxBytes >= MIN_KEY_MAP_BYTES, 'a map has room for a key');
  const memory = new SharedArrayBuffer(maxBytes - (maxBytes % WORD_BYTES));
  new KeyMap(memory).clear();
  return memory;
}

export class KeyMap {
  readonly #words: Int32Array;
  readonly #places: number;
  readonly #maxEntries: number;
  #hasher: KeyHasher;

  /** Of memory that createKeyMap made. */
  constructor(memory: SharedArrayBuffer) {
    this.#words = new Int32Array(memory);
    this.#places = Math.floor((this.#words.length - HEADER_WORDS) / ENTRY_WORDS);
    this.#maxEntries = Math.floor(this.#places * MAX_LOAD);
    this.#hasher = this.#makeHasher();
  }

  get size(): number {
    return this.#words[0]! >>> 0;
  }

  /** Most keys it takes. */
  get capacity(): number {
    return this.#maxEntries;
  }

  /** Forgets all keys and takes a new secret. */
  clear(): void {
    this.#words.fill(0);
    new Uint8Array(this.#words.buffer).set(randomBytes(SECRET_WORDS * WORD_BYTES), SECRET_AT * WORD_BYTES);
    this.#hasher = this.#makeHasher();
  }

  #makeHasher(): KeyHasher {
    return new KeyHasher(Int32Array.from(this.#words.subarray(SECRET_AT, SECRET_AT + SECRET_WORDS)));
  }

  /** Notes an offset of the key in `buffer[start … end)`; the newest counts. False when the key is new and the map full. */
  put(buffer: Uint8Array, start: number, end: number, offset: number): boolean {
    const at = this.#find(buffer, start, end);
    const words = this.#words;
    if (this.#offsetAt(at) === NONE) {
      if (this.size >= this.#maxEntries) return false;
      const { h0, h1, h2, h3 } = this.#hasher;
      words[at] = h0;
      words[at + 1] = h1;
      words[at + 2] = h2;
      words[at + 3] = h3;
      words[0]!++;
    } else if (this.#offsetAt(at) >= offset) {
      return true;
    }
    const stored = offset + 1;
    words[at + 4] = stored | 0;
    words[at + 5] = stored / TWO_32;
    return true;
  }

  /** The newest offset of the key in `buffer[start … end)`, -1 when the map does not know the key. */
  get(buffer: Uint8Array, start: number, end: number): number {
    return this.#offsetAt(this.#find(buffer, start, end));
  }

  #offsetAt(at: number): number {
    return this.#words[at + 5]! * TWO_32 + (this.#words[at + 4]! >>> 0) - 1;
  }

  /** Where the entry of a key is, or the free place where it belongs: there always is one. */
  #find(buffer: Uint8Array, start: number, end: number): number {
    const hasher = this.#hasher;
    hasher.hash(buffer, start, end);
    const { h0, h1, h2, h3 } = hasher;
    const words = this.#words;
    const places = this.#places;
    // The product may be rounded, but by less than the distance between it and the next multiple of 2^32 × places.
    let place = Math.floor(((h0 >>> 0) * places) / TWO_32);
    for (;;) {
      const at = HEADER_WORDS + place * ENTRY_WORDS;
      if (words[at] === h0 && words[at + 1] === h1 && words[at + 2] === h2 && words[at + 3] === h3) return at;
      if (words[at + 4] === 0 && words[at + 5] === 0) return at;
      if (++place === places) place = 0;
    }
  }
}
