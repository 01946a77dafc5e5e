/**
 * Makes anew what a data directory needs above its partitions: meta.json, of which nothing but an id is lost, and
 * topic.json, of which the settings are. The topic's id is in the header of every segment.
 */
import type { Clock } from '../common/clock.ts';
import { TOPIC_VERSION, type TopicFile } from '../directory/topic.ts';
import { readFully, replaceFile } from '../files/file-operations.ts';
import type { FileSystem } from '../files/file-system.ts';
import { partitionDirectory, segmentBases, segmentPath, topicFilePath } from '../files/log-file-names.ts';
import { encodeJsonFile } from '../format/json-file.ts';
import { decodeSegmentHeader, SEGMENT_HEADER_BYTES } from '../format/segment-header.ts';
import type { TopicSurvey } from './directory-survey.ts';

/** What topic.json must have said, but for the settings; undefined when the segments do not tell. */
export async function guessTopicFile(
  fileSystem: FileSystem,
  topic: TopicSurvey,
  clock: Clock,
): Promise<TopicFile | undefined> {
  const ids = new Map<string, number>();
  for (const partition of topic.partitions) {
    for (const id of await topicIds(fileSystem, partitionDirectory(topic.directory, partition), partition))
      ids.set(id, (ids.get(id) ?? 0) + 1);
  }
  const [most] = [...ids].sort((a, b) => b[1] - a[1]);
  if (most === undefined) return undefined;
  return {
    version: TOPIC_VERSION,
    id: most[0],
    name: topic.name,
    partitions: topic.partitions.at(-1)! + 1,
    config: {},
    createdAt: new Date(clock.now()).toISOString(),
  };
}

/** The topic ids in the headers of a partition's segments, as far as they can be read and are of this partition. */
async function topicIds(fileSystem: FileSystem, directory: string, partition: number): Promise<string[]> {
  const ids: string[] = [];
  for (const base of segmentBases(await fileSystem.list(directory))) {
    const file = await fileSystem.open(segmentPath(directory, base), 'read');
    try {
      const header = decodeSegmentHeader(await readFully(file, SEGMENT_HEADER_BYTES, 0));
      if (typeof header === 'object' && header.partition === partition && header.baseOffset === base)
        ids.push(header.topicId);
    } finally {
      await file.close();
    }
  }
  return ids;
}

export function writeTopicFile(fileSystem: FileSystem, directory: string, file: TopicFile): Promise<void> {
  return replaceFile(fileSystem, topicFilePath(directory), [encodeJsonFile(file)]);
}
