/**
 * What the rewriting of segments is asked and answers: plain data that goes from the main thread to a worker and back. Only
 * sealed, synced segments are rewritten, and nobody changes them meanwhile; one that retention removes makes the task fail.
 */
import type { CompressionType } from '../common/types.ts';
import type { LogSegment, SegmentStats } from '../segment/log-segment.ts';
import type { PartitionIdentity } from '../segment/segment-identity.ts';

/** A sealed segment's file: batches in [header, bytes) that cover [baseOffset, endOffset), but for recorded gaps. */
export interface SegmentInput {
  path: string;
  baseOffset: number;
  endOffset: number;
  bytes: number;
  /** When its first batch was appended, by the clock: no file says so, and whatever is made of it keeps it. */
  firstAppendAt: number;
}

/** A sealed segment as a task gets it. */
export function segmentInput({ path, stats }: Pick<LogSegment, 'path' | 'stats'>): SegmentInput {
  const { baseOffset, endOffset, bytes, firstAppendAt } = stats;
  return { path, baseOffset, endOffset, bytes, firstAppendAt };
}

/** A range of offsets that a repair has given up; nothing is stored in it. `end` is exclusive. */
export interface GapRange {
  first: number;
  end: number;
}

export interface MapRequest {
  identity: PartitionIdentity;
  segments: SegmentInput[];
  gaps: GapRange[];
  /** Records below are passed over. */
  fromOffset: number;
  /** Of a key map (key-map.ts): empty when it is given, filled when the task is done. */
  map: SharedArrayBuffer;
}

export interface MapResult {
  /** All keys of records below are in the map: the end of the segments, or, when the map was full, of what fitted. */
  endOffset: number;
  keys: number;
  bytesRead: number;
}

/** Which records stay. */
export interface CompactionFilter {
  map: SharedArrayBuffer;
  /** The map knows the records below. */
  mappedEndOffset: number;
  /** ms since 1970. */
  now: number;
  deleteRetentionMs: number;
}

export interface RewriteRequest {
  identity: PartitionIdentity;
  /** Neighbours, in order. */
  segments: SegmentInput[];
  gaps: GapRange[];
  /** Written, synced, its name not yet durable; replaced when it is left over from another try. */
  outputPath: string;
  /** ms since 1970, for the header. */
  createdAt: number;
  indexIntervalBytes: number;
  /** Batches are merged up to so many bytes of records before compression. */
  blockBytes: number;
  /** `keep` leaves each batch the codec it has. */
  codec: CompressionType | 'keep';
  /** Records below the log's start are dropped. */
  logStartOffset: number;
  /** Undefined: all records stay. */
  filter: CompactionFilter | undefined;
}

export interface RewriteResult {
  /** Undefined when the one segment would be as it is: nothing was written. */
  output: RewrittenSegment | undefined;
  recordsRead: number;
  recordsKept: number;
  /** Tombstones among those kept. Counted where there is a filter: nobody looks at the records else. */
  tombstones: number;
  /** The earliest delete horizon of batches that hold some, ms since 1970; -1 when there is none. */
  firstDeleteHorizon: number;
  /** Dropped because they have no key, which a compacted topic does not take. */
  recordsWithoutKey: number;
  bytesRead: number;
  bytesWritten: number;
}

export interface RewrittenSegment {
  stats: SegmentStats;
  /** The index files' bytes. */
  offsetIndex: Uint8Array;
  timeIndex: Uint8Array;
}
