/**
 * KeyPicker: draws the keys of records, all alike or some more often than others: with skew s the n-th key is drawn
 * in proportion to 1 / n^s, as in Zipf's law (s = 1: the first of 1,000 keys has a share of 13 %).
 */
import type { SeededRandom } from './seeded-random.ts';

export class KeyPicker {
  readonly #count: number;
  readonly #random: SeededRandom;
  /** By key: the share of all keys up to it; undefined where all are alike. */
  readonly #shares: Float64Array | undefined;

  constructor(count: number, skew: number, random: SeededRandom) {
    this.#count = count;
    this.#random = random;
    this.#shares = skew === 0 ? undefined : zipfShares(count, skew);
  }

  /** A number from 0 to less than the count of keys. */
  draw(): number {
    if (this.#shares === undefined) return this.#random.below(this.#count);
    const drawn = this.#random.next();
    let low = 0;
    let high = this.#count - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#shares[middle]! > drawn) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}

function zipfShares(count: number, skew: number): Float64Array {
  const shares = new Float64Array(count);
  let sum = 0;
  for (let i = 0; i < count; i++) {
    sum += (i + 1) ** -skew;
    shares[i] = sum;
  }
  return shares.map((each) => each / sum);
}
