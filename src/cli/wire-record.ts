/** Records as the daemon's MessagePack answers carry them. */
import type { ConsumedRecord } from './record-format.ts';

export interface WireRecord {
  offset: number;
  /** ISO 8601. */
  timestamp: string;
  key: Uint8Array | null;
  value: Uint8Array | null;
  headers: { key: string; value: Uint8Array | null }[];
}

export function consumedRecord(topic: string, partition: number, wire: WireRecord): ConsumedRecord {
  const { offset, key, value, headers } = wire;
  return { topic, partition, offset, timestamp: Date.parse(wire.timestamp), key, value, headers };
}
