/**
 * The file system as the engine sees it: every file call of the engine goes through these two
 * interfaces and no other way, so that a test can put a simulated disk in its place.
 *
 * What the engine takes for granted of an implementation is POSIX:
 * - `write` is in the OS when it resolves, and durable after a later `sync` of the same file has
 *   resolved; a `sync` that rejects leaves unknown which bytes are durable, and is never repeated;
 * - create, rename and remove become durable with `syncDirectory` of the directory they are in;
 * - rename replaces its target atomically;
 * - a removed file stays readable through handles that are open.
 * Errors carry Node's `code` (`ENOENT`, `ENOSPC`, `EIO`, `EMFILE`, …).
 */
export interface ReadableFile {
  readonly path: string;
  /** Reads up to `length` bytes at `position` to `buffer[offset…]`; none only at the end of the file. */
  read(buffer: Uint8Array, offset: number, length: number, position: number): Promise<number>;
}

export interface FileHandle extends ReadableFile {
  /** Writes buffers one after the other at `position`; resolves with the bytes written, which may be fewer. */
  write(buffers: readonly Uint8Array[], position: number): Promise<number>;
  /**
   * As `write`, again after short writes until all is written, and then `sync`. An implementation offers it when it can
   * start the sync in the same turn of the event loop: see `writeAndSync` in file-operations.ts.
   */
  writeAndSync?(buffers: readonly Uint8Array[], position: number): Promise<void>;
  /** fdatasync: the file's bytes and its size are durable when it resolves. */
  sync(): Promise<void>;
  /** Sets the file's size; a longer file is filled with zeros. */
  truncate(size: number): Promise<void>;
  /** The file's size in bytes. */
  size(): Promise<number>;
  close(): Promise<void>;
}

/** `read` and `write` (for reading and writing) open what exists; `create` makes a new file or fails with EEXIST. */
export type OpenMode = 'read' | 'write' | 'create';

export interface FileStatus {
  readonly size: number;
  readonly isDirectory: boolean;
}

export interface SpaceStatus {
  /** Bytes an unprivileged process may still write. */
  readonly freeBytes: number;
  readonly totalBytes: number;
}

export interface DirectoryLock {
  release(): Promise<void>;
}

export interface FileSystem {
  open(path: string, mode: OpenMode): Promise<FileHandle>;
  /** Makes one directory; its parent exists. Rejects with EEXIST when there is something of that name. */
  makeDirectory(path: string): Promise<void>;
  /** Names in a directory, in no order. */
  list(path: string): Promise<string[]>;
  /** Undefined when there is nothing of that name. */
  status(path: string): Promise<FileStatus | undefined>;
  rename(from: string, to: string): Promise<void>;
  /** Removes one file. */
  remove(path: string): Promise<void>;
  /** Removes one empty directory. */
  removeDirectory(path: string): Promise<void>;
  /** fsync of a directory: creates, renames and removes in it are durable when it resolves. */
  syncDirectory(path: string): Promise<void>;
  space(path: string): Promise<SpaceStatus>;
  /** Takes the exclusive lock named `path`, held until released or until this process dies, however it dies.
   *  Rejects with DIRECTORY_LOCKED when somebody, in this process or another, holds it. */
  lock(path: string): Promise<DirectoryLock>;
}
