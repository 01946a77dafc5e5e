/**
 * Stored bytes that fail their checks: finding out how far the damage goes, remembering it, and telling.
 *
 * Damage is never skipped in silence. A read of the range raises CORRUPT_MESSAGE; only `seglog repair` turns it into
 * a recorded gap, which reads pass over.
 */
import { SeglogError } from '../common/errors.ts';
import type { DamagedRange } from '../common/types.ts';
import type { FileHandle } from '../files/file-system.ts';
import { batchBaseOffset } from '../format/record-batch.ts';
import { findSegment, type LogSegment } from '../segment/log-segment.ts';
import { checkIdentity, damagedHeader, type IdentityFault } from '../segment/segment-identity.ts';
import { SegmentScanner } from '../segment/segment-scanner.ts';
import { endOfGaps } from './gaps.ts';
import type { PartitionLog } from './partition-log.ts';

export function damageAt(partition: PartitionLog, offset: number): DamagedRange | undefined {
  return partition.damaged.find((range) => range.firstOffset <= offset && offset < range.endOffset);
}

export function damageError(partition: PartitionLog, range: DamagedRange): SeglogError {
  const { firstOffset, endOffset, segment, startPosition, endPosition, reason } = range;
  return new SeglogError(
    'CORRUPT_MESSAGE',
    `partition ${partition.name}: offsets ${firstOffset} to ${endOffset} (exclusive) are damaged (${reason}); read on at ` +
      `offset ${endOffset}, and run "seglog repair" with the daemon stopped`,
    {
      topic: partition.topic.name,
      partition: partition.partition,
      firstOffset,
      endOffset,
      segment,
      startPosition,
      endPosition,
    },
  );
}

/** Adds a range to what is known to be damaged, and tells. */
export function rememberDamage(partition: PartitionLog, range: DamagedRange): DamagedRange {
  partition.damaged.push(range);
  partition.damaged.sort((a, b) => a.firstOffset - b.firstOffset);
  partition.context.observer.failed?.('corruption');
  partition.context.logger.error(
    { topic: partition.topic.name, partition: partition.partition, ...range },
    'damaged data',
  );
  return range;
}

/**
 * A read met bytes at `position` that are not the batch that begins with `offset`: looks for where valid data goes on,
 * and remembers the range, unless it has been given up. Undefined when another segment has taken its place meanwhile.
 */
export async function noteDamage(
  partition: PartitionLog,
  segment: LogSegment,
  file: FileHandle,
  position: number,
  offset: number,
): Promise<DamagedRange | undefined> {
  const known = damageAt(partition, offset);
  if (known !== undefined) return known;
  const range = await measureDamage(partition, segment, file, position, offset);
  if (segment.retired) return undefined;
  const firstOffset = endOfGaps(partition.gaps, offset);
  return firstOffset >= range.endOffset ? range : rememberDamage(partition, { ...range, firstOffset });
}

/**
 * Compares a segment's header with where the file is, before anything of it is read. A misplaced file is damage as a
 * whole, and the read fails; false when it has been given up. A header that fails its checks is only told.
 */
export async function checkSegment(partition: PartitionLog, segment: LogSegment): Promise<boolean> {
  const { topic, context } = partition;
  const { baseOffset, path, stats } = segment;
  const lease = await context.files.lease(path);
  let fault: IdentityFault | null;
  try {
    const identity = { topicId: topic.id, partition: partition.partition, baseOffset };
    fault = await checkIdentity(lease.file, identity);
  } finally {
    lease.release();
  }
  if (partition.deleted || segment.retired || segment.identityChecked) return true;
  segment.identityChecked = fault?.kind !== 'misplaced';
  if (fault === null) return true;
  if (fault.kind === 'header') {
    rememberDamage(partition, damagedHeader(baseOffset, fault));
    return true;
  }
  const endOffset = endOfSegment(partition, segment);
  if (endOfGaps(partition.gaps, baseOffset) >= endOffset) return false;
  const range = { firstOffset: baseOffset, endOffset, segment: baseOffset, startPosition: 0 };
  const known = damageAt(partition, baseOffset);
  throw damageError(
    partition,
    known !== undefined && known.endOffset >= endOffset
      ? known
      : rememberDamage(partition, { ...range, endPosition: stats.bytes, reason: fault.reason }),
  );
}

/** Where the offsets of a segment end as its neighbour has it, whatever is in the file. */
export function endOfSegment(partition: PartitionLog, segment: LogSegment): number {
  const following = partition.segments[findSegment(partition.segments, segment.baseOffset) + 1];
  return following?.baseOffset ?? partition.writtenOffset;
}

async function measureDamage(
  partition: PartitionLog,
  segment: LogSegment,
  file: FileHandle,
  position: number,
  offset: number,
): Promise<DamagedRange> {
  const end = segment.stats.bytes;
  const range: DamagedRange = {
    firstOffset: offset,
    endOffset: endOfSegment(partition, segment),
    segment: segment.baseOffset,
    startPosition: position,
    endPosition: end,
    reason: position >= end ? 'records are missing' : 'a batch fails its checks',
  };
  const scanner = new SegmentScanner(file, position, end);
  const here = await scanner.peek();
  if (here !== null && here.fault === null && batchBaseOffset(here.buffer, here.at) > offset) {
    return {
      ...range,
      endOffset: Math.min(range.endOffset, batchBaseOffset(here.buffer, here.at)),
      endPosition: position,
      reason: 'records are missing',
    };
  }
  scanner.position = position;
  const next = await scanner.findNext(offset, range.endOffset);
  if (next < 0) return range;
  scanner.position = next;
  const batch = await scanner.peek();
  if (batch === null || batch.fault !== null) return range;
  return { ...range, endOffset: batchBaseOffset(batch.buffer, batch.at), endPosition: next };
}
