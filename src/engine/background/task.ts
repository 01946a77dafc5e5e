/**
 * Work over whole files that runs beside the appends: a task gets file names and ranges as plain data, walks immutable files,
 * writes new ones beside them and gives plain data back. Where it runs is its runner's business: in a worker thread, or, over
 * a simulated disk, in the same thread. Nothing that a task writes counts before the main thread has made it count.
 */
import type { MapRequest, MapResult, RewriteRequest, RewriteResult } from '../rewrite/rewrite-request.ts';
import type { TaskContext } from '../rewrite/task-context.ts';
import type { SealRequest, SealResult } from './seal-task.ts';

export type { TaskContext } from '../rewrite/task-context.ts';

/** Tasks by name: what each is asked, and what it answers. */
export type TaskTypes<T> = { readonly [K in keyof T]: { request: unknown; result: unknown } };

/** The engine's. Whoever embeds it may have others of their own. */
export interface Tasks {
  /** Notes the newest offset of each key of a range of segments in a key map. */
  map: { request: MapRequest; result: MapResult };
  /** Writes one segment that takes the place of some neighbours. */
  rewrite: { request: RewriteRequest; result: RewriteResult };
  /** Checks a segment that was rolled, and writes its derived files. */
  seal: { request: SealRequest; result: SealResult };
}

export type TaskName<T = Tasks> = keyof T & string;

export type TaskFunction<K extends TaskName<T>, T extends TaskTypes<T> = Tasks> = (
  context: TaskContext,
  request: T[K]['request'],
) => Promise<T[K]['result']>;

export interface TaskOptions {
  /** Ends the task soon; it rejects with TASK_CANCELLED, and what it began is removed. */
  signal?: AbortSignal;
  /** Told now and then how many bytes were read and written so far. */
  progress?(bytes: number): void;
}

export interface TaskRunner<T extends TaskTypes<T> = Tasks> {
  /** Work over fewer bytes is done sooner by who would ask for it than by a thread. */
  readonly worthwhileBytes: number;
  /** Rejects with what the task threw (a SeglogError keeps its code), or TASK_FAILED when its thread died. */
  run<K extends TaskName<T>>(
    name: K,
    request: T[K]['request'],
    options?: TaskOptions,
  ): Promise<T[K]['result']>;
  /** Ends what runs, and resolves once it has ended. What is asked for later is refused with TASK_CANCELLED. */
  close(): Promise<void>;
}
