/**
 * Reading a partition from an offset on, as whole checked batches.
 *
 * Nothing at or past the high watermark is ever returned. Batches that are not yet in their segment come from memory.
 * Stored bytes that fail their checks raise CORRUPT_MESSAGE with the range; what lies before and after is served. A
 * recorded gap is passed over, but only where nothing valid is stored.
 */

import { errnoOf, isSeglogError, SeglogError } from '../common/errors.ts';
import type { ReadOptions, ReadResult } from '../common/types.ts';
import { isOutOfDescriptors, OUT_OF_DESCRIPTORS } from '../files/file-operations.ts';
import { findSegment } from '../segment/log-segment.ts';
import { damageAt, damageError, rememberDamage } from './damage.ts';
import { endOfGaps } from './gaps.ts';
import { type PartitionLog, unknownPartition } from './partition-log.ts';
import { readSegment } from './segment-reader.ts';

export const DEFAULT_READ_BYTES = 1024 * 1024;

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
    if (partition.deleted) throw unknownPartition(partition.topic.name);
    if (from >= partition.highWatermark) return result(partition, [], 0, from);
    const found = await readFrom(partition, from, maxBytes, options.into);
    if (typeof found === 'object') return found;
    // Nothing is stored up to there: a gap is recorded.
    if (found !== undefined) from = found;
  }
}

/**
 * Runs a read for somebody outside. A file that is not there any more is no failure when the topic is being deleted, for
 * then the partition is gone, nor when the log has other segments by now, or files of other names: the read is run again, and
 * may find that its offset is gone. Other errors of the system become KAFKA_STORAGE_ERROR, or THROTTLED where no descriptors
 * are left.
 */
export async function runRead<T>(partition: PartitionLog, read: () => Promise<T>): Promise<T> {
  for (;;) {
    const { layout } = partition;
    try {
      return await read();
    } catch (error) {
      const errno = errnoOf(error);
      if (errno === undefined || isSeglogError(error)) throw error;
      if (errno !== 'ENOENT') throw readFailed(partition, errno, error);
      // What is under way holds the partition's mutexes until it has happened or failed: a deletion, or a change of names.
      await partition.syncing.run(() => partition.writing.run(async () => {}));
      if (partition.deleted) throw unknownPartition(partition.topic.name);
      if (partition.layout === layout) throw readFailed(partition, errno, error);
    }
  }
}

function readFailed(partition: PartitionLog, errno: string, cause: unknown): SeglogError {
  const where = { topic: partition.topic.name, partition: partition.partition };
  partition.context.logger.error({ ...where, err: cause }, 'a read failed');
  if (isOutOfDescriptors(cause)) return new SeglogError('THROTTLED', OUT_OF_DESCRIPTORS, where, { cause });
  const message = `partition ${partition.name}: a read of its files failed (${errno}): look at the disk; everything else is served`;
  return new SeglogError('KAFKA_STORAGE_ERROR', message, where, { cause });
}

/** A number is where to read on, undefined that the log changed while it was looked at: look again. */
async function readFrom(
  partition: PartitionLog,
  offset: number,
  maxBytes: number,
  into: Buffer | undefined,
): Promise<ReadResult | number | undefined> {
  if (offset >= partition.writtenOffset) return readTail(partition, offset, maxBytes);
  const damage = damageAt(partition, offset);
  if (damage !== undefined) throw damageError(partition, damage);
  const segment = partition.segments[findSegment(partition.segments, offset)];
  if (segment === undefined) return passMissingStart(partition, offset);
  const stored = await readSegment(partition, segment, { offset, maxBytes, into });
  return typeof stored === 'object'
    ? result(partition, [stored.chunk], stored.chunk.length, stored.nextOffset)
    : stored;
}

/** The offset lies before the first segment: in a gap, or what was there is missing. */
function passMissingStart(partition: PartitionLog, offset: number): number {
  checkOffset(partition, offset);
  const end = endOfGaps(partition.gaps, offset);
  if (end > offset) return end;
  const endOffset = partition.segments[0]!.baseOffset;
  const range = { firstOffset: offset, endOffset, segment: offset, startPosition: 0, endPosition: 0 };
  throw damageError(partition, rememberDamage(partition, { ...range, reason: 'segment files are missing' }));
}

/** Up to where a deletion of records goes; throws OFFSET_OUT_OF_RANGE. */
export function deletionEnd(partition: PartitionLog, offset: number): number {
  if (offset === -1) return partition.highWatermark;
  checkNumber(offset);
  if (offset > partition.highWatermark) throw outOfRange(partition, offset);
  return offset;
}

function checkNumber(offset: number): void {
  if (!Number.isSafeInteger(offset) || offset < 0) {
    throw new SeglogError('INVALID_REQUEST', `an offset is a whole number from 0 to 2^53-1, not ${offset}`);
  }
}

function checkOffset(partition: PartitionLog, offset: number): void {
  checkNumber(offset);
  const { logStartOffset, logEndOffset } = partition;
  // Between the two ends lies what was appended, but is not readable yet: there is nothing, for now.
  if (offset < logStartOffset || offset > logEndOffset) throw outOfRange(partition, offset);
}

function outOfRange(partition: PartitionLog, offset: number): SeglogError {
  const { topic, name, logStartOffset, highWatermark } = partition;
  return new SeglogError(
    'OFFSET_OUT_OF_RANGE',
    `offset ${offset} is outside of partition ${name}, which holds ${logStartOffset} to ${highWatermark} (exclusive)`,
    { topic: topic.name, partition: partition.partition, offset, logStartOffset, highWatermark },
  );
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
