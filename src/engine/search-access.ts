/**
 * What the engine does for those who search its segments by their files: it tells which files there are, and keeps an index of
 * theirs beside a segment.
 */
import type { SpaceMonitor } from './commit/space-monitor.ts';
import { SeglogError } from './common/errors.ts';
import type { SealedListener, SearchPartition, TopicSummary } from './common/types.ts';
import type { PartitionLog } from './partition/partition-log.ts';
import { searchPartition, storeSearchIndex } from './partition/search-segments.ts';
import type { SegmentMaintenance } from './partition/segment-maintenance.ts';

/** Of a search index; null to remove it. */
export type IndexBytes = readonly Uint8Array[] | null;

export interface SearchAccessParts {
  readonly maintenance: SegmentMaintenance;
  readonly space: SpaceMonitor;
  readonly listeners: Set<SealedListener>;
  /** Both throw UNKNOWN_TOPIC_OR_PARTITION, and so does all that names one here. */
  topicOf(topic: string): TopicSummary;
  partitionOf(topic: string, partition: number): PartitionLog;
}

export class SearchAccess {
  readonly #parts: SearchAccessParts;

  constructor(parts: SearchAccessParts) {
    this.#parts = parts;
  }

  topic(name: string): TopicSummary {
    return this.#parts.topicOf(name);
  }

  /** The files of a partition: those with records from an offset on; cheap. */
  partition(topic: string, partition: number, fromOffset = 0): SearchPartition {
    return searchPartition(this.#parts.partitionOf(topic, partition), fromOffset);
  }

  /** What `SearchPartition.layout` is by now. */
  layout(topic: string, partition: number): number {
    return this.#parts.partitionOf(topic, partition).layout;
  }

  /** The listener must be quick and must not throw; returns how to take it away. */
  onSealed(listener: SealedListener): () => void {
    const { listeners } = this.#parts;
    listeners.add(listener);
    return () => listeners.delete(listener);
  }

  /**
   * Puts a search index (format/search-file.ts) beside the segment of this id (SearchSegment), or takes it away (null), in the
   * turn of the partition's maintenance. False when that segment is not there any more, or about to change. Throws STORAGE_FULL
   * before it takes the last space.
   */
  async putIndex(topic: string, partition: number, segmentId: number, content: IndexBytes): Promise<boolean> {
    const { partitionOf, space, maintenance } = this.#parts;
    const log = partitionOf(topic, partition);
    const bytes = content?.reduce((sum, { length }) => sum + length, 0) ?? 0;
    if (!space.takeRoom(bytes))
      throw new SeglogError(
        'STORAGE_FULL',
        'the disk is full: free space or add some; a search index was not stored, and is made again by itself',
        { bytes },
      );
    return (await maintenance.inTurn(() => storeSearchIndex(log, segmentId, content))) ?? false;
  }
}
