/** What the engine does with files again and again, said once, on top of the FileSystem seam. */
import { dirname } from 'node:path';
import { errnoOf, SeglogError } from '../common/errors.ts';
import type { FileHandle, FileSystem, ReadableFile } from './file-system.ts';

/** Writes all of `buffers` at `position`, going on after short writes. */
export async function writeFully(
  file: FileHandle,
  buffers: readonly Uint8Array[],
  position: number,
): Promise<void> {
  let rest = buffers;
  let at = position;
  for (;;) {
    let left = 0;
    for (const buffer of rest) left += buffer.length;
    if (left === 0) return;
    const written = await file.write(rest, at);
    if (written === left) return;
    if (written <= 0)
      throw Object.assign(new Error(`write to ${file.path} made no progress`), { code: 'EIO' });
    at += written;
    rest = dropBytes(rest, written);
  }
}

/** Writes all of `buffers` at `position` and syncs the file. */
export async function writeAndSync(
  file: FileHandle,
  buffers: readonly Uint8Array[],
  position: number,
): Promise<void> {
  if (file.writeAndSync !== undefined) return file.writeAndSync(buffers, position);
  await writeFully(file, buffers, position);
  return file.sync();
}

/** What is left of `buffers` behind their first `count` bytes. */
export function dropBytes(buffers: readonly Uint8Array[], count: number): Uint8Array[] {
  const rest: Uint8Array[] = [];
  let drop = count;
  for (const buffer of buffers) {
    if (drop >= buffer.length) {
      drop -= buffer.length;
    } else {
      rest.push(drop === 0 ? buffer : buffer.subarray(drop));
      drop = 0;
    }
  }
  return rest;
}

/** Reads `length` bytes at `position`, or fewer when the file ends before. */
export async function readFully(file: ReadableFile, length: number, position: number): Promise<Buffer> {
  const buffer = Buffer.allocUnsafe(length);
  const count = await readInto(file, buffer, position);
  return count === length ? buffer : buffer.subarray(0, count);
}

/** Fills `buffer` from `position`; resolves with the bytes read, fewer than its length only at the end of the file. */
export async function readInto(file: ReadableFile, buffer: Uint8Array, position: number): Promise<number> {
  let count = 0;
  while (count < buffer.length) {
    const read = await file.read(buffer, count, buffer.length - count, position + count);
    if (read === 0) break;
    count += read;
  }
  return count;
}

/** A whole small file (metadata, a sidecar), or undefined when there is none. */
export async function readWholeFile(fileSystem: FileSystem, path: string): Promise<Buffer | undefined> {
  let file: FileHandle;
  try {
    file = await fileSystem.open(path, 'read');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
  try {
    return await readFully(file, await file.size(), 0);
  } finally {
    await file.close();
  }
}

/**
 * Cuts off what a failed write left behind `position`; false when that fails. The cut is durable: whole parts of what was
 * refused may have been written, and a power cut must not bring them back.
 */
export async function cutBack(file: FileHandle, position: number): Promise<boolean> {
  try {
    if ((await file.size()) > position) {
      await file.truncate(position);
      await file.sync();
    }
    return true;
  } catch {
    return false;
  }
}

/** Creates `path` with the given bytes and syncs it. Replaces a leftover of an earlier try.
 *  The directory entry is not yet durable: sync the directory. */
export async function createSynced(
  fileSystem: FileSystem,
  path: string,
  buffers: readonly Uint8Array[],
): Promise<void> {
  await removeIfExists(fileSystem, path);
  const file = await fileSystem.open(path, 'create');
  try {
    await writeFully(file, buffers, 0);
    await file.sync();
  } finally {
    await file.close();
  }
}

export interface FileContent {
  path: string;
  buffers: readonly Uint8Array[];
}

/** Replaces `path` as one step: after a crash there is the old content or the new, never a mixture.
 *  Durable when it resolves. */
export function replaceFile(
  fileSystem: FileSystem,
  path: string,
  buffers: readonly Uint8Array[],
): Promise<void> {
  return replaceFiles(fileSystem, [{ path, buffers }]);
}

/** Replaces files of one directory, each as one step and in this order; durable when it resolves. */
export async function replaceFiles(fileSystem: FileSystem, contents: readonly FileContent[]): Promise<void> {
  await putFiles(fileSystem, contents);
  await fileSystem.syncDirectory(dirname(contents[0]!.path));
}

/**
 * As `replaceFiles`, but for good only once the directory is synced. None of them is replaced before all are written: where
 * there is no space for one, all are as they were. `replaced` is awaited after each.
 */
export async function putFiles(
  fileSystem: FileSystem,
  contents: readonly FileContent[],
  replaced?: (path: string) => Promise<void>,
): Promise<void> {
  const files = contents.map(({ path, buffers }) => ({ path, temporary: `${path}~`, buffers }));
  try {
    for (const { temporary, buffers } of files) await createSynced(fileSystem, temporary, buffers);
    for (const { temporary, path } of files) {
      await fileSystem.rename(temporary, path);
      await replaced?.(path);
    }
  } catch (error) {
    for (const { temporary } of files) await removeIfExists(fileSystem, temporary).catch(() => {});
    throw error;
  }
}

/** Removes a file; resolves with false when there was none. */
export async function removeIfExists(fileSystem: FileSystem, path: string): Promise<boolean> {
  try {
    await fileSystem.remove(path);
    return true;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return false;
    throw error;
  }
}

/** Makes a directory unless it exists; resolves with whether it was made. */
export async function makeDirectoryIfMissing(fileSystem: FileSystem, path: string): Promise<boolean> {
  try {
    await fileSystem.makeDirectory(path);
    return true;
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST') throw error;
    const status = await fileSystem.status(path);
    if (!status?.isDirectory) throw error;
    return false;
  }
}

/** Removes a directory and all in it. */
export async function removeTree(fileSystem: FileSystem, path: string): Promise<void> {
  for (const name of await fileSystem.list(path)) {
    const child = `${path}/${name}`;
    const status = await fileSystem.status(child);
    if (status?.isDirectory) await removeTree(fileSystem, child);
    else if (status) await fileSystem.remove(child);
  }
  await fileSystem.removeDirectory(path);
}

/** True for the errors of a file system, or of a quota on it, that has no space left. */
export function isOutOfSpace(error: unknown): boolean {
  const errno = errnoOf(error);
  return errno === 'ENOSPC' || errno === 'EDQUOT';
}

/** What to say of that. */
export const OUT_OF_DESCRIPTORS =
  'no file descriptors left: raise the limit (ulimit -n) or lower max.open.files';

/** True for the errors of a process, or of a system, that has no file descriptors left. */
export function isOutOfDescriptors(error: unknown): boolean {
  const errno = errnoOf(error);
  return errno === 'EMFILE' || errno === 'ENFILE';
}

/** Runs `work`; where it finds no space, the error is STORAGE_FULL and says `message`. */
export async function orStorageFull<T>(message: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (isOutOfSpace(error)) throw new SeglogError('STORAGE_FULL', message, {}, { cause: error });
    throw error;
  }
}
