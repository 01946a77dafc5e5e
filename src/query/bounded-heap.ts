/**
 * BoundedHeap: the first `limit` of all that it was given, in some order; a binary heap with the last of them on top, so that
 * telling whether another one belongs to them takes one comparison.
 */
export class BoundedHeap<T> {
  readonly #compare: (a: T, b: T) => number;
  readonly #limit: number;
  readonly #items: T[] = [];

  /** `compare` is negative where `a` comes before `b`. */
  constructor(limit: number, compare: (a: T, b: T) => number) {
    this.#limit = limit;
    this.#compare = compare;
  }

  get size(): number {
    return this.#items.length;
  }

  get isFull(): boolean {
    return this.#items.length >= this.#limit;
  }

  /** The last one of those that are kept. */
  get last(): T | undefined {
    return this.#items[0];
  }

  /** Takes one in, and returns the one that does not belong to them any more, which may be the same. */
  push(item: T): T | undefined {
    if (!this.isFull) {
      this.#items.push(item);
      this.#rise(this.#items.length - 1);
      return undefined;
    }
    const { last } = this;
    if (last === undefined || this.#compare(item, last) >= 0) return item;
    this.#items[0] = item;
    this.#sink();
    return last;
  }

  /** Takes the last one out. */
  pop(): T | undefined {
    const { last } = this;
    const moved = this.#items.pop();
    if (this.#items.length > 0) {
      this.#items[0] = moved!;
      this.#sink();
    }
    return last;
  }

  /** All of them, in order. */
  sorted(): T[] {
    return this.#items.toSorted(this.#compare);
  }

  #rise(from: number): void {
    const items = this.#items;
    const item = items[from]!;
    let at = from;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (this.#compare(items[parent]!, item) >= 0) break;
      items[at] = items[parent]!;
      at = parent;
    }
    items[at] = item;
  }

  #sink(): void {
    const items = this.#items;
    const item = items[0]!;
    let at = 0;
    for (;;) {
      let child = at * 2 + 1;
      if (child >= items.length) break;
      if (child + 1 < items.length && this.#compare(items[child + 1]!, items[child]!) > 0) child++;
      if (this.#compare(items[child]!, item) <= 0) break;
      items[at] = items[child]!;
      at = child;
    }
    items[at] = item;
  }
}
