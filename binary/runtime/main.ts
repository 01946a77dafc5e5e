/** What the main thread of the single executable runs: the program, as everywhere. */
import '../../src/cli/main.ts';
