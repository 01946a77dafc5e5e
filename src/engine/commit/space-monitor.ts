/**
 * Whether there is room on the disk. Appends are refused while less than the reserve is free, so that what frees
 * space (retention, compaction, deletes) can always run. They resume by themselves: the disk is asked again.
 */
import type { Clock } from '../common/clock.ts';
import type { FileSystem, SpaceStatus } from '../files/file-system.ts';

/** How long an answer of the disk is believed while space is short. */
const RECHECK_MS = 100;

export class SpaceMonitor {
  #space: SpaceStatus = { freeBytes: 0, totalBytes: 0 };
  #writtenSince = 0;
  #askedAt = Number.NEGATIVE_INFINITY;
  #full = false;
  /** What was refused last: it is not said that there is space again before there is as much. */
  #refusedBytes = 0;
  readonly #fileSystem: FileSystem;
  readonly #clock: Clock;
  readonly #directory: string;
  readonly #reserveBytes: number;

  constructor(fileSystem: FileSystem, clock: Clock, directory: string, reserveBytes: number) {
    this.#fileSystem = fileSystem;
    this.#clock = clock;
    this.#directory = directory;
    this.#reserveBytes = reserveBytes;
  }

  /** True while appends are refused for want of space, or would be. */
  get full(): boolean {
    return this.#full;
  }

  get freeBytes(): number {
    return Math.max(0, this.#space.freeBytes - this.#writtenSince);
  }

  get totalBytes(): number {
    return this.#space.totalBytes;
  }

  /** By the last answer of the disk, without asking it. */
  hasRoom(bytes: number): boolean {
    return !this.#full && this.freeBytes - bytes >= this.#reserveBytes;
  }

  /** As `hasRoom`, and when there is, the bytes count as written. */
  takeRoom(bytes: number): boolean {
    const room = this.hasRoom(bytes);
    if (room) this.noteWritten(bytes);
    return room;
  }

  noteWritten(bytes: number): void {
    this.#writtenSince += bytes;
  }

  /** A write of so many bytes found no space. */
  noteFull(bytes: number): void {
    this.#full = true;
    this.#refusedBytes = bytes;
    this.#askedAt = this.#clock.monotonic();
  }

  /** Asks the disk when the last answer leaves doubt; resolves with whether `bytes` may be written. */
  async admits(bytes: number): Promise<boolean> {
    if (this.hasRoom(bytes)) return true;
    if (this.#clock.monotonic() - this.#askedAt < RECHECK_MS && this.#full) return false;
    try {
      await this.refresh();
    } catch {
      // The disk does not say: the write itself will.
      return !this.#full;
    }
    const admitted = this.freeBytes - bytes >= this.#reserveBytes;
    this.#full = !admitted;
    this.#refusedBytes = bytes;
    return admitted;
  }

  async refresh(): Promise<void> {
    this.#askedAt = this.#clock.monotonic();
    this.#space = await this.#fileSystem.space(this.#directory);
    this.#writtenSince = 0;
    if (this.freeBytes < this.#reserveBytes) this.#full = true;
    else if (this.freeBytes - this.#refusedBytes > this.#reserveBytes) this.#full = false;
  }
}
