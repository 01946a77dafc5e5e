/** The records that an engine is given in the crash tests, and what is read back of them as the oracle compares it. */
import type { Acks, ProduceRecord } from '../../src/engine/common/types.ts';
import { decodeRecords } from '../../src/engine/format/record-batch-reader.ts';
import type { World } from './harness.ts';
import type { OracleRecord } from './oracle.ts';
import type { ObservedRecord } from './oracle-check.ts';

export interface AppendShape {
  readonly records?: number;
  /** Bytes of each value, about. */
  readonly bytes?: number;
  readonly acks?: Acks;
  /** Event time; default: now. */
  readonly timestamp?: number;
  /** Each record has one of so many keys. Default: some have one of five, others none. */
  readonly keys?: number;
  /** This share of the records is tombstones. */
  readonly tombstones?: number;
}

/** Where a tombstone says which one it is. */
const NAME = 'name';

export function makeRecords({ random, clock }: World, number: number, shape: AppendShape): OracleRecord[] {
  const { records = 1 + random.below(3), bytes = 60, timestamp = clock.now(), keys, tombstones = 0 } = shape;
  return Array.from({ length: records }, (_, index) => {
    const hasKey = keys !== undefined || random.chance(0.5);
    const record = {
      timestamp: timestamp + index,
      key: hasKey ? `key ${random.below(keys ?? 5)}` : null,
      value: `${number}/${index}/${'.'.repeat(random.below(2 * bytes))}`,
    };
    return tombstones > 0 && random.chance(tombstones)
      ? { ...record, value: `${number}/${index}/`, tombstone: true }
      : record;
  });
}

export function toProduce({ tombstone, ...record }: OracleRecord): ProduceRecord {
  return tombstone ? { ...record, value: null, headers: [{ key: NAME, value: record.value }] } : record;
}

export function decodeObserved(chunks: readonly Buffer[], offset: number): ObservedRecord[] {
  return decodeRecords(chunks, offset).map(({ timestamp, key, value, headers, ...record }) => {
    const common = { offset: record.offset, timestamp, key: key?.toString() ?? null };
    if (value !== null) return { ...common, value: String(value) };
    const name = headers.find((header) => header.key === NAME);
    return { ...common, value: String(name?.value), tombstone: true };
  });
}
