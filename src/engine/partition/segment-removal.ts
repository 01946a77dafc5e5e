/**
 * Removing segments that lie wholly before the log's start. The start is durable by then, so a crash in between leaves files
 * that the next start of the log takes away. A reader that has a file open keeps its bytes.
 */
import { removeSegment } from '../segment/segment-files.ts';
import type { PartitionLog } from './partition-log.ts';
import { syncNames } from './partition-names.ts';

export interface Removed {
  segments: number;
  bytes: number;
}

export async function removeSegmentsBelowStart(partition: PartitionLog): Promise<Removed> {
  const { directory, segments, context, topic } = partition;
  const removed: Removed = { segments: 0, bytes: 0 };
  // One that is not sealed yet goes once it is.
  while (segments.length > 1 && segments[0]!.sealed && segments[1]!.baseOffset <= partition.logStartOffset) {
    const segment = segments[0]!;
    await removeSegment(context.fileSystem, directory, segment.baseOffset);
    segments.shift();
    context.files.forget(segment.path);
    context.indexCache.forget(segment);
    removed.segments++;
    removed.bytes += segment.stats.bytes;
  }
  if (removed.segments === 0) return removed;
  await syncNames(partition);
  context.observer.removed?.(topic.name, partition.partition, removed.segments, removed.bytes);
  return removed;
}

/** Whoever misses records finds here when they went, and that they were deleted. */
export function logDeletion(
  { context, topic, partition, logStartOffset }: PartitionLog,
  removed: Removed,
): void {
  const fields = { topic: topic.name, partition, logStartOffset, ...removed };
  context.logger.info(fields, removed.segments > 0 ? 'deleted segments' : 'deleted records');
}
