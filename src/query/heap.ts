/** A binary heap: gives what it holds in an order, one after the other, while more is put in. */
export class Heap<T> {
  readonly #compare: (a: T, b: T) => number;
  readonly #items: T[] = [];

  /** `compare` is negative where `a` comes before `b`. */
  constructor(compare: (a: T, b: T) => number) {
    this.#compare = compare;
  }

  get size(): number {
    return this.#items.length;
  }

  /** The one that comes first. */
  get first(): T | undefined {
    return this.#items[0];
  }

  /** All of them, in no order. */
  get items(): readonly T[] {
    return this.#items;
  }

  push(item: T): void {
    const items = this.#items;
    let at = items.push(item) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (this.#compare(items[parent]!, item) <= 0) break;
      items[at] = items[parent]!;
      at = parent;
    }
    items[at] = item;
  }

  /** Takes the first one out. */
  pop(): T | undefined {
    const { first } = this;
    const moved = this.#items.pop();
    if (this.#items.length > 0) this.#sink(moved!);
    return first;
  }

  /** Puts one in the place of the first one, which is given back. */
  replaceFirst(item: T): T | undefined {
    const { first } = this;
    this.#sink(item);
    return first;
  }

  /** Puts an item at the top, and moves it to where it belongs. */
  #sink(item: T): void {
    const items = this.#items;
    let at = 0;
    for (;;) {
      let child = at * 2 + 1;
      if (child >= items.length) break;
      if (child + 1 < items.length && this.#compare(items[child + 1]!, items[child]!) < 0) child++;
      if (this.#compare(items[child]!, item) >= 0) break;
      items[at] = items[child]!;
      at = child;
    }
    items[at] = item;
  }
}
