/**
 * Lets work through, a few pieces at a time, in the order in which it came. What is on the main thread for long, piece by
 * piece and for many requests at once, takes turns: between the pieces others are served, a request for health before all.
 */
export class Turns {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  constructor(atOnce: number) {
    this.#free = atOnce;
  }

  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free--;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      // Not at once: sockets are looked at in between.
      if (next === undefined) this.#free++;
      else setImmediate(next);
    }
  }
}
