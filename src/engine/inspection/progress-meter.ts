/** Counts bytes of a walk over many files, tells about them in pieces, and ends the walk when it is given up. */
import { relative } from 'node:path';
import { SeglogError } from '../common/errors.ts';
import type { InspectionProgress } from './verify-report.ts';

const PIECE_BYTES = 1024 * 1024;

export class ProgressMeter {
  readonly #data: string;
  readonly #listener: ((progress: InspectionProgress) => void) | undefined;
  readonly #signal: AbortSignal | undefined;
  #bytesTotal = 0;
  #bytesDone = 0;
  #toldAt = 0;
  #fileStart = 0;

  constructor(data: string, listener?: (progress: InspectionProgress) => void, signal?: AbortSignal) {
    this.#data = data;
    this.#listener = listener;
    this.#signal = signal;
  }

  expect(bytes: number): void {
    this.#bytesTotal += bytes;
  }

  /** Where the file begins that is looked at. */
  get mark(): number {
    return this.#fileStart;
  }

  /** What was looked at since `mark` is looked at once more. */
  returnTo(mark: number): void {
    this.#fileStart = mark;
    this.#bytesDone = mark;
    this.#toldAt = mark;
  }

  /** So many more bytes of a file were looked at; throws REQUEST_TIMED_OUT once the signal is aborted. */
  add(path: string, bytes: number): void {
    this.#bytesDone += bytes;
    if (this.#bytesDone - this.#toldAt >= PIECE_BYTES) this.#tell(path);
  }

  /** The file is done with, whether all of its bytes were looked at or not. */
  finishFile(path: string, bytes: number): void {
    this.#fileStart += bytes;
    this.#bytesDone = this.#fileStart;
    this.#tell(path);
  }

  #tell(path: string): void {
    if (this.#signal?.aborted) {
      throw new SeglogError(
        'REQUEST_TIMED_OUT',
        `given up after ${this.#bytesDone} of ${this.#bytesTotal} bytes, in ${relative(this.#data, path)}`,
        { bytesDone: this.#bytesDone, bytesTotal: this.#bytesTotal },
      );
    }
    this.#toldAt = this.#bytesDone;
    this.#listener?.({
      bytesDone: this.#bytesDone,
      bytesTotal: this.#bytesTotal,
      file: relative(this.#data, path),
    });
  }
}
