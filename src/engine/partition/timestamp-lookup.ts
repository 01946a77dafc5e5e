/** Finding an offset by time. */

import { SeglogError } from '../common/errors.ts';
import { batchMaxTimestamp, batchSize } from '../format/record-batch.ts';
import { visitRecords } from '../format/record-batch-reader.ts';
import { findSegment } from '../segment/log-segment.ts';
import { checkSegment } from './damage.ts';
import type { PartitionLog } from './partition-log.ts';
import { readPartition } from './partition-reader.ts';
import { indexesOf } from './segment-reader.ts';

/** The offset of the first record with a timestamp of at least `timestamp`; the high watermark when there is none. */
export async function offsetForTimestamp(partition: PartitionLog, timestamp: number): Promise<number> {
  if (!Number.isSafeInteger(timestamp)) {
    throw new SeglogError(
      'INVALID_REQUEST',
      `a timestamp is a whole number of ms since 1970, not ${timestamp}`,
    );
  }
  for (;;) {
    const found = await search(partition, timestamp);
    if (found !== undefined) return found;
  }
}

/** Undefined when a segment was replaced while its indexes were read: they may have been those of another one. */
async function search(partition: PartitionLog, timestamp: number): Promise<number | undefined> {
  const { segments, logStartOffset, writtenOffset } = partition;
  for (const segment of segments.slice(Math.max(0, findSegment(segments, logStartOffset)))) {
    if (segment.stats.batches === 0 || segment.stats.maxTimestamp < timestamp) continue;
    if (!segment.identityChecked && !(await checkSegment(partition, segment))) continue;
    const indexes = await indexesOf(partition, segment);
    if (segment.retired) return undefined;
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
