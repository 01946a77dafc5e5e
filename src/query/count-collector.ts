/** Counts events by hour and the values of up to two fields while a segment is gone through, for a CountTable. */
import { type CountTable, HOUR_MS, MAX_CELLS } from './event-counts.ts';
import { MAX_DICTIONARY_VALUES } from './field-dictionary.ts';

/** Counts that are kept, whether or not there is anything to count. */
const MAX_ROOM = 16 * MAX_CELLS;

export class CountCollector {
  readonly fields: readonly string[];
  /** Numbers of values that occur together, and a place for each pair. */
  readonly #places = new Map<number, number>();
  /** By hour, the counts by place. */
  readonly #hours = new Map<number, number[]>();
  #hour = Number.NaN;
  #counts: number[] = [];
  #cells = 0;
  /** Of all lists of counts. */
  #room = 0;
  #complete = true;

  constructor(fields: readonly string[]) {
    this.fields = fields;
  }

  /** By the numbers of the values in the fields' dictionaries; `second` is 0 where one field is counted. */
  add(time: number, first: number, second: number): void {
    if (!this.#complete) return;
    const hour = Math.floor(time / HOUR_MS);
    if (hour !== this.#hour) this.#turnTo(hour);
    const pair = first * MAX_DICTIONARY_VALUES + second;
    let place = this.#places.get(pair);
    if (place === undefined) {
      place = this.#places.size;
      this.#places.set(pair, place);
    }
    const count = this.#counts[place] ?? 0;
    if (count === 0) this.#addCell(place);
    if (this.#complete) this.#counts[place] = count + 1;
  }

  /** Undefined where there are too many cells. */
  table(): CountTable | undefined {
    if (!this.#complete) return undefined;
    const cells: [hour: number, pair: number, count: number][] = [];
    const pairs = [...this.#places.keys()];
    for (const [hour, counts] of this.#hours)
      for (const [place, count] of counts.entries()) if (count > 0) cells.push([hour, pairs[place]!, count]);
    cells.sort(([hour, pair], [otherHour, otherPair]) => hour - otherHour || pair - otherPair);
    const columns = [
      Uint32Array.from(cells, ([, pair]) => Math.floor(pair / MAX_DICTIONARY_VALUES)),
      Uint32Array.from(cells, ([, pair]) => pair % MAX_DICTIONARY_VALUES),
    ];
    return {
      fields: this.fields,
      hours: Float64Array.from(cells, ([hour]) => hour),
      values: columns.slice(0, this.fields.length),
      counts: Float64Array.from(cells, ([, , count]) => count),
    };
  }

  #turnTo(hour: number): void {
    this.#hour = hour;
    this.#counts = this.#hours.get(hour) ?? [];
    this.#hours.set(hour, this.#counts);
  }

  /** Places that were not used in this hour are filled up: a list with holes is slow. */
  #addCell(place: number): void {
    this.#room += Math.max(0, place + 1 - this.#counts.length);
    if (++this.#cells > MAX_CELLS || this.#room > MAX_ROOM) {
      this.#complete = false;
      this.#hours.clear();
      return;
    }
    while (this.#counts.length <= place) this.#counts.push(0);
  }
}
