/** Where the parsers of request bodies put the records that they find. */
import type { BytesLike, ProduceHeader, ProduceRecord } from '../engine/index.ts';

/** The part of the engine's PendingAppend that takes records. */
export interface RecordSink {
  add(record: ProduceRecord): void;
  addBytes(key: BytesLike | null, value: BytesLike | null, timestamp?: number): void;
}

/** How keys and values are written in JSON: as text, as JSON itself (values only), or as base64. */
export type ValueEncoding = 'text' | 'json' | 'base64';

/** Gives one record to the sink, the cheap way where it has neither headers nor a partition of its own. */
export function addRecord(
  sink: RecordSink,
  key: BytesLike | null,
  value: BytesLike | null,
  timestamp: number | undefined,
  headers: readonly ProduceHeader[] | undefined,
  partition: number | undefined,
): void {
  if (headers === undefined && partition === undefined) sink.addBytes(key, value, timestamp);
  else sink.add({ key, value, timestamp, headers, partition });
}
