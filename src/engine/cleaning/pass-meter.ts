/** How far a pass over segments is, and how it is told and ended early. */
import type { TaskOptions } from '../background/task.ts';

/** How a pass is ended early, and how it tells how far it is. */
export interface PassControl {
  readonly signal: AbortSignal;
  /** Bytes of segments that were gone through, and of all that are to be. */
  progress(done: number, total: number): void;
}

/** How far a pass is, also in the middle of a task. */
export class PassMeter {
  readonly #control: PassControl;
  readonly #totalBytes: number;
  #doneBytes = 0;

  constructor(control: PassControl, totalBytes: number) {
    this.#control = control;
    this.#totalBytes = totalBytes;
    this.#tell(0);
  }

  /** For a task over so many bytes of segments; per byte it reads and writes up to `ioPerByte`. */
  taskOptions(bytes: number, ioPerByte: number): TaskOptions {
    const { signal } = this.#control;
    return { signal, progress: (ioBytes) => this.#tell(Math.min(bytes, ioBytes / ioPerByte)) };
  }

  /** So many bytes of segments were gone through. */
  finish(bytes: number): void {
    this.#doneBytes += bytes;
    this.#tell(0);
  }

  /** All is done, also what turned out to be less than expected. */
  complete(): void {
    this.finish(this.#totalBytes);
  }

  #tell(moreBytes: number): void {
    const done = Math.min(this.#totalBytes, this.#doneBytes + Math.floor(moreBytes));
    this.#control.progress(done, this.#totalBytes);
  }
}
