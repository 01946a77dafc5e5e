/**
 * Runs tasks in worker threads, over the real file system: at most so many at a time, one kind before all others. There
 * is no thread until the first task; one that has had nothing to do for a while ends, and an idle one keeps no process alive.
 *
 * A thread that dies takes its task with it, and no other: the task is rejected with TASK_FAILED, and the next task gets
 * another thread. Of the heap of a thread no more than below is ever used; beyond it a task has the buffers that it says.
 */
import { extname } from 'node:path';
import { Piscina } from 'piscina';
import type { Clock } from '../common/clock.ts';
import type { TaskReport } from '../common/types.ts';
import { IoRate } from './io-rate.ts';
import type { TaskName, TaskOptions, TaskRunner, Tasks, TaskTypes } from './task.ts';
import { cancelled, TaskControl } from './task-control.ts';
import { reviveError, taskFailed } from './task-error.ts';
import type { WorkerAnswer, WorkerRequest } from './worker-thread.ts';

/** A thread takes 60 ms to start, and some 8 MiB while it lives. */
const IDLE_MS = 30_000;
/** Objects of a thread; it dies when they need more. */
const HEAP_LIMITS = { maxOldGenerationSizeMb: 128, maxYoungGenerationSizeMb: 16, stackSizeMb: 4 };
const PROGRESS_MS = 100;
/** A cancelled task ends at its next pace, or with its next file call; a disk may let it wait for longer. */
const CLOSE_GRACE_MS = 5_000;
/** Sealing 64 KiB takes 3 ms either way, most of it for syncs: nothing that would be worth starting a thread. */
const WORTHWHILE_BYTES = 64 * 1024;

export interface WorkerPoolOptions {
  threads: number;
  /** Over all threads; 0 or fewer: no limit. */
  bytesPerSecond: number;
  clock: Clock;
  ended?(report: TaskReport): void;
  /** The file that a thread runs. Default: worker.ts, with the engine's tasks. */
  script?: string;
  /** The task that goes before all others that wait. */
  first?: string;
}

/** A task on its way. */
interface PoolTask {
  readonly name: string;
  readonly request: unknown;
  readonly control: TaskControl;
  readonly progress: TaskOptions['progress'];
  readonly outcome: PromiseWithResolvers<unknown>;
}

export class WorkerPool<T extends TaskTypes<T> = Tasks> implements TaskRunner<T> {
  readonly worthwhileBytes = WORTHWHILE_BYTES;
  readonly #options: WorkerPoolOptions;
  readonly #rate: IoRate;
  #pool: Piscina | undefined;
  /** What a thread died of that had no task yet. */
  #startFailure: unknown;
  #waiting: PoolTask[] = [];
  readonly #running = new Set<PoolTask>();
  #closed = false;
  #emptied = Promise.withResolvers<void>();

  constructor(options: WorkerPoolOptions) {
    this.#options = options;
    this.#rate = new IoRate(options.bytesPerSecond);
  }

  /** Threads that live now. */
  get threads(): number {
    return this.#pool?.threads.length ?? 0;
  }

