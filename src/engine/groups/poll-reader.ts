/**
 * Reads on in all partitions of a member, fairly: who came last the last time comes first, and what a poll may give is shared
 * out among those that have something. What a turn leaves over goes to those that have more.
 */
import { isSeglogError } from '../common/errors.ts';
import type { Engine } from '../engine.ts';
import {
  batchBaseOffset,
  batchLastOffset,
  batchLastOffsetDelta,
  batchRecordCount,
  batchSize,
} from '../format/record-batch.ts';
import { visitRecords } from '../format/record-batch-reader.ts';
import type { PartitionOffset, PollError, PolledPartition } from './types.ts';

export interface PollLimits {
  readonly maxBytes: number;
  readonly maxRecords: number;
}

/** A partition that is read on. */
interface Reading extends PolledPartition {
  /** The end of what was looked at, records or not. */
  position: number;
  failed: PollError | undefined;
}

export interface PollReading {
  readonly partitions: PolledPartition[];
  readonly errors: PollError[];
  /** What was thrown first. */
  readonly failure: unknown;
  /** Where each partition is to be read on; only those that have moved. */
  readonly moved: PartitionOffset[];
  /** Among the places, where the next poll is to begin. */
  readonly next: number;
}

export async function readFairly(
  engine: Engine,
  places: readonly PartitionOffset[],
  first: number,
  limits: PollLimits,
): Promise<PollReading> {
  const order = places.map((_, at) => places[(first + at) % places.length]!);
  const readings = order.filter(({ topic, partition, offset }) => endOf(engine, topic, partition) > offset);
  const turns: Reading[] = readings.map((place) => ({
    ...place,
    endOffset: place.offset,
    position: place.offset,
    chunks: [],
    highWatermark: 0,
    failed: undefined,
  }));
  const left = { bytes: limits.maxBytes, records: limits.maxRecords };
  let failure: unknown;
  let next = first;
  for (let open = turns; open.length > 0 && left.bytes > 0 && left.records > 0; ) {
    const share = {
      bytes: Math.max(1, Math.floor(left.bytes / open.length)),
      records: Math.max(1, Math.floor(left.records / open.length)),
    };
    for (const reading of open) {
      if (left.bytes <= 0 || left.records <= 0) break;
      try {
        await readShare(engine, reading, share, left);
      } catch (error) {
        failure ??= error;
        reading.failed = pollError(reading, error);
      }
      next = (places.findIndex((place) => isSame(place, reading)) + 1) % places.length;
    }
    open = open.filter(
      ({ topic, partition, position, failed }) =>
        failed === undefined && endOf(engine, topic, partition) > position,
    );
  }
  return {
    partitions: turns
      .filter(({ chunks }) => chunks.length > 0)
      .map(({ position: _, failed: __, ...partition }) => partition),
    errors: turns.flatMap(({ failed }) => failed ?? []),
    failure,
    moved: turns
      .filter(({ position, offset }) => position > offset)
      .map(({ topic, partition, position }) => ({ topic, partition, offset: position })),
    next,
  };
}

/** Reads until there is a record, the end, or the share is used up. */
async function readShare(
  engine: Engine,
  reading: Reading,
  share: { bytes: number; records: number },
  left: { bytes: number; records: number },
): Promise<void> {
  const { topic, partition } = reading;
  for (let bytes = share.bytes, records = share.records; bytes > 0 && records > 0; ) {
    const maxBytes = Math.min(bytes, Math.max(1, left.bytes));
    const result = await engine.read(topic, partition, { offset: reading.position, maxBytes });
    const taken = takeRecords(result.chunks, reading.position, Math.min(records, left.records));
    reading.highWatermark = result.highWatermark;
    const cut = taken.endOffset !== undefined;
    reading.position = taken.endOffset ?? result.nextOffset;
    if (taken.records > 0) {
      reading.chunks.push(...taken.chunks);
      reading.endOffset = reading.position;
    }
    bytes -= result.bytes;
    left.bytes -= taken.records > 0 ? result.bytes : 0;
    records -= taken.records;
    left.records -= taken.records;
    if (cut || taken.records > 0 || reading.position >= result.highWatermark) return;
  }
}

/** The first records from `from` on; `endOffset` is set where there are more than `maxRecords`. */
function takeRecords(
  chunks: readonly Buffer[],
  from: number,
  maxRecords: number,
): { chunks: Buffer[]; records: number; endOffset: number | undefined } {
  const taken: Buffer[] = [];
  let records = 0;
  for (const chunk of chunks) {
    for (let at = 0; at < chunk.length; at += batchSize(chunk, at)) {
      const count = countRecords(chunk, at, from);
      if (records + count > maxRecords) {
        const endOffset = endOfRecords(chunk, at, from, maxRecords - records);
        if (endOffset > from) taken.push(chunk.subarray(0, at + batchSize(chunk, at)));
        return { chunks: taken, records: maxRecords, endOffset };
      }
      records += count;
    }
    taken.push(chunk);
  }
  return { chunks: taken, records, endOffset: undefined };
}

function isDense(chunk: Buffer, at: number): boolean {
  return batchRecordCount(chunk, at) === batchLastOffsetDelta(chunk, at) + 1;
}

function countRecords(chunk: Buffer, at: number, from: number): number {
  const base = batchBaseOffset(chunk, at);
  if (base >= from) return batchRecordCount(chunk, at);
  if (isDense(chunk, at)) return Math.max(0, batchLastOffset(chunk, at) + 1 - from);
  let count = 0;
  visitRecords(chunk.subarray(at, at + batchSize(chunk, at)), from, () => {
    count++;
  });
  return count;
}

/** The end of the first `count` records of a batch that has more. */
function endOfRecords(chunk: Buffer, at: number, from: number, count: number): number {
  const base = batchBaseOffset(chunk, at);
  if (isDense(chunk, at)) return Math.max(base, from) + count;
  let end = base;
  let left = count;
  visitRecords(chunk.subarray(at, at + batchSize(chunk, at)), from, (offset) => {
    end = offset + (left === 0 ? 0 : 1);
    return left-- > 0;
  });
  return end;
}

function endOf(engine: Engine, topic: string, partition: number): number {
  const identity = engine.findTopic(topic);
  if (identity === undefined || partition >= identity.partitions) return 0;
  return engine.offsets(topic, partition).highWatermark;
}

function isSame(a: PartitionOffset, b: { topic: string; partition: number }): boolean {
  return a.topic === b.topic && a.partition === b.partition;
}

function pollError({ topic, partition }: Reading, error: unknown): PollError {
  if (!isSeglogError(error)) throw error;
  return { topic, partition, code: error.code, message: error.message, details: error.details };
}
