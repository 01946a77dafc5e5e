/**
 * The FileSystem on a simulated disk: in memory, seeded, and able to fail in every way that a disk, a kernel
 * or a power cut can.
 *
 * A call takes effect when it completes, not when it is made, and a sync covers only what had completed
 * when it was asked for. Every completed call is an operation in `operations`; a crash may be put before
 * any of them, then or afterwards, and gives a new SimFileSystem with what is left. Calls complete in the
 * order in which they were made, one microtask turn later, or, with `delays`, in a seeded disorder.
 */
import type {
  DirectoryLock,
  FileHandle,
  FileStatus,
  FileSystem,
  OpenMode,
  SpaceStatus,
} from '../../src/engine/files/file-system.ts';
import type { CrashVariant } from './sim/crash-image.ts';
import { type Change, Disk, namesOf } from './sim/disk.ts';
import type { FaultRule } from './sim/faults.ts';
import { failure, Kernel, locked, type Operation, type SimOptions } from './sim/kernel.ts';
import { SimFileHandle } from './sim/sim-file-handle.ts';

export interface CrashPlace {
  /** How many operations came before the crash. Default: all so far. */
  readonly at?: number;
  readonly variant: CrashVariant;
  readonly seed?: number;
}

export class SimFileSystem implements FileSystem {
  readonly #kernel: Kernel;

  constructor(options: SimOptions = {}, disk: Disk = new Disk()) {
    this.#kernel = new Kernel(options, disk);
  }

  /** The completed calls, in the order of their effect. */
  get operations(): readonly Operation[] {
    return this.#kernel.operations;
  }

  /** Calls made so far; more than `operations.length` while some have not completed. */
  get calls(): number {
    return this.#kernel.calls;
  }

  get openHandles(): number {
    return this.#kernel.openHandles;
  }

  get usedBytes(): number {
    return this.#kernel.disk.usedBytes;
  }

  /** Whether the disk can get full. */
  get isLimited(): boolean {
    return this.#kernel.isLimited;
  }

  set capacityBytes(bytes: number) {
    this.#kernel.capacityBytes = bytes;
  }

  /** Makes calls fail; returns a function that ends it. */
  failAt(rule: FaultRule): () => void {
    return this.#kernel.faults.add(rule);
  }

  /** What is left after a crash. This file system, and whoever uses it, goes on. */
  crashImage({ at = this.operations.length, variant, seed = 0 }: CrashPlace): SimFileSystem {
    const { options, capacityBytes } = this.#kernel;
    const disk = this.#kernel.diskAfterCrash(at, variant, seed);
    return new SimFileSystem({ ...options, capacityBytes, seed }, disk);
  }

  /** Crashes now: no call of the old process completes any more, and its locks are gone. */
  crash(variant: CrashVariant, seed = 0): SimFileSystem {
    this.abandon();
    return this.crashImage({ variant, seed });
  }

  /** Ends the process that uses this file system, without making an image. */
  abandon(): void {
    this.#kernel.dead = true;
  }

  /** Puts a file on the disk as damage at rest does: at once, durable, and without a call. */
  plant(path: string, data: Uint8Array): void {
    const { disk } = this.#kernel;
    const found = disk.find(path);
    const node = found ?? disk.nextNode;
    if (found === undefined) {
      const at = this.#kernel.place(path);
      this.#kernel.record(path, { kind: 'create', at, node, type: 'file' });
      this.#kernel.record(path, { kind: 'sync', node: at.directory, upTo: disk.sequence, lost: false });
    }
    this.#kernel.record(path, { kind: 'plant', node, data: Uint8Array.from(data) });
  }

  /** A file's bytes as a reader sees them, without a call. */
  contents(path: string): Buffer {
    const file = this.#kernel.disk.file(this.#kernel.find(path))!;
    const bytes = Buffer.alloc(file.current.size);
    file.read(bytes, 0, bytes.length, 0);
    return bytes;
  }

  /** Paths of all files, sorted, without a call. */
  paths(): string[] {
    const visit = (path: string): string[] => {
      const directory = this.#kernel.disk.directory(this.#kernel.find(path));
      return directory ? [...directory.entries.keys()].flatMap((name) => visit(`${path}/${name}`)) : [path];
    };
    return visit('').sort();
  }

  open(path: string, mode: OpenMode): Promise<FileHandle> {
    const kernel = this.#kernel;
    return kernel.operate<FileHandle>(
      { kind: 'open', path },
      {
        perform: () => {
          const limit = kernel.options.maxOpenFiles ?? Number.POSITIVE_INFINITY;
          if (kernel.openHandles >= limit) throw failure('EMFILE', path, 'open');
          const change = mode === 'create' ? this.#create(path, 'file') : undefined;
          const node = change?.node ?? kernel.find(path);
          if (!change && !kernel.disk.file(node)) throw failure('EISDIR', path, 'open');
          return { value: new SimFileHandle(kernel, path, node, mode), change };
        },
      },
    );
  }

