/**
 * What there is to search of a topic at this moment: its segments with what is known of their blocks, and what lies behind
 * them. Nothing is read but indexes that are not at hand.
 */
import {
  type Engine,
  SEGMENT_HEADER_BYTES,
  type SearchPartition,
  type SearchSegment,
} from '../engine/index.ts';
import type { BlockKnowledge } from './block-filter.ts';
import type { IndexOutline, Outlined } from './index-outline.ts';
import { type ScanUnit, unknownUnit } from './plan.ts';

/** Who knows the blocks of segments. */
export interface IndexSource {
  /** Of a sealed segment; undefined where there is no index. */
  sealed(
    topic: string,
    partition: number,
    of: SearchPartition,
    segment: SearchSegment,
  ): Outlined<BlockKnowledge> | undefined | Promise<Outlined<BlockKnowledge> | undefined>;
  /** Of the part of a growing segment that was gone through so far. */
  growing(topic: string, partition: number, segment: SearchSegment): BlockKnowledge | undefined;
}

/** A segment, or the part of one, whose blocks are known. */
export interface KnownSegment {
  readonly partition: number;
  readonly segment: SearchSegment;
  readonly indexed: Outlined<BlockKnowledge>;
}

/** Records that are in no file yet, or whose file did not have them: they are read by way of the engine. */
export interface OffsetRange {
  readonly partition: number;
  readonly firstOffset: number;
  /** Exclusive. */
  readonly endOffset: number;
}

export interface Survey {
  readonly known: readonly KnownSegment[];
  /** Of which only their place is known. */
  readonly unknown: readonly ScanUnit[];
  readonly reads: readonly OffsetRange[];
  /** Of each partition: where it may be read, and how its files lie. */
  readonly partitions: readonly SearchPartition[];
}

export async function surveyTopic(
  engine: Engine,
  indexes: IndexSource,
  topic: string,
  /** Of each partition, what is searched of it; undefined for all. */
  ends: readonly number[] | undefined,
): Promise<Survey> {
  const known: KnownSegment[] = [];
  const unknown: ScanUnit[] = [];
  const reads: OffsetRange[] = [];
  const partitions: SearchPartition[] = [];
  const count = ends?.length ?? engine.search.topic(topic).partitions;
  for (let partition = 0; partition < count; partition++) {
    const of = engine.search.partition(topic, partition);
    if (ends !== undefined) of.highWatermark = ends[partition]!;
    partitions.push(of);
    for (const [i, segment] of of.segments.entries()) {
      // What is durable in the journal alone is in the file of no segment, be it the last one or one before.
      const firstOffset = Math.max(segment.endOffset, of.logStartOffset);
      const endOffset = Math.min(of.segments[i + 1]?.baseOffset ?? of.highWatermark, of.highWatermark);
      if (firstOffset < endOffset) reads.push({ partition, firstOffset, endOffset });
      if (segment.endOffset <= Math.max(segment.baseOffset, of.logStartOffset)) continue;
      const found = segment.sealed
        ? indexes.sealed(topic, partition, of, segment)
        : indexes.growing(topic, partition, segment);
      // Most are at hand, and waiting for nothing takes its time, too.
      const indexed = found instanceof Promise ? await found : found;
      if (indexed !== undefined) known.push({ partition, segment, indexed });
      const rest = restOf(partition, segment, indexed?.outline);
      if (rest !== undefined) unknown.push(rest);
    }
  }
  return { known, unknown, reads, partitions };
}

/** What an index does not cover of the segment's file. */
function restOf(
  partition: number,
  segment: SearchSegment,
  outline: IndexOutline | undefined,
): ScanUnit | undefined {
  const isCovered = outline !== undefined && outline.blocks > 0;
  const position = isCovered ? outline.endPosition : SEGMENT_HEADER_BYTES;
  const firstOffset = isCovered ? outline.endOffset : segment.baseOffset;
  if (position >= segment.bytes || firstOffset >= segment.endOffset) return undefined;
  return unknownUnit(partition, segment, { position, end: segment.bytes }, firstOffset, segment.endOffset);
}
