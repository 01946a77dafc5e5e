/** The tasks that the engine's threads know, by name. */
import { mapKeys } from '../rewrite/map-keys.ts';
import { rewriteSegments } from '../rewrite/rewrite-segments.ts';
import { sealSegment } from './seal-task.ts';
import type { TaskContext, TaskFunction, TaskName, Tasks, TaskTypes } from './task.ts';

export type TaskTable<T extends TaskTypes<T> = Tasks> = { readonly [K in TaskName<T>]?: TaskFunction<K, T> };

export const TASKS: Required<TaskTable> = { seal: sealSegment, map: mapKeys, rewrite: rewriteSegments };

/** The function of a task, for data of which nobody knows the types any more. */
export function taskOf(
  table: object,
  name: string,
): (context: TaskContext, request: unknown) => Promise<unknown> {
  const task = Object.hasOwn(table, name) ? table[name as keyof typeof table] : undefined;
  if (task === undefined) throw new TypeError(`there is no task "${name}"`);
  return task;
}
