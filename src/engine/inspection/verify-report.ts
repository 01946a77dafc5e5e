/** What `verifyDirectory` takes and tells. All of it is plain JSON. */

import type { Logger } from '../common/logger.ts';
import type { FileSystem } from '../files/file-system.ts';

export interface VerifyOptions {
  /** The data directory. */
  directory: string;
  fileSystem?: FileSystem;
  logger?: Logger;
  /** Called after each piece that was read. */
  onProgress?(progress: InspectionProgress): void;
  /** Gives up with REQUEST_TIMED_OUT. */
  signal?: AbortSignal;
}

/** How far a walk over the segments of a data directory has come. */
export interface InspectionProgress {
  bytesDone: number;
  bytesTotal: number;
  /** Relative to the data directory. */
  file: string;
}

/**
 * - `damage`: acknowledged data is lost or cannot be read, or a file gives wrong answers: `seglog repair` is needed;
 * - `derived`: a file that the engine makes anew by itself is missing or fails its checks;
 * - `note`: in order, but worth knowing, such as an unfinished tail that the next start will cut.
 */
export type FindingSeverity = 'damage' | 'derived' | 'note';

export interface VerifyFinding {
  severity: FindingSeverity;
  /** Null for files of the data directory as a whole. */
  topic: string | null;
  partition: number | null;
  /** Base offset of the segment; null where none is concerned. */
  segment: number | null;
  /** Relative to the data directory. */
  file: string;
  /** Range of bytes in that file, the end exclusive; null where the file as a whole is meant. */
  startPosition: number | null;
  endPosition: number | null;
  /** Range of offsets, the end exclusive; null where no offsets are concerned. */
  firstOffset: number | null;
  endOffset: number | null;
  /** One sentence. */
  message: string;
}

export interface VerifyCounts {
  topics: number;
  partitions: number;
  segments: number;
  batches: number;
  records: number;
  /** Of the segment files that were checked. */
  bytes: number;
}

export interface VerifyReport {
  directory: string;
  /** There is no damage. */
  ok: boolean;
  /**
   * `settled`: another process has the directory open; only what cannot change was checked: sealed segments, and active
   * ones up to their partition's checkpoint.
   */
  scope: 'all' | 'settled';
  /** How the last process that had the directory open left it; `running`: it still has it open. */
  state: 'clean' | 'unclean' | 'running';
  counts: VerifyCounts;
  /** Segments that may still change, and were checked up to their partition's checkpoint or not at all. */
  segmentsInUse: number;
  /** Ordered by file and position: what concerns the whole directory first, then topic by topic. */
  findings: VerifyFinding[];
  /** Findings beyond the first 10,000, which are counted only. */
  findingsOmitted: number;
}
