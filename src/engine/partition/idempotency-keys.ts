/**
 * The idempotency keys under which one partition took records: of each what the answer to a retry needs, for
 * `idempotency.key.expiration.ms`. They go in the order in which they came.
 *
 * There may be a million of them, so they are rows of numbers in a ring, with an index by id of open addressing: 56 bytes a key
 * where it is full, and nothing for the garbage collector to walk through.
 */
import { randomInt } from 'node:crypto';
import type { RequestMark, StoredAppend } from './append-conditions.ts';

/** A key and the batch that was stored under it. */
export interface StoredRequest extends StoredAppend, RequestMark {
  /** When it was appended by the clock. */
  readonly appendedAt: number;
}

const FIRST_CAPACITY = 16;
/** Numbers of a row: id, base offset, max timestamp, time of the append, count, fingerprint and partitions in one. */
const ROW = 6;
export const MAX_REQUEST_PARTITIONS = 2 ** 15 - 1;
/** Clients choose their keys, but not which of them meet in the index. */
const SECRET = randomInt(2 ** 32);
/** The id of a row whose id a newer row has. */
const REPLACED = -1;

export class IdempotencyKeys {
  /** A power of two, or 0. */
  #capacity = 0;
  #rows = new Float64Array(0);
  /** Slots of the ring plus one, 0 where there is none; twice the capacity. */
  #index = new Int32Array(0);
  /** The oldest row. */
  #head = 0;
  /** Rows in the ring, those that were replaced included. */
  #length = 0;
  #size = 0;
  /** Rows that were ever added. */
  #added = 0;
  /** The spread of the last row, and how many rows were added up to the last one of another spread. */
  #lastSpread = 0;
  #otherSpreads = 0;

  /** How many keys there are. */
  get size(): number {
    return this.#size;
  }

  /** Undefined for one that is not known, or was appended at `expiredAt` or before. */
  find(id: number, expiredAt: number): StoredRequest | undefined {
    const place = this.#size === 0 ? -1 : this.#find(id);
    if (place < 0) return undefined;
    const slot = this.#index[place]! - 1;
    return this.#rows[slot * ROW + 3]! > expiredAt ? this.#row(slot) : undefined;
  }

