/**
 * A partition's checkpoint: a small file, replaced as one step, that says up to where the log is known to be
 * synced in its segments (the recovery point), where it starts, and what the segment at the recovery point
 * held there, so that opening after a crash reads no more than what came after.
 *
 * A partition that has none has never been recovered, and nothing was ever taken away from its start. When it is
 * damaged, both are unknown; in both cases the whole partition is scanned.
 */
import { type FileContent, readWholeFile } from '../files/file-operations.ts';
import type { FileSystem } from '../files/file-system.ts';
import { checkpointPath } from '../files/log-file-names.ts';
import { decodeSidecar, encodeSidecar } from '../format/sidecar.ts';
import { isSegmentStats, type SegmentStats } from '../segment/log-segment.ts';
import type { PartitionIdentity } from '../segment/segment-identity.ts';
import { isProducerRange, type ProducerRange } from './producer-range.ts';

/** It names its partition: another's would hide records, or miss some that were never there. */
export interface Checkpoint extends PartitionIdentity {
  recoveryPoint: number;
  logStartOffset: number;
  /** The active segment as it was at the recovery point. */
  active: SegmentStats;
  /** Where batches below the recovery point lie that a retry may repeat; missing where none does. */
  producers?: ProducerRange;
}

export async function readCheckpoint(
  fileSystem: FileSystem,
  partitionDir: string,
  owner: PartitionIdentity,
): Promise<Checkpoint | 'damaged' | undefined> {
  const bytes = await readWholeFile(fileSystem, checkpointPath(partitionDir));
  if (bytes === undefined) return undefined;
  const checkpoint = decodeSidecar<Checkpoint>('checkpoint', bytes);
  return isCheckpoint(checkpoint, owner) ? checkpoint : 'damaged';
}

function isCheckpoint(value: unknown, owner: PartitionIdentity): value is Checkpoint {
  if (typeof value !== 'object' || value === null) return false;
  const { topicId, partition, recoveryPoint, logStartOffset, active, producers } = value as Checkpoint;
  return (
    topicId === owner.topicId &&
    partition === owner.partition &&
    Number.isSafeInteger(recoveryPoint) &&
    Number.isSafeInteger(logStartOffset) &&
    0 <= logStartOffset &&
    logStartOffset <= recoveryPoint &&
    isSegmentStats(active) &&
    (producers === undefined || isProducerRange(producers))
  );
}

export function checkpointFile(partitionDir: string, checkpoint: Checkpoint): FileContent {
  return { path: checkpointPath(partitionDir), buffers: [encodeSidecar('checkpoint', checkpoint)] };
}
