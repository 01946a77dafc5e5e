/**
 * A partition's checkpoint: a small file, replaced as one step, that says up to where the log is known to be
 * synced in its segments (the recovery point), where it starts, and what the segment at the recovery point
 * held there, so that opening after a crash reads no more than what came after.
 *
 * Missing or damaged, the recovery point counts as unknown: the whole partition is scanned.
 */
import { type FileContent, readWholeFile } from './file-operations.ts';
import type { FileSystem } from './file-system.ts';
import { checkpointPath } from './log-file-names.ts';
import type { SegmentStats } from './log-segment.ts';
import { decodeSidecar, encodeSidecar } from './sidecar.ts';

export interface Checkpoint {
  recoveryPoint: number;
  logStartOffset: number;
  /** The active segment as it was at the recovery point. */
  active: SegmentStats;
}

export async function readCheckpoint(
  fileSystem: FileSystem,
  partitionDir: string,
): Promise<Checkpoint | undefined> {
  const bytes = await readWholeFile(fileSystem, checkpointPath(partitionDir));
  return bytes === undefined ? undefined : decodeSidecar<Checkpoint>('checkpoint', bytes);
}

export function checkpointFile(partitionDir: string, checkpoint: Checkpoint): FileContent {
  return { path: checkpointPath(partitionDir), buffers: [encodeSidecar('checkpoint', checkpoint)] };
}
