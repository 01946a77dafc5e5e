/** The query layer's door: what the server and the command line may use. */
export { type EventFacts, eventFacts, parseEvent } from './event.ts';
export { EVENT_FIELDS } from './event-layout.ts';
export { LEVELS, levelOfField, levelOfMessage } from './event-levels.ts';
export {
  type EventFault,
  type EventLinesOptions,
  type EventSink,
  type LinesRead,
  readEventLines,
} from './event-lines.ts';
export { JsonFault, JsonScanner, MAX_JSON_DEPTH } from './json-scanner.ts';
export { QUERY_SETTINGS, type QuerySettings } from './settings.ts';
export {
  formatTimestamp,
  hasUsualLength,
  isoTime,
  parseTimestamp,
  TIMESTAMP_BYTES,
  writeTimestamp,
} from './timestamps.ts';
export { WebAssembly } from './web-assembly.ts';
