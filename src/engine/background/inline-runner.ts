/**
 * Runs tasks on the thread that asks for them, one after the other, over any file system and by any clock: on a simulated
 * disk a run is the same each time. To whoever asks it is a thread: requests and results are copied, errors arrive as from
 * a worker, and a cancelled task ends at its next pace.
 */
import type { Clock } from '../common/clock.ts';
import { Mutex } from '../common/mutex.ts';
import type { TaskReport } from '../common/types.ts';
import type { FileSystem } from '../files/file-system.ts';
import { IoRate } from './io-rate.ts';
import type { TaskName, TaskOptions, TaskRunner, Tasks, TaskTypes } from './task.ts';
import { cancelled, TaskControl, type TaskTime, taskContext } from './task-control.ts';
import { describeError, reviveError } from './task-error.ts';
import { TASKS, type TaskTable, taskOf } from './task-table.ts';

/** What timers take at a time. */
const LONGEST_WAIT_US = 3_600_000_000n;

export interface InlineRunnerOptions<T extends TaskTypes<T> = Tasks> {
  fileSystem: FileSystem;
  clock: Clock;
  /** 0 or fewer: no limit. */
  bytesPerSecond: number;
  ended?(report: TaskReport): void;
  /** Default: the engine's. */
  tasks?: TaskTable<T>;
}

interface InlineTask {
  readonly control: TaskControl;
  /** Ends a wait. */
  wake(): void;
}

export class InlineTaskRunner<T extends TaskTypes<T> = Tasks> implements TaskRunner<T> {
  /** Nothing is to be saved, and every size goes the same way. */
  readonly worthwhileBytes = 0;
  readonly #options: InlineRunnerOptions<T>;
  readonly #rate: IoRate;
  readonly #turns = new Mutex();
  /** Cancel what runs or waits. */
  readonly #cancels = new Set<() => void>();
  #closed = false;

  constructor(options: InlineRunnerOptions<T>) {
    this.#options = options;
    this.#rate = new IoRate(options.bytesPerSecond);
  }

  async run<K extends TaskName<T>>(
    name: K,
    request: T[K]['request'],
    options: TaskOptions = {},
  ): Promise<T[K]['result']> {
    const { signal } = options;
    if (this.#closed || signal?.aborted) throw cancelled();
    const task: InlineTask = { control: new TaskControl(), wake: () => {} };
    const { promise: dropped, reject: drop } = Promise.withResolvers<never>();
    const cancel = () => {
      if (task.control.cancel()) drop(cancelled());
      task.wake();
    };
    this.#cancels.add(cancel);
    signal?.addEventListener('abort', cancel, { once: true });
    try {
      const copy = structuredClone(request);
      return await Promise.race([dropped, this.#turns.run(() => this.#run(task, name, copy, options))]);
    } finally {
      signal?.removeEventListener('abort', cancel);
      this.#cancels.delete(cancel);
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const cancel of this.#cancels) cancel();
    await this.#turns.run(async () => {});
  }

  async #run<K extends TaskName<T>>(
    task: InlineTask,
    name: K,
    request: T[K]['request'],
    { progress }: TaskOptions,
  ): Promise<T[K]['result']> {
    const { control } = task;
    if (!control.begin()) throw cancelled();
    const { clock, fileSystem, tasks = TASKS, ended } = this.#options;
    const context = taskContext(fileSystem, control, this.#rate, timeOf(clock, task));
    const startedAt = clock.monotonic();
    let outcome: TaskReport['outcome'] = 'done';
    try {
      const result = await taskOf(tasks, name)(
        {
          fileSystem,
          pace: async (bytes) => {
            await context.pace(bytes);
            progress?.(control.bytes);
          },
        },
        request,
      );
      return structuredClone(result) as T[K]['result'];
    } catch (error) {
      outcome = control.cancelled ? 'cancelled' : 'failed';
      throw control.cancelled ? cancelled() : reviveError(describeError(error));
    } finally {
      const { bytes, throttledMs } = control;
      ended?.({ task: name, outcome, durationMs: clock.monotonic() - startedAt, bytes, throttledMs });
    }
  }
}

function timeOf(clock: Clock, task: InlineTask): TaskTime {
  const now = () => BigInt(Math.round(clock.monotonic() * 1000));
  return {
    now,
    async wait(us) {
      const end = now() + us;
      for (let left = us; left > 0n && !task.control.cancelled; left = end - now()) {
        const { promise, resolve } = Promise.withResolvers<void>();
        const stop = clock.after(Number(left < LONGEST_WAIT_US ? left : LONGEST_WAIT_US) / 1000, resolve);
        task.wake = resolve;
        await promise;
        stop();
      }
    },
  };
}
