/**
 * Reading one segment's file: from the batch with an offset on, whole batches, each of them checked. Where bytes are not
 * what they should be, the range is found out and remembered (damage.ts), and the read fails.
 */

import { readInto } from '../files/file-operations.ts';
import type { FileHandle } from '../files/file-system.ts';
import {
  BATCH_HEADER_BYTES,
  batchBaseOffset,
  batchNextOffset,
  batchSize,
  checkBatch,
} from '../format/record-batch.ts';
import { SEGMENT_HEADER_BYTES } from '../format/segment-header.ts';
import { findSegment, type LogSegment, type SegmentIndexes } from '../segment/log-segment.ts';
import { checkSegment, damageError, endOfSegment, noteDamage } from './damage.ts';
import { endOfGaps } from './gaps.ts';
import type { PartitionLog } from './partition-log.ts';

export interface SegmentRead {
  offset: number;
  maxBytes: number;
  into: Buffer | undefined;
}

export interface StoredBatches {
  /** Whole batches. */
  chunk: Buffer;
  nextOffset: number;
}

/** Where reads of this partition ended lately: the next read of a sequential reader needs no index. */
interface ReadCursor extends Place {
  segment: LogSegment;
}
const CURSORS = 8;
const cursorsOf = new WeakMap<PartitionLog, ReadCursor[]>();

/** A place in a segment's file: the batch that begins there and its base offset. */
interface Place {
  position: number;
  offset: number;
}

/** A place at or before the batch with `offset`. */
async function locate(partition: PartitionLog, segment: LogSegment, offset: number): Promise<Place> {
  const cursor = cursorsOf
    .get(partition)
    ?.find((known) => known.offset === offset && known.segment === segment);
  if (cursor !== undefined) return cursor;
  const indexes = await indexesOf(partition, segment);
  return indexes.offsets.lookup(offset) ?? { position: SEGMENT_HEADER_BYTES, offset: segment.baseOffset };
}

/** The indexes of a segment, from memory or from their files. */
export function indexesOf(
  partition: PartitionLog,
  segment: LogSegment,
): SegmentIndexes | Promise<SegmentIndexes> {
  if (segment.indexWriter !== undefined) return segment.indexWriter.indexes;
  const interval = partition.topic.settings['index.interval.bytes'];
  return partition.context.indexCache.get(partition.directory, segment, interval);
}

function remember(partition: PartitionLog, cursor: ReadCursor): void {
  const cursors = cursorsOf.get(partition) ?? [];
  cursors.unshift(cursor);
  if (cursors.length > CURSORS) cursors.pop();
  cursorsOf.set(partition, cursors);
}

/**
 * Reads batches from `read.offset` on, which the segment holds as far as its neighbours tell. A number is where to read
 * on when nothing is stored from there to it; undefined that the log changed meanwhile: look again.
 */
export async function readSegment(
  partition: PartitionLog,
  segment: LogSegment,
  read: SegmentRead,
): Promise<StoredBatches | number | undefined> {
  if (!segment.identityChecked && !(await checkSegment(partition, segment)))
    return endOfSegment(partition, segment);
  const from = await locate(partition, segment, read.offset);
  const lease = await partition.context.files.lease(segment.path);
  try {
    // The name may belong to another topic by now, or to another segment.
    if (partition.deleted || segment.retired) return undefined;
    return await readBatches(partition, segment, lease.file, from, read);
  } finally {
    lease.release();
  }
}

