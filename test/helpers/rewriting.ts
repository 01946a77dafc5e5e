/**
 * Rewrites sealed segments of an open engine as compaction would, in a few words: for tests of the swap and of what comes
 * after it. The engine shows its partitions to nobody; what maintains them is watched to get at them.
 */
import { createSynced, readWholeFile } from '../../src/engine/files/file-operations.ts';
import { rewrittenPath } from '../../src/engine/files/log-file-names.ts';
import { batchSize } from '../../src/engine/format/record-batch.ts';
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
import { type CompactedBatch, encodeCompacted } from './compacted-batch.ts';

export interface Watched {
  partition: PartitionLog;
  maintenance: SegmentMaintenance;
}

const watched = new Map<string, Watched>();

const watching = new Set<object>();

/** From now on partitions are known that this class maintains: it is another one in each copy of the engine's modules. */
export function watchMaintenance({ prototype }: typeof SegmentMaintenance): void {
  if (watching.has(prototype)) return;
  watching.add(prototype);
  for (const name of ['opened', 'seal'] as const) {
    const method = prototype[name] as (partition: PartitionLog, ...rest: unknown[]) => void;
    prototype[name] = function (this: SegmentMaintenance, partition: PartitionLog, ...rest: unknown[]) {
      watched.set(`${partition.topic.id}/${partition.partition}`, { partition, maintenance: this });
      method.call(this, partition, ...rest);
    };
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
  /** Instead, there are as many batches as before, in the order of their sizes turned round. */
  regroup?: boolean;
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
  rewriting: Rewriting,
): Promise<RewrittenSegment> {
  const { baseOffset } = olds[0]!;
  const sources: Source[] = [];
  for (const { path, stats } of olds) {
    const bytes = (await readWholeFile(context.fileSystem, path))!;
    sources.push(...readSources(bytes.subarray(SEGMENT_HEADER_BYTES, stats.bytes)));
  }
  const stats = emptyStats(baseOffset);
  const indexes = emptyIndexes(baseOffset);
  const writer = new IndexWriter(indexes, Number.NEGATIVE_INFINITY);
  const createdAt = context.clock.now();
  const buffers = [encodeSegmentHeader({ topicId: topic.id, partition, baseOffset, createdAt })];
  for (const source of rewriting.regroup ? regrouped(sources) : merged(sources, rewriting)) {
    const { compression } = rewriting;
    const bytes = encodeCompacted({ ...source, baseOffset: stats.endOffset, compression });
    const facts = batchFacts(bytes, 0);
    const position = stats.bytes;
    addBatch(stats, facts, olds[0]!.stats.firstAppendAt);
    writer.note(facts, position, stats.maxTimestamp, topic.settings['index.interval.bytes']);
    buffers.push(bytes);
  }
  await createSynced(context.fileSystem, rewrittenPath(directory, baseOffset), buffers);
  const encode = (index: { encode(end: number, position: number): Buffer[] }) =>
    Buffer.concat(index.encode(stats.endOffset, stats.bytes));
  return { stats, offsetIndex: encode(indexes.offsets), timeIndex: encode(indexes.times) };
}

type Source = Omit<CompactedBatch, 'baseOffset' | 'compression'>;

function readSources(bytes: Buffer): Source[] {
  const sources: Source[] = [];
  for (let at = 0; at < bytes.length; at += batchSize(bytes, at)) {
    const { nextOffset: endOffset, minTimestamp, maxTimestamp } = batchFacts(bytes, at);
    const records = decodeRecords([bytes.subarray(at, at + batchSize(bytes, at))], 0);
    sources.push({ endOffset, records, minTimestamp, maxTimestamp });
  }
  return sources;
}

/** What is kept, each batch with those that follow it until it has records enough. */
function merged(sources: readonly Source[], { keep, batchRecords = 10 }: Rewriting): Source[] {
  const found: Source[] = [];
  let open: Source | undefined;
  for (const { endOffset, records, minTimestamp, maxTimestamp } of sources) {
    open = {
      endOffset,
      records: [...(open?.records ?? []), ...records.filter(keep)],
      minTimestamp: Math.min(open?.minTimestamp ?? minTimestamp, minTimestamp),
      maxTimestamp: Math.max(open?.maxTimestamp ?? maxTimestamp, maxTimestamp),
    };
    if (open.records.length < batchRecords) continue;
    found.push(open);
    open = undefined;
  }
  return open === undefined ? found : [...found, open];
}

function regrouped(sources: readonly Source[]): Source[] {
  const records = sources.flatMap((source) => source.records);
  let at = 0;
  return sources.toReversed().map((source) => {
    const taken = records.slice(at, at + source.records.length);
    at += taken.length;
    return { ...source, records: taken, endOffset: records[at]?.offset ?? sources.at(-1)!.endOffset };
  });
}
