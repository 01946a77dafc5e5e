/**
 * Runs asynchronous sections one after the other, in the order in which they were asked for. A section
 * that fails does not stop the next.
 */
export class Mutex {
  #last: Promise<unknown> = Promise.resolve();
  #waiting = 0;

  /** True while no section runs or waits. */
  get idle(): boolean {
    return this.#waiting === 0;
  }

  /** True while a section waits for another one. */
  get contended(): boolean {
    return this.#waiting > 1;
  }

  run<T>(section: () => Promise<T>): Promise<T> {
    // The common case pays for no chaining: nobody is inside.
    const result = this.#waiting++ === 0 ? section() : this.#last.then(section, section);
    this.#last = result.then(this.#left, this.#left);
    return result;
  }

  readonly #left = (): void => {
    this.#waiting--;
  };
}
