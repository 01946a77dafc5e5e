/**
 * Where repair keeps what it takes away: `<data>/repair/<time>/`, made when the first thing is kept. What is kept is
 * durable before anything is taken away, and nothing ever removes it.
 */
import { join, relative } from 'node:path';
import type { DescriptorCache } from '../files/descriptor-cache.ts';
import { makeDirectoryIfMissing, readFully, removeIfExists, writeFully } from '../files/file-operations.ts';
import type { FileSystem } from '../files/file-system.ts';
import { repairDirectory } from '../files/log-file-names.ts';

const COPY_BYTES = 1024 * 1024;

export class RepairStore {
  readonly #fileSystem: FileSystem;
  readonly #files: DescriptorCache;
  readonly #data: string;
  readonly #directory: string;
  #made = false;

  constructor(fileSystem: FileSystem, files: DescriptorCache, data: string, repairedAt: string) {
    this.#fileSystem = fileSystem;
    this.#files = files;
    this.#data = data;
    this.#directory = join(repairDirectory(data), repairedAt.replaceAll(':', '-'));
  }

  /** Relative to the data directory; null when nothing was kept. */
  get keptIn(): string | null {
    return this.#made ? relative(this.#data, this.#directory) : null;
  }

  /** Copies a range of a file; resolves with where it is kept, relative to the data directory. */
  async keepBytes(path: string, start: number, end: number, name: string): Promise<string> {
    const kept = await this.#place(name);
    const lease = await this.#files.lease(path);
    try {
      await removeIfExists(this.#fileSystem, kept);
      const copy = await this.#fileSystem.open(kept, 'create');
      try {
        for (let position = start; position < end; position += COPY_BYTES) {
          const piece = await readFully(lease.file, Math.min(COPY_BYTES, end - position), position);
          await writeFully(copy, [piece], position - start);
        }
        await copy.sync();
      } finally {
        await copy.close();
      }
    } finally {
      lease.release();
    }
    await this.#fileSystem.syncDirectory(this.#directory);
    return relative(this.#data, kept);
  }

  /** Makes sure that a file can be moved away; resolves with where to, relative to the data directory. */
  async reserve(name: string): Promise<string> {
    return relative(this.#data, await this.#place(name));
  }

  /** Moves a whole file away. */
  async move(path: string, directory: string, kept: string): Promise<void> {
    await this.#fileSystem.rename(path, join(this.#data, kept));
    // After a crash the same file may be in both places: then renaming does nothing.
    await removeIfExists(this.#fileSystem, path);
    this.#files.forget(path);
    await this.#fileSystem.syncDirectory(this.#directory);
    await this.#fileSystem.syncDirectory(directory);
  }

  async #place(name: string): Promise<string> {
    if (!this.#made) {
      const parent = repairDirectory(this.#data);
      if (await makeDirectoryIfMissing(this.#fileSystem, parent))
        await this.#fileSystem.syncDirectory(this.#data);
      await makeDirectoryIfMissing(this.#fileSystem, this.#directory);
      await this.#fileSystem.syncDirectory(parent);
      this.#made = true;
    }
    return join(this.#directory, name);
  }
}