async function readBatches(
  partition: PartitionLog,
  segment: LogSegment,
  file: FileHandle,
  from: Place,
  { offset, maxBytes, into }: SegmentRead,
): Promise<StoredBatches | number | undefined> {
  let { position, offset: expected } = from;
  let want = Math.max(maxBytes, BATCH_HEADER_BYTES);
  for (;;) {
    const end = segment.stats.bytes;
    let atEnd = position >= end;
    if (!atEnd) {
      const length = Math.min(want, end - position);
      const buffer = await readPiece(file, position, length, into);
      const limit = Math.min(partition.highWatermark, endOfSegment(partition, segment));
      const walked = walk(partition, buffer, expected, offset, maxBytes, limit);
      if (walked.end > walked.start) {
        remember(partition, { offset: walked.expected, segment, position: position + walked.end });
        return { chunk: buffer.subarray(walked.start, walked.end), nextOffset: walked.expected };
      }
      position += walked.end;
      expected = walked.expected;
      want = Math.max(want, walked.needed);
      // A file that ends before what was written to it has been cut: there is nothing to wait for.
      const cut = buffer.length < length;
      if (walked.stop === 'buffer' && !cut && (position >= end || position + walked.needed <= end)) continue;
      atEnd = walked.stop === 'limit';
    }
    if (atEnd) {
      const beyond = passEnd(partition, segment, expected, offset);
      if (beyond !== 'damaged') return beyond;
    }
    const range = await noteDamage(partition, segment, file, position, expected);
    if (range === undefined) return undefined;
    if (offset < range.endOffset && endOfGaps(partition.gaps, offset) < range.endOffset)
      throw damageError(partition, range);
    // The damage lies before the batch that is wanted, or was given up.
    position = range.endPosition;
    expected = range.endOffset;
  }
}

/** Where to read on behind the last batch of a segment's file; `damaged` when something is missing there. */
function passEnd(
  partition: PartitionLog,
  segment: LogSegment,
  expected: number,
  offset: number,
): number | undefined | 'damaged' {
  // What was to be found here had been given up.
  if (expected > offset) return expected;
  const next = partition.segments[findSegment(partition.segments, segment.baseOffset) + 1];
  const goal = Math.min(next?.baseOffset ?? Number.POSITIVE_INFINITY, partition.writtenOffset);
  // Nothing is missing: the next segment goes on, or the rest is still in memory.
  if (expected >= goal) return undefined;
  return endOfGaps(partition.gaps, expected) >= goal ? goal : 'damaged';
}

/** Whether a batch that begins at `base` may follow where `expected` was: at once, or behind a recorded gap. */
function continuesAt(partition: PartitionLog, expected: number, base: number): boolean {
  return base === expected || (base > expected && endOfGaps(partition.gaps, expected) >= base);
}

async function readPiece(file: FileHandle, position: number, length: number, into?: Buffer): Promise<Buffer> {
  const buffer =
    into !== undefined && into.length >= length ? into.subarray(0, length) : Buffer.allocUnsafe(length);
  const read = await readInto(file, buffer, position);
  return read === length ? buffer : buffer.subarray(0, read);
}

/** What of a buffer that was read is to be returned. */
interface WalkedRange {
  /** Positions in the buffer: of the first batch wanted, and behind the last whole one. */
  start: number;
  end: number;
  /** Base offset of the batch at `end`. */
  expected: number;
  /** Bytes the batch at `end` needs, when the buffer's end is why the walk ended. */
  needed: number;
  /** The batch at `end`: needs more of the file, is bad or not the one that is expected, is behind the limit, or too much. */
  stop: 'buffer' | 'bad' | 'limit' | 'enough';
}

/** Passes over batches before `offset`, then takes whole valid ones up to `maxBytes` and `limit`. */
function walk(
  partition: PartitionLog,
  buffer: Buffer,
  from: number,
  offset: number,
  maxBytes: number,
  limit: number,
): WalkedRange {
  const walked: WalkedRange = {
    start: 0,
    end: 0,
    expected: from,
    needed: BATCH_HEADER_BYTES,
    stop: 'buffer',
  };
  while (walked.end + BATCH_HEADER_BYTES <= buffer.length) {
    const at = walked.end;
    const fault = checkBatch(buffer, at, buffer.length);
    if (fault !== null) {
      if (fault !== 'truncated') walked.stop = 'bad';
      walked.needed = batchSize(buffer, at);
      break;
    }
    const end = at + batchSize(buffer, at);
    const base = batchBaseOffset(buffer, at);
    const next = batchNextOffset(buffer, at);
    if (base !== walked.expected && (at > walked.start || !continuesAt(partition, walked.expected, base))) {
      walked.stop = at === walked.start ? 'bad' : 'enough';
      break;
    }
    if (next > limit) {
      // No batch that a reader may see reaches past the end of its segment or the high watermark.
      walked.stop = base < limit ? 'bad' : 'limit';
      break;
    }
    if (next > offset) {
      if (at > walked.start && end - walked.start > maxBytes) {
        walked.stop = 'enough';
        break;
      }
    } else {
      walked.start = end;
    }
    walked.end = end;
    walked.expected = next;
  }
  return walked;
}
