/**
 * How many partitions a topic has by all that is stored of it. A topic.json of an old backup has a right checksum, and
 * hides the partitions that were added since: their segments, the clean marker and the journal still tell of them.
 */
import { counted } from '../common/counted.ts';
import type { CleanMarker } from '../directory/clean-marker.ts';
import type { TopicFile } from '../directory/topic.ts';
import { readFully } from '../files/file-operations.ts';
import type { FileSystem } from '../files/file-system.ts';
import {
  parsePartitionName,
  partitionDirectory,
  segmentBases,
  segmentPath,
} from '../files/log-file-names.ts';
import { decodeSegmentHeader, SEGMENT_HEADER_BYTES, type SegmentHeader } from '../format/segment-header.ts';
import { withSwapsFinished } from '../rewrite/swap-view.ts';
import type { JournalReplay } from './journal-recovery.ts';

/** At least what topic.json says. Reads only. */
export async function partitionsInUse(
  fileSystem: FileSystem,
  topicDir: string,
  file: TopicFile,
  marker: CleanMarker | undefined,
  journal: JournalReplay | undefined,
): Promise<number> {
  const told = Math.max(marker?.partitionsOf(file.id) ?? 0, journal?.partitionsOf(file.id) ?? 0);
  let count = Math.max(file.partitions, told);
  for (const name of await fileSystem.list(topicDir)) {
    const partition = parsePartitionName(name);
    if (partition === undefined || partition < count) continue;
    if (await holdsSegments(fileSystem, partitionDirectory(topicDir, partition), file.id, partition))
      count = partition + 1;
  }
  return count;
}

/** Why a topic takes no appends when topic.json knows fewer partitions than are in use. */
export function staleTopicFile({ partitions }: TopicFile, inUse: number): string {
  return `topic.json knows ${counted(partitions, 'partition')}, and ${inUse} are in use: restore the right topic.json, or run "seglog repair" with the daemon stopped`;
}

/** Whether a segment there may be of this partition. Those that say that they are of another one do not count. */
async function holdsSegments(
  fileSystem: FileSystem,
  directory: string,
  topicId: string,
  partition: number,
): Promise<boolean> {
  if (!(await fileSystem.status(directory))?.isDirectory) return false;
  const headers = await segmentHeaders(fileSystem, directory);
  return headers.some(
    (header) => header === undefined || (header.topicId === topicId && header.partition === partition),
  );
}

/** Of each segment in a partition's directory, in order; undefined where it fails its checks. */
export async function segmentHeaders(
  fileSystem: FileSystem,
  directory: string,
): Promise<(SegmentHeader | undefined)[]> {
  const headers: (SegmentHeader | undefined)[] = [];
  const view = await withSwapsFinished(fileSystem, directory);
  for (const base of segmentBases(await view.list(directory))) {
    const file = await view.open(segmentPath(directory, base), 'read');
    try {
      const header = decodeSegmentHeader(await readFully(file, SEGMENT_HEADER_BYTES, 0));
      headers.push(typeof header === 'object' ? header : undefined);
    } finally {
      await file.close();
    }
  }
  return headers;
}
