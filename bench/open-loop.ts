/**
 * Load that does not wait for answers: work becomes due at a fixed rate, and its latency counts from when it was due,
 * so that a stall is charged to all that fell into it.
 */
import type { RecordableHistogram } from 'node:perf_hooks';

/** In milliseconds. */
export interface Percentiles {
  p50: number;
  p99: number;
  p999: number;
  max: number;
}

const MICROSECONDS = 1000;

export function percentiles(histogram: RecordableHistogram): Percentiles {
  const at = (percentile: number) => histogram.percentile(percentile) / MICROSECONDS;
  return { p50: at(50), p99: at(99), p999: at(99.9), max: histogram.max / MICROSECONDS };
}

/** Records a duration in ms. */
export function record(histogram: RecordableHistogram, ms: number): void {
  histogram.record(Math.max(1, Math.round(ms * MICROSECONDS)));
}

export class OpenLoop {
  readonly #perSecond: number;
  readonly #total: number;
  readonly #histogram: RecordableHistogram;
  readonly #work: (done: () => void) => void;
  #started = 0;
  #done = 0;

  /** `work` starts one piece of work and calls `done` when it is finished. */
  constructor(
    perSecond: number,
    seconds: number,
    histogram: RecordableHistogram,
    work: (done: () => void) => void,
  ) {
    this.#perSecond = perSecond;
    this.#total = Math.round(perSecond * seconds);
    this.#histogram = histogram;
    this.#work = work;
  }

  /** Resolves when all that was due is done. The timer wakes every millisecond: that much of p50 is its own. */
  run(): Promise<void> {
    const start = performance.now();
    return new Promise((resolve) => {
      const startDue = () => {
        const due = Math.min(this.#total, Math.floor(((performance.now() - start) / 1000) * this.#perSecond));
        while (this.#started < due) this.#start(start + (this.#started * 1000) / this.#perSecond, resolve);
        if (this.#started < this.#total) setTimeout(startDue, 1);
      };
      startDue();
    });
  }

  #start(dueAt: number, resolve: () => void): void {
    this.#started++;
    this.#work(() => {
      record(this.#histogram, performance.now() - dueAt);
      if (++this.#done === this.#total) resolve();
    });
  }
}
