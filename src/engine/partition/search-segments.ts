/**
 * What of a partition those need to know who search its segments by their files, in threads of their own, and the search
 * indexes that they put beside these.
 */
import type { SearchPartition, SearchSegment } from '../common/types.ts';
import { putFiles, removeIfExists } from '../files/file-operations.ts';
import { searchPath } from '../files/log-file-names.ts';
import { findSegment, type LogSegment } from '../segment/log-segment.ts';
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

/** With the segments that reach past `fromOffset`; the active one is always there. */
export function searchPartition(partition: PartitionLog, fromOffset: number): SearchPartition {
  const { topic, layout, logStartOffset, highWatermark, segments, damaged, gaps } = partition;
  const settled = partition.settledSegments;
  const first = Math.max(0, findSegment(segments, fromOffset));
  return {
    topicId: topic.id,
    fields: indexFields(topic.settings),
    layout,
    logStartOffset,
    highWatermark,
    segments: segments
      .slice(first)
      .map((segment, i) => searchSegment(partition.directory, segment, first + i < settled)),
    damaged: damaged.slice(),
    gaps: gaps.slice(),
  };
}

/** Of settled segments, which are asked for by every query. */
const known = new WeakMap<LogSegment, SearchSegment>();

function searchSegment(directory: string, segment: LogSegment, sealed: boolean): SearchSegment {
  const before = known.get(segment);
  const { baseOffset, endOffset, bytes, records, batches, minTimestamp, maxTimestamp } = segment.stats;
  if (sealed && before?.path === segment.path && before.bytes === bytes && before.endOffset === endOffset)
    return before;
  const described: SearchSegment = {
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
  if (sealed) known.set(segment, described);
  return described;
}

/**
 * Puts a search index beside the segment of this id, or takes it away (null); to be called under the lock of maintenance. False
 * when there is no such segment any more, or when it is not settled, nor are its files.
 *
 * Its name is not synced: a sync that fails could lose others, and an index that is lost is made again.
 */
export async function storeSearchIndex(
  partition: PartitionLog,
  id: number,
  content: readonly Uint8Array[] | null,
): Promise<boolean> {
  const { segments, settledSegments, deleted, directory, context } = partition;
  const segment = segments.slice(0, settledSegments).find((each) => ids.get(each) === id);
  if (deleted || segment === undefined || segment.swap !== undefined) return false;
  const path = searchPath(directory, segment.baseOffset);
  if (content === null) await removeIfExists(context.fileSystem, path);
  else await putFiles(context.fileSystem, [{ path, buffers: content }]);
  return true;
}

/** Each once. */
function indexFields({ 'index.fields': fields }: { 'index.fields': string }): string[] {
  return fields === '' ? [] : [...new Set(fields.split(','))];
}
