/**
 * BoundedHeap: the first `limit` of all that it was given, in some order. The last of them is at hand, so that telling whether
 * another one belongs to them takes one comparison.
 */
import { Heap } from './heap.ts';

export class BoundedHeap<T> {
  readonly #compare: (a: T, b: T) => number;
  readonly #limit: number;
  /** The last one first. */
  readonly #heap: Heap<T>;

  /** `compare` is negative where `a` comes before `b`. */
  constructor(limit: number, compare: (a: T, b: T) => number) {
    this.#limit = limit;
    this.#compare = compare;
    this.#heap = new Heap((a, b) => compare(b, a));
  }

  get size(): number {
    return this.#heap.size;
  }

  get isFull(): boolean {
    return this.#heap.size >= this.#limit;
  }

  /** The last one of those that are kept. */
  get last(): T | undefined {
    return this.#heap.first;
  }

  /** Takes one in, and returns the one that does not belong to them any more, which may be the same. */
  push(item: T): T | undefined {
    if (!this.isFull) {
      this.#heap.push(item);
      return undefined;
    }
    const { last } = this;
    return last === undefined || this.#compare(item, last) >= 0 ? item : this.#heap.replaceFirst(item);
  }

  /** Takes the last one out. */
  pop(): T | undefined {
    return this.#heap.pop();
  }

  /** All of them, in order. */
  sorted(): T[] {
    return this.#heap.items.toSorted(this.#compare);
  }
}
