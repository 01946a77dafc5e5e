/**
 * LatencyHistogram: durations in an HDR histogram (Node's own, HdrHistogram in C): from 1 µs on, with three significant
 * digits, in constant memory. `record` costs some 100 ns and allocates nothing.
 */
import { createHistogram, type RecordableHistogram } from 'node:perf_hooks';

/** In milliseconds; all null while nothing was recorded. */
export interface Percentiles {
  mean: number | null;
  p50: number | null;
  p90: number | null;
  p95: number | null;
  p99: number | null;
  p999: number | null;
  max: number | null;
}

/** A point of the latency-by-percentile curve. */
export interface CurvePoint {
  /** From 0 to 100. */
  percentile: number;
  ms: number;
}

const MICROSECONDS = 1000;
const STEPS_PER_DECADE = 20;
/** 99.9999 %: what lies beyond is the maximum. */
const MOST_DECADES = 6;

export class LatencyHistogram {
  readonly #histogram: RecordableHistogram = createHistogram();

  get count(): number {
    return this.#histogram.count;
  }

  record(ms: number): void {
    this.#histogram.record(Math.max(1, Math.round(ms * MICROSECONDS)));
  }

  add(other: LatencyHistogram): void {
    this.#histogram.add(other.#histogram);
  }

  reset(): void {
    this.#histogram.reset();
  }

  /** The duration that so many percent do not exceed; null while nothing was recorded. */
  percentile(percent: number): number | null {
    return this.count === 0 ? null : this.#histogram.percentile(percent) / MICROSECONDS;
  }

  percentiles(): Percentiles {
    return {
      mean: this.count === 0 ? null : Math.round(this.#histogram.mean) / MICROSECONDS,
      p50: this.percentile(50),
      p90: this.percentile(90),
      p95: this.percentile(95),
      p99: this.percentile(99),
      p999: this.percentile(99.9),
      max: this.count === 0 ? null : this.#histogram.max / MICROSECONDS,
    };
  }

  /** Points evenly spread over "nines": 0 %, 90 %, 99 %, 99.9 % … as far as the count bears. */
  curve(): CurvePoint[] {
    const points: CurvePoint[] = [];
    if (this.count === 0) return points;
    const decades = Math.min(MOST_DECADES, Math.log10(this.count));
    for (let step = 1; step / STEPS_PER_DECADE <= decades; step++) {
      const percentile = 100 * (1 - 10 ** (-step / STEPS_PER_DECADE));
      points.push({ percentile, ms: this.percentile(percentile)! });
    }
    points.push({ percentile: 100, ms: this.#histogram.max / MICROSECONDS });
    return points;
  }
}
