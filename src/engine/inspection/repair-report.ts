/** What `repairDirectory` takes and tells. All of it is plain JSON. */
import type { Clock } from '../common/clock.ts';
import type { Logger } from '../common/logger.ts';
import type { FileSystem } from '../files/file-system.ts';
import type { InspectionProgress, VerifyFinding } from './verify-report.ts';

export interface RepairOptions {
  /** The data directory; no other process may have it open. */
  directory: string;
  /** False: only what loses nothing is done, and what would be lost is listed. */
  acceptLoss: boolean;
  fileSystem?: FileSystem;
  clock?: Clock;
  logger?: Logger;
  onProgress?(progress: InspectionProgress): void;
}

/** Something that was done. */
export interface RepairAction {
  topic: string | null;
  partition: number | null;
  /** The file that was written, moved or removed, relative to the data directory. */
  file: string;
  /** One sentence. */
  message: string;
}

/** A range of acknowledged offsets that cannot be read any more. */
export interface RepairLoss {
  topic: string;
  partition: number;
  firstOffset: number;
  /** Exclusive. */
  endOffset: number;
  /** Base offset of the segment that holds, or should hold, the range. */
  segment: number;
  /** Bytes that are (or would be) cut. */
  bytes: number;
  reason: string;
  /** It was given up: the range is a recorded gap now. */
  accepted: boolean;
  /** Where the bytes are kept, relative to the data directory; null when there are none, or nothing was done. */
  keptAs: string | null;
}

export interface RepairReport {
  directory: string;
  acceptLoss: boolean;
  /** Nothing is damaged any more. */
  ok: boolean;
  /** In the order in which they were done. */
  actions: RepairAction[];
  losses: RepairLoss[];
  /** Damage that is left: losses that were not accepted, and what cannot be repaired. */
  remaining: VerifyFinding[];
  /** Where bytes were kept, relative to the data directory; null when nothing was cut or moved. */
  keptIn: string | null;
}
