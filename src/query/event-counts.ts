/**
 * EventCounts: how many events of a segment there are in each hour, by the values of indexed fields: exact, so that a segment
 * that lies whole within a query's range needs no reading to be counted.
 *
 * `level` and `source` are counted together, where both are indexed; any other field by itself. What would have too many
 * cells is counted with fewer fields, or not at all.
 */
import type { FieldDictionary, FieldValue } from './field-dictionary.ts';

export const HOUR_MS = 3_600_000;
/** Of one table. */
export const MAX_CELLS = 1 << 16;

export interface CountTable {
  /** What is counted together, beside the hour. */
  readonly fields: readonly string[];
  /** Of each cell: hours since 1970. */
  readonly hours: Float64Array;
  /** For each field, of each cell: which of the values of the field's dictionary. */
  readonly values: readonly Uint32Array[];
  /** Of each cell: events. */
  readonly counts: Float64Array;
}

/** Events of one hour with these values, in the order of the fields that were asked for. */
export interface CountCell {
  readonly hour: number;
  readonly values: readonly (string | null)[];
  readonly count: number;
}

export class EventCounts {
  readonly tables: readonly CountTable[];
  readonly #dictionaries: readonly FieldDictionary[];

  constructor(tables: readonly CountTable[], dictionaries: readonly FieldDictionary[]) {
    this.tables = tables;
    this.#dictionaries = dictionaries;
  }

  /** The table that counts these fields together; undefined where there is none. */
  tableOf(fields: readonly string[]): CountTable | undefined {
    return this.tables.find((each) => fields.every((field) => each.fields.includes(field)));
  }

  /** The values of a field that is counted, which the numbers in tables are of. */
  valuesOf(field: string): readonly FieldValue[] {
    return this.#dictionaries.find(({ name }) => name === field)!.values;
  }

  /** All events, by hour and these fields; undefined where they are not counted together. The same cell may come twice. */
  cells(fields: readonly string[]): CountCell[] | undefined {
    const table = this.tableOf(fields);
    if (table === undefined) return undefined;
    const columns = fields.map((field) => {
      const column = table.values[table.fields.indexOf(field)]!;
      const values = this.valuesOf(field);
      return (cell: number) => values[column[cell]!]!.text;
    });
    return Array.from(table.counts, (count, cell) => ({
      hour: table.hours[cell]!,
      values: columns.map((textOf) => textOf(cell)),
      count,
    }));
  }
}
