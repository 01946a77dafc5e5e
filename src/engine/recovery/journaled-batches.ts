/**
 * Where the journal has batches. There may be hundreds of thousands, of which recovery needs hardly any: each is a few
 * numbers in arrays that all partitions share, and its bytes stay on disk until somebody asks for them.
 */

/** A valid batch of the journal. */
export interface JournaledBatch {
  readonly baseOffset: number;
  readonly nextOffset: number;
  readonly bytes: number;
  read(): Promise<Buffer>;
}

export interface BatchPlace {
  baseOffset: number;
  nextOffset: number;
  /** Which of the journal's files, by its place in their list. */
  file: number;
  position: number;
  bytes: number;
}

export type PlaceReader = (place: BatchPlace) => Promise<Buffer>;

const FIRST_CAPACITY = 1024;

/** Grows; entries are numbered from 0 in the order in which they were added. */
export class BatchPlaces {
  #count = 0;
  #baseOffsets = new Float64Array(FIRST_CAPACITY);
  #nextOffsets = new Float64Array(FIRST_CAPACITY);
  #files = new Uint32Array(FIRST_CAPACITY);
  #positions = new Float64Array(FIRST_CAPACITY);
  #bytes = new Uint32Array(FIRST_CAPACITY);
  /** The entry before it of the same partition, -1 for the first one. */
  #previous = new Int32Array(FIRST_CAPACITY);

  /** Resolves with the number of the new entry. */
  add(
    baseOffset: number,
    nextOffset: number,
    file: number,
    position: number,
    bytes: number,
    previous: number,
  ): number {
    if (this.#count === this.#files.length) this.#grow();
    const entry = this.#count++;
    this.#baseOffsets[entry] = baseOffset;
    this.#nextOffsets[entry] = nextOffset;
    this.#files[entry] = file;
    this.#positions[entry] = position;
    this.#bytes[entry] = bytes;
    this.#previous[entry] = previous;
    return entry;
  }

  baseOffset(entry: number): number {
    return this.#baseOffsets[entry]!;
  }

  nextOffset(entry: number): number {
    return this.#nextOffsets[entry]!;
  }

  place(entry: number): BatchPlace {
    return {
      baseOffset: this.#baseOffsets[entry]!,
      nextOffset: this.#nextOffsets[entry]!,
      file: this.#files[entry]!,
      position: this.#positions[entry]!,
      bytes: this.#bytes[entry]!,
    };
  }

  /** `count` entries of a partition, of which `last` came last: by base offset, of two with the same one the later. */
  sorted(last: number, count: number): Int32Array {
    const entries = new Int32Array(count);
    for (let i = count - 1, entry = last; i >= 0; i--, entry = this.#previous[entry]!) entries[i] = entry;
    // They come in order but for batches that were written again.
    if (entries.every((entry, i) => i === 0 || this.baseOffset(entries[i - 1]!) < this.baseOffset(entry)))
      return entries;
    entries.sort((a, b) => this.baseOffset(a) - this.baseOffset(b) || a - b);
    return entries.filter((entry, i) => this.baseOffset(entry) !== this.baseOffset(entries[i + 1] ?? -1));
  }

  #grow(): void {
    const grown = <T extends Float64Array | Uint32Array | Int32Array>(old: T, larger: T): T => {
      larger.set(old);
      return larger;
    };
    const capacity = 2 * this.#count;
    this.#baseOffsets = grown(this.#baseOffsets, new Float64Array(capacity));
    this.#nextOffsets = grown(this.#nextOffsets, new Float64Array(capacity));
    this.#files = grown(this.#files, new Uint32Array(capacity));
    this.#positions = grown(this.#positions, new Float64Array(capacity));
    this.#bytes = grown(this.#bytes, new Uint32Array(capacity));
    this.#previous = grown(this.#previous, new Int32Array(capacity));
  }
}

/** Batches of the journal for one partition. */
export class JournaledBatches {
  static readonly NONE = new JournaledBatches(new BatchPlaces(), new Int32Array(0), () => {
    throw new Error('there is no batch to be read');
  });

  readonly #places: BatchPlaces;
  readonly #entries: Int32Array;
  readonly #read: PlaceReader;

  /** `entries` as BatchPlaces sorts them. */
  constructor(places: BatchPlaces, entries: Int32Array, read: PlaceReader) {
    this.#places = places;
    this.#entries = entries;
    this.#read = read;
  }

  /** Of the last batch; 0 if there is none. */
  get lastBaseOffset(): number {
    const last = this.#entries.at(-1);
    return last === undefined ? 0 : this.#places.baseOffset(last);
  }

  /** The end of what is furthest, 0 if there is none. */
  get endOffset(): number {
    return this.#entries.reduce((end, entry) => Math.max(end, this.#places.nextOffset(entry)), 0);
  }

  /** The batch that begins with this offset. */
  get(baseOffset: number): JournaledBatch | undefined {
    const entry = this.#entries[this.#search(baseOffset)];
    return entry !== undefined && this.#places.baseOffset(entry) === baseOffset
      ? this.#batch(entry)
      : undefined;
  }

  /** The first batch that begins at `fromOffset` or behind it, and ends at `endOffset` or before it. */
  firstWithin(fromOffset: number, endOffset: number): JournaledBatch | undefined {
    for (let i = this.#search(fromOffset); i < this.#entries.length; i++) {
      const entry = this.#entries[i]!;
      if (this.#places.baseOffset(entry) >= endOffset) return undefined;
      if (this.#places.nextOffset(entry) <= endOffset) return this.#batch(entry);
    }
    return undefined;
  }

  /** Whether a batch begins in [fromOffset, endOffset). */
  hasAny(fromOffset: number, endOffset: number): boolean {
    const entry = this.#entries[this.#search(fromOffset)];
    return entry !== undefined && this.#places.baseOffset(entry) < endOffset;
  }

  /** The place of the first entry with a base offset of at least `baseOffset`. */
  #search(baseOffset: number): number {
    let low = 0;
    let high = this.#entries.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#places.baseOffset(this.#entries[middle]!) < baseOffset) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #batch(entry: number): JournaledBatch {
    const place = this.#places.place(entry);
    const { baseOffset, nextOffset, bytes } = place;
    return { baseOffset, nextOffset, bytes, read: () => this.#read(place) };
  }
}
