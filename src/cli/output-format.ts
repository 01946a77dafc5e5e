/** How `consume` writes a record: as `--format` says, as JSON, or its value and a newline. */
import { recordToJson } from './json-record.ts';
import { compileFormat, type RecordFormat } from './record-format.ts';

export interface OutputFormatOptions {
  format?: string;
  json?: boolean;
  nullMarker?: string;
}

/** Throws UsageError. */
export function outputFormat({ format, json, nullMarker }: OutputFormatOptions): RecordFormat {
  const newline = Buffer.from('\n');
  if (json) return (record, output) => output.push(Buffer.from(recordToJson(record)), newline);
  if (format !== undefined) return compileFormat(format, nullMarker);
  const nullBytes = Buffer.from(nullMarker ?? '');
  return (record, output) => output.push(record.value ?? nullBytes, newline);
}
