/** TokenTable: gives each token a place, in the order in which they come: an open hash table of bounded size. */
import type { Token } from './tokens.ts';

export class TokenTable {
  /** Each token with its place, one more: zero is that there is none. */
  readonly #slots: Uint32Array;
  readonly #mask: number;
  readonly #tokens: Uint32Array;
  size = 0;

  /** For at most so many tokens. */
  constructor(capacity: number) {
    const slots = 2 ** Math.ceil(Math.log2(2 * capacity + 2));
    this.#slots = new Uint32Array(2 * slots);
    this.#mask = slots - 1;
    this.#tokens = new Uint32Array(capacity);
  }

  /** In the order of their places. */
  tokens(): Uint32Array {
    return this.#tokens.subarray(0, this.size);
  }

  /** The place of a token; -1 where it has none. */
  indexOf(token: Token): number {
    return this.#slots[this.#slotOf(token) + 1]! - 1;
  }

  /** The place of a token, which is given one where it has none. */
  place(token: Token): number {
    const slot = this.#slotOf(token);
    const known = this.#slots[slot + 1]!;
    if (known !== 0) return known - 1;
    this.#tokens[this.size] = token;
    this.#slots[slot] = token;
    this.#slots[slot + 1] = ++this.size;
    return this.size - 1;
  }

  /** Where the token is, or is to be. */
  #slotOf(token: Token): number {
    const slots = this.#slots;
    let at = token & this.#mask;
    while (slots[2 * at + 1] !== 0 && slots[2 * at] !== token) at = (at + 1) & this.#mask;
    return 2 * at;
  }
}
