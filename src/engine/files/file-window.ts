/**
 * A piece of a file in memory that is moved along while the file is walked: read in large pieces, and into the same memory
 * again and again. What a caller takes from it is valid until the next `load`.
 */
import { readInto } from './file-operations.ts';
import type { ReadableFile } from './file-system.ts';

const WINDOW_BYTES = 1024 * 1024;

export class FileWindow {
  /** The bytes at hand. */
  bytes: Buffer = Buffer.alloc(0);
  /** Of `bytes` in the file. */
  start = 0;
  /** Where the file ends for whoever walks it: less than was said when it turns out to be shorter. */
  end: number;
  readonly #file: ReadableFile;
  #memory = this.bytes;

  /** Of the file below `end`. */
  constructor(file: ReadableFile, end: number) {
    this.#file = file;
    this.end = end;
  }

  /** Where `length` bytes at `position`, or as many as the file has, are in `bytes`; -1 unless they are at hand. */
  find(position: number, length: number): number {
    const at = position - this.start;
    const needed = Math.min(position + length, this.end);
    return at >= 0 && needed - this.start <= this.bytes.length ? at : -1;
  }

  /** As `find`, after they have been read if need be. */
  async load(position: number, length: number): Promise<number> {
    if (this.find(position, length) < 0) await this.#read(position, length);
    return position - this.start;
  }

  async #read(position: number, length: number): Promise<void> {
    const wanted = Math.max(0, Math.min(Math.max(length, WINDOW_BYTES), this.end - position));
    const at = position - this.start;
    const kept = at >= 0 ? Math.max(0, this.bytes.length - at) : 0;
    const memory = this.#memory.length < wanted ? Buffer.allocUnsafeSlow(wanted) : this.#memory;
    if (kept > 0) this.bytes.copy(memory, 0, at);
    const read = await readInto(this.#file, memory.subarray(kept, wanted), position + kept);
    this.#memory = memory;
    this.bytes = memory.subarray(0, kept + read);
    this.start = position;
    if (kept + read < wanted) this.end = position + kept + read;
  }
}
