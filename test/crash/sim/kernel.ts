/**
 * What stands between the simulated file system's calls and its disk: it decides when a call completes and
 * whether it fails, keeps the trace of completed operations, and can tell the disk as it was at any of them.
 */
import { SeglogError } from '../../../src/engine/common/errors.ts';
import { type CrashVariant, crashDisk } from './crash-image.ts';
import { type Change, type Disk, namesOf, type Place } from './disk.ts';
import type { DiskDirectory } from './disk-directory.ts';
import { type Call, Faults, type OperationKind, shortLength } from './faults.ts';
import { Random } from './random.ts';

export interface SimOptions {
  readonly seed?: number;
  /** Each call completes after 1 to this many microtask turns. Default 1: in the order of the calls. */
  readonly delays?: number;
  /** A sync takes so many turns more, as it does on a disk: others work meanwhile. Default 0. */
  readonly syncTurns?: number;
  /** Bytes that fit on the disk, counted in pieces of 512. Default: no limit. */
  readonly capacityBytes?: number;
  /** More handles than this fail with EMFILE. Default: no limit. */
  readonly maxOpenFiles?: number;
  /** Whoever makes more calls runs in a circle, and is stopped by not being answered. Default: 30,000. */
  readonly maxCalls?: number;
}

/** A completed call. */
export interface Operation extends Call {
  /** Its number among the calls as they were made; faults count by it. */
  readonly call: number;
  /** What it changed on the disk; undefined when it only looked, or failed. */
  change?: Change;
  /** The errno or code that it failed with. */
  error?: string;
}

export interface Outcome<T> {
  readonly value: T;
  readonly change?: Change;
}

/** How a call is carried out. */
export interface Action<T> {
  /** Checks and answers; throws errno errors. A write may be asked to store fewer bytes than it has. */
  perform(limit: number): Outcome<T>;
  /** What happens to the disk although the call fails with an injected error. */
  failed?(error: string, random: Random): Change | undefined;
}

/** A million million bytes: what a disk without a limit says it has. */
const NO_LIMIT_BYTES = 2 ** 40;

/** Short runs need no more. */
const MAX_CALLS = 30_000;

export class Kernel {
  readonly operations: Operation[] = [];
  readonly faults = new Faults();
  readonly locks = new Set<string>();
  readonly disk: Disk;
  readonly options: SimOptions;
  capacityBytes: number;
  calls = 0;
  /** The process that made the calls is gone: none of them completes any more. */
  dead = false;
  readonly #delays: Random;
  readonly #damage: Random;
  /** Open handles of each node. */
  readonly #handles = new Map<number, number>();
  readonly #first: Disk;
  #replayed: { readonly disk: Disk; operations: number };

  constructor(options: SimOptions, disk: Disk) {
    this.options = options;
    this.disk = disk;
    this.capacityBytes = options.capacityBytes ?? NO_LIMIT_BYTES;
    this.#delays = new Random(options.seed ?? 0, 'delays');
    this.#damage = new Random(options.seed ?? 0, 'damage');
    this.#first = disk.clone();
    this.#replayed = { disk: this.#first.clone(), operations: 0 };
  }

  async operate<T>(call: Call, action: Action<T>): Promise<T> {
    if (this.dead || this.calls >= (this.options.maxCalls ?? MAX_CALLS)) return never();
    const number = this.calls++;
    const fault = this.faults.match(number, call);
    for (let turns = this.#turns(call.kind); turns > 0; turns--) await null;
    if (this.dead) return never();
    const operation: Operation = { ...call, call: number };
    this.operations.push(operation);
    try {
      if (fault && 'error' in fault) {
        this.#apply(operation, action.failed?.(fault.error, this.#damage));
        throw failure(fault.error, call.path, call.kind);
      }
      const limit = fault ? shortLength(call.bytes!, this.#damage) : Number.POSITIVE_INFINITY;
      const { value, change } = action.perform(limit);
      this.#apply(operation, change);
      return value;
    } catch (error) {
      operation.error = (error as { code?: string }).code ?? 'bug';
      throw error;
    }
  }

  #turns(kind: OperationKind): number {
    const { delays = 1, syncTurns = 0 } = this.options;
    const turns = delays > 1 ? 1 + this.#delays.below(delays) : 1;
    return kind === 'sync' || kind === 'syncDirectory' ? turns + syncTurns : turns;
  }

  /** A change that nobody called for. */
  record(path: string, change: Change): void {
    const operation: Operation = { kind: 'plant', path, call: -1 };
    this.operations.push(operation);
    this.#apply(operation, change);
  }

  #apply(operation: Operation, change: Change | undefined): void {
    if (change === undefined) return;
    operation.change = change;
    this.disk.apply(change);
  }

  /** The disk after a crash that came after the first `at` operations. */
  diskAfterCrash(at: number, variant: CrashVariant, seed: number): Disk {
    if (at > this.operations.length) {
      throw new RangeError(`no crash after ${at} operations: this run had ${this.operations.length}`);
    }
    if (at === this.operations.length) return crashDisk(this.disk, variant, seed);
    if (this.#replayed.operations > at) this.#replayed = { disk: this.#first.clone(), operations: 0 };
    const { disk } = this.#replayed;
    while (this.#replayed.operations < at) {
      const { change } = this.operations[this.#replayed.operations++]!;
      if (change) disk.apply(change);
    }
    return crashDisk(disk, variant, seed);
  }

  get openHandles(): number {
    let count = 0;
    for (const handles of this.#handles.values()) count += handles;
    return count;
  }

  isOpen(node: number): boolean {
    return this.#handles.has(node);
  }

  opened(node: number): void {
    this.#handles.set(node, (this.#handles.get(node) ?? 0) + 1);
  }

  /** Takes one handle away; the change is due when it was the last one of a removed file. */
  closed(node: number): Change | undefined {
    const handles = this.#handles.get(node)! - 1;
    if (handles > 0) this.#handles.set(node, handles);
    else this.#handles.delete(node);
    return handles === 0 && !this.disk.isLinked(node) ? { kind: 'release', node } : undefined;
  }

  get isLimited(): boolean {
    return this.capacityBytes < NO_LIMIT_BYTES;
  }

  get freeBytes(): number {
    return Math.max(0, this.capacityBytes - this.disk.usedBytes);
  }

  find(path: string): number {
    const node = this.disk.find(path);
    if (node === undefined) throw failure(this.#isBelowFile(path) ? 'ENOTDIR' : 'ENOENT', path);
    return node;
  }

  directory(path: string): DiskDirectory {
    const directory = this.disk.directory(this.find(path));
    if (directory === undefined) throw failure('ENOTDIR', path);
    return directory;
  }

  /** Where a name is or would be; its directory exists. */
  place(path: string): Place {
    const names = namesOf(path);
    const parent = names.slice(0, -1).join('/');
    this.directory(parent);
    return { directory: this.find(parent), name: names.at(-1)! };
  }

  #isBelowFile(path: string): boolean {
    const names = namesOf(path);
    return names.some((_, depth) => {
      const node = this.disk.find(names.slice(0, depth).join('/'));
      return node !== undefined && this.disk.file(node) !== undefined;
    });
  }
}

export function failure(code: string, path: string, kind = 'call'): Error {
  return Object.assign(new Error(`${code}: simulated ${kind} of ${path}`), { code });
}

export const locked = (path: string): SeglogError =>
  new SeglogError('DIRECTORY_LOCKED', `${path} is locked by somebody else in the simulation`);

const never = () => new Promise<never>(() => {});
