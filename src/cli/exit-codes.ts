/** What the program's exit code says, and the only place that decides which error gets which. */
import { CommanderError } from 'commander';
import type { ErrorCode } from '../engine/index.ts';
import { ServerError, UsageError } from './errors.ts';

export const EXIT_CODES = {
  /** What was asked for is done. */
  done: 0,
  /** It was tried, and failed. */
  failed: 1,
  /** It was not tried: the command line, a setting or an argument makes no sense. */
  misused: 2,
} as const;

export type ExitCode = (typeof EXIT_CODES)[keyof typeof EXIT_CODES];

/** Codes of the engine that complain of what was typed, not of what happened. */
const MISUSE: readonly string[] = [
  'INVALID_CONFIG',
  'INVALID_REQUEST',
  'INVALID_TOPIC_EXCEPTION',
  'INVALID_PARTITIONS',
] satisfies ErrorCode[];

export function exitCodeFor(error: unknown): ExitCode {
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT_CODES.done : EXIT_CODES.misused;
  if (error instanceof UsageError) return EXIT_CODES.misused;
  if (error instanceof ServerError) return error.status === 400 ? EXIT_CODES.misused : EXIT_CODES.failed;
  // The engine's error class is not imported for this: it would load the engine into every command.
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return typeof code === 'string' && MISUSE.includes(code) ? EXIT_CODES.misused : EXIT_CODES.failed;
}
