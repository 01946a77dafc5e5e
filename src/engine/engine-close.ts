/**
 * What a close makes sure of once nothing is in flight any more: everything is synced, and then the clean marker says what
 * each partition holds. Without the marker the next open recovers; with it nothing is scanned.
 */
import { CleanMarker } from './directory/clean-marker.ts';
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
  for (const partition of partitions) {
    if (partition.fenced !== null) {
      clean = false;
      continue;
    }
    await maintenance.finish(partition);
    const segments = partition.segments.filter(({ exists }) => exists).map(({ stats }) => stats);
    const { logStartOffset, logEndOffset } = partition;
    marker.set(partition.topic.id, partition.partition, { logStartOffset, logEndOffset, segments });
    clean &&= partition.damaged.length === 0;
  }
  if (clean) await marker.write(context.fileSystem, context.directory);
  else context.logger.warn({}, 'closed without the clean marker: the next open recovers');
}
