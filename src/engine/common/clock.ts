/**
 * Time as the engine sees it: everything that reads the time or waits for it goes through here,
 * so that a test decides what time it is and in which order things happen.
 */
export interface Clock {
  /** Wall clock, whole milliseconds since 1970. May jump in both directions. */
  now(): number;
  /** Milliseconds with a fraction that never go back; for durations only. */
  monotonic(): number;
  /** Calls back once after `delayMs`; returns a function that cancels it. Never keeps a process alive. */
  after(delayMs: number, callback: () => void): () => void;
  /** Calls back once, after all that is runnable now: what is queued meanwhile is handled together. */
  soon(callback: () => void): void;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(delayMs, callback) {
    const timer = setTimeout(callback, delayMs);
    timer.unref();
    return () => clearTimeout(timer);
  },
  soon: (callback) => void setImmediate(callback),
};
