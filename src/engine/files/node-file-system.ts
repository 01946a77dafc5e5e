/**
 * The FileSystem of the real disk: node:fs through its callback API, wrapped in promises here.
 *
 * `fs.promises` costs 60–80 µs a call, the callbacks about half of that, and a synchronous write of a few
 * KiB, which only copies to the page cache, 1–13 µs. So small writes are synchronous, and reads as long as
 * they find the page cache (see read-pace.ts); what waits for the disk (syncs, large writes) is not.
 *
 * The lock is a SQLite database that nothing is ever written to: Node has no flock, and SQLite takes POSIX
 * locks, which the kernel drops when the process dies, however it dies, and which hold between containers
 * that share a volume. POSIX locks are also dropped when the process that holds them opens and closes the
 * same file by other means: nobody but `lock` may open the lock file.
 */
import fs from 'node:fs';
import { dirname } from 'node:path';
import { errnoOf, SeglogError } from '../common/errors.ts';
import { dropBytes, writeFully } from './file-operations.ts';
import type {
  DirectoryLock,
  FileHandle,
  FileStatus,
  FileSystem,
  OpenMode,
  SpaceStatus,
} from './file-system.ts';
import { ReadPace } from './read-pace.ts';

/** Writes of at most this many bytes are done synchronously. */
const SYNCHRONOUS_WRITE_BYTES = 64 * 1024;
/** The same where a sync follows: whoever waits for it saves the way through the thread pool. */
const SYNCHRONOUS_WRITE_BEFORE_SYNC_BYTES = 256 * 1024;

const { O_CREAT, O_DIRECTORY, O_EXCL, O_RDONLY, O_RDWR } = fs.constants;
export const OPEN_FLAGS: Readonly<Record<OpenMode, number>> = {
  read: O_RDONLY,
  write: O_RDWR,
  create: O_RDWR | O_CREAT | O_EXCL,
};

type Callback<T> = (error: NodeJS.ErrnoException | null, value: T) => void;

function promised<T = void>(start: (callback: Callback<T>) => void): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    start((error, value) => {
      if (error) reject(error);
      else resolve(value);
    });
  });
}

class NodeFileHandle implements FileHandle {
  readonly path: string;
  readonly #pace = new ReadPace();
  #descriptor: number;

  constructor(path: string, descriptor: number) {
    this.path = path;
    this.#descriptor = descriptor;
  }

  async read(buffer: Uint8Array, offset: number, length: number, position: number): Promise<number> {
    const descriptor = this.#opened();
    if (!this.#pace.atOnce(length))
      return promised<number>((done) => fs.read(descriptor, buffer, offset, length, position, done));
    const startedAt = performance.now();
    const read = fs.readSync(descriptor, buffer, offset, length, position);
    this.#pace.took(performance.now() - startedAt);
    return read;
  }

  async write(buffers: readonly Uint8Array[], position: number): Promise<number> {
    const descriptor = this.#opened();
    let length = 0;
    for (const buffer of buffers) length += buffer.length;
    if (length === 0) return 0;
    // More than IOV_MAX buffers are split by libuv.
    if (length > SYNCHRONOUS_WRITE_BYTES) {
      return promised<number>((done) => fs.writev(descriptor, buffers, position, done));
    }
    return buffers.length === 1
      ? fs.writeSync(descriptor, buffers[0]!, 0, length, position)
      : fs.writevSync(descriptor, buffers, position);
  }

  /** The write is a copy to the page cache: done at once, so that the sync is under way before anything else runs. */
  async writeAndSync(buffers: readonly Uint8Array[], position: number): Promise<void> {
    const descriptor = this.#opened();
    let length = 0;
    for (const buffer of buffers) length += buffer.length;
    const atOnce = length <= SYNCHRONOUS_WRITE_BEFORE_SYNC_BYTES;
    const written = atOnce ? fs.writevSync(descriptor, buffers, position) : 0;
    if (written < length) await writeFully(this, dropBytes(buffers, written), position + written);
    return this.sync();
  }

  async sync(): Promise<void> {
    const descriptor = this.#opened();
    return promised((done) => fs.fdatasync(descriptor, done as fs.NoParamCallback));
  }

  async truncate(size: number): Promise<void> {
    const descriptor = this.#opened();
    return promised((done) => fs.ftruncate(descriptor, size, done as fs.NoParamCallback));
  }

  async size(): Promise<number> {
    const descriptor = this.#opened();
    return (await promised<fs.Stats>((done) => fs.fstat(descriptor, done))).size;
  }

  async close(): Promise<void> {
    const descriptor = this.#opened();
    this.#descriptor = -1;
    return closeDescriptor(descriptor);
  }

  /** The number of a closed descriptor may already belong to another file: it must not be used again. */
  #opened(): number {
    if (this.#descriptor >= 0) return this.#descriptor;
    throw Object.assign(new Error(`${this.path} is closed`), { code: 'EBADF' });
  }
}

const openDescriptor = (path: string, flags: number) =>
  promised<number>((done) => fs.open(path, flags, done));
const closeDescriptor = (descriptor: number) =>
  promised((done) => fs.close(descriptor, done as fs.NoParamCallback));

async function status(path: string): Promise<FileStatus | undefined> {
  try {
    const stats = await promised<fs.Stats>((done) => fs.stat(path, done));
    return { size: stats.size, isDirectory: stats.isDirectory() };
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === 'ENOENT' || errno === 'ENOTDIR') return undefined;
    throw error;
  }
}

