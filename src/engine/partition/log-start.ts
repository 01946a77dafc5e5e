/**
 * Where the log of a partition begins, once records were deleted from its start: a small file that is replaced as one step,
 * before a record is gone. The checkpoint says it as well, but may be lost without loss; this is what tells then that
 * segments were deleted, and are not missing.
 */
import { type FileContent, readWholeFile } from '../files/file-operations.ts';
import type { FileSystem } from '../files/file-system.ts';
import { logStartPath } from '../files/log-file-names.ts';
import { decodeSidecar, encodeSidecar } from '../format/sidecar.ts';
import type { PartitionIdentity } from '../segment/segment-identity.ts';

interface LogStart extends PartitionIdentity {
  logStartOffset: number;
}

/** Undefined when nothing was ever deleted. */
export async function readLogStart(
  fileSystem: FileSystem,
  partitionDir: string,
  owner: PartitionIdentity,
): Promise<number | 'damaged' | undefined> {
  const bytes = await readWholeFile(fileSystem, logStartPath(partitionDir));
  if (bytes === undefined) return undefined;
  const file = decodeSidecar<LogStart>('log start', bytes);
  return isLogStart(file, owner) ? file.logStartOffset : 'damaged';
}

function isLogStart(value: unknown, owner: PartitionIdentity): value is LogStart {
  if (typeof value !== 'object' || value === null) return false;
  const { topicId, partition, logStartOffset } = value as LogStart;
  return (
    topicId === owner.topicId &&
    partition === owner.partition &&
    Number.isSafeInteger(logStartOffset) &&
    logStartOffset >= 0
  );
}

export function logStartFile(
  partitionDir: string,
  { topicId, partition }: PartitionIdentity,
  logStartOffset: number,
): FileContent {
  const body: LogStart = { topicId, partition, logStartOffset };
  return { path: logStartPath(partitionDir), buffers: [encodeSidecar('log start', body)] };
}
