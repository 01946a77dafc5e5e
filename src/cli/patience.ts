/** Trying again where a daemon is restarting, overloaded or out of space, and saying so once. */
import { setTimeout as delay } from 'node:timers/promises';
import { ConnectionLostError, ServerError, UnreachableError } from './errors.ts';
import type { Io } from './io.ts';

export interface Patience {
  io: Io;
  /** How long to go on trying, counted from the first failure. */
  forMs: number;
  /** Which errors are worth another try. */
  worthATry(error: unknown): boolean;
  signal?: AbortSignal;
}

/** The daemon did nothing of what was asked, and may do it later. */
export function nothingWasDone(error: unknown): boolean {
  return error instanceof UnreachableError || (error instanceof ServerError && error.refusedForNow);
}

/** As {@link nothingWasDone}, and for requests that change nothing: the answer was lost. */
export function answerMayCome(error: unknown): boolean {
  return error instanceof ConnectionLostError || nothingWasDone(error);
}

const FIRST_WAIT_MS = 100;
const LONGEST_WAIT_MS = 5_000;

/** Calls until it succeeds. Throws its last error when that is not worth a try, the patience is over or the signal aborts. */
export async function patiently<T>(patience: Patience, call: () => Promise<T>): Promise<T> {
  let waitMs = FIRST_WAIT_MS;
  let givingUpAt: number | undefined;
  for (;;) {
    try {
      const result = await call();
      if (givingUpAt !== undefined) patience.io.stderr.write('seglog: the daemon answers again\n');
      return result;
    } catch (error) {
      if (patience.signal?.aborted || !patience.worthATry(error)) throw error;
      const now = performance.now();
      if (givingUpAt === undefined) {
        givingUpAt = now + patience.forMs;
        patience.io.stderr.write(`seglog: ${(error as Error).message.replace(/\.$/, '')}; trying again\n`);
      }
      if (now >= givingUpAt) throw error;
      const wanted = (error instanceof ServerError ? error.retryAfterMs : undefined) ?? waitMs;
      await delay(Math.min(wanted, givingUpAt - now, LONGEST_WAIT_MS), undefined, {
        signal: patience.signal,
      });
      waitMs = Math.min(waitMs * 2, LONGEST_WAIT_MS);
    }
  }
}
