/**
 * Counting events of a segment by what its index knows: exact, and without reading any of them. The index has counts by hour
 * and by values of fields; so it can be asked for whole hours, and for expressions that ask of nothing but these fields.
 */
import type { BlockKnowledge } from './block-filter.ts';
import { type CountCell, type EventCounts, HOUR_MS } from './event-counts.ts';
import { assuming, type Expression, isAll } from './expression.ts';
import { fieldValueTest } from './matches.ts';
import type { BucketCount, CountsWanted, FoundCounts, ValueCount } from './scan-request.ts';

/** Of the events that pass with a time in [from, until), both full hours; undefined where it takes more than the index. */
export async function countByIndex(
  index: BlockKnowledge,
  expression: Expression,
  wanted: CountsWanted,
  from: number,
  until: number,
): Promise<FoundCounts | undefined> {
  const tested = testedFields(expression);
  if (wanted.intervalMs % HOUR_MS !== 0 || tested === undefined || !isKnown(index, tested)) return undefined;
  const counts = await index.counts();
  if (counts === undefined) return undefined;
  const counter = new CellCounter(index, counts, expression, tested, from, until);
  const histogram = counter.histogram(wanted.intervalMs);
  const fields = wanted.fields.map((field) => counter.values(field));
  if (histogram === undefined || fields.includes(undefined)) return undefined;
  return {
    total: histogram.reduce((sum, { count }) => sum + count, 0),
    ...(counter.isWhole ? { first: index.minTime, last: index.maxTime } : UNKNOWN_TIMES),
    fields: fields as ValueCount[][],
    histogram,
  };
}

const UNKNOWN_TIMES = { first: Number.NaN, last: Number.NaN };

/** The fields that an expression asks of; undefined where it asks of something else, too. */
function testedFields(expression: Expression): Set<string> | undefined {
  const fields = new Set<string>();
  let onlyFields = true;
  assuming(expression, (test) => {
    if (test.type === 'field') fields.add(test.field);
    else if (test.type !== 'all') onlyFields = false;
    return undefined;
  });
  return onlyFields && !fields.has('message') ? fields : undefined;
}

/** Events with several values of a field are counted as if they had none. */
function isKnown(index: BlockKnowledge, fields: ReadonlySet<string>): boolean {
  return [...fields].every((field) => index.dictionary(field)?.mixed.isEmpty === true);
}

class CellCounter {
  /** All events of the segment are counted. */
  readonly isWhole: boolean;
  readonly #index: BlockKnowledge;
  readonly #counts: EventCounts;
  readonly #expression: Expression;
  readonly #tested: readonly string[];
  readonly #from: number;
  readonly #until: number;

  constructor(
    index: BlockKnowledge,
    counts: EventCounts,
    expression: Expression,
    tested: ReadonlySet<string>,
    from: number,
    until: number,
  ) {
    this.#index = index;
    this.#counts = counts;
    this.#expression = expression;
    this.#tested = [...tested];
    this.#from = from;
    this.#until = until;
    this.isWhole = isAll(expression) && index.minTime >= from && index.maxTime < until;
  }

  histogram(intervalMs: number): BucketCount[] | undefined {
    const buckets = new Map<string, BucketCount>();
    const counted = this.#cells('level', (level, time, count) => {
      const start = Math.floor(time / intervalMs) * intervalMs;
      const key = `${start} ${level}`;
      const bucket = buckets.get(key) ?? { time: start, level, count: 0 };
      bucket.count += count;
      buckets.set(key, bucket);
    });
    return counted ? [...buckets.values()] : undefined;
  }

  values(field: string): ValueCount[] | undefined {
    const values = new Map<string | null, ValueCount>();
    const counted = this.#cells(field, (value, _time, count) => {
      const known = values.get(value) ?? { value, count: 0, first: Number.NaN, last: Number.NaN };
      known.count += count;
      values.set(value, known);
    });
    if (!counted) return undefined;
    if (this.isWhole) {
      for (const { text, firstTime, lastTime } of this.#index.dictionary(field)?.values ?? []) {
        const known = values.get(text);
        if (known !== undefined) Object.assign(known, { first: firstTime, last: lastTime });
      }
    }
    return [...values.values()];
  }

  /** Goes over the cells that count, by a field; false where they are not known by it. */
  #cells(field: string, visit: (value: string | null, time: number, count: number) => void): boolean {
    const fields = [field, ...this.#tested.filter((tested) => tested !== field)];
    const cells = this.#counts.cells(fields);
    if (cells === undefined) return false;
    const passing = new Map<string, boolean>();
    for (const cell of cells) {
      const time = cell.hour * HOUR_MS;
      if (time < this.#from || time >= this.#until) continue;
      const key = JSON.stringify(cell.values);
      let passes = passing.get(key);
      if (passes === undefined) {
        passes = this.#passes(fields, cell);
        passing.set(key, passes);
      }
      if (passes) visit(cell.values[0]!, time, cell.count);
    }
    return true;
  }

  #passes(fields: readonly string[], { values }: CountCell): boolean {
    const left = assuming(this.#expression, (test) =>
      test.type === 'field' ? fieldValueTest(test)(values[fields.indexOf(test.field)]!) : undefined,
    );
    return isAll(left);
  }
}