  makeDirectory(path: string): Promise<void> {
    return this.#kernel.operate(
      { kind: 'makeDirectory', path },
      { perform: () => ({ value: undefined, change: this.#create(path, 'directory') }) },
    );
  }

  #create(path: string, type: 'file' | 'directory') {
    const at = this.#kernel.place(path);
    if (this.#kernel.disk.find(path) !== undefined) throw failure('EEXIST', path, 'create');
    if (this.#kernel.freeBytes <= 0) throw failure('ENOSPC', path, 'create');
    return { kind: 'create', at, node: this.#kernel.disk.nextNode, type } as const;
  }

  list(path: string): Promise<string[]> {
    return this.#kernel.operate(
      { kind: 'list', path },
      { perform: () => ({ value: [...this.#kernel.directory(path).entries.keys()] }) },
    );
  }

  status(path: string): Promise<FileStatus | undefined> {
    const { disk } = this.#kernel;
    return this.#kernel.operate<FileStatus | undefined>(
      { kind: 'status', path },
      {
        perform: () => {
          const node = disk.find(path);
          if (node === undefined) return { value: undefined };
          const file = disk.file(node);
          return { value: { size: file?.current.size ?? 0, isDirectory: file === undefined } };
        },
      },
    );
  }

  rename(from: string, to: string): Promise<void> {
    const kernel = this.#kernel;
    return kernel.operate(
      { kind: 'rename', path: from, target: to },
      {
        perform: () => {
          const source = kernel.find(from);
          const replaced = kernel.disk.find(to);
          if (source === replaced) return { value: undefined };
          const release = this.#checkReplaceable(from, to, source, replaced);
          const change: Change = { kind: 'rename', from: kernel.place(from), to: kernel.place(to), release };
          return { value: undefined, change };
        },
      },
    );
  }

  /** Returns whether the space of what is replaced becomes free at once. */
  #checkReplaceable(from: string, to: string, source: number, replaced: number | undefined): boolean {
    const { disk } = this.#kernel;
    const isDirectory = disk.directory(source) !== undefined;
    if (
      isDirectory &&
      namesOf(to)
        .join('/')
        .startsWith(`${namesOf(from).join('/')}/`)
    ) {
      throw failure('EINVAL', to, 'rename');
    }
    if (replaced === undefined) return false;
    const directory = disk.directory(replaced);
    if (directory && !isDirectory) throw failure('EISDIR', to, 'rename');
    if (!directory && isDirectory) throw failure('ENOTDIR', to, 'rename');
    if (directory && directory.entries.size > 0) throw failure('ENOTEMPTY', to, 'rename');
    return !this.#kernel.isOpen(replaced);
  }

  remove(path: string): Promise<void> {
    const kernel = this.#kernel;
    return kernel.operate(
      { kind: 'remove', path },
      {
        perform: () => {
          const node = kernel.find(path);
          if (kernel.disk.directory(node)) throw failure('EISDIR', path, 'remove');
          const change: Change = { kind: 'remove', at: kernel.place(path), release: !kernel.isOpen(node) };
          return { value: undefined, change };
        },
      },
    );
  }

  removeDirectory(path: string): Promise<void> {
    const kernel = this.#kernel;
    return kernel.operate(
      { kind: 'removeDirectory', path },
      {
        perform: () => {
          if (kernel.directory(path).entries.size > 0) throw failure('ENOTEMPTY', path, 'removeDirectory');
          return { value: undefined, change: { kind: 'remove', at: kernel.place(path), release: false } };
        },
      },
    );
  }

  syncDirectory(path: string): Promise<void> {
    const kernel = this.#kernel;
    const upTo = kernel.disk.sequence;
    const sync = (lost: boolean): Change => {
      kernel.directory(path);
      return { kind: 'sync', node: kernel.find(path), upTo, lost };
    };
    return kernel.operate(
      { kind: 'syncDirectory', path },
      {
        perform: () => ({ value: undefined, change: sync(false) }),
        // Without a descriptor the directory was not even opened: nothing is lost, the next sync takes it along.
        failed: (error) => (error === 'EMFILE' ? undefined : sync(true)),
      },
    );
  }

  space(path: string): Promise<SpaceStatus> {
    const kernel = this.#kernel;
    return kernel.operate(
      { kind: 'space', path },
      {
        perform: () => {
          kernel.find(path);
          return { value: { freeBytes: kernel.freeBytes, totalBytes: kernel.capacityBytes } };
        },
      },
    );
  }

  lock(path: string): Promise<DirectoryLock> {
    const { locks, disk } = this.#kernel;
    const name = namesOf(path).join('/');
    const release = () =>
      this.#kernel.operate({ kind: 'unlock', path }, { perform: () => ({ value: void locks.delete(name) }) });
    return this.#kernel.operate<DirectoryLock>(
      { kind: 'lock', path },
      {
        perform: () => {
          const change = disk.find(path) === undefined ? this.#create(path, 'file') : undefined;
          if (locks.has(name)) throw locked(path);
          locks.add(name);
          return { value: { release }, change };
        },
      },
    );
  }
}
