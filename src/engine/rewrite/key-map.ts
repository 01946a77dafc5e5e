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
 * Entries lie all over a memory that no cache holds. So keys are hashed and looked up some hundreds at a time: `load` reads
 * the places of all of them before any is needed, and the processor waits for them side by side.
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

/** Most keys that are looked up together. */
export const KEYS_AT_ONCE = 256;

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
  // It is zero as it comes: to go over all of it would hold up the thread that appends.
  setSecret(memory);
  return memory;
}

function setSecret(memory: SharedArrayBuffer): void {
  new Uint8Array(memory).set(randomBytes(SECRET_WORDS * WORD_BYTES), SECRET_AT * WORD_BYTES);
}

export class KeyMap {
  readonly #memory: SharedArrayBuffer;
  readonly #words: Int32Array;
  readonly #places: number;
  readonly #maxEntries: number;
  readonly #endOfPlaces: number;
  #hasher: KeyHasher;
  /** Of the keys that are looked up together: their hashes, and where in the map to look first. */
  readonly #hashes = new Int32Array(4 * KEYS_AT_ONCE);
  readonly #positions = new Float64Array(KEYS_AT_ONCE);
  /** What `load` read: if nobody could see it, the compiler would leave the reads out. */
  loaded = 0;

  /** Of memory that createKeyMap made. */
  constructor(memory: SharedArrayBuffer) {
    this.#memory = memory;
    this.#words = new Int32Array(memory);
    this.#places = Math.floor((this.#words.length - HEADER_WORDS) / ENTRY_WORDS);
    this.#endOfPlaces = HEADER_WORDS + this.#places * ENTRY_WORDS;
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
    setSecret(this.#memory);
    this.#hasher = this.#makeHasher();
  }

  #makeHasher(): KeyHasher {
    return new KeyHasher(Int32Array.from(this.#words.subarray(SECRET_AT, SECRET_AT + SECRET_WORDS)));
  }

  /** Takes the key in `buffer[start … end)` to be looked up as number `i`, one of KEYS_AT_ONCE. */
  hash(i: number, buffer: Uint8Array, start: number, end: number): void {
    const hasher = this.#hasher;
    const hashes = this.#hashes;
    hasher.hash(buffer, start, end);
    const { h0 } = hasher;
    hashes[4 * i] = h0;
    hashes[4 * i + 1] = hasher.h1;
    hashes[4 * i + 2] = hasher.h2;
    hashes[4 * i + 3] = hasher.h3;
    // The product may be rounded, but by less than the distance between it and the next multiple of 2^32 × places.
    const place = Math.floor(((h0 >>> 0) * this.#places) / TWO_32);
    this.#positions[i] = HEADER_WORDS + place * ENTRY_WORDS;
  }

  /** Has the places of the first `count` keys at hand. To be called before they are looked up; it changes nothing. */
  load(count: number): void {
    const words = this.#words;
    const positions = this.#positions;
    let sum = 0;
    for (let i = 0; i < count; i++) sum ^= words[positions[i]!]! ^ words[positions[i]! + ENTRY_WORDS - 1]!;
    this.loaded = sum;
  }

  /** Notes an offset of key `i`; the newest counts. False when the key is new and the map full. */
  put(i: number, offset: number): boolean {
    const at = this.#find(i);
    const words = this.#words;
    const known = this.#offsetAt(at);
    if (known >= offset) return true;
    if (known === NONE) {
      if (this.size >= this.#maxEntries) return false;
      const hashes = this.#hashes;
      words[at] = hashes[4 * i]!;
      words[at + 1] = hashes[4 * i + 1]!;
      words[at + 2] = hashes[4 * i + 2]!;
      words[at + 3] = hashes[4 * i + 3]!;
      words[0]!++;
    }
    const stored = offset + 1;
    words[at + 4] = stored | 0;
    words[at + 5] = stored / TWO_32;
    return true;
  }

  /** The newest offset of key `i`, -1 when the map does not know the key. */
  get(i: number): number {
    return this.#offsetAt(this.#find(i));
  }

  #offsetAt(at: number): number {
    return this.#words[at + 5]! * TWO_32 + (this.#words[at + 4]! >>> 0) - 1;
  }

  /** Where the entry of a key is, or the free place where it belongs: there always is one. */
  #find(i: number): number {
    const hashes = this.#hashes;
    const h0 = hashes[4 * i]!;
    const words = this.#words;
    for (let at = this.#positions[i]!; ; ) {
      if (words[at] === h0 && this.#isKey(at, i)) return at;
      if (words[at + 4] === 0 && words[at + 5] === 0) return at;
      at += ENTRY_WORDS;
      if (at === this.#endOfPlaces) at = HEADER_WORDS;
    }
  }

  #isKey(at: number, i: number): boolean {
    const hashes = this.#hashes;
    const words = this.#words;
    return (
      words[at + 1] === hashes[4 * i + 1] &&
      words[at + 2] === hashes[4 * i + 2] &&
      words[at + 3] === hashes[4 * i + 3]
    );
  }
}
