/** A file written with nothing around `node:fs`: what the engine is measured against. */
import fs from 'node:fs';
import { promisify } from 'node:util';

const writevAsync = promisify(fs.writev);
const fdatasyncAsync = promisify(fs.fdatasync);

export class BareFile {
  readonly #descriptor: number;
  readonly #path: string;
  #position = 0;

  constructor(path: string) {
    this.#path = path;
    this.#descriptor = fs.openSync(path, 'w+');
  }

  /** Appends the buffers with one `fs.writev`. Calls may overlap: each has its own position. */
  async append(buffers: readonly Uint8Array[]): Promise<void> {
    const position = this.#position;
    let length = 0;
    for (const buffer of buffers) length += buffer.length;
    this.#position += length;
    const { bytesWritten } = await writevAsync(this.#descriptor, buffers, position);
    if (bytesWritten !== length) throw new Error(`short write: ${bytesWritten} of ${length} bytes`);
  }

  async sync(): Promise<void> {
    await fdatasyncAsync(this.#descriptor);
  }

  remove(): void {
    fs.closeSync(this.#descriptor);
    fs.unlinkSync(this.#path);
  }
}
