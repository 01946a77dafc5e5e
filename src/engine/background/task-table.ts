/** The tasks that threads know, by name. */
import { mapKeys } from '../rewrite/map-keys.ts';
import { rewriteSegments } from '../rewrite/rewrite-segments.ts';
import { sealSegment } from './seal-task.ts';
import type { TaskFunction, TaskName } from './task.ts';

export type TaskTable = { readonly [K in TaskName]?: TaskFunction<K> };

export const TASKS: Required<TaskTable> = { seal: sealSegment, map: mapKeys, rewrite: rewriteSegments };

/** The function of a task, for data of which nobody knows the types any more. */
export function taskOf(table: TaskTable, name: string): TaskFunction<TaskName> {
  const task = Object.hasOwn(table, name) ? table[name as TaskName] : undefined;
  if (task === undefined) throw new TypeError(`there is no task "${name}"`);
  return task as TaskFunction<TaskName>;
}
