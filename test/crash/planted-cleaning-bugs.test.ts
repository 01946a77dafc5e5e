/** Mistakes in compaction, recompression and retention are caught. */
import { catchBugs } from './catch-bugs.ts';
import { CLEANING_BUGS } from './cleaning-bugs.ts';

catchBugs(CLEANING_BUGS);
