/** What a worker thread of the pool runs (worker-pool.ts names this file). */
import { TASKS } from './task-table.ts';
import { answerTasks } from './worker-thread.ts';

export const runTask = answerTasks(TASKS);
