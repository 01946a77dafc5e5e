/**
 * ByteMemo: what was made of some bytes, for bytes that come again and again (the name of a source, a level): a look-up
 * costs less than making a string of them. It remembers a bounded number, the newest where two want the same place.
 */
interface Known<T> {
  /** The bytes, one a character. */
  readonly bytes: string;
  readonly value: T;
}

const SLOTS = 1024;
/** What is longer is hardly worth it. */
const MAX_BYTES = 64;
const FNV_PRIME = 0x01000193;
const FNV_BASIS = 0x811c9dc5 | 0;

export class ByteMemo<T> {
  readonly #make: (bytes: Buffer, at: number, end: number) => T;
  readonly #slots: (Known<T> | undefined)[] = new Array(SLOTS);

  constructor(make: (bytes: Buffer, at: number, end: number) => T) {
    this.#make = make;
  }

  get(bytes: Buffer, at: number, end: number): T {
    if (end - at > MAX_BYTES) return this.#make(bytes, at, end);
    let hash = FNV_BASIS;
    for (let i = at; i < end; i++) hash = Math.imul(hash ^ bytes[i]!, FNV_PRIME);
    const slot = (hash ^ (hash >>> 16)) & (SLOTS - 1);
    const known = this.#slots[slot];
    if (known !== undefined && isEqual(known.bytes, bytes, at, end)) return known.value;
    const value = this.#make(bytes, at, end);
    this.#slots[slot] = { bytes: bytes.toString('latin1', at, end), value };
    return value;
  }
}

function isEqual(text: string, bytes: Buffer, at: number, end: number): boolean {
  if (text.length !== end - at) return false;
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) !== bytes[at + i]) return false;
  return true;
}
