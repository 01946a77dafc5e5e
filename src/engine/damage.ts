/**
 * Stored bytes that fail their checks: finding out how far the damage goes, remembering it, and telling.
 *
 * Damage is never skipped in silence. A read of the range raises CORRUPT_MESSAGE; only `seglog repair` turns it into
 * a recorded gap, which reads pass over.
 */
import { SeglogError } from './errors.ts';
import type { FileHandle } from './file-system.ts';
import { findSegment, type LogSegment } from './log-segment.ts';
import type { PartitionLog } from './partition-log.ts';
import { batchBaseOffset } from './record-batch.ts';
import { SegmentScanner } from './segment-scanner.ts';
import type { DamagedRange, OffsetGap } from './types.ts';

export function damageAt(partition: PartitionLog, offset: number): DamagedRange | undefined {
  return partition.damaged.find((range) => range.firstOffset <= offset && offset < range.endOffset);
}

export function gapAt(partition: PartitionLog, offset: number): OffsetGap | undefined {
  return partition.gaps.find((gap) => gap.firstOffset <= offset && offset < gap.endOffset);
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

/**
 * A read met bytes at `position` that are not the batch that begins with `offset`: looks for where valid data goes on,
 * and remembers the range.
 */
export async function noteDamage(
  partition: PartitionLog,
  segment: LogSegment,
  file: FileHandle,
  position: number,
  offset: number,
): Promise<DamagedRange> {
  const known = damageAt(partition, offset);
  if (known !== undefined) return known;
  const range = await measureDamage(partition, segment, file, position, offset);
  partition.damaged.push(range);
  partition.damaged.sort((a, b) => a.firstOffset - b.firstOffset);
  partition.context.observer.failed?.('corruption');
  partition.context.logger.error(
    { topic: partition.topic.name, partition: partition.partition, ...range },
    'damaged data',
  );
  return range;
}

async function measureDamage(
  partition: PartitionLog,
  segment: LogSegment,
  file: FileHandle,
  position: number,
  offset: number,
): Promise<DamagedRange> {
  const end = segment.stats.bytes;
  const following = partition.segments[findSegment(partition.segments, segment.baseOffset) + 1];
  const range: DamagedRange = {
    firstOffset: offset,
    endOffset: following?.baseOffset ?? partition.writtenOffset,
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
      endOffset: batchBaseOffset(here.buffer, here.at),
      endPosition: position,
      reason: 'records are missing',
    };
  }
  scanner.position = position;
  const next = await scanner.findNext(offset);
  if (next < 0) return range;
  scanner.position = next;
  const batch = await scanner.peek();
  if (batch === null || batch.fault !== null) return range;
  return { ...range, endOffset: batchBaseOffset(batch.buffer, batch.at), endPosition: next };
}
