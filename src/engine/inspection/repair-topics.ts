/**
 * Makes anew what a data directory needs above its partitions: meta.json, of which nothing but an id is lost, and
 * topic.json, of which the settings are. The topic's id is in the header of every segment.
 */
import type { Clock } from '../common/clock.ts';
import { TOPIC_VERSION, type TopicFile } from '../directory/topic.ts';
import { replaceFile } from '../files/file-operations.ts';
import type { FileSystem } from '../files/file-system.ts';
import { partitionDirectory, topicFilePath } from '../files/log-file-names.ts';
import { encodeJsonFile } from '../format/json-file.ts';
import { segmentHeaders } from '../recovery/partitions-in-use.ts';
import type { TopicSurvey } from './directory-survey.ts';

/** What topic.json must have said, but for the settings; undefined when the segments do not tell. */
export async function guessTopicFile(
  fileSystem: FileSystem,
  topic: TopicSurvey,
  clock: Clock,
): Promise<TopicFile | undefined> {
  const ids = new Map<string, number>();
  for (const partition of topic.partitions) {
    for (const header of await segmentHeaders(fileSystem, partitionDirectory(topic.directory, partition)))
      if (header?.partition === partition) ids.set(header.topicId, (ids.get(header.topicId) ?? 0) + 1);
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

export function writeTopicFile(fileSystem: FileSystem, directory: string, file: TopicFile): Promise<void> {
  return replaceFile(fileSystem, topicFilePath(directory), [encodeJsonFile(file)]);
}
