/** A real file system of a few MiB, for tests that fill it. */
import { spawnSync } from 'node:child_process';
import {
  closeSync,
  ftruncateSync,
  mkdtempSync,
  openSync,
  rmdirSync,
  rmSync,
  statfsSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export class Tmpfs {
  readonly path: string;
  readonly #foreign: string;

  private constructor(path: string) {
    this.path = path;
    this.#foreign = join(path, 'foreign');
  }

  /** Undefined where this process may not mount anything. `unmount` it, come what may. `flags` are mount(8)'s. */
  static mount(bytes: number, ...flags: string[]): Tmpfs | undefined {
    const path = mkdtempSync(join(tmpdir(), 'seglog-full-disk-'));
    const options = [`size=${bytes}`, ...flags].join(',');
    const { status } = spawnSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', path]);
    if (status === 0) return new Tmpfs(path);
    rmdirSync(path);
    return undefined;
  }

  unmount(): void {
    // Lazily: a process that still uses it, after a test that failed, must not keep it for ever.
    spawnSync('umount', ['-l', this.path]);
    rmdirSync(this.path);
  }

  get freeBytes(): number {
    const { bavail, bsize } = statfsSync(this.path);
    return bavail * bsize;
  }

  /** Somebody else takes all the space there is but `leave` bytes. */
  fill(leave = 0): void {
    const file = openSync(this.#foreign, 'w');
    const block = Buffer.alloc(4096);
    let written = 0;
    try {
      for (;;) written += writeSync(file, block);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
      ftruncateSync(file, Math.max(0, written - leave));
    } finally {
      closeSync(file);
    }
  }

  /** What was filled is free again. */
  free(): void {
    rmSync(this.#foreign);
  }
}
