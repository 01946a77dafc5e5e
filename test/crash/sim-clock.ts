/**
 * The Clock of simulated runs: time stands still until `advance`, which fires what falls due in order.
 * `soon` runs after a fixed number of microtask turns, so that a run is the same each time; with a seed the
 * number varies, so that different work is grouped.
 */
import type { Clock } from '../../src/engine/common/clock.ts';
import { Random } from './sim/random.ts';

interface Timer {
  readonly due: number;
  readonly number: number;
  readonly callback: () => void;
}

/** Enough for the promise chains between a caller and the queue that `soon` is to empty. */
const SOON_TURNS = 8;

export class SimClock implements Clock {
  #monotonic = 0;
  #wallOffset: number;
  #timers: Timer[] = [];
  #count = 0;
  readonly #random: Random | undefined;

  constructor(options: { readonly startMs?: number; readonly seed?: number } = {}) {
    this.#wallOffset = options.startMs ?? Date.UTC(2026, 0, 1);
    this.#random = options.seed === undefined ? undefined : new Random(options.seed, 'clock');
  }

  now(): number {
    return Math.floor(this.#wallOffset + this.#monotonic);
  }

  monotonic(): number {
    return this.#monotonic;
  }

  after(delayMs: number, callback: () => void): () => void {
    const timer = { due: this.#monotonic + Math.max(0, delayMs), number: this.#count++, callback };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  }

  soon(callback: () => void): void {
    let turns = this.#random ? 1 + this.#random.below(2 * SOON_TURNS) : SOON_TURNS;
    const next = () => (turns-- > 0 ? queueMicrotask(next) : callback());
    next();
  }

  /** Milliseconds until the next timer fires; undefined when none is set. */
  get nextTimerMs(): number | undefined {
    const timer = this.#nextTimer();
    return timer && timer.due - this.#monotonic;
  }

  /** Lets time pass, firing timers when they fall due, each after all that the ones before it set off. */
  async advance(ms: number): Promise<void> {
    const end = this.#monotonic + ms;
    for (;;) {
      await settled();
      const timer = this.#nextTimer();
      if (timer === undefined || timer.due > end) break;
      this.#timers = this.#timers.filter((other) => other !== timer);
      this.#monotonic = Math.max(this.#monotonic, timer.due);
      timer.callback();
    }
    this.#monotonic = end;
  }

  /** Time passes, and nothing runs meanwhile: what fell due is late. */
  sleep(ms: number): void {
    this.#monotonic += ms;
  }

  /** How many timers are set. */
  get timers(): number {
    return this.#timers.length;
  }

  /** Sets the wall clock forward or back, which timers and durations do not notice. */
  jump(ms: number): void {
    this.#wallOffset += ms;
  }

  #nextTimer(): Timer | undefined {
    let next: Timer | undefined;
    for (const timer of this.#timers) {
      if (!next || timer.due < next.due || (timer.due === next.due && timer.number < next.number))
        next = timer;
    }
    return next;
  }
}

/** Resolves when every microtask that is due has run, and those that they set off. */
export const settled = () => new Promise<void>((resolve) => setImmediate(resolve));
