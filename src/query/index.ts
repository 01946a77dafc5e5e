/** The query layer's door: what the server and the command line may use. */
export { JsonFault, JsonScanner, MAX_JSON_DEPTH } from './json-scanner.ts';
export {
  formatTimestamp,
  hasUsualLength,
  isoTime,
  parseTimestamp,
  TIMESTAMP_BYTES,
  writeTimestamp,
} from './timestamps.ts';
