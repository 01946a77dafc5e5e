/**
 * Up to where the log of a partition was compacted: a small file that is replaced when a pass has come further. It spares work
 * and nothing else: without it all of the log counts as dirty, and the next pass looks at each key anew.
 */
import { type FileContent, readWholeFile } from '../files/file-operations.ts';
import type { FileSystem } from '../files/file-system.ts';
import { cleanedPath } from '../files/log-file-names.ts';
import { decodeSidecar, encodeSidecar } from '../format/sidecar.ts';
import type { PartitionIdentity } from '../segment/segment-identity.ts';
import type { Cleaned } from './compaction.ts';

export interface CleanedFile extends PartitionIdentity, Cleaned {}

/** Undefined when the partition was never compacted. */
export async function readCleaned(
  fileSystem: FileSystem,
  partitionDir: string,
  owner: PartitionIdentity,
): Promise<Cleaned | 'damaged' | undefined> {
  const bytes = await readWholeFile(fileSystem, cleanedPath(partitionDir));
  if (bytes === undefined) return undefined;
  const file = decodeSidecar<CleanedFile>('cleaned', bytes);
  return isCleaned(file, owner) ? file : 'damaged';
}

function isCleaned(value: unknown, owner: PartitionIdentity): value is CleanedFile {
  if (typeof value !== 'object' || value === null) return false;
  const { topicId, partition, firstDirtyOffset, firstDeleteHorizon } = value as CleanedFile;
  return (
    topicId === owner.topicId &&
    partition === owner.partition &&
    Number.isSafeInteger(firstDirtyOffset) &&
    firstDirtyOffset >= 0 &&
    Number.isSafeInteger(firstDeleteHorizon) &&
    firstDeleteHorizon >= -1
  );
}

export function cleanedFile(
  partitionDir: string,
  { topicId, partition }: PartitionIdentity,
  { firstDirtyOffset, firstDeleteHorizon }: Cleaned,
): FileContent {
  const body: CleanedFile = { topicId, partition, firstDirtyOffset, firstDeleteHorizon };
  return { path: cleanedPath(partitionDir), buffers: [encodeSidecar('cleaned', body)] };
}
