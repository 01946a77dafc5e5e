/** One run of the program: parses the command line, carries the command out, and turns what went wrong into words. */
import { styleText } from 'node:util';
import { CommanderError } from 'commander';
import { versionLine } from './build-facts.ts';
import { ReportedFailure, VersionAsked } from './errors.ts';
import { EXIT_CODES, type ExitCode, exitCodeFor } from './exit-codes.ts';
import { type Io, processIo } from './io.ts';
import { buildProgram } from './program.ts';

/** `args` without the names of node and of the script. Prints errors to `io.stderr`; never throws. */
export async function run(args: readonly string[], io: Io): Promise<ExitCode> {
  try {
    await buildProgram(io).parseAsync(args, { from: 'user' });
    return EXIT_CODES.done;
  } catch (error) {
    if (error instanceof VersionAsked) {
      io.stdout.write(`${await versionLine()}\n`);
      return EXIT_CODES.done;
    }
    // Commander has printed its own complaints, the help and the version by now.
    if (!(error instanceof CommanderError || error instanceof ReportedFailure)) {
      io.stderr.write(`${styleText('red', 'seglog:', { stream: io.stderr })} ${messageOf(error)}\n`);
    }
    return exitCodeFor(error);
  }
}

/** Runs with this process's arguments and streams, and sets its exit code. */
export async function runProcess(): Promise<void> {
  const io = processIo();
  // Whoever reads our output may stop when they have seen enough (`| head`): that is no error.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    const readerLeft = error.code === 'EPIPE';
    if (!readerLeft) process.stderr.write(`seglog: cannot write to standard output: ${error.message}\n`);
    const code = readerLeft ? EXIT_CODES.done : EXIT_CODES.failed;
    void io.outputLost().finally(() => process.exit(code));
  });
  process.stderr.on('error', () => {});
  process.exitCode = await run(process.argv.slice(2), io);
}

/** What the system calls by its number, in words. */
const SYSTEM_ERRORS: Readonly<Record<string, (path: string) => string>> = {
  ENOENT: (path) => `there is no ${path}`,
  EACCES: (path) => `no permission to read or write ${path}`,
  EISDIR: (path) => `${path} is a directory, not a file`,
  ENOTDIR: (path) => `${path} is not a directory`,
};

function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { code, path } = error as NodeJS.ErrnoException;
  return SYSTEM_ERRORS[code ?? '']?.(path ?? 'the path given') ?? error.message;
}
