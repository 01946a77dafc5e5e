/**
 * Rewrites sealed segments of an open engine as compaction would, in a few words: for tests of the swap and of what comes
 * after it. The engine shows its partitions to nobody; what maintains them is watched to get at them.
 */
import { createSynced, readWholeFile } from '../../src/engine/files/file-operations.ts';
import { rewrittenPath } from '../../src/engine/files/log-file-names.ts';
import { batchMaxTimestamp, batchNextOffset, batchSize } from '../../src/engine/format/record-batch.ts';
import { decodeRecords } from '../../src/engine/format/record-batch-reader.ts';
import { encodeSegmentHeader, SEGMENT_HEADER_BYTES } from '../../src/engine/format/segment-header.ts';
import type { CompressionType, Engine, LogRecord } from '../../src/engine/index.ts';
import type { PartitionLog } from '../../src/engine/partition/partition-log.ts';
import { SegmentMaintenance } from '../../src/engine/partition/segment-maintenance.ts';
import type { Replacement } from '../../src/engine/partition/segment-replacement.ts';
import type { RewrittenSegment } from '../../src/engine/rewrite/rewrite-request.ts';
import { addBatch, emptyStats, IndexWriter, type LogSegment } from '../../src/engine/segment/log-segment.ts';
import { emptyIndexes } from '../../src/engine/segment/segment-files.ts';
import { batchFacts } from '../../src/engine/segment/segment-scanner.ts';
import { encodeCompacted } from './compacted-batch.ts';

export interface Watched {
  partition: PartitionLog;
  maintenance: SegmentMaintenance;
}

const watched = new Map<string, Watched>();

/** From now on partitions are known that this class maintains: it is another one in each copy of the engine's modules. */
export function watchMaintenance({ prototype }: typeof SegmentMaintenance): void {
  for (const name of ['opened', 'seal'] as const) {
    const method = prototype[name] as (partition: PartitionLog, ...rest: unknown[]) => void;
    const watching = function (this: SegmentMaintenance, partition: PartitionLog, ...rest: unknown[]) {
      watched.set(`${partition.topic.id}/${partition.partition}`, { partition, maintenance: this });
      method.call(this, partition, ...rest);
    };
    prototype[name] = watching;
  }
}

watchMaintenance(SegmentMaintenance);

/** Undefined until the partition was opened with segments in it, or has rolled. */
export async function watchedPartition(
  engine: Engine,
  topic: string,
  partition = 0,
): Promise<Watched | undefined> {
  const { id } = await engine.describeTopic(topic);
  return watched.get(`${id}/${partition}`);
}

export interface Rewriting {
  keep(record: LogRecord): boolean;
  /** Batches get so many records, or all of the last one that is merged. */
  batchRecords?: number;
  compression?: CompressionType;
}

/** Replaces the sealed segments `from` to `end` (exclusive, by their place in the list). */
export async function replaceSealed(
  engine: Engine,
  topic: string,
  rewriting: Rewriting,
  from = 0,
  end = Number.POSITIVE_INFINITY,
): Promise<Replacement> {
  const { partition, maintenance } = (await watchedPartition(engine, topic))!;
  const olds = sealedOf(partition).slice(from, end);
  return maintenance.replaceSegments(partition, olds, await rewriteSegments(partition, olds, rewriting));
}

/** The sealed segments at the beginning of a partition. */
export function sealedOf({ segments }: PartitionLog): LogSegment[] {
  const unsealed = segments.findIndex(({ sealed }) => !sealed);
  return segments.slice(0, unsealed);
}

/** Writes the file that takes the place of these neighbours, as a worker does. */
export async function rewriteSegments(
  { context, directory, topic, partition }: PartitionLog,
  olds: readonly LogSegment[],
  { keep, batchRecords = 10, compression }: Rewriting,
): Promise<RewrittenSegment> {
  const { baseOffset } = olds[0]!;
  const { firstAppendAt } = olds[0]!.stats;
  const header = { topicId: topic.id, partition, baseOffset, createdAt: context.clock.now() };
  const interval = topic.settings['index.interval.bytes'];
  const stats = emptyStats(baseOffset);
  const indexes = emptyIndexes(baseOffset);
  const writer = new IndexWriter(indexes, Number.NEGATIVE_INFINITY);
  const buffers = [encodeSegmentHeader(header)];
  let kept: LogRecord[] = [];
  let [minTimestamp, maxTimestamp] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  const flush = (endOffset: number) => {
    const times = { minTimestamp: Math.min(minTimestamp, maxTimestamp), maxTimestamp };
    const bytes = encodeCompacted({
      baseOffset: stats.endOffset,
      endOffset,
      records: kept,
      compression,
      ...times,
    });
    const facts = batchFacts(bytes, 0);
    const position = stats.bytes;
    addBatch(stats, facts, firstAppendAt);
    writer.note(facts, position, stats.maxTimestamp, interval);
    buffers.push(bytes);
    kept = [];
    [minTimestamp, maxTimestamp] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  };
  for (const old of olds) {
    const bytes = (await readWholeFile(context.fileSystem, old.path))!;
    for (let at = SEGMENT_HEADER_BYTES; at < old.stats.bytes; at += batchSize(bytes, at)) {
      const chunk = bytes.subarray(at, at + batchSize(bytes, at));
      kept.push(...decodeRecords([chunk], 0).filter(keep));
      minTimestamp = Math.min(minTimestamp, batchFacts(chunk, 0).minTimestamp);
      maxTimestamp = Math.max(maxTimestamp, batchMaxTimestamp(chunk, 0));
      const isLast = old === olds.at(-1) && at + chunk.length === old.stats.bytes;
      if (kept.length >= batchRecords || isLast) flush(batchNextOffset(chunk, 0));
    }
  }
  await createSynced(context.fileSystem, rewrittenPath(directory, baseOffset), buffers);
  const encode = (index: { encode(end: number, position: number): Buffer[] }) =>
    Buffer.concat(index.encode(stats.endOffset, stats.bytes));
  return { stats, offsetIndex: encode(indexes.offsets), timeIndex: encode(indexes.times) };
}
