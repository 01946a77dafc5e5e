/** The shapes that cross the engine's door. Offsets, sizes and timestamps are safe integers; timestamps are ms since 1970. */

export type * from './append-types.ts';

/** A stored record, decoded. Bytes are views of the batch that it came from: copy what is to be kept. */
export interface LogRecord {
  offset: number;
  timestamp: number;
  key: Buffer | null;
  value: Buffer | null;
  headers: RecordHeader[];
}

export interface RecordHeader {
  key: string;
  value: Buffer | null;
}

export interface ReadOptions {
  /** The first offset wanted; within [log start offset, log end offset]. At or past the high watermark there is nothing yet. */
  offset: number;
  /** Stop once this many bytes are read; one whole batch is returned whatever its size. Default 1 MiB. */
  maxBytes?: number;
  /** Memory to read into, for a caller that is done with one result before it asks for the next. The chunks
   *  are then views of it (except for batches larger than it, and those not yet in a file). */
  into?: Buffer;
}

export interface ReadResult {
  /** Whole, checked batches in offset order; the first may begin before `offset` (skip those records). */
  chunks: Buffer[];
  /** Bytes in all chunks. */
  bytes: number;
  /** Where to go on: the end of the last batch returned, or the end of a recorded gap. */
  nextOffset: number;
  highWatermark: number;
  logStartOffset: number;
}

/** What a deletion of records came to. */
export interface RecordsDeleted {
  /** Where the partition begins now. */
  logStartOffset: number;
  /** Segments that held nothing else and are removed, and their bytes. */
  segments: number;
  bytes: number;
  /** The job that did it. */
  jobId: string;
}

/** The segment of a partition that goes next by age or size. */
export interface NextDeletion {
  baseOffset: number;
  /** Exclusive. */
  endOffset: number;
  bytes: number;
  /** When its newest record is too old, ms since 1970; null without retention.ms. */
  at: number | null;
  /** After how many more bytes the partition can do without it; null without retention.bytes. */
  afterBytes: number | null;
}

/** Segments of a partition that retention removed, or would remove. */
export interface ExpiredSegments {
  partition: number;
  /** Where the partition begins then. */
  logStartOffset: number;
  segments: number;
  bytes: number;
}

/** What compaction or recompression made of the segments of a partition that it may touch. */
export interface SegmentsRewritten {
  partition: number;
  segmentsBefore: number;
  segmentsAfter: number;
  bytesBefore: number;
  bytesAfter: number;
  recordsBefore: number;
  recordsAfter: number;
  /** Removed because they have no key: they came before the topic was compacted. */
  recordsWithoutKey: number;
  /** Deletions of keys that are kept for now. */
  tombstones: number;
  /** How often the log was gone through, because not all keys fitted into memory. */
  rounds: number;
}

/** A range of offsets that `seglog repair` gave up, with the owner's consent. Reads pass over it. */
export interface OffsetGap {
  firstOffset: number;
  /** Exclusive. */
  endOffset: number;
  /** Bytes that were cut. */
  bytes: number;
  reason: string;
  /** ISO 8601. */
  repairedAt: string;
  /** Where the cut bytes are kept, relative to the data directory; null when there were none. */
  keptAs: string | null;
}

/** Stored bytes that fail their checks. */
export interface DamagedRange {
  firstOffset: number;
  /** Exclusive; where valid data goes on, or what was known to be synced. */
  endOffset: number;
  /** Base offset of the segment that holds (or should hold) the range. */
  segment: number;
  /** Byte range in the segment's file. */
  startPosition: number;
  endPosition: number;
  reason: string;
}

export interface PartitionDescription {
  partition: number;
  logStartOffset: number;
  highWatermark: number;
  logEndOffset: number;
  /** Bytes of its segments. */
  bytes: number;
  segments: number;
  /** Smallest and largest record timestamp; null when it is empty. */
  minTimestamp: number | null;
  maxTimestamp: number | null;
  /** Why it takes no appends; null when it does. */
  fenced: string | null;
  damaged: DamagedRange[];
  gaps: OffsetGap[];
  /** How far it is compacted; null where `cleanup.policy` is `delete`. */
  compaction: CompactionState | null;
  /** What retention deletes next; null when nothing ever goes by age or size. */
  nextDeletion: NextDeletion | null;
}

