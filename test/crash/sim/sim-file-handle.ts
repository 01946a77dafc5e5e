/** An open file of the simulated disk. It goes on reading and writing a file that was removed or replaced. */
import type { FileHandle, OpenMode } from '../../../src/engine/files/file-system.ts';
import type { Change } from './disk.ts';
import { type DiskFile, PIECE_BYTES } from './disk-file.ts';
import { failure, type Kernel } from './kernel.ts';

export class SimFileHandle implements FileHandle {
  readonly path: string;
  readonly #kernel: Kernel;
  readonly #node: number;
  readonly #mode: OpenMode;
  #closed = false;

  constructor(kernel: Kernel, path: string, node: number, mode: OpenMode) {
    this.#kernel = kernel;
    this.path = path;
    this.#node = node;
    this.#mode = mode;
    kernel.opened(node);
  }

  read(buffer: Uint8Array, offset: number, length: number, position: number): Promise<number> {
    if (offset + length > buffer.length)
      throw new RangeError(`${this.path}: read past the end of the buffer`);
    return this.#kernel.operate(
      { kind: 'read', path: this.path, bytes: length },
      { perform: () => ({ value: this.#file().read(buffer, offset, length, position) }) },
    );
  }

  /** The bytes are taken when the write completes: a caller that reuses its memory before then has written that. */
  write(buffers: readonly Uint8Array[], position: number): Promise<number> {
    const list = [...buffers];
    const bytes = list.reduce((sum, buffer) => sum + buffer.length, 0);
    const write = (length: number): Change => {
      return { kind: 'write', node: this.#node, position, data: Buffer.concat(list, length) };
    };
    return this.#kernel.operate(
      { kind: 'write', path: this.path, bytes },
      {
        perform: (limit) => {
          const length = Math.min(limit, this.#fitting(this.#writable(), position, bytes));
          if (length === 0 && bytes > 0) throw failure('ENOSPC', this.path, 'write');
          return length === 0 ? { value: 0 } : { value: length, change: write(length) };
        },
        failed: (error, random) => {
          const length = error === 'EIO' ? random.below(bytes + 1) : 0;
          return length === 0 ? undefined : write(length);
        },
      },
    );
  }

  sync(): Promise<void> {
    const upTo = this.#kernel.disk.sequence;
    const sync = (lost: boolean): Change => ({ kind: 'sync', node: this.#node, upTo, lost });
    return this.#kernel.operate(
      { kind: 'sync', path: this.path },
      {
        perform: () => {
          this.#file();
          return { value: undefined, change: sync(false) };
        },
        failed: () => sync(true),
      },
    );
  }

  truncate(size: number): Promise<void> {
    return this.#kernel.operate(
      { kind: 'truncate', path: this.path },
      {
        perform: () => {
          this.#writable();
          return { value: undefined, change: { kind: 'truncate', node: this.#node, size } };
        },
      },
    );
  }

  size(): Promise<number> {
    return this.#kernel.operate(
      { kind: 'size', path: this.path },
      { perform: () => ({ value: this.#file().current.size }) },
    );
  }

  /** As on Linux the handle is gone even when close reports an error. */
  close(): Promise<void> {
    const close = (): Change | undefined => {
      this.#file();
      this.#closed = true;
      return this.#kernel.closed(this.#node);
    };
    return this.#kernel.operate(
      { kind: 'close', path: this.path },
      { perform: () => ({ value: undefined, change: close() }), failed: close },
    );
  }

  #file(): DiskFile {
    if (this.#closed) throw failure('EBADF', this.path, 'use after close');
    return this.#kernel.disk.file(this.#node)!;
  }

  #writable(): DiskFile {
    if (this.#mode === 'read') throw failure('EBADF', this.path, 'write');
    return this.#file();
  }

  /** How many of `length` bytes fit on the disk; bytes that overwrite others need no space. */
  #fitting(file: DiskFile, position: number, length: number): number {
    let free = Math.floor(this.#kernel.freeBytes / PIECE_BYTES);
    const end = position + length;
    for (let index = Math.floor(position / PIECE_BYTES); index * PIECE_BYTES < end; index++) {
      if (file.current.pieces.has(index)) continue;
      if (free-- <= 0) return Math.max(0, index * PIECE_BYTES - position);
    }
    return length;
  }
}
