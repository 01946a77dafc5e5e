/**
 * Makes the names in a partition's directory durable. Of a sync that fails nobody knows which names are lost with it: those
 * of segments may be, whatever it was for, and the next sync would answer with success. So it fences the partition, as the
 * failed sync of a segment does.
 */
import { errnoOf, SeglogError } from '../common/errors.ts';
import {
  type FileContent,
  isOutOfDescriptors,
  OUT_OF_DESCRIPTORS,
  putFiles,
} from '../files/file-operations.ts';
import type { PartitionLog } from './partition-log.ts';

/** For names of files other than segments; a sync of new segments may run beside it, and looks for the fence then. */
export async function syncNames(partition: PartitionLog): Promise<void> {
  try {
    await partition.context.fileSystem.syncDirectory(partition.directory);
  } catch (error) {
    throw syncFailed(partition, error);
  }
}

/**
 * Replaces files beside the segments, each as one step and in this order; durable when it resolves. `first` comes before them,
 * and is durable before any of them is replaced.
 */
export async function replaceDerived(
  partition: PartitionLog,
  contents: readonly FileContent[],
  first?: FileContent,
): Promise<void> {
  const { fileSystem } = partition.context;
  if (first === undefined) {
    await putFiles(fileSystem, contents);
  } else {
    await putFiles(fileSystem, [first, ...contents], async (path) => {
      if (path === first.path) await syncNames(partition);
    });
  }
  await syncNames(partition);
}

/** For names of segments, as a part of `sync`: what a failure means is for the caller to say. */
export async function syncNewNames(partition: PartitionLog): Promise<void> {
  partition.directoryDirty = false;
  try {
    await partition.context.fileSystem.syncDirectory(partition.directory);
  } catch (error) {
    if (isOutOfDescriptors(error)) partition.directoryDirty = true;
    throw error;
  }
}

/** Decides what a failed sync means: the partition is fenced, unless the sync did not even begin. */
export function syncFailed(partition: PartitionLog, error: unknown): SeglogError {
  const where = { topic: partition.topic.name, partition: partition.partition };
  if (isOutOfDescriptors(error)) {
    // Nothing was synced, and nothing failed to sync: the next sync takes it along.
    return new SeglogError(
      'OUTCOME_UNKNOWN',
      `partition ${partition.name}: it was not synced, ${OUT_OF_DESCRIPTORS}`,
      where,
      { cause: error },
    );
  }
  partition.context.observer.failed?.('sync');
  const reason = `a sync failed (${errnoOf(error) ?? String(error)}); restart seglog once the disk is well`;
  partition.fence(reason);
  return new SeglogError('OUTCOME_UNKNOWN', `partition ${partition.name}: ${reason}`, where, {
    cause: error,
  });
}
