/** A worker's file whose tasks do what no task should, and what threads must take all the same; a request says which. */
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { threadId } from 'node:worker_threads';
import type { TaskContext, TaskFunction, TaskRunner } from '../../src/engine/background/task.ts';
import type { TaskTable } from '../../src/engine/background/task-table.ts';
import { answerTasks } from '../../src/engine/background/worker-thread.ts';
import { SeglogError } from '../../src/engine/common/errors.ts';

export interface OddRequest {
  act: keyof typeof ACTS;
  paces?: number;
  bytes?: number;
  path?: string;
  shared?: SharedArrayBuffer;
  buffer?: Uint8Array;
}

const ACTS = {
  'tell its thread': async () => ({ threadId, nice: niceOfThreads() }),
  exit: async () => process.exit(3),
  'run out of memory': async () => {
    const kept: number[][] = [];
    for (;;) kept.push(new Array(100_000).fill(1.5));
  },
  'throw a text': async () => {
    throw 'only a text';
  },
  'throw beside the task': async () => {
    setImmediate(() => {
      throw new Error('beside the task');
    });
    await sleep(60_000);
  },
  'have a bug': async () => (undefined as unknown as { x: number }).x,
  refuse: async () => {
    throw new SeglogError('STORAGE_FULL', 'no room', { partition: 3 });
  },
  'open a file': async ({ fileSystem }: TaskContext, { path }: OddRequest) => {
    await fileSystem.open(path!, 'read');
  },
  'never end': async (_: TaskContext, { shared }: OddRequest) => {
    count(shared!, 1);
    for (;;);
  },
  /** Counts its paces in the shared memory. */
  pace: async (context: TaskContext, { paces = 1, bytes = 1, shared }: OddRequest) => {
    for (let i = 0; i < paces; i++) {
      if (shared) count(shared, i + 1);
      await context.pace(bytes);
    }
    return paces;
  },
  'give buffers': async () => {
    const whole = new Uint8Array(1_000_000).fill(7);
    return { whole, again: [{ whole }], part: new Uint8Array(100).fill(8).subarray(10, 20) };
  },
  'double a buffer': async (_: TaskContext, { buffer }: OddRequest) => buffer!.map((byte) => 2 * byte),
} as const;

function count(shared: SharedArrayBuffer, value: number): void {
  const cell = new Int32Array(shared);
  Atomics.store(cell, 0, value);
  Atomics.notify(cell, 0);
}

/** Nice values of all threads of the process. */
export function niceOfThreads(): number[] {
  return readdirSync('/proc/self/task').map((thread) => {
    const stat = readFileSync(`/proc/self/task/${thread}/stat`, 'latin1');
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[16]);
  });
}

export const ODD_TASKS: TaskTable = {
  map: ((context: TaskContext, request: OddRequest) =>
    ACTS[request.act](context, request)) as unknown as TaskFunction<'map'>,
};

/** Runs one of them. */
export function runOdd<T = unknown>(
  runner: TaskRunner,
  request: OddRequest,
  options?: Parameters<TaskRunner['run']>[2],
): Promise<T> {
  return runner.run('map', request as never, options) as Promise<T>;
}

export const runTask = answerTasks(ODD_TASKS);
