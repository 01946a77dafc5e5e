/**
 * Finds records by their bytes with code that looks at 16 of them at a time (wasm/search-kernel.ts): it notes where the
 * records of a batch lie, which of them have some text, and of ordinary JSON also whether the text is where a query wants it.
 * What it is not sure of it says, for others to judge by all the rules (matches.ts). It never fails.
 *
 * A kernel has memory of its own, which batches are read or copied into; it serves one search at a time.
 */
import { SEARCH_KERNEL_WASM } from './search-kernel-wasm.ts';
import { WebAssembly } from './web-assembly.ts';

/** A text in folded ASCII, of at most MAX_TERM_BYTES. */
export interface Term {
  readonly text: string;
  /** A word may go on before it, and behind it. */
  readonly openStart: boolean;
  readonly openEnd: boolean;
}

export const MAX_TERM_BYTES = 64;
/** As many as there is room for. */
export const MAX_TERMS = 24;
/** Records of more bytes are beyond it. */
export const MAX_RECORD_BYTES = 32 * 1024 * 1024;
export const MAX_WINDOW_BYTES = 32 * 1024 * 1024;

/** Of these it finds out whether records have them as a query means it. */
export const MAX_VERIFIED_TERMS = 16;

/** What is known of a record: a set of these. Those of no set are out of bounds, or have no value. */
export const WITHIN = 1;
export const CANDIDATE = 2;

interface Global {
  readonly value: number;
}

interface Kernel {
  readonly inputStart: Global;
  readonly terms: Global;
  readonly valueStarts: Global;
  readonly valueEnds: Global;
  readonly offsetDeltas: Global;
  readonly timestamps: Global;
  readonly marks: Global;
  readonly termsFound: Global;
  readonly termsUnsure: Global;
  readonly walkedTo: Global;
  readonly recordsLeft: Global;
  readonly lastDelta: Global;
  readonly malformed: Global;
  walk(
    from: number,
    end: number,
    left: number,
    previousDelta: number,
    maxDelta: number,
    baseTime: number,
    firstDelta: number,
    endDelta: number,
    fromTime: number,
    untilTime: number,
  ): number;
  mark(term: number, count: number): void;
  markHidden(count: number, slashes: number): void;
  verify(first: number, termCount: number, count: number): void;
}

/** Records that have to be within these bounds; ends are exclusive. */
export interface RecordBounds {
  firstOffset: number;
  endOffset: number;
  from: number;
  until: number;
}

/** What a batch's header says that its records build on. */
export interface BatchBase {
  records: number;
  baseOffset: number;
  lastOffsetDelta: number;
  minTimestamp: number;
}

const CAPACITY = 4096;
const TERM_SLOT_BYTES = 144;
/** Up to this many bytes are read behind records. */
const SLACK_BYTES = 256;
/** Of 64 KiB: for a window, records, and what the kernel notes. What was never written to takes no memory. */
const PAGES = 1040;

/** Characters by how often logs have them; those that are not here are rarest. */
const COMMON = ' etaoinsrlcdu0123m."p:,4567h89fgb-_/kvywx';

export class SearchKernel {
  readonly #kernel: Kernel;
  /** Where records are put that lie elsewhere: behind the window. */
  #windowBytes = 0;
  #base: BatchBase = { records: 0, baseOffset: 0, lastOffsetDelta: 0, minTimestamp: 0 };
  #bounds: RecordBounds = { firstOffset: 0, endOffset: 0, from: 0, until: 0 };
  #end = 0;
  /** Of the records that were noted last. */
  count = 0;
  readonly valueStarts: Uint32Array;
  readonly valueEnds: Uint32Array;
  readonly marks: Uint8Array;
  readonly timestamps: Float64Array;
  /** Of candidates, once they are verified: a bit for each term that it has, or that nothing is known of. */
  readonly termsFound: Uint16Array;
  readonly termsUnsure: Uint16Array;
  readonly #offsetDeltas: Uint32Array;
  /** All of the memory: positions of values are its. */
  readonly bytes: Buffer;

