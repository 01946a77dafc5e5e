/** Mistakes in storing nothing twice, and in keeping consumer groups, are caught. */
import { catchBugs } from './catch-bugs.ts';
import { GROUP_BUGS } from './group-bugs.ts';
import { PRODUCER_BUGS } from './producer-bugs.ts';

catchBugs([...PRODUCER_BUGS, ...GROUP_BUGS]);
