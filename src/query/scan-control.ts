/** Says, in memory that threads share, whether what a query has asked for is still wanted. No message is sent for it. */
export class ScanControl {
  /** For the other threads. */
  readonly shared: SharedArrayBuffer;
  readonly #cell: Int32Array;

  constructor(shared = new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT)) {
    this.shared = shared;
    this.#cell = new Int32Array(shared);
  }

  cancel(): void {
    Atomics.store(this.#cell, 0, 1);
  }

  get cancelled(): boolean {
    return Atomics.load(this.#cell, 0) !== 0;
  }
}
