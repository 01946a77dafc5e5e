/**
 * A partition's directory as it will be once the swaps are finished that a process left pending in it, for whoever only
 * reads: the new segment stands under the name that it is going to have, and nothing is left of those in its place.
 */
import { basename, dirname } from 'node:path';
import type { DirectoryLock, FileHandle, FileStatus, FileSystem, OpenMode } from '../files/file-system.ts';
import { parseSwapName, type SegmentSwap, segmentPath, swapPath } from '../files/log-file-names.ts';
import { isReplaced, pendingSwaps } from './segment-swap.ts';

/** The file system itself where no swap is pending. What was seen may be finished meanwhile: a file is missing then. */
export async function withSwapsFinished(fileSystem: FileSystem, directory: string): Promise<FileSystem> {
  const isThere = (await fileSystem.status(directory)) !== undefined;
  const swaps = isThere ? pendingSwaps(await fileSystem.list(directory)) : [];
  return swaps.length === 0 ? fileSystem : new SwapView(fileSystem, directory, swaps);
}

class SwapView implements FileSystem {
  readonly #fileSystem: FileSystem;
  readonly #directory: string;
  readonly #swaps: readonly SegmentSwap[];

  constructor(fileSystem: FileSystem, directory: string, swaps: readonly SegmentSwap[]) {
    this.#fileSystem = fileSystem;
    this.#directory = directory;
    this.#swaps = swaps;
  }

  async open(path: string, mode: OpenMode): Promise<FileHandle> {
    if (mode !== 'read') return readOnly(path);
    const found = this.#find(path);
    if (found !== undefined) return this.#fileSystem.open(found, mode);
    throw Object.assign(new Error(`ENOENT: no such file, open '${path}'`), { code: 'ENOENT' });
  }

  async list(path: string): Promise<string[]> {
    const names = await this.#fileSystem.list(path);
    if (path !== this.#directory) return names;
    const left = names.filter((name) => !this.#isHidden(name));
    return [...left, ...this.#swaps.map(({ baseOffset }) => basename(segmentPath(path, baseOffset)))];
  }

  async status(path: string): Promise<FileStatus | undefined> {
    const found = this.#find(path);
    return found === undefined ? undefined : this.#fileSystem.status(found);
  }

  space: FileSystem['space'] = (path) => this.#fileSystem.space(path);
  rename: FileSystem['rename'] = readOnly;
  remove: FileSystem['remove'] = readOnly;
  makeDirectory: FileSystem['makeDirectory'] = readOnly;
  removeDirectory: FileSystem['removeDirectory'] = readOnly;
  syncDirectory: FileSystem['syncDirectory'] = readOnly;
  lock: (path: string) => Promise<DirectoryLock> = readOnly;

  /** Where a file is; undefined when there will be none of that name. */
  #find(path: string): string | undefined {
    if (dirname(path) !== this.#directory) return path;
    const swap = this.#swaps.find(({ baseOffset }) => path === segmentPath(this.#directory, baseOffset));
    if (swap !== undefined) return swapPath(this.#directory, swap);
    return this.#isHidden(basename(path)) ? undefined : path;
  }

  #isHidden(name: string): boolean {
    return parseSwapName(name) !== undefined || this.#swaps.some((swap) => isReplaced(name, swap));
  }
}

async function readOnly(path: string): Promise<never> {
  throw new Error(`${path} is only looked at`);
}