  constructor() {
    const memory = new WebAssembly.Memory({ initial: PAGES, maximum: PAGES });
    const module = new WebAssembly.Module(Buffer.from(SEARCH_KERNEL_WASM, 'base64'));
    this.#kernel = new WebAssembly.Instance(module, { env: { memory } }).exports as Kernel;
    const { buffer } = memory;
    const { valueStarts, valueEnds, marks, timestamps, termsFound, termsUnsure, offsetDeltas } = this.#kernel;
    this.bytes = Buffer.from(buffer);
    this.valueStarts = new Uint32Array(buffer, valueStarts.value, CAPACITY);
    this.valueEnds = new Uint32Array(buffer, valueEnds.value, CAPACITY);
    this.marks = new Uint8Array(buffer, marks.value, CAPACITY);
    this.timestamps = new Float64Array(buffer, timestamps.value, CAPACITY);
    this.termsFound = new Uint16Array(buffer, termsFound.value, CAPACITY);
    this.termsUnsure = new Uint16Array(buffer, termsUnsure.value, CAPACITY);
    this.#offsetDeltas = new Uint32Array(buffer, offsetDeltas.value, CAPACITY);
  }

  /**
   * Memory to read batches into, which need not be copied then: at most MAX_WINDOW_BYTES. What was in a smaller one stays
   * there.
   */
  window(bytes: number): Buffer {
    this.#windowBytes = bytes + SLACK_BYTES;
    const start = this.#kernel.inputStart.value;
    return this.bytes.subarray(start, start + bytes);
  }

  setTerm(slot: number, { text, openStart, openEnd }: Term): void {
    const term = this.bytes.subarray(this.#termAt(slot), this.#termAt(slot + 1)).fill(0);
    term.write(text, 0, 'latin1');
    for (let i = 0; i < text.length; i++) if (/[a-z]/.test(text[i]!)) term[64 + i] = 0x20;
    term.writeUInt32LE(text.length, 128);
    term[132] = openStart ? 1 : 0;
    term[133] = openEnd ? 1 : 0;
    const rarest = [...text].map((_, i) => i).sort((a, b) => rarity(text[b]!) - rarity(text[a]!) || a - b);
    term[134] = rarest[0]!;
    term[135] = rarest[1] ?? rarest[0]!;
  }

  /** Begins with the records of a batch, which lie in the window, or are copied. At most MAX_RECORD_BYTES. */
  open(records: Buffer, base: BatchBase, bounds: RecordBounds): void {
    this.#base = base;
    this.#bounds = bounds;
    let start = records.byteOffset;
    if (records.buffer !== this.bytes.buffer) {
      start = this.#kernel.inputStart.value + this.#windowBytes;
      this.bytes.set(records, start);
    }
    this.#end = start + records.length;
    this.#walk(start, base.records, -1);
  }

  /** Goes on to further records; false when there are none. */
  next(): boolean {
    const { recordsLeft, walkedTo, lastDelta } = this.#kernel;
    if (recordsLeft.value === 0 || this.malformed) return false;
    this.#walk(walkedTo.value, recordsLeft.value, lastDelta.value);
    return true;
  }

  /** Behind the records that were noted something is not as it should be. */
  get malformed(): boolean {
    return this.#kernel.malformed.value !== 0;
  }

  /** Of a record that was noted. */
  offsetOf(record: number): number {
    return this.#base.baseOffset + this.#offsetDeltas[record]!;
  }

  /** Makes candidates of the records that have the text of a term somewhere. */
  mark(slot: number): void {
    this.#kernel.mark(this.#termAt(slot), this.count);
  }

  /** Makes candidates of those that may have ASCII letters, or slashes, in another spelling: of their terms nothing is known. */
  markHidden(slashes: boolean): void {
    this.#kernel.markHidden(this.count, slashes ? 1 : 0);
  }

  /** Finds out which of the first `terms` terms the candidates have where a query wants them. */
  verify(terms: number): void {
    this.#kernel.verify(this.#termAt(0), terms, this.count);
  }

  #walk(from: number, left: number, previousDelta: number): void {
    const { baseOffset, lastOffsetDelta, minTimestamp } = this.#base;
    const { firstOffset, endOffset } = this.#bounds;
    this.count = this.#kernel.walk(
      from,
      this.#end,
      left,
      previousDelta,
      lastOffsetDelta,
      minTimestamp,
      firstOffset - baseOffset,
      endOffset - baseOffset,
      this.#bounds.from,
      this.#bounds.until,
    );
  }

  #termAt(slot: number): number {
    return this.#kernel.terms.value + slot * TERM_SLOT_BYTES;
  }
}

function rarity(character: string): number {
  const at = COMMON.indexOf(character);
  return at < 0 ? COMMON.length : at;
}
