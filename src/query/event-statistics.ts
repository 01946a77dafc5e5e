/**
 * Statistics over the events that pass a query: counts by the values of fields, over time, and when the first and the last of
 * them were. Full hours of segments are counted by their indexes where these know enough; what is left is scanned.
 */
import { HOUR_MS } from './event-counts.ts';
import type { Order } from './event-order.ts';
import { eventPages } from './event-pages.ts';
import { both } from './expression.ts';
import { valueFilter } from './expression-parser.ts';
import { countByIndex } from './index-counts.ts';
import { OTHER_VALUES } from './match-counter.ts';
import type { QueryFilter, QueryRun } from './query-run.ts';
import type { BucketCount, CountsWanted, FoundCounts, ValueCount } from './scan-request.ts';
import { TopicSearch } from './topic-search.ts';

/** Values of a field with counts of their own. */
const MAX_VALUES = 10_000;

/** Counts of many scans, added up. A time that is NaN is not known. */
export class CountTotals {
  total = 0;
  first = Number.POSITIVE_INFINITY;
  last = Number.NEGATIVE_INFINITY;
  readonly fields: Map<string | null, ValueCount>[];
  readonly #bucketsByLevel = new Map<string | null, Map<number, BucketCount>>();

  constructor(fields: readonly string[]) {
    this.fields = fields.map(() => new Map());
  }

  add(counts: FoundCounts): void {
    if (counts.total === 0) return;
    this.total += counts.total;
    this.first = Math.min(this.first, counts.first);
    this.last = Math.max(this.last, counts.last);
    for (const [i, values] of counts.fields.entries())
      for (const value of values) this.#addValue(this.fields[i]!, value);
    for (const { time, level, count } of counts.histogram) this.#bucket(time, level).count += count;
  }

  /** In no order. */
  get buckets(): BucketCount[] {
    return [...this.#bucketsByLevel.values()].flatMap((buckets) => [...buckets.values()]);
  }

  #bucket(time: number, level: string | null): BucketCount {
    let buckets = this.#bucketsByLevel.get(level);
    if (buckets === undefined) {
      buckets = new Map();
      this.#bucketsByLevel.set(level, buckets);
    }
    let bucket = buckets.get(time);
    if (bucket === undefined) {
      bucket = { time, level, count: 0 };
      buckets.set(time, bucket);
    }
    return bucket;
  }

  #addValue(values: Map<string | null, ValueCount>, { value, count, first, last }: ValueCount): void {
    let known = values.get(value);
    if (known === undefined) {
      const key = values.size >= MAX_VALUES ? OTHER_VALUES : value;
      known = values.get(key) ?? { value: key, count: 0, first, last };
      values.set(key, known);
    }
    known.count += count;
    known.first = Math.min(known.first, first);
    known.last = Math.max(known.last, last);
  }
}

export interface StatisticsWanted extends CountsWanted {
  /** So many of the most frequent values of the first field are told with their first and last times. */
  readonly top: number;
}

/** Counts what passes a filter. Where the run ends before, it is what was counted until then. */
export async function countEvents(
  run: QueryRun,
  filter: QueryFilter,
  wanted: StatisticsWanted,
): Promise<CountTotals> {
  const totals = new CountTotals(wanted.fields);
  const { from, until } = filter;
  const firstHour = Math.ceil(from / HOUR_MS) * HOUR_MS;
  const endHour = Math.floor(until / HOUR_MS) * HOUR_MS;
  if (firstHour < endHour) {
    await count(run, { ...filter, from: firstHour, until: endHour }, wanted, totals, true);
    if (from < firstHour) await count(run, { ...filter, until: firstHour }, wanted, totals, false);
    if (endHour < until) await count(run, { ...filter, from: endHour }, wanted, totals, false);
  } else {
    await count(run, filter, wanted, totals, false);
  }
  await findTimes(run, filter, wanted, totals);
  return totals;
}

async function count(
  run: QueryRun,
  filter: QueryFilter,
  counts: CountsWanted,
  totals: CountTotals,
  fullHours: boolean,
): Promise<void> {
  const { expression, from, until } = filter;
  const search = new TopicSearch(run, filter, {
    counts: { fields: counts.fields, intervalMs: counts.intervalMs },
    take: (_partition, result) => totals.add(result.counts!),
    countKnown: async (index) =>
      fullHours ? countByIndex(index, expression, counts, from, until) : undefined,
  });
  await search.all();
}

/** Looks for the times that counts by hours do not tell. */
async function findTimes(
  run: QueryRun,
  filter: QueryFilter,
  { fields, top }: StatisticsWanted,
  totals: CountTotals,
): Promise<void> {
  if (Number.isNaN(totals.first)) totals.first = await timeOf(run, filter, 'asc');
  if (Number.isNaN(totals.last)) totals.last = await timeOf(run, filter, 'desc');
  const [field] = fields;
  if (field === undefined) return;
  for (const value of mostFrequent(totals.fields[0]!.values(), top)) {
    if (value.value === null || value.value === OTHER_VALUES) continue;
    const expression = both(filter.expression, valueFilter(field, value.value));
    if (Number.isNaN(value.first)) value.first = await timeOf(run, { ...filter, expression }, 'asc');
    if (Number.isNaN(value.last)) value.last = await timeOf(run, { ...filter, expression }, 'desc');
  }
}

/** Of the first event in an order; NaN where none was found before the run ended. */
async function timeOf(run: QueryRun, filter: QueryFilter, order: Order): Promise<number> {
  for await (const { events } of eventPages(run, filter, { order, limit: 1, after: null }))
    if (events.length > 0) return events[0]!.timestamp;
  return Number.NaN;
}

/** The ones with the highest counts first; of the same count in the order of their names. */
export function mostFrequent(values: Iterable<ValueCount>, most: number): ValueCount[] {
  return [...values]
    .sort((a, b) => b.count - a.count || (String(a.value) < String(b.value) ? -1 : 1))
    .slice(0, most);
}
