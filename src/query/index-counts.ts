/**
 * Counting events of a segment by what its index knows: exact, and without reading any of them. The index has counts by hour
 * and by values of fields; so it can be asked for whole hours, and for expressions that ask of nothing but these fields.
 */
import type { BlockKnowledge } from './block-filter.ts';
import { type CountTable, type EventCounts, HOUR_MS } from './event-counts.ts';
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
    this.#counts = counts;
    this.#expression = expression;
    this.#tested = [...tested];
    this.#from = from;
    this.#until = until;
    this.isWhole = isAll(expression) && index.minTime >= from && index.maxTime < until;
  }

  histogram(intervalMs: number): BucketCount[] | undefined {
    const levels = this.#counts.tableOf(['level']) && this.#counts.valuesOf('level');
    const buckets = new Map<number, BucketCount>();
    const counted = this.#cells('level', (value, time, count) => {
      const bar = Math.floor(time / intervalMs);
      const key = bar * levels!.length + value;
      const bucket = buckets.get(key);
      if (bucket !== undefined) bucket.count += count;
      else buckets.set(key, { time: bar * intervalMs, level: levels![value]!.text, count });
    });
    return counted ? [...buckets.values()] : undefined;
  }

  values(field: string): ValueCount[] | undefined {
    const counts: number[] = [];
    const counted = this.#cells(field, (value, _time, count) => {
      counts[value] = (counts[value] ?? 0) + count;
    });
    if (!counted) return undefined;
    const values: ValueCount[] = [];
    for (const [number, { text, firstTime, lastTime }] of this.#counts.valuesOf(field).entries()) {
      const count = counts[number];
      if (count === undefined) continue;
      const times = this.isWhole ? { first: firstTime, last: lastTime } : UNKNOWN_TIMES;
      values.push({ value: text, count, ...times });
    }
    return values;
  }

  /**
   * Goes over the cells that count, by a field: which of its values they are of, when and how many. False where they are not
   * known by it.
   */
  #cells(field: string, visit: (value: number, time: number, count: number) => void): boolean {
    const table = this.#counts.tableOf([field, ...this.#tested]);
    if (table === undefined) return false;
    const { hours, counts } = table;
    const column = table.values[table.fields.indexOf(field)]!;
    const passes = this.#cellTest(table);
    for (let cell = 0; cell < counts.length; cell++) {
      const time = hours[cell]! * HOUR_MS;
      if (time >= this.#from && time < this.#until && passes(cell)) visit(column[cell]!, time, counts[cell]!);
    }
    return true;
  }

  /** Each combination of values is judged once. */
  #cellTest({ fields, values }: CountTable): (cell: number) => boolean {
    if (isAll(this.#expression)) return () => true;
    const tested = this.#tested.map((field) => ({
      column: values[fields.indexOf(field)]!,
      texts: this.#counts.valuesOf(field).map(({ text }) => text),
    }));
    const known = new Map<number, boolean>();
    return (cell) => {
      const key = tested.reduce((number, { column, texts }) => number * texts.length + column[cell]!, 0);
      let passes = known.get(key);
      if (passes === undefined) {
        passes = this.#passes(tested.map(({ column, texts }) => texts[column[cell]!]!));
        known.set(key, passes);
      }
      return passes;
    };
  }

  /** Takes the values of the tested fields, in their order. */
  #passes(values: readonly (string | null)[]): boolean {
    const left = assuming(this.#expression, (test) =>
      test.type === 'field' ? fieldValueTest(test)(values[this.#tested.indexOf(test.field)]!) : undefined,
    );
    return isAll(left);
  }
}
