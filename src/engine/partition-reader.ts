/**
 * Reading a partition: from an offset on, as whole checked batches; and finding an offset by time.
 *
 * Nothing at or past the high watermark is ever returned. Batches that are not yet in their segment come from memory.
 * Stored bytes that fail their checks raise CORRUPT_MESSAGE with the range; what lies before and after is served.
 */
import { damageAt, damageError, gapAt, noteDamage } from './damage.ts';
import { SeglogError } from './errors.ts';
import { readInto } from './file-operations.ts';
import type { FileHandle } from './file-system.ts';
import { findSegment, type LogSegment, type SegmentIndexes } from './log-segment.ts';
import { type PartitionLog, unknownPartition } from './partition-log.ts';
import {
  BATCH_HEADER_BYTES,
  batchBaseOffset,
  batchMaxTimestamp,
  batchNextOffset,
  batchSize,
  checkBatch,
} from './record-batch.ts';
import { visitRecords } from './record-batch-reader.ts';
import { SEGMENT_HEADER_BYTES } from './segment-header.ts';
import type { ReadOptions, ReadResult } from './types.ts';

export const DEFAULT_READ_BYTES = 1024 * 1024;

/** Where reads of this partition ended lately: the next read of a sequential reader needs no index. */
interface ReadCursor extends Place {
  segment: LogSegment;
}
const CURSORS = 8;
const cursorsOf = new WeakMap<PartitionLog, ReadCursor[]>();

/** Reads from `options.offset` on; an empty result at the high watermark. */
export async function readPartition(partition: PartitionLog, options: ReadOptions): Promise<ReadResult> {
  const { offset, maxBytes = options.into?.length ?? DEFAULT_READ_BYTES } = options;
  checkOffset(partition, offset);
  if (!Number.isSafeInteger(maxBytes) || maxBytes < 1) {
    throw new SeglogError(
      'INVALID_REQUEST',
      `maxBytes must be a whole number of at least 1, not ${maxBytes}`,
    );
  }
  let from = offset;
  for (;;) {
    if (partition.deleted) throw unknownPartition(partition.topic.name, partition.partition);
    if (from >= partition.highWatermark) return result(partition, [], 0, from);
    const gap = gapAt(partition, from);
    if (gap !== undefined) {
      from = gap.endOffset;
      continue;
    }
    const found = await readFrom(partition, from, maxBytes, options.into);
    if (found !== undefined) return found;
  }
}

/** Undefined when the log changed while the file was looked for: look again. */
async function readFrom(
  partition: PartitionLog,
  offset: number,
  maxBytes: number,
  into: Buffer | undefined,
): Promise<ReadResult | undefined> {
  if (offset >= partition.writtenOffset) return readTail(partition, offset, maxBytes);
  const damage = damageAt(partition, offset);
  if (damage !== undefined) throw damageError(partition, damage);
  const segment = partition.segments[findSegment(partition.segments, offset)];
  if (segment === undefined) return undefined;
  const place = await locate(partition, segment, offset);
  return readSegment(partition, segment, place, offset, maxBytes, into);
}

function checkOffset(partition: PartitionLog, offset: number): void {
  if (!Number.isSafeInteger(offset) || offset < 0) {
    throw new SeglogError('INVALID_REQUEST', `an offset is a whole number from 0 to 2^53-1, not ${offset}`);
  }
  const { logStartOffset, highWatermark, logEndOffset } = partition;
  // Between the two ends lies what was appended, but is not readable yet: there is nothing, for now.
  if (offset < logStartOffset || offset > logEndOffset) {
    throw new SeglogError(
      'OFFSET_OUT_OF_RANGE',
      `offset ${offset} is outside of partition ${partition.name}, which holds ${logStartOffset} to ${highWatermark} (exclusive)`,
      { topic: partition.topic.name, partition: partition.partition, offset, logStartOffset, highWatermark },
    );
  }
}

function result(partition: PartitionLog, chunks: Buffer[], bytes: number, nextOffset: number): ReadResult {
  const { highWatermark, logStartOffset } = partition;
  return { chunks, bytes, nextOffset, highWatermark, logStartOffset };
}

function readTail(partition: PartitionLog, offset: number, maxBytes: number): ReadResult | undefined {
  const { tail, highWatermark } = partition;
  let low = 0;
  let high = tail.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (tail[middle]!.facts.nextOffset <= offset) low = middle + 1;
    else high = middle;
  }
  const chunks: Buffer[] = [];
  let bytes = 0;
  let next = offset;
  for (let i = low; i < tail.length; i++) {
    const batch = tail[i]!;
    if (
      batch.facts.nextOffset > highWatermark ||
      (chunks.length > 0 && bytes + batch.bytes.length > maxBytes)
    )
      break;
    chunks.push(batch.bytes);
    bytes += batch.bytes.length;
    next = batch.facts.nextOffset;
  }
  return chunks.length === 0 ? undefined : result(partition, chunks, bytes, next);
}

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