/** How far a partition is compacted. */
export interface CompactionState {
  /** Below, each key occurs once. */
  firstDirtyOffset: number;
  /** Bytes of sealed segments below that, and of those behind that may be compacted. */
  cleanBytes: number;
  dirtyBytes: number;
  /** dirtyBytes of both. */
  dirtyRatio: number;
  /** Whether it is to be compacted now. */
  due: boolean;
}

export interface SegmentDescription {
  baseOffset: number;
  /** Exclusive. */
  endOffset: number;
  bytes: number;
  records: number;
  batches: number;
  minTimestamp: number | null;
  maxTimestamp: number | null;
  sealed: boolean;
}

/** Called when a segment of a partition became final: one that was rolled, or one that others were rewritten to. */
export type SealedListener = (topic: string, partition: number) => void;

/** A partition as whoever searches its segments by their files sees it. */
export interface SearchPartition {
  /** Of the topic; 32 hexadecimal digits. */
  topicId: string;
  /** The topic's `index.fields`. */
  fields: string[];
  /** Changes whenever segments go, or their files get other names. */
  layout: number;
  logStartOffset: number;
  highWatermark: number;
  /** In offset order; the last one is active. */
  segments: SearchSegment[];
  damaged: DamagedRange[];
  gaps: OffsetGap[];
}

/**
 * A segment's file at this moment. It may get another name, be replaced or go at any time: then there is another file, or
 * none, where the path leads to, and the partition is to be looked at again.
 */
export interface SearchSegment {
  /** Of its content, as long as the process lives: one that was rewritten has another. */
  id: number;
  path: string;
  /** Of its search index, whether or not there is one. */
  searchPath: string;
  baseOffset: number;
  /** Exclusive; of the active segment, what is in its file. */
  endOffset: number;
  /** Of its file, up to there. */
  bytes: number;
  records: number;
  /** Of its records; null while it is empty. */
  minTimestamp: number | null;
  maxTimestamp: number | null;
  /** Its content is final and on disk. */
  sealed: boolean;
}

/** Where a setting's value comes from. */
export type SettingSource = 'topic' | 'default';

export interface ConfigEntry {
  value: string | number;
  /** `topic`: set on the topic; `default`: the engine's default for topics. */
  source: SettingSource;
}

export interface TopicDescription {
  name: string;
  /** 32 hexadecimal digits; another one when a topic is deleted and made again. */
  id: string;
  /** Kept by seglog itself: it can be read, and nothing else. */
  internal: boolean;
  partitions: PartitionDescription[];
  config: Record<string, ConfigEntry>;
}

/** Which topic has a name. */
export interface TopicSummary {
  name: string;
  /** 32 hexadecimal digits; another one when a topic is deleted and made again. */
  id: string;
  partitions: number;
}

export interface TopicListing extends TopicSummary {
  /** Kept by seglog itself: it can be read, and nothing else. */
  internal: boolean;
  /** Those that can be read, over all partitions. */
  records: number;
  bytes: number;
}

export interface TopicSpec {
  /** Default: the engine's `num.partitions`. */
  partitions?: number;
  config?: Record<string, string | number>;
}

export interface TopicChange {
  /** Only more than there are now. */
  partitions?: number;
  /** A null takes the setting back to the default. */
  config?: Record<string, string | number | null>;
}

export interface EngineHealth {
  /** Takes appends and reads: nothing fenced, no failure, space left. */
  ready: boolean;
  /** One sentence for each reason why not. */
  reasons: string[];
  storageFull: boolean;
  /** The whole log takes no appends any more; set after a failed write or sync of the journal. */
  failed: string | null;
  fencedPartitions: { topic: string; partition: number; reason: string }[];
  damagedPartitions: { topic: string; partition: number; ranges: DamagedRange[] }[];
}

