/**
 * How what a task threw comes to whoever asked for the task, the same from a thread as from the same one: a SeglogError
 * keeps its code, message and details, an error of the system its code and message. Anything else is a bug that the
 * task met: TASK_FAILED.
 */
import { ERROR_CODES, type ErrorCode, type ErrorDetails, errnoOf, SeglogError } from '../common/errors.ts';

/** An error as plain data. */
export interface ThrownError {
  /** Undefined for an error of the system, and for a bug. */
  seglogCode: ErrorCode | undefined;
  errno: string | undefined;
  message: string;
  details: ErrorDetails;
  stack: string | undefined;
}

export function describeError(error: unknown): ThrownError {
  const isError = error instanceof Error;
  const seglogCode =
    error instanceof SeglogError && Object.hasOwn(ERROR_CODES, error.code) ? error.code : undefined;
  return {
    seglogCode,
    errno: seglogCode === undefined ? errnoOf(error) : undefined,
    message: isError ? error.message : String(error),
    details: seglogCode === undefined ? {} : (error as SeglogError).details,
    stack: isError ? error.stack : undefined,
  };
}

/** The error that was described, or TASK_FAILED with it as its cause. */
export function reviveError({ seglogCode, errno, message, details, stack }: ThrownError): Error {
  const error =
    seglogCode !== undefined
      ? new SeglogError(seglogCode, message, details)
      : errno !== undefined
        ? Object.assign(new Error(message), { code: errno })
        : new Error(message);
  // Where it was thrown says more than where it was told.
  if (stack !== undefined) error.stack = stack;
  return seglogCode === undefined && errno === undefined ? taskFailed(error) : error;
}

export function taskFailed(cause: unknown): SeglogError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new SeglogError('TASK_FAILED', `work in the background failed: ${why}`, {}, { cause });
}
