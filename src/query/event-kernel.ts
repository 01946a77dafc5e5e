/**
 * Finds the fields of ordinary events with code that looks at 16 bytes at a time (wasm/event-kernel.ts), several times as
 * fast as an EventLayout. That is who knows each and every value: the kernel finds the same in those that it knows, and says of
 * others that they are unusual. It never fails.
 *
 * It works on a copy of the bytes in memory of its own. Positions in its rows are those of the caller's bytes.
 */
import { type Field, type FieldRanges, PLACES_PER_FIELD } from './event-fields.ts';
import { EVENT_KERNEL_WASM } from './event-kernel-wasm.ts';
import { WebAssembly } from './web-assembly.ts';

interface Global {
  readonly value: number;
}

/** What wasm/event-kernel.ts exports; positions are those of its memory. */
interface Kernel {
  readonly input: Global;
  readonly rows: Global;
  /** Where the lines go on that `readLines` had no rows for. */
  readonly nextLine: Global;
  readLines(at: number, end: number): number;
  readValue(at: number, end: number): void;
}

/** Of what is larger the kernel says that it is unusual. */
export const MAX_KERNEL_BYTES = 1024 * 1024;
const PAGE_BYTES = 64 * 1024;
/** What the module needs itself, and what is read behind the end of the input. */
const MODULE_BYTES = 2 * PAGE_BYTES;
const SPARE_BYTES = PAGE_BYTES;
const ROW_CELLS = 16;

const pages = (MODULE_BYTES + MAX_KERNEL_BYTES + SPARE_BYTES) / PAGE_BYTES;
const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
const kernel = new WebAssembly.Instance(new WebAssembly.Module(Buffer.from(EVENT_KERNEL_WASM, 'base64')), {
  env: { memory },
}).exports as Kernel;
const INPUT = kernel.input.value;
const input = Buffer.from(memory.buffer, INPUT, MAX_KERNEL_BYTES);
const cells = new Uint32Array(memory.buffer);
const times = new Float64Array(memory.buffer);
const FIRST_CELL = kernel.rows.value / 4;

/** What a line or value is. */
export const UNUSUAL = 0;
export const EVENT = 1;
export const BLANK = 2;

const [KIND, START, END, LINE_END, FLAGS, FIRST_FIELD, SOURCE_HASH, TIME] = [0, 1, 2, 3, 4, 5, 13, 14];
/** In the flags the names that were seen come first, then those with escapes. */
const ESCAPED_SHIFT = 16;

/** The rows that the kernel makes, one after the other. What is read of one holds until the kernel is asked again. */
class EventRows implements FieldRanges {
  /** From positions in the kernel's memory to those of the caller's bytes. */
  #shift = 0;
  /** The first cell of the row, and the end of those that are there. */
  #row = FIRST_CELL;
  #rowsEnd = FIRST_CELL;
  /** In the kernel's memory: where lines go on that have no rows yet. */
  #next = 0;
  #end = 0;

  /** Makes the row of the value in [at, end); false when it is unusual. */
  readValue(bytes: Buffer, at: number, end: number): boolean {
    if (end - at > MAX_KERNEL_BYTES) return false;
    bytes.copy(input, 0, at, end);
    this.#shift = at - INPUT;
    this.#row = FIRST_CELL;
    kernel.readValue(INPUT, INPUT + end - at);
    return this.kind === EVENT;
  }

  /** Begins with the lines in [at, end), which have at most MAX_KERNEL_BYTES. */
  beginLines(bytes: Buffer, at: number, end: number): void {
    bytes.copy(input, 0, at, end);
    this.#shift = at - INPUT;
    this.#next = INPUT;
    this.#end = INPUT + end - at;
    this.#row = FIRST_CELL - ROW_CELLS;
    this.#rowsEnd = FIRST_CELL;
  }

  /** Goes on to the next line; false behind the last one. */
  nextLine(): boolean {
    this.#row += ROW_CELLS;
    if (this.#row < this.#rowsEnd) return true;
    if (this.#next >= this.#end) return false;
    this.#row = FIRST_CELL;
    this.#rowsEnd = FIRST_CELL + kernel.readLines(this.#next, this.#end) * ROW_CELLS;
    this.#next = kernel.nextLine.value;
    return true;
  }

  /** UNUSUAL, EVENT or BLANK. */
  get kind(): number {
    return cells[this.#row + KIND!]!;
  }

  /** Where the value begins, without white space around it; of an unusual line it goes up to the line's end. */
  get start(): number {
    return cells[this.#row + START!]! + this.#shift;
  }

  get end(): number {
    return cells[this.#row + END!]! + this.#shift;
  }

  /** Where the line's newline is, or would be. */
  get lineEnd(): number {
    return cells[this.#row + LINE_END!]! + this.#shift;
  }

  has(field: Field): boolean {
    return cells[this.#row + FIRST_FIELD! + 2 * field + 1]! !== 0;
  }

  startOf(field: Field): number {
    return cells[this.#row + FIRST_FIELD! + 2 * field]! + this.#shift;
  }

  endOf(field: Field): number {
    return cells[this.#row + FIRST_FIELD! + 2 * field + 1]! + this.#shift;
  }

  isEscaped(field: Field): boolean {
    const flags = cells[this.#row + FLAGS!]! >>> (field * PLACES_PER_FIELD);
    const counting = flags & -flags & 0xf;
    return ((flags >>> ESCAPED_SHIFT) & counting) !== 0;
  }

  get time(): number {
    return times[(this.#row + TIME!) / 2]!;
  }

  /** murmur2 of the source's bytes. */
  get sourceHash(): number {
    return cells[this.#row + SOURCE_HASH!]!;
  }
}

/** Nothing that uses them awaits, so one set of rows serves all. */
export const eventRows = new EventRows();