/** Figures at this moment, cheap to read. */
export interface EngineStats {
  topics: number;
  partitions: number;
  segments: number;
  openFiles: number;
  /** Bytes of batches accepted but not yet acknowledged. */
  inFlightBytes: number;
  /** Bytes that are durable in the journal, but not yet written to their segments. */
  journaledBytes: number;
  journalFiles: number;
  indexCacheBytes: number;
  /** Producers and idempotency keys that are remembered, over all partitions (`producer.state.max.entries`). */
  producerEntries: number;
  freeBytes: number;
  totalBytes: number;
}

/** One group commit, as it went. */
export interface CommitReport {
  batches: number;
  bytes: number;
  partitions: number;
  journaledBatches: number;
  /** From when the group was formed until its last batch was answered. */
  durationMs: number;
}

/** What long work is for. */
export type JobKind = 'compact' | 'retain' | 'recompress' | 'delete-records';

export type JobState = 'queued' | 'running' | 'done' | 'failed' | 'cancelled';

/** Long work on a topic, as it stands. */
export interface JobDescription {
  id: string;
  kind: JobKind;
  topic: string;
  /** Null: all of the topic. */
  partition: number | null;
  /** One that has failed and is to be tried again is queued. */
  state: JobState;
  createdAt: number;
  /** When it was first tried; null before. */
  startedAt: number | null;
  endedAt: number | null;
  /** A total of 0 is not known yet. */
  progress: { done: number; total: number; unit: 'bytes' };
  /** How often it was tried. */
  attempts: number;
  /** What it came to, plain JSON (SegmentsRewritten of each partition, …); null unless it is done. */
  result: unknown;
  /** Of the last try; the code is a SeglogError's, or the system's (`EIO`). */
  error: { code: string; message: string } | null;
}

/** What is to be done in the background. */
export interface CleaningBacklog {
  /** Partitions that are due to be compacted. */
  compactions: number;
  /** Bytes that may be compacted, whether or not it is worth it yet. */
  dirtyBytes: number;
  /** Segments that are due to be recompressed. */
  recompressions: number;
  /** By topic that is compacted: the dirty ratio of its dirtiest partition. */
  dirtyRatios: Map<string, number>;
}

/** One task that ran in the background, as it went. */
export interface TaskReport {
  task: string;
  outcome: 'done' | 'failed' | 'cancelled';
  /** From when it had a thread until it ended, `throttledMs` included. */
  durationMs: number;
  /** Read and written. */
  bytes: number;
  /** How long the I/O rate made it wait. */
  throttledMs: number;
}

/** What the engine tells whoever measures it. Called on hot paths: must be quick and must not throw. */
export interface EngineObserver {
  appended?(topic: string, records: number, bytes: number): void;
  fetched?(topic: string, bytes: number): void;
  committed?(report: CommitReport): void;
  /** One sync of a segment file, or one write and sync of the journal. */
  synced?(file: 'segment' | 'journal', durationMs: number): void;
  rolled?(topic: string, partition: number): void;
  /** Segments were deleted, by retention or on request. */
  removed?(topic: string, partition: number, segments: number, bytes: number): void;
  /** A write or sync that failed, a partition that was fenced, damage that was found. */
  failed?(kind: 'write' | 'sync' | 'storage_full' | 'corruption'): void;
  /** Segments gave way to what compaction or recompression made of them. */
  rewritten?(kind: 'compact' | 'recompress', bytesBefore: number, bytesAfter: number): void;
  /** Retention has looked at all topics; in so many partitions something could not be deleted. */
  retained?(failures: number): void;
  /** A job ended: done, failed for good or cancelled. */
  jobEnded?(job: JobDescription): void;
  /** A task ended that had begun. */
  taskEnded?(report: TaskReport): void;
}
