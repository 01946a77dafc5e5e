/**
 * What a task and whoever asked for it tell each other while it runs, in memory that both share: whether it is still
 * wanted, how far it is, and how long it was made to wait. No message is sent for any of it.
 */
import { SeglogError } from '../common/errors.ts';
import type { FileSystem } from '../files/file-system.ts';
import type { TaskContext } from '../rewrite/task-context.ts';
import type { IoRate } from './io-rate.ts';

const STATE = 0;
const BYTES = 1;
const THROTTLED_US = 2;
const CELLS = 3;

/** Values of the state. */
const WAITING = 0n;
const RUNNING = 1n;
const CANCELLED = 2n;

export class TaskControl {
  /** For the other thread. */
  readonly shared: SharedArrayBuffer;
  readonly #cells: BigInt64Array;

  constructor(shared = new SharedArrayBuffer(CELLS * BigInt64Array.BYTES_PER_ELEMENT)) {
    this.shared = shared;
    this.#cells = new BigInt64Array(shared);
  }

  /** The task begins; false when it was cancelled before. */
  begin(): boolean {
    return Atomics.compareExchange(this.#cells, STATE, WAITING, RUNNING) === WAITING;
  }

  /** Nobody wants the result any more. A wait ends at once. True when the task had not begun, and never will. */
  cancel(): boolean {
    const before = Atomics.exchange(this.#cells, STATE, CANCELLED);
    Atomics.notify(this.#cells, STATE);
    return before === WAITING;
  }

  get cancelled(): boolean {
    return Atomics.load(this.#cells, STATE) === CANCELLED;
  }

  throwIfCancelled(): void {
    if (this.cancelled) throw cancelled();
  }

  /** Read and written so far. */
  get bytes(): number {
    return Number(Atomics.load(this.#cells, BYTES));
  }

  get throttledMs(): number {
    return Number(Atomics.load(this.#cells, THROTTLED_US)) / 1000;
  }

  countBytes(bytes: number): void {
    Atomics.add(this.#cells, BYTES, BigInt(bytes));
  }

  countThrottled(us: bigint): void {
    Atomics.add(this.#cells, THROTTLED_US, us);
  }

  /** Keeps the thread from doing anything for so long, or until the task is cancelled. */
  block(us: bigint): void {
    Atomics.wait(this.#cells, STATE, RUNNING, Number(us) / 1000);
  }
}

export function cancelled(): SeglogError {
  return new SeglogError('TASK_CANCELLED', 'the work was given up before it was done; nothing has changed');
}

/** How time passes for a task, in microseconds. */
export interface TaskTime {
  now(): bigint;
  /** Returns after that time, or sooner when the task is cancelled. */
  wait(us: bigint): Promise<void> | void;
}

/** What a task works with: each pace is counted, and takes its turn. */
export function taskContext(
  fileSystem: FileSystem,
  control: TaskControl,
  rate: IoRate,
  time: TaskTime,
): TaskContext {
  return {
    fileSystem,
    async pace(bytes) {
      control.countBytes(bytes);
      control.throwIfCancelled();
      const before = time.now();
      const turn = rate.take(bytes, before);
      if (turn === 0n) return;
      await time.wait(turn);
      control.countThrottled(time.now() - before);
      control.throwIfCancelled();
    },
  };
}
