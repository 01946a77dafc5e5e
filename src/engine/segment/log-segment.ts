/**
 * A segment: one `<baseOffset>.log` file of a partition and what is known of its content.
 *
 * The last segment of a partition is **active**: it takes appends and its indexes are in memory. All
 * others are **sealed** (or about to be): their bytes never change. The counters cover the batches that
 * were applied to the log, which may be ahead of the file while batches wait in memory (see PartitionLog).
 * Not safe for concurrent change: the partition's writer alone calls `note`.
 */

import type { SegmentDescription } from '../common/types.ts';
import type { SegmentSwap } from '../files/log-file-names.ts';
import type { OffsetIndex } from '../format/offset-index.ts';
import { SEGMENT_HEADER_BYTES } from '../format/segment-header.ts';
import type { TimeIndex } from '../format/time-index.ts';

/** What a segment holds up to some point; stored in summaries, checkpoints and the clean marker. */
export interface SegmentStats {
  baseOffset: number;
  /** Exclusive. */
  endOffset: number;
  /** File size, header included. */
  bytes: number;
  records: number;
  batches: number;
  /** -1 while it is empty. */
  firstTimestamp: number;
  minTimestamp: number;
  maxTimestamp: number;
  /** When its first batch was appended, by the clock; -1 while it is empty. */
  firstAppendAt: number;
}

export interface SegmentIndexes {
  readonly offsets: OffsetIndex;
  readonly times: TimeIndex;
}

export function emptyStats(baseOffset: number): SegmentStats {
  return {
    baseOffset,
    endOffset: baseOffset,
    bytes: SEGMENT_HEADER_BYTES,
    records: 0,
    batches: 0,
    firstTimestamp: -1,
    minTimestamp: -1,
    maxTimestamp: -1,
    firstAppendAt: -1,
  };
}

/** Whether a value that was read from a file has the shape of stats. */
export function isSegmentStats(value: unknown): value is SegmentStats {
  if (typeof value !== 'object' || value === null) return false;
  const stats = value as SegmentStats;
  return (
    Object.keys(emptyStats(0)).every((key) => Number.isSafeInteger(stats[key as keyof SegmentStats])) &&
    0 <= stats.baseOffset &&
    stats.baseOffset <= stats.endOffset &&
    stats.bytes >= SEGMENT_HEADER_BYTES
  );
}

/** The facts of one batch that a segment's counters and indexes are made of. */
export interface BatchFacts {
  baseOffset: number;
  nextOffset: number;
  records: number;
  bytes: number;
  minTimestamp: number;
  maxTimestamp: number;
}

/** Counts one more batch in. */
export function addBatch(stats: SegmentStats, batch: BatchFacts, now: number): void {
  if (stats.batches === 0) {
    stats.firstTimestamp = batch.minTimestamp;
    stats.minTimestamp = batch.minTimestamp;
    stats.maxTimestamp = batch.maxTimestamp;
    stats.firstAppendAt = now;
  } else {
    if (batch.minTimestamp < stats.minTimestamp) stats.minTimestamp = batch.minTimestamp;
    if (batch.maxTimestamp > stats.maxTimestamp) stats.maxTimestamp = batch.maxTimestamp;
  }
  stats.endOffset = batch.nextOffset;
  stats.bytes += batch.bytes;
  stats.records += batch.records;
  stats.batches++;
}

/** Adds a batch to the sparse indexes, at most one entry for each `intervalBytes` of log. */
export class IndexWriter {
  readonly indexes: SegmentIndexes;
  #lastIndexedPosition: number;

  constructor(indexes: SegmentIndexes, lastIndexedPosition: number) {
    this.indexes = indexes;
    this.#lastIndexedPosition = lastIndexedPosition;
  }

  note(batch: BatchFacts, position: number, maxTimestampSoFar: number, intervalBytes: number): void {
    if (position - this.#lastIndexedPosition < intervalBytes) return;
    this.#lastIndexedPosition = position;
    this.indexes.offsets.append(batch.baseOffset, position);
    this.indexes.times.append(maxTimestampSoFar, batch.nextOffset - 1);
  }
}

export class LogSegment {
  readonly stats: SegmentStats;
  path: string;
  /** False from the roll until its first bytes are written: then the prepared file takes its name. */
  exists: boolean;
  /** Sealed: indexes and summary are on disk, and the bytes are synced. */
  sealed = false;
  /** Bytes were written since the last sync began. */
  dirty = false;
  /** The header of its file was compared with where it belongs. */
  identityChecked = false;
  /** In memory from the first append until it is sealed. */
  indexWriter: IndexWriter | undefined;
  /** Under whose name its file is, until all that it takes the place of is gone. */
  swap: SegmentSwap | undefined;
  /** Another segment has taken its place: what its path or its indexes lead to may be of that one. */
  retired = false;

  constructor(path: string, stats: SegmentStats, exists: boolean) {
    this.path = path;
    this.stats = stats;
    this.exists = exists;
  }

  get baseOffset(): number {
    return this.stats.baseOffset;
  }

  get endOffset(): number {
    return this.stats.endOffset;
  }

  note(batch: BatchFacts, now: number, intervalBytes: number): void {
    const position = this.stats.bytes;
    addBatch(this.stats, batch, now);
    this.indexWriter?.note(batch, position, this.stats.maxTimestamp, intervalBytes);
  }

  describe(stats: SegmentStats): SegmentDescription {
    return {
      baseOffset: stats.baseOffset,
      endOffset: stats.endOffset,
      bytes: stats.bytes,
      records: stats.records,
      batches: stats.batches,
      minTimestamp: stats.batches === 0 ? null : stats.minTimestamp,
      maxTimestamp: stats.batches === 0 ? null : stats.maxTimestamp,
      sealed: this.sealed,
    };
  }
}

/** Position in the ordered list of the segment that holds `offset`: the last one with base offset ≤ offset, or -1. */
export function findSegment(segments: readonly LogSegment[], offset: number): number {
  let low = 0;
  let high = segments.length - 1;
  while (low <= high) {
    const middle = (low + high) >>> 1;
    if (segments[middle]!.baseOffset <= offset) low = middle + 1;
    else high = middle - 1;
  }
  return high;
}
