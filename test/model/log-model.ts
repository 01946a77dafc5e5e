/**
 * The log as plain arrays: what a log of topics and partitions is, without files. Beside each partition stands what was
 * promised about it, and when: each promise carries the number of disk operations that had come before it, so that a
 * crash between any two operations has its own answer to what must be there.
 */
import assert from 'node:assert';
import { partitionForKey } from '../../src/engine/commit/partitioner.ts';
import type { LogRecord } from '../../src/engine/common/types.ts';

export type ModelRecord = Omit<LogRecord, 'offset'>;

/** How long a promise holds: over the death of the process, or over a power cut as well. */
export type Strength = 'written' | 'durable';

interface Promised {
  /** Disk operations that had come before it. */
  readonly at: number;
  readonly end: number;
  readonly strength: Strength;
}

export class ModelPartition {
  /** By offset. */
  readonly records: ModelRecord[] = [];
  /** Where batches end, in order. */
  #ends: number[] = [];
  #promises: Promised[] = [];

  append(records: readonly ModelRecord[]): number {
    const base = this.records.length;
    this.records.push(...records);
    this.#ends.push(this.records.length);
    return base;
  }

  /** From now on all below `end` must be there. */
  promise(at: number, end: number, strength: Strength): void {
    this.#promises.push({ at, end, strength });
  }

  /** What must be there after a crash that came after `at` operations; now, when not given. */
  owed(strength: Strength, at = Number.POSITIVE_INFINITY): number {
    return this.#promises.reduce(
      (most, promise) =>
        promise.at <= at && (strength === 'written' || promise.strength === 'durable')
          ? Math.max(most, promise.end)
          : most,
      0,
    );
  }

  /** The log was opened and holds all below `end`: this is what it is now, and nothing of it may go any more. */
  reopened(end: number): void {
    assert(end === 0 || this.#ends.includes(end), `a batch was cut in two: the log ends at ${end}`);
    this.records.length = end;
    this.#ends = this.#ends.filter((each) => each <= end);
    this.#promises = [{ at: 0, end, strength: 'durable' }];
  }

  /** Offset of the first record below `end` that is not older than `timestamp`, or -1. */
  seek(timestamp: number, end: number): number {
    return this.records.findIndex((record, offset) => offset < end && record.timestamp >= timestamp);
  }

  clone(): ModelPartition {
    const copy = new ModelPartition();
    copy.records.push(...this.records);
    copy.#ends = [...this.#ends];
    copy.#promises = [...this.#promises];
    return copy;
  }
}

export interface ModelTopic {
  readonly partitions: ModelPartition[];
  config: Readonly<Record<string, string | number>>;
  /** What readers saw was not always synced: flush was not "sync" all the time since the log was opened. */
  sawUnsynced: boolean;
}

export type ModelLog = Map<string, ModelTopic>;

export const isSynchronous = ({ config }: ModelTopic) => (config.flush ?? 'sync') === 'sync';

export function modelTopic(partitions: number, config: ModelTopic['config'] = {}): ModelTopic {
  const topic = { partitions: Array.from({ length: partitions }, () => new ModelPartition()), config };
  return { ...topic, sawUnsynced: !isSynchronous({ ...topic, sawUnsynced: false }) };
}

/** Where a record with this key goes; undefined when that is the log's to choose. */
export function partitionOfKey({ partitions }: ModelTopic, key: Buffer | null): number | undefined {
  if (partitions.length === 1) return 0;
  return key === null ? undefined : partitionForKey(key, partitions.length);
}
