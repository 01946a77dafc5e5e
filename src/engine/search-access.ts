/** What the engine does for those who search its segments by their files. */

import type { SpaceMonitor } from './commit/space-monitor.ts';
import { SeglogError } from './common/errors.ts';
import type { SealedListener } from './common/types.ts';
import type { PartitionLog } from './partition/partition-log.ts';
import { storeSearchIndex } from './partition/search-segments.ts';
import type { SegmentMaintenance } from './partition/segment-maintenance.ts';

/** Of a search index; null to remove it. */
export type IndexBytes = readonly Uint8Array[] | null;

/** Adds a listener; returns how to take it away. */
export function listenTo(listeners: Set<SealedListener>, listener: SealedListener): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Stores the search index of a segment, or removes it, in the turn of the partition's maintenance. As Engine.putSearchIndex. */
export async function putSearchIndex(
  log: PartitionLog,
  segmentId: number,
  content: IndexBytes,
  space: SpaceMonitor,
  maintenance: SegmentMaintenance,
): Promise<boolean> {
  const bytes = content?.reduce((sum, { length }) => sum + length, 0) ?? 0;
  if (!space.takeRoom(bytes))
    throw new SeglogError('STORAGE_FULL', 'the disk is full: a search index was not stored', { bytes });
  return (await maintenance.inTurn(() => storeSearchIndex(log, segmentId, content))) ?? false;
}