  async run<K extends TaskName<T>>(
    name: K,
    request: T[K]['request'],
    { signal, progress }: TaskOptions = {},
  ): Promise<T[K]['result']> {
    if (this.#closed || signal?.aborted) throw cancelled();
    const outcome = Promise.withResolvers<unknown>();
    const task: PoolTask = { name, request, control: new TaskControl(), progress, outcome };
    const cancel = () => this.#cancel(task);
    signal?.addEventListener('abort', cancel, { once: true });
    const at = name === this.#options.first ? this.#firstWaiting() : this.#waiting.length;
    this.#waiting.splice(at, 0, task);
    this.#startNext();
    try {
      return (await outcome.promise) as T[K]['result'];
    } finally {
      signal?.removeEventListener('abort', cancel);
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const task of [...this.#waiting, ...this.#running]) this.#cancel(task);
    if (this.#running.size > 0) {
      const stop = this.#options.clock.after(CLOSE_GRACE_MS, () => this.#emptied.resolve());
      await this.#emptied.promise;
      stop();
    }
    const pool = this.#pool;
    this.#pool = undefined;
    await pool?.destroy();
  }

  /** How many of those wait that go before all others. */
  #firstWaiting(): number {
    const other = this.#waiting.findIndex(({ name }) => name !== this.#options.first);
    return other < 0 ? this.#waiting.length : other;
  }

  #cancel(task: PoolTask): void {
    // One that has begun answers for itself.
    if (!task.control.cancel()) return;
    this.#waiting = this.#waiting.filter((other) => other !== task);
    task.outcome.reject(cancelled());
  }

  #startNext(): void {
    while (this.#waiting.length > 0 && this.#running.size < this.#options.threads) {
      const task = this.#waiting.shift()!;
      this.#running.add(task);
      void this.#execute(task);
    }
    if (this.#closed && this.#running.size === 0) this.#emptied.resolve();
  }

  async #execute(task: PoolTask): Promise<void> {
    const { control, outcome } = task;
    const { clock, ended } = this.#options;
    const stopTelling = this.#tellProgress(task);
    const startedAt = clock.monotonic();
    let result: TaskReport['outcome'] = 'done';
    try {
      outcome.resolve(await this.#ask(task));
    } catch (error) {
      result = control.cancelled ? 'cancelled' : 'failed';
      outcome.reject(control.cancelled ? cancelled() : error);
    }
    stopTelling();
    const { bytes, throttledMs } = control;
    const durationMs = clock.monotonic() - startedAt;
    ended?.({ task: task.name, outcome: result, durationMs, bytes, throttledMs });
    this.#running.delete(task);
    this.#startNext();
  }

  async #ask({ name, request, control }: PoolTask): Promise<unknown> {
    const rate = this.#rate;
    const asked: WorkerRequest = {
      name,
      request,
      control: control.shared,
      rate: rate.shared,
      bytesPerSecond: rate.bytesPerSecond,
    };
    let answer: WorkerAnswer;
    try {
      this.#pool ??= this.#createPool();
      answer = await this.#pool.run(asked);
    } catch (error) {
      const cause = this.#startFailure ?? error;
      this.#startFailure = undefined;
      throw taskFailed(cause);
    }
    if ('cancelled' in answer) throw cancelled();
    if ('error' in answer) throw reviveError(answer.error);
    return answer.result;
  }

  #createPool(): Piscina {
    // From src/ as from dist/.
    const script = this.#options.script ?? `${import.meta.dirname}/worker${extname(import.meta.filename)}`;
    const pool = new Piscina({
      filename: script,
      name: 'runTask',
      minThreads: 0,
      maxThreads: this.#options.threads,
      idleTimeout: IDLE_MS,
      resourceLimits: HEAP_LIMITS,
      recordTiming: false,
      // Flags of the main thread (such as those of node --eval) are not for this script.
      execArgv: [],
    });
    // What that means for tasks is looked at when the thread is gone.
    pool.on('error', (error) => {
      this.#startFailure = error;
    });
    pool.on('workerDestroy', () => setImmediate(() => this.#lookAfter(pool)));
    return pool;
  }

  /** A task that a thread was started for would wait for ever when that thread died before it took the task. */
  #lookAfter(pool: Piscina): void {
    if (pool !== this.#pool || this.#running.size <= pool.threads.length) return;
    this.#pool = undefined;
    void pool.destroy();
  }

  #tellProgress({ control, progress }: PoolTask): () => void {
    if (progress === undefined) return () => {};
    const { clock } = this.#options;
    let told = 0;
    const tell = () => {
      if (control.bytes !== told) progress(control.bytes);
      told = control.bytes;
    };
    let stop = () => {};
    const again = () => {
      stop = clock.after(PROGRESS_MS, () => {
        tell();
        again();
      });
    };
    again();
    return () => {
      stop();
      tell();
    };
  }
}