async function syncDirectory(path: string): Promise<void> {
  const descriptor = await openDescriptor(path, O_RDONLY | O_DIRECTORY);
  try {
    await promised((done) => fs.fsync(descriptor, done as fs.NoParamCallback));
  } finally {
    await closeDescriptor(descriptor);
  }
}

async function space(path: string): Promise<SpaceStatus> {
  const stats = await promised<fs.StatsFs>((done) => fs.statfs(path, done));
  return { freeBytes: stats.bavail * stats.bsize, totalBytes: stats.blocks * stats.bsize };
}

const SQLITE_BUSY = 5;
const SQLITE_CANTOPEN = 14;

async function lock(path: string): Promise<DirectoryLock> {
  const { DatabaseSync } = await import('node:sqlite');
  const directory = dirname(path);
  let database: InstanceType<typeof DatabaseSync> | undefined;
  try {
    database = new DatabaseSync(path, { timeout: 0 });
    // There is nothing to roll back, and a journal on disk would be a second file in the directory. (node:sqlite opens
    // databases in defensive mode, where OFF is ignored.)
    database.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE');
  } catch (error) {
    database?.close();
    const code = error instanceof Error && 'errcode' in error ? error.errcode : undefined;
    if (code === SQLITE_BUSY) throw directoryLocked(directory);
    // SQLite does not tell a missing directory from a forbidden one; this does.
    if (code === SQLITE_CANTOPEN) fs.accessSync(directory, fs.constants.R_OK | fs.constants.W_OK);
    throw Object.assign(new Error(`cannot lock ${directory} with ${path}`, { cause: error }), {
      code: 'EIO',
    });
  }
  const held = database;
  return { release: async () => held.close() };
}

function directoryLocked(directory: string): SeglogError {
  return new SeglogError(
    'DIRECTORY_LOCKED',
    `the data directory ${directory} is in use by another seglog: stop that one, or name another directory`,
    { directory },
  );
}

export const nodeFileSystem: FileSystem = {
  open: async (path, mode) => new NodeFileHandle(path, await openDescriptor(path, OPEN_FLAGS[mode])),
  makeDirectory: (path) => promised((done) => fs.mkdir(path, done as fs.NoParamCallback)),
  list: (path) => promised<string[]>((done) => fs.readdir(path, done)),
  status,
  rename: (from, to) => promised((done) => fs.rename(from, to, done as fs.NoParamCallback)),
  remove: (path) => promised((done) => fs.unlink(path, done as fs.NoParamCallback)),
  removeDirectory: (path) => promised((done) => fs.rmdir(path, done as fs.NoParamCallback)),
  syncDirectory,
  space,
  lock,
};
