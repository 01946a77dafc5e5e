/**
 * Finds the tokens of events in their bytes with code that is several times as fast as JavaScript (wasm/token-kernel.ts), and keeps
 * them: of each block of a slice those that occur in it, each once. What it does not know it says; TokenScanner knows the rest.
 *
 * A kernel has memory of its own, of which hardly any is touched at first. It serves one index at a time: `takeKernel` gives one
 * that nobody uses.
 */
import { TOKEN_KERNEL_WASM } from './token-kernel-wasm.ts';
import type { Token } from './tokens.ts';
import { WebAssembly } from './web-assembly.ts';

interface Global {
  readonly value: number;
}

interface Kernel {
  readonly inputStart: Global;
  readonly list: Global;
  readonly listed: Global;
  readonly distinct: Global;
  readonly isOpaque: Global;
  readonly left: Global;
  readonly leftCount: Global;
  readonly watched: Global;
  readonly notes: Global;
  readonly notesLength: Global;
  readonly MAX_SLICE_TOKENS: Global;
  readonly MAX_DISTINCT_TOKENS: Global;
  beginSlice(): void;
  beginBlock(): void;
  addToken(token: number): void;
  watchFields(count: number): void;
  scanObject(at: number, end: number): number;
  scanText(at: number, end: number): number;
}

/** Of bytes that are looked at together. */
export const MAX_INPUT_BYTES = 16 * 1024 * 1024;
/** Fields whose values it picks out. */
export const MAX_WATCHED = 16;

const WASM_PAGE_BYTES = 64 * 1024;
/** For what the kernel keeps beside the input. */
const OWN_BYTES = 40 * 1024 * 1024;
const PAGES = (OWN_BYTES + MAX_INPUT_BYTES) / WASM_PAGE_BYTES;

/** What became of an object: it was not read, or all of it was, or it has strings left or values noted. */
export type ObjectScan = typeof UNREAD | typeof READ | typeof MORE;
export const UNREAD = 0;
export const READ = 1;
export const MORE = 2;

/** Compiled once in each thread. */
let compiled: object | undefined;

export class TokenKernel {
  readonly #kernel: Kernel;
  /** All of the memory: positions are its. */
  readonly bytes: Buffer;
  readonly #words: Uint32Array;

  constructor() {
    compiled ??= new WebAssembly.Module(Buffer.from(TOKEN_KERNEL_WASM, 'base64'));
    const memory = new WebAssembly.Memory({ initial: PAGES, maximum: PAGES });
    this.#kernel = new WebAssembly.Instance(compiled, { env: { memory } }).exports as Kernel;
    this.bytes = Buffer.from(memory.buffer);
    this.#words = new Uint32Array(memory.buffer);
  }

  /** Copies [start, end) of other bytes, at most MAX_INPUT_BYTES, in place of what was copied before; returns where to. */
  input(bytes: Buffer, start: number, end: number): number {
    const at = this.#kernel.inputStart.value;
    bytes.copy(this.bytes, at, start, end);
    return at;
  }

  beginSlice(): void {
    this.#kernel.beginSlice();
  }

  beginBlock(): void {
    this.#kernel.beginBlock();
  }

  add(token: Token): void {
    this.#kernel.addToken(token);
  }

  /** Tokens of the slice so far: where the next block's begin in `tokens`. */
  get listed(): number {
    return this.#kernel.listed.value;
  }

  /** Valid until the next slice begins. */
  tokens(): Uint32Array {
    const first = this.#kernel.list.value / 4;
    return this.#words.subarray(first, first + this.listed);
  }

  /** The block that was begun last has so many tokens that none is listed. */
  get isOpaque(): boolean {
    return Boolean(this.#kernel.isOpaque.value);
  }

  /** No other block may begin in the slice. */
  get isFull(): boolean {
    const { listed, distinct, MAX_SLICE_TOKENS, MAX_DISTINCT_TOKENS } = this.#kernel;
    return listed.value >= MAX_SLICE_TOKENS.value || distinct.value >= MAX_DISTINCT_TOKENS.value;
  }

  /** From now on values are noted of fields whose paths have these hashes, at most MAX_WATCHED. */
  watch(hashes: readonly number[]): void {
    this.#words.set(hashes, this.#kernel.watched.value / 4);
    this.#kernel.watchFields(hashes.length);
  }

  /** Adds the tokens of a JSON object in the input. */
  scanObject(at: number, end: number): ObjectScan {
    return this.#kernel.scanObject(at, end) as ObjectScan;
  }

  /** Adds the tokens of text in the input. False where it cannot read it. */
  scanText(at: number, end: number): boolean {
    return Boolean(this.#kernel.scanText(at, end));
  }

  /** Strings of the last object that it could not read: where each begins and ends, and the hash of its path. */
  left(): Uint32Array {
    const first = this.#kernel.left.value / 4;
    return this.#words.subarray(first, first + this.#kernel.leftCount.value * 3);
  }

  /** Values of the last object, as wasm/token-kernel.ts puts them down. */
  notes(): Uint32Array {
    const first = this.#kernel.notes.value / 4;
    return this.#words.subarray(first, first + this.#kernel.notesLength.value);
  }
}

const idle: TokenKernel[] = [];

/** A kernel that nobody uses, at the beginning of a slice, which watches nothing. */
export function takeKernel(): TokenKernel {
  const kernel = idle.pop() ?? new TokenKernel();
  kernel.beginSlice();
  kernel.watch([]);
  return kernel;
}

/** For others to use. */
export function giveKernel(kernel: TokenKernel): void {
  if (idle.length === 0) idle.push(kernel);
}
