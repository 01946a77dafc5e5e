/** Mistakes in writing, recovering and replacing segments are caught. */
import { catchBugs } from './catch-bugs.ts';
import { LOG_BUGS } from './engine-bugs.ts';

catchBugs(LOG_BUGS);
