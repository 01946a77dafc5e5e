/** What a thread runs that makes search indexes (indexer.ts names this file). */
import { answerTasks } from '../engine/index.ts';
import { INDEX_TASKS } from './index-task.ts';

export const runTask = answerTasks(INDEX_TASKS);
