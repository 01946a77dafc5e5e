/** What of a partition those need to know who search its segments by their files, in threads of their own. */
import type { SearchPartition, SearchSegment } from '../common/types.ts';
import { searchPath } from '../files/log-file-names.ts';
import type { LogSegment } from '../segment/log-segment.ts';
import type { PartitionLog } from './partition-log.ts';

const ids = new WeakMap<LogSegment, number>();
let nextId = 1;

function idOf(segment: LogSegment): number {
  let id = ids.get(segment);
  if (id === undefined) {
    id = nextId++;
    ids.set(segment, id);
  }
  return id;
}

export function searchPartition(partition: PartitionLog): SearchPartition {
  const { topic, logStartOffset, highWatermark, segments, damaged } = partition;
  const settled = partition.settledSegments;
  return {
    topicId: topic.id,
    fields: indexFields(topic.settings),
    logStartOffset,
    highWatermark,
    segments: segments.map((segment, i) => searchSegment(partition.directory, segment, i < settled)),
    damaged: damaged.slice(),
  };
}

function searchSegment(directory: string, segment: LogSegment, sealed: boolean): SearchSegment {
  const { baseOffset, endOffset, bytes, records, batches, minTimestamp, maxTimestamp } = segment.stats;
  return {
    id: idOf(segment),
    path: segment.path,
    searchPath: searchPath(directory, baseOffset),
    baseOffset,
    endOffset,
    bytes,
    records,
    minTimestamp: batches === 0 ? null : minTimestamp,
    maxTimestamp: batches === 0 ? null : maxTimestamp,
    sealed,
  };
}

/** Each once. */
function indexFields({ 'index.fields': fields }: { 'index.fields': string }): string[] {
  return fields === '' ? [] : [...new Set(fields.split(','))];
}
