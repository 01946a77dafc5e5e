/**
 * The side of the tasks that runs in a worker thread. The thread works with a lower priority than the one that serves and
 * appends, and waits without doing anything else: it has one task at a time.
 */
import { constants, setPriority } from 'node:os';
import { isMainThread } from 'node:worker_threads';
import { move, transferableSymbol, valueSymbol } from 'piscina';
import { blockingFileSystem } from '../files/blocking-file-system.ts';
import { IoRate } from './io-rate.ts';
import { TaskControl, taskContext } from './task-control.ts';
import { describeError, type ThrownError } from './task-error.ts';
import { taskOf } from './task-table.ts';

/** What a worker is asked. */
export interface WorkerRequest {
  name: string;
  request: unknown;
  /** Of a TaskControl. */
  control: SharedArrayBuffer;
  /** Of an IoRate. */
  rate: SharedArrayBuffer;
  bytesPerSecond: number;
}

export type WorkerAnswer = { result: unknown } | { error: ThrownError } | { cancelled: true };

/** Answers requests with the functions of a table (TaskTable). Never rejects. */
export function answerTasks(table: object): (request: WorkerRequest) => Promise<WorkerAnswer> {
  let first = true;
  return async (asked) => {
    if (first) lowerPriority();
    first = false;
    const control = new TaskControl(asked.control);
    if (!control.begin()) return { cancelled: true };
    const rate = new IoRate(asked.bytesPerSecond, asked.rate);
    const context = taskContext(blockingFileSystem, control, rate, {
      now: microseconds,
      wait: (us) => control.block(us),
    });
    try {
      const result = await taskOf(table, asked.name)(context, asked.request);
      return transferring({ result });
    } catch (error) {
      return control.cancelled ? { cancelled: true } : { error: describeError(error) };
    }
  };
}

/** The same in all threads. */
export const microseconds = (): bigint => process.hrtime.bigint() / 1000n;

/** On Linux a priority is a thread's; elsewhere it would be the whole process's. */
function lowerPriority(): void {
  if (isMainThread || process.platform !== 'linux') return;
  try {
    setPriority(constants.priority.PRIORITY_BELOW_NORMAL);
  } catch {
    // It is not allowed here: the work competes as an equal.
  }
}

/** An answer whose buffers are handed over rather than copied. */
function transferring<T extends object>(answer: T): T {
  const buffers = new Set<ArrayBuffer>();
  collectBuffers(answer, buffers);
  return move({ [transferableSymbol]: [...buffers], [valueSymbol]: answer } as never) as unknown as T;
}

/** A view of a part of its memory may share it with others: it is copied. */
function collectBuffers(value: unknown, found: Set<ArrayBuffer>): void {
  if (typeof value !== 'object' || value === null) return;
  if (!ArrayBuffer.isView(value)) {
    for (const each of Object.values(value)) collectBuffers(each, found);
  } else if (value.buffer instanceof ArrayBuffer && value.byteLength === value.buffer.byteLength) {
    found.add(value.buffer);
  }
}
