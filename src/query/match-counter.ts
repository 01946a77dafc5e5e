/** MatchCounter: counts what a scan finds, by the values of fields and over time. */
import { scalarText, someAt } from './event-values.ts';
import type { RecordSink } from './record-search.ts';
import type { BucketCount, CountsWanted, FoundCounts, ValueCount } from './scan-request.ts';
import { StoredEvent } from './search-event.ts';

/** Values of a field with counts of their own; further ones are counted together, as `OTHER_VALUES`. */
const MAX_VALUES = 10_000;
export const OTHER_VALUES = '(others)';

export class MatchCounter implements RecordSink {
  readonly #wanted: CountsWanted;
  readonly #fields: Map<string | null, ValueCount>[];
  /** By level, the buckets by their time. */
  readonly #buckets = new Map<string | null, Map<number, BucketCount>>();
  #total = 0;
  #first = Number.POSITIVE_INFINITY;
  #last = Number.NEGATIVE_INFINITY;

  constructor(wanted: CountsWanted) {
    this.#wanted = wanted;
    this.#fields = wanted.fields.map(() => new Map());
  }

  wants(): boolean {
    return true;
  }

  wantsTimes(): boolean {
    return true;
  }

  found(timestamp: number, _offset: number, bytes: Buffer, start: number, end: number): void {
    const { fields, intervalMs } = this.#wanted;
    this.#total++;
    if (timestamp < this.#first) this.#first = timestamp;
    if (timestamp > this.#last) this.#last = timestamp;
    const event = new StoredEvent(bytes, start, end, timestamp);
    for (const [i, field] of fields.entries())
      this.#count(this.#fields[i]!, scalarOf(event, field), timestamp);
    this.#bucket(event.level, Math.floor(timestamp / intervalMs) * intervalMs).count++;
  }

  #count(values: Map<string | null, ValueCount>, value: string | null, timestamp: number): void {
    let counted = values.get(value);
    if (counted === undefined && values.size >= MAX_VALUES && value !== OTHER_VALUES) {
      this.#count(values, OTHER_VALUES, timestamp);
      return;
    }
    if (counted === undefined) {
      counted = { value, count: 0, first: timestamp, last: timestamp };
      values.set(value, counted);
    }
    counted.count++;
    if (timestamp < counted.first) counted.first = timestamp;
    if (timestamp > counted.last) counted.last = timestamp;
  }

  #bucket(level: string | null, time: number): BucketCount {
    let buckets = this.#buckets.get(level);
    if (buckets === undefined) {
      buckets = new Map();
      this.#buckets.set(level, buckets);
    }
    let bucket = buckets.get(time);
    if (bucket === undefined) {
      bucket = { time, level, count: 0 };
      buckets.set(time, bucket);
    }
    return bucket;
  }

  result(): FoundCounts {
    return {
      total: this.#total,
      first: this.#first,
      last: this.#last,
      fields: this.#fields.map((values) => [...values.values()]),
      histogram: [...this.#buckets.values()].flatMap((buckets) => [...buckets.values()]),
    };
  }
}

/** The one scalar that a field has; null where it has none, or several. */
function scalarOf(event: StoredEvent, field: string): string | null {
  if (field === 'source' || field === 'level') return event[field];
  const found: (string | undefined)[] = [];
  someAt(event.content, field, (value) => found.push(value === null ? undefined : scalarText(value)) > 1);
  return found.length === 1 ? (found[0] ?? null) : null;
}