function indexesOf(partition: PartitionLog, segment: LogSegment): SegmentIndexes | Promise<SegmentIndexes> {
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

async function readSegment(
  partition: PartitionLog,
  segment: LogSegment,
  from: Place,
  offset: number,
  maxBytes: number,
  into: Buffer | undefined,
): Promise<ReadResult | undefined> {
  const lease = await partition.context.files.lease(segment.path);
  try {
    // The name may belong to another topic by now.
    if (partition.deleted) return undefined;
    let { position, offset: expected } = from;
    let want = Math.max(maxBytes, BATCH_HEADER_BYTES);
    for (;;) {
      const end = segment.stats.bytes;
      if (position < end) {
        const buffer = await readPiece(lease.file, position, Math.min(want, end - position), into);
        const walked = walk(partition, buffer, expected, offset, maxBytes);
        if (walked.end > walked.start) {
          remember(partition, { offset: walked.expected, segment, position: position + walked.end });
          const chunk = buffer.subarray(walked.start, walked.end);
          return result(partition, [chunk], chunk.length, walked.expected);
        }
        position += walked.end;
        expected = walked.expected;
        want = Math.max(want, walked.needed);
        if (!walked.bad && (position >= end || position + walked.needed <= end)) continue;
      } else if (endsWhereNextBegins(partition, segment, expected)) {
        return undefined;
      }
      const range = await noteDamage(partition, segment, lease.file, position, expected);
      if (offset < range.endOffset) throw damageError(partition, range);
      // The damage lies between the index entry and the batch that is wanted.
      position = range.endPosition;
      expected = range.endOffset;
    }
  } finally {
    lease.release();
  }
}

/** Nothing is missing behind the segment: its successor goes on, or the rest is still in memory. */
function endsWhereNextBegins(partition: PartitionLog, segment: LogSegment, expected: number): boolean {
  const next = partition.segments[findSegment(partition.segments, segment.baseOffset) + 1];
  return (
    expected >= partition.writtenOffset ||
    (next !== undefined && continuesAt(partition, expected, next.baseOffset))
  );
}

/** Whether a batch that begins at `base` may follow where `expected` was: at once, or behind a recorded gap. */
function continuesAt(partition: PartitionLog, expected: number, base: number): boolean {
  return base === expected || (gapAt(partition, expected)?.endOffset ?? -1) >= base;
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
  /** The batch at `end` is bad, or not the one that is expected. */
  bad: boolean;
}

/** Passes over batches before `offset`, then takes whole valid ones up to `maxBytes` and the high watermark. */
function walk(
  partition: PartitionLog,
  buffer: Buffer,
  from: number,
  offset: number,
  maxBytes: number,
): WalkedRange {
  const walked: WalkedRange = { start: 0, end: 0, expected: from, needed: BATCH_HEADER_BYTES, bad: false };
  while (walked.end + BATCH_HEADER_BYTES <= buffer.length) {
    const at = walked.end;
    const fault = checkBatch(buffer, at, buffer.length);
    if (fault !== null) {
      walked.bad = fault !== 'truncated';
      walked.needed = batchSize(buffer, at);
      break;
    }
    const end = at + batchSize(buffer, at);
    const base = batchBaseOffset(buffer, at);
    const next = batchNextOffset(buffer, at);
    if (base !== walked.expected && (at > walked.start || !continuesAt(partition, walked.expected, base))) {
      walked.bad = at === walked.start;
      break;
    }
    if (next > offset) {
      if (next > partition.highWatermark || (at > walked.start && end - walked.start > maxBytes)) break;
    } else {
      walked.start = end;
    }
    walked.end = end;
    walked.expected = next;
  }
  return walked;
}

/** The offset of the first record with a timestamp of at least `timestamp`; the high watermark when there is none. */
export async function offsetForTimestamp(partition: PartitionLog, timestamp: number): Promise<number> {
  if (!Number.isSafeInteger(timestamp)) {
    throw new SeglogError(
      'INVALID_REQUEST',
      `a timestamp is a whole number of ms since 1970, not ${timestamp}`,
    );
  }
  const { segments, logStartOffset, writtenOffset } = partition;
  for (const segment of segments.slice(Math.max(0, findSegment(segments, logStartOffset)))) {
    if (segment.stats.batches === 0 || segment.stats.maxTimestamp < timestamp) continue;
    const indexes = await indexesOf(partition, segment);
    const from = Math.max(indexes.times.lookup(timestamp), logStartOffset);
    const found = await scanForTimestamp(partition, from, segment.endOffset, timestamp);
    if (found !== undefined) return found;
  }
  const from = Math.max(writtenOffset, logStartOffset);
  return (
    (await scanForTimestamp(partition, from, partition.highWatermark, timestamp)) ?? partition.highWatermark
  );
}

async function scanForTimestamp(
  partition: PartitionLog,
  from: number,
  end: number,
  timestamp: number,
): Promise<number | undefined> {
  for (let offset = from; offset < Math.min(end, partition.highWatermark); ) {
    const { chunks, nextOffset } = await readPartition(partition, { offset });
    for (const chunk of chunks) {
      const found = firstAtOrAfter(chunk, offset, timestamp);
      if (found !== undefined) return found;
    }
    offset = nextOffset;
  }
  return undefined;
}

function firstAtOrAfter(chunk: Buffer, fromOffset: number, timestamp: number): number | undefined {
  let found: number | undefined;
  for (let at = 0; at < chunk.length && found === undefined; at += batchSize(chunk, at)) {
    if (batchMaxTimestamp(chunk, at) < timestamp) continue;
    visitRecords(chunk.subarray(at, at + batchSize(chunk, at)), fromOffset, (offset, recordTimestamp) => {
      if (recordTimestamp < timestamp) return true;
      found = offset;
      return false;
    });
  }
  return found;
}
