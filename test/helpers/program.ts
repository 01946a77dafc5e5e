/** The program that tests start in processes of their own: its sources, or the executable that `npm run test:binary` names. */
import { fileURLToPath } from 'node:url';

/** The file of the sources. */
export const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));
/** The executable; undefined when the sources are tested. */
export const BINARY: string | undefined = process.env.SEGLOG_TEST_BINARY || undefined;
/** The command that starts it. */
export const PROGRAM: readonly [string, ...string[]] =
  BINARY === undefined ? [process.execPath, MAIN] : [BINARY];
/** The same for a shell. */
export const SHELL_PROGRAM = PROGRAM.map((word) => `'${word}'`).join(' ');
