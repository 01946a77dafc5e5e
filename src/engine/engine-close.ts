/**
 * What a close makes sure of once nothing is in flight any more: everything is synced, and then the clean marker says what
 * each partition holds. Without the marker the next open recovers; with it nothing is scanned.
 */
import { CleanMarker } from './directory/clean-marker.ts';
import { isOutOfDescriptors, isOutOfSpace } from './files/file-operations.ts';
import type { EngineContext, PartitionLog } from './partition/partition-log.ts';
import type { SegmentMaintenance } from './partition/segment-maintenance.ts';

/** `sound`: nothing has failed that makes the log as a whole unsafe. Rejects when not all could be synced. */
export async function closeLog(
  context: EngineContext,
  partitions: readonly PartitionLog[],
  maintenance: SegmentMaintenance,
  sound: boolean,
): Promise<void> {
  const marker = new CleanMarker();
  let clean = sound;
  const failures: unknown[] = [];
  for (const partition of partitions) {
    if (partition.fenced !== null) {
      clean = false;
      continue;
    }
    // One that fails is no reason to leave the others unsynced.
    const isFinished = await maintenance.finish(partition).catch((error) => {
      failures.push(error);
      return false;
    });
    const stored = partition.segments.filter(({ exists }) => exists).map(({ stats }) => stats);
    // All of it is synced, and where it ends is known. Without its segments the next open looks into them.
    const segments = isFinished ? stored : [];
    const { logStartOffset, logEndOffset } = partition;
    const producers = partition.producers.rangeBelow(logEndOffset);
    marker.set(partition.topic.id, partition.partition, {
      logStartOffset,
      logEndOffset,
      producers,
      segments,
    });
    clean &&= partition.damaged.length === 0;
  }
  if (failures.length > 0) throw failures[0];
  if (clean) await writeMarker(context, marker);
  else context.logger.warn({}, 'closed without the clean marker: the next open recovers');
}

/** Nothing is less safe without it. */
async function writeMarker(
  { fileSystem, directory, logger }: EngineContext,
  marker: CleanMarker,
): Promise<void> {
  try {
    await marker.write(fileSystem, directory);
  } catch (error) {
    if (!isOutOfSpace(error) && !isOutOfDescriptors(error)) throw error;
    logger.warn({ err: error }, 'the clean marker could not be written: the next open recovers');
  }
}
