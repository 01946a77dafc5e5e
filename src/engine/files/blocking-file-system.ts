/**
 * The real file system for a thread that has nothing else to do: calls on open files are made by the thread itself, and
 * keep it until they are done. They take no place in the process's thread pool, where the main thread's syncs go, and they
 * have this thread's priority.
 */
import fs from 'node:fs';
import type { FileHandle, FileSystem } from './file-system.ts';
import { nodeFileSystem, OPEN_FLAGS } from './node-file-system.ts';

class BlockingFileHandle implements FileHandle {
  readonly path: string;
  #descriptor: number;

  constructor(path: string, descriptor: number) {
    this.path = path;
    this.#descriptor = descriptor;
  }

  async read(buffer: Uint8Array, offset: number, length: number, position: number): Promise<number> {
    return fs.readSync(this.#opened(), buffer, offset, length, position);
  }

  async write(buffers: readonly Uint8Array[], position: number): Promise<number> {
    return fs.writevSync(this.#opened(), buffers, position);
  }

  async sync(): Promise<void> {
    fs.fdatasyncSync(this.#opened());
  }

  async truncate(size: number): Promise<void> {
    fs.ftruncateSync(this.#opened(), size);
  }

  async size(): Promise<number> {
    return fs.fstatSync(this.#opened()).size;
  }

  async close(): Promise<void> {
    const descriptor = this.#opened();
    this.#descriptor = -1;
    fs.closeSync(descriptor);
  }

  /** The number of a closed descriptor may already belong to another file: it must not be used again. */
  #opened(): number {
    if (this.#descriptor >= 0) return this.#descriptor;
    throw Object.assign(new Error(`${this.path} is closed`), { code: 'EBADF' });
  }
}

export const blockingFileSystem: FileSystem = {
  ...nodeFileSystem,
  open: async (path, mode) => new BlockingFileHandle(path, fs.openSync(path, OPEN_FLAGS[mode])),
};
