/** How a line of input becomes a record, when it is more than its value. */
import { type OutgoingRecord, recordFromJson, type TimestampCheck } from './json-record.ts';
import { unescapeBytes } from './record-format.ts';

export interface LineForm {
  json?: boolean;
  /** A key, this, and a value; `\t` and the like are understood. */
  keySeparator?: string;
  /** Headers that every record gets. */
  header?: readonly [string, string][];
  /** A key or value that is exactly this is null. */
  nullMarker?: string;
  stripCr?: boolean;
  /** Of records in JSON. */
  isTimestamp?: TimestampCheck;
}

const CARRIAGE_RETURN = 0x0d;

/** Records that have neither a key nor a partition go to `keylessPartition`, if given. The parser throws an
 *  Error whose message says what is wrong with the line. */
export function lineParser(
  form: LineForm,
  keylessPartition: number | undefined,
): (line: Buffer) => OutgoingRecord {
  const separator = form.keySeparator === undefined ? undefined : unescapeBytes(form.keySeparator);
  const marker = form.nullMarker === undefined ? undefined : Buffer.from(form.nullMarker);
  const headers = (form.header ?? []).map(([key, value]) => ({ key, value: Buffer.from(value) }));
  const orNull = (bytes: Buffer) => (marker?.equals(bytes) ? null : bytes);

  const parse = (line: Buffer): OutgoingRecord => {
    if (form.json) return recordFromJson(line, form.isTimestamp);
    const at = separator === undefined ? -1 : line.indexOf(separator);
    if (at < 0) return { value: orNull(line) };
    return { key: orNull(line.subarray(0, at)), value: orNull(line.subarray(at + separator!.length)) };
  };
  return (line) => {
    const record = parse(form.stripCr && line.at(-1) === CARRIAGE_RETURN ? line.subarray(0, -1) : line);
    if (headers.length > 0) record.headers = [...headers, ...(record.headers ?? [])];
    if (record.key == null && record.partition === undefined) record.partition = keylessPartition;
    return record;
  };
}
