/** The query layer's door: what the server and the command line may use. */
export { type EventFacts, eventFacts, isEventObject, parseEvent } from './event.ts';
export { EVENT_FIELDS } from './event-fields.ts';
export { LEVELS, levelOfField, levelOfMessage } from './event-levels.ts';
export {
  type EventFault,
  type EventLinesOptions,
  type EventSink,
  type LinesRead,
  readEventLines,
} from './event-lines.ts';
export type { Order } from './event-order.ts';
export type { FoundEvent } from './event-pages.ts';
export { type CountTotals, mostFrequent, type StatisticsWanted } from './event-statistics.ts';
export { usualTimestamp } from './event-times.ts';
export { parseValues } from './event-values.ts';
export { JsonFault, JsonScanner, MAX_JSON_DEPTH } from './json-scanner.ts';
export type { LogFilter, LogQuery } from './log-query.ts';
export {
  LogSearch,
  type LogSearchOptions,
  type QueryOptions,
  type QueryOutcome,
  type SearchFigures,
  type StatisticsOutcome,
} from './log-search.ts';
export { QueryError } from './query-error.ts';
export type { Incomplete } from './query-run.ts';
export type { PartCounts, RunFigures } from './run-figures.ts';
export { QUERY_SETTINGS, type QuerySettings } from './settings.ts';
export type { TailPositions, TailRound } from './tail.ts';
export {
  formatTimestamp,
  hasUsualLength,
  isoTime,
  parseTimestamp,
  TIMESTAMP_BYTES,
  writeTimestamp,
} from './timestamps.ts';
export { WebAssembly } from './web-assembly.ts';
