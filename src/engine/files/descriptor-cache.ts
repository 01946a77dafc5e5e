/**
 * Open segment files, bounded: the least recently used are closed. A file that is in use stays open
 * until its user is done, also when it was evicted or its name is gone, so a reader keeps its bytes.
 */
import { LRUCache } from 'lru-cache';
import { SeglogError } from '../common/errors.ts';
import type { FileHandle, FileSystem } from './file-system.ts';

/** A file that stays open until `release`, which must be called exactly once. */
export interface FileLease {
  readonly file: FileHandle;
  release(): void;
}

class OpenFile implements FileLease {
  users = 0;
  evicted = false;
  readonly file: FileHandle;
  readonly #closed: (file: FileHandle) => void;

  constructor(file: FileHandle, closed: (file: FileHandle) => void) {
    this.file = file;
    this.#closed = closed;
  }

  release(): void {
    this.users--;
    this.closeIfUnused();
  }

  closeIfUnused(): void {
    if (this.evicted && this.users === 0) this.#closed(this.file);
  }
}

export class DescriptorCache {
  readonly #fileSystem: FileSystem;
  readonly #mode: 'read' | 'write';
  readonly #files: LRUCache<string, OpenFile>;
  readonly #opening = new Map<string, Promise<OpenFile>>();
  readonly #closing = new Set<Promise<void>>();
  #open = 0;
  #closed = false;

  constructor(fileSystem: FileSystem, maxOpenFiles: number, mode: 'read' | 'write' = 'write') {
    this.#fileSystem = fileSystem;
    this.#mode = mode;
    this.#files = new LRUCache({
      max: maxOpenFiles,
      dispose: (entry) => {
        entry.evicted = true;
        entry.closeIfUnused();
      },
    });
  }

  /** Descriptors that are open now, those in use after their eviction included. */
  get openFiles(): number {
    return this.#open;
  }

  /** Opens an existing file, or shares it when it is open. */
  async lease(path: string): Promise<FileLease> {
    for (;;) {
      const entry = this.#files.get(path) ?? (await this.#openFile(path));
      // Others may have been opened in between and have pushed this one out again.
      if (entry.evicted && entry.users === 0) continue;
      entry.users++;
      return entry;
    }
  }

  /** Forgets a file whose name goes to other content (a rename over it, a removal). */
  forget(path: string): void {
    this.#files.delete(path);
    this.#opening.delete(path);
  }

  /** Closes all, and opens no more; resolves when the descriptors are back with the system, but for those in use. */
  async close(): Promise<void> {
    this.#closed = true;
    const opening = [...this.#opening.values()];
    this.#opening.clear();
    this.#files.clear();
    await Promise.allSettled(opening);
    await Promise.all(this.#closing);
  }

  #openFile(path: string): Promise<OpenFile> {
    if (this.#closed) return Promise.reject(new SeglogError('NOT_READY', 'the log is closed'));
    const pending = this.#opening.get(path);
    if (pending !== undefined) return pending;
    const opening: Promise<OpenFile> = this.#fileSystem
      .open(path, this.#mode)
      .then((file) => {
        this.#open++;
        const entry = new OpenFile(file, (closed) => this.#close(closed));
        if (this.#opening.get(path) === opening) this.#files.set(path, entry);
        else this.#discard(entry);
        return entry;
      })
      .finally(() => {
        if (this.#opening.get(path) === opening) this.#opening.delete(path);
      });
    this.#opening.set(path, opening);
    return opening;
  }

  /** The name was forgotten while the file was being opened: it may be another file by now. */
  #discard(entry: OpenFile): void {
    entry.evicted = true;
    entry.closeIfUnused();
  }

  #close(file: FileHandle): void {
    this.#open--;
    // Whether the bytes are safe is the business of sync; an error of close changes nothing about it.
    const closing: Promise<void> = file
      .close()
      .catch(() => {})
      .finally(() => this.#closing.delete(closing));
    this.#closing.add(closing);
  }
}
