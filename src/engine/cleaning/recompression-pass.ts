/**
 * Rewrites sealed segments of a partition that have grown old with `recompress.type`, in larger blocks: offsets, timestamps and
 * records stay as they are, cold data gets small, and hot data stays cheap to write.
 */
import type { SegmentsRewritten } from '../common/types.ts';
import { readFully } from '../files/file-operations.ts';
import { BATCH_HEADER_BYTES, batchCodec, batchSize, batchUncompressedBytes } from '../format/record-batch.ts';
import { SEGMENT_HEADER_BYTES } from '../format/segment-header.ts';
import type { PartitionLog } from '../partition/partition-log.ts';
import { newestTime, UNLIMITED } from '../partition/retention.ts';
import type { LogSegment } from '../segment/log-segment.ts';
import { type PassControl, PassMeter } from './pass-meter.ts';
import {
  orNoteChange,
  overRemaining,
  planAgain,
  type RewriteTools,
  rewriteGroup,
  segmentInputs,
  startPass,
  startTotals,
  sumBytes,
} from './segment-rewriting.ts';

/** Segments that were looked at, and are as they should be for this codec. */
const asTheyShouldBe = new WeakMap<LogSegment, string>();

/** Segments that are old enough, and known neither to be recompressed nor to be damaged. */
export function dueForRecompression(partition: PartitionLog): LogSegment[] {
  const { settings } = partition.topic;
  const afterMs = settings['recompress.after.ms'];
  if (afterMs === UNLIMITED) return [];
  const now = partition.context.clock.now();
  const stats = partition.segments.map((segment) => segment.stats);
  return partition.segments
    .slice(0, partition.settledSegments)
    .filter(
      (segment, i) =>
        now - newestTime(stats, i, now) > afterMs &&
        asTheyShouldBe.get(segment) !== settings['recompress.type'] &&
        !isDamaged(partition, segment),
    );
}

/** One that is damaged stays as it is, and is no reason to leave the others. */
function isDamaged({ damaged }: PartitionLog, { baseOffset, stats: { endOffset } }: LogSegment): boolean {
  return damaged.some(
    (range) =>
      range.segment === baseOffset || (range.firstOffset < endOffset && baseOffset < range.endOffset),
  );
}

/** Throws what rewriteGroup throws. */
export function recompressPartition(
  tools: RewriteTools,
  partition: PartitionLog,
  control: PassControl,
): Promise<SegmentsRewritten> {
  return planAgain(partition, () => recompress(tools, partition, control));
}

async function recompress(
  tools: RewriteTools,
  partition: PartitionLog,
  control: PassControl,
): Promise<SegmentsRewritten> {
  const due = dueForRecompression(partition);
  const { 'recompress.type': codec, 'recompress.block.bytes': blockBytes } = partition.topic.settings;
  const stats = due.map((segment) => segment.stats);
  const totals = startTotals(partition, stats);
  const meter = new PassMeter(control, sumBytes(stats));
  const pass = startPass(tools, meter, totals);
  for (const segment of due) {
    await overRemaining(partition, [segment.stats], async ([left]) => {
      const isDone = await orNoteChange(partition, segmentInputs(partition, [left!]), () =>
        isRecompressed(partition, segment, codec, blockBytes),
      );
      if (isDone) return;
      const options = { codec, blockBytes, filter: undefined };
      await rewriteGroup(pass, partition, [left!], options);
    });
    // Where it was replaced, this is the one in its place.
    const now = partition.segments.find(({ baseOffset }) => baseOffset === segment.baseOffset);
    if (now !== undefined) asTheyShouldBe.set(now, codec);
    meter.finish(segment.stats.bytes);
  }
  totals.rounds = 1;
  return totals;
}

/**
 * By the first batch: it is of this codec, and of a size that only rewriting makes (or there is no more to put together). So
 * after a restart it takes one small read to pass over a segment.
 */
async function isRecompressed(
  partition: PartitionLog,
  segment: LogSegment,
  codec: string,
  blockBytes: number,
): Promise<boolean> {
  const { batches } = segment.stats;
  if (batches === 0) return true;
  const lease = await partition.context.files.lease(segment.path);
  try {
    const header = await readFully(lease.file, BATCH_HEADER_BYTES, SEGMENT_HEADER_BYTES);
    if (header.length < BATCH_HEADER_BYTES || batchSize(header, 0) < BATCH_HEADER_BYTES) return false;
    return (
      batchCodec(header, 0) === codec &&
      (batches === 1 || batchUncompressedBytes(header, 0) >= blockBytes / 2)
    );
  } finally {
    lease.release();
  }
}
