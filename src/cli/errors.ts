/** The errors that the command line itself raises. Their messages go to the user as they are. */

/** What was typed makes no sense; nothing was tried. */
export class UsageError extends Error {
  override name = 'UsageError';
}

/** The command did what it could and failed; everything there is to say has been printed already. */
export class ReportedFailure extends Error {
  override name = 'ReportedFailure';
}

/** No error: what was asked for is which program this is, and to tell it takes more than the command line's parser does. */
export class VersionAsked extends Error {
  override name = 'VersionAsked';
}

/** No daemon takes connections at the address: nothing of the request was sent. */
export class UnreachableError extends Error {
  override name = 'UnreachableError';
}

/** The connection broke while a request was under way: the daemon may or may not have carried it out. */
export class ConnectionLostError extends Error {
  override name = 'ConnectionLostError';
}

/** The daemon's answer was an error (application/problem+json). */
export class ServerError extends Error {
  override name = 'ServerError';
  readonly status: number;
  /** `unknown_topic`, `storage_full`, …; empty when the answer was no problem document. */
  readonly code: string;
  readonly problem: Readonly<Record<string, unknown>>;
  /** What the answer's Retry-After says; undefined without one. */
  readonly retryAfterMs: number | undefined;

  constructor(status: number, problem: Readonly<Record<string, unknown>>, retryAfterMs?: number) {
    super(describeProblem(status, problem));
    this.status = status;
    this.code = typeof problem.code === 'string' ? problem.code : '';
    this.problem = problem;
    this.retryAfterMs = retryAfterMs;
  }

  /** The daemon did nothing of what was asked, and says (Retry-After) that the same request may succeed later. */
  get refusedForNow(): boolean {
    return this.retryAfterMs !== undefined;
  }
}

/** The daemon may or may not have done what was asked. */
export function isOutcomeUnknown(error: unknown): boolean {
  return (
    error instanceof ConnectionLostError || (error instanceof ServerError && error.code === 'outcome_unknown')
  );
}

function describeProblem(status: number, problem: Readonly<Record<string, unknown>>): string {
  const text = problem.detail ?? problem.title;
  if (typeof text === 'string' && text !== '') return text;
  return `the answer was HTTP status ${status} without a word: does --server name a seglog daemon?`;
}