  /** Adds a key behind all others; one of the same id is forgotten. */
  add(request: StoredRequest): void {
    if (this.#length === this.#capacity) this.#resize(Math.max(FIRST_CAPACITY, this.#capacity * 2));
    this.#replace(request.id);
    const slot = this.#slot(this.#length++);
    if (request.partitions !== this.#lastSpread) {
      this.#otherSpreads = this.#added;
      this.#lastSpread = request.partitions;
    }
    this.#added++;
    const { id, baseOffset, maxTimestamp, appendedAt, count, fingerprint, partitions } = request;
    const rows = this.#rows;
    const at = slot * ROW;
    rows[at] = id;
    rows[at + 1] = baseOffset;
    rows[at + 2] = maxTimestamp;
    rows[at + 3] = appendedAt;
    rows[at + 4] = count;
    rows[at + 5] = fingerprint * (MAX_REQUEST_PARTITIONS + 1) + partitions;
    this.#size++;
    this.#insert(slot);
  }

  /** Whether each of the requests was spread over so many partitions. */
  areAllSpreadOver(partitions: number): boolean {
    if (this.#length === 0) return true;
    return this.#lastSpread === partitions && this.#added - this.#length >= this.#otherSpreads;
  }

  /** Forgets those in front that were appended at `expiredAt` or before; how many those were. */
  expire(expiredAt: number): number {
    const before = this.#size;
    while (this.#length > 0 && this.#rows[this.#head * ROW + 3]! <= expiredAt) this.#dropFirst();
    if (this.#length * 8 <= this.#capacity && this.#capacity > FIRST_CAPACITY)
      this.#resize(Math.max(FIRST_CAPACITY, this.#capacity / 4));
    return before - this.#size;
  }

  clear(): void {
    this.#head = 0;
    this.#length = 0;
    this.#size = 0;
    this.#resize(0);
  }

  get lastAppendAt(): number {
    let last = 0;
    for (let i = 0; i < this.#length; i++) last = Math.max(last, this.#rows[this.#slot(i) * ROW + 3]!);
    return last;
  }

  /** The first offset of all batches that are remembered; infinity where there are none. */
  firstOffset(): number {
    for (let i = 0; i < this.#length; i++) {
      const at = this.#slot(i) * ROW;
      if (this.#rows[at] !== REPLACED) return this.#rows[at + 1]!;
    }
    return Number.POSITIVE_INFINITY;
  }

  /** Rows are numbered as they come; the oldest one that is there, and the one that comes next. */
  get firstRow(): number {
    return this.#added - this.#length;
  }

  get nextRow(): number {
    return this.#added;
  }

  /** The key of a row that is there; undefined where a newer one has its id. */
  at(row: number): StoredRequest | undefined {
    const slot = this.#slot(row - this.firstRow);
    return this.#rows[slot * ROW] === REPLACED ? undefined : this.#row(slot);
  }

  #slot(place: number): number {
    return (this.#head + place) & (this.#capacity - 1);
  }

  #row(slot: number): StoredRequest {
    const rows = this.#rows;
    const at = slot * ROW;
    const packed = rows[at + 5]!;
    return {
      id: rows[at]!,
      baseOffset: rows[at + 1]!,
      maxTimestamp: rows[at + 2]!,
      appendedAt: rows[at + 3]!,
      count: rows[at + 4]!,
      fingerprint: Math.floor(packed / (MAX_REQUEST_PARTITIONS + 1)),
      partitions: packed % (MAX_REQUEST_PARTITIONS + 1),
    };
  }

  #replace(id: number): void {
    const place = this.#find(id);
    if (place < 0) return;
    const slot = this.#index[place]! - 1;
    this.#remove(place);
    this.#rows[slot * ROW] = REPLACED;
    this.#size--;
  }

  #dropFirst(): void {
    const id = this.#rows[this.#head * ROW]!;
    if (id !== REPLACED) {
      this.#remove(this.#find(id));
      this.#size--;
    }
    this.#head = this.#slot(1);
    this.#length--;
  }

  #resize(capacity: number): void {
    const rows = new Float64Array(capacity * ROW);
    const untilWrap = Math.min(this.#length, this.#capacity - this.#head);
    rows.set(this.#rows.subarray(this.#head * ROW, (this.#head + untilWrap) * ROW));
    rows.set(this.#rows.subarray(0, (this.#length - untilWrap) * ROW), untilWrap * ROW);
    this.#rows = rows;
    this.#capacity = capacity;
    this.#head = 0;
    this.#index = new Int32Array(capacity * 2);
    for (let slot = 0; slot < this.#length; slot++) if (rows[slot * ROW] !== REPLACED) this.#insert(slot);
  }

  /** Where in the index the id stands; -1 if it does not. */
  #find(id: number): number {
    const index = this.#index;
    const mask = index.length - 1;
    for (let place = hash(id) & mask; ; place = (place + 1) & mask) {
      const entry = index[place]!;
      if (entry === 0) return -1;
      if (this.#rows[(entry - 1) * ROW] === id) return place;
    }
  }

  #insert(slot: number): void {
    const index = this.#index;
    const mask = index.length - 1;
    let place = hash(this.#rows[slot * ROW]!) & mask;
    while (index[place] !== 0) place = (place + 1) & mask;
    index[place] = slot + 1;
  }

  /** Takes an entry out of the index, and moves those behind it to where they are looked for. */
  #remove(place: number): void {
    const index = this.#index;
    const mask = index.length - 1;
    let hole = place;
    for (let next = (hole + 1) & mask; index[next] !== 0; next = (next + 1) & mask) {
      const home = hash(this.#rows[(index[next]! - 1) * ROW]!) & mask;
      // It may stand anywhere from its home on, but not behind a hole.
      if (((next - home) & mask) < ((next - hole) & mask)) continue;
      index[hole] = index[next]!;
      hole = next;
    }
    index[hole] = 0;
  }
}

function hash(id: number): number {
  const low = Math.imul(id ^ SECRET, 0x9e37_79b1);
  const high = Math.imul(Math.floor(id / 2 ** 32) + SECRET, 0x85eb_ca6b);
  const mixed = Math.imul(low ^ high ^ (low >>> 15), 0xc2b2_ae35);
  return mixed ^ (mixed >>> 16);
}
