/**
 * The fields that events are known by, their names, and where they lie in an event's bytes.
 *
 * A field has several names. The first of them counts that is there with a value of the field's kind: text for source and
 * message (a source is not empty), text or a number for the level, anything but null for the timestamp, which may then turn
 * out to be none. Only names at the top level count, and of one that occurs twice the last, as with JSON.parse.
 */

/** The names in order of precedence; at most four for each field. */
export const EVENT_FIELDS = {
  timestamp: ['timestamp', '@timestamp', 'time', 'ts'],
  source: ['source', 'serviceName', 'service'],
  level: ['level', 'logLevel', 'severity'],
  message: ['message', 'msg', 'log'],
} as const;

export type FieldName = keyof typeof EVENT_FIELDS;

/** The fields by their numbers. */
export const FIELD = { timestamp: 0, source: 1, level: 2, message: 3 } as const satisfies Record<
  FieldName,
  number
>;
export type Field = (typeof FIELD)[FieldName];

/** Names have places: those of a field are neighbours, so the names that were seen are four bits of one number. */
export const PLACES_PER_FIELD = 4;

/** Where the fields of an event lie, until another one is looked at. */
export interface FieldRanges {
  has(field: Field): boolean;
  /** Of a field that is there: where its value begins, of text behind the quote. */
  startOf(field: Field): number;
  /** Exclusive. */
  endOf(field: Field): number;
  /** It is text with JSON's escapes in it. */
  isEscaped(field: Field): boolean;
  /** What the timestamp says, ms since 1970, where that is known already; negative when it is not. */
  readonly time: number;
}
