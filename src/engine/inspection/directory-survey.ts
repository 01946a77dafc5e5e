/**
 * What a data directory consists of, above its partitions, in whatever state it is: meta file, topics, clean marker and
 * journal. Reads only. What is damaged is told, not thrown; a newer version is thrown (UNSUPPORTED_VERSION).
 */
import { errnoOf, isSeglogError, SeglogError } from '../common/errors.ts';
import { CleanMarker } from '../directory/clean-marker.ts';
import { readMeta } from '../directory/meta-file.ts';
import { decodeTopicFile, type TopicFile } from '../directory/topic.ts';
import { isTakenName } from '../directory/topic-leftovers.ts';
import { readWholeFile } from '../files/file-operations.ts';
import type { FileSystem } from '../files/file-system.ts';
import {
  cleanMarkerPath,
  isUnfinished,
  parsePartitionName,
  partitionDirectory,
  segmentBases,
  segmentPath,
  topicDirectory,
  topicFilePath,
  topicsDirectory,
} from '../files/log-file-names.ts';
import { JournalReplay, listJournal } from '../recovery/journal-recovery.ts';
import { partitionsInUse } from '../recovery/partitions-in-use.ts';
import { withSwapsFinished } from '../rewrite/swap-view.ts';

export interface TopicSurvey {
  name: string;
  directory: string;
  /** Undefined when it cannot be read; `fault` says why. */
  file: TopicFile | undefined;
  fault: string | undefined;
  /** Partitions that have a directory, in order. */
  partitions: number[];
  /** How many partitions there are by all that is stored; more than topic.json knows when that is stale. */
  inUse: number;
}

export interface DirectorySurvey {
  directory: string;
  metaFault: string | undefined;
  topics: TopicSurvey[];
  /** Paths of work that was left half done. */
  leftovers: string[];
  marker: CleanMarker | 'damaged' | undefined;
  journal: JournalReplay;
  journalFiles: number[];
}

/** Throws INVALID_REQUEST when the directory is none of ours. `journal`: whether the journal is to be read. */
export async function surveyDirectory(
  fileSystem: FileSystem,
  directory: string,
  { journal }: { journal: boolean },
): Promise<DirectorySurvey> {
  const metaFault = await readMetaFault(fileSystem, directory);
  const names = (await listOrNone(fileSystem, topicsDirectory(directory))).sort();
  const topics: TopicSurvey[] = [];
  const leftovers: string[] = [];
  for (const name of names) {
    const path = topicDirectory(directory, name);
    if (isUnfinished(name) || (await isTakenName(fileSystem, path))) leftovers.push(path);
    else topics.push(await surveyTopic(fileSystem, directory, name));
  }
  const journalFiles = journal ? await listJournal(fileSystem, directory) : [];
  const survey: DirectorySurvey = {
    directory,
    metaFault,
    topics,
    leftovers,
    marker: await readMarker(fileSystem, directory),
    journal: await JournalReplay.read(fileSystem, directory, journalFiles),
    journalFiles,
  };
  for (const topic of topics) if (topic.file) topic.inUse = await countPartitions(fileSystem, survey, topic);
  return survey;
}

function countPartitions(
  fileSystem: FileSystem,
  { marker, journal }: DirectorySurvey,
  { directory, file }: TopicSurvey,
): Promise<number> {
  const clean = marker === 'damaged' ? undefined : marker;
  // After a clean stop all of the journal is in the segments.
  return partitionsInUse(fileSystem, directory, file!, clean, clean ? undefined : journal);
}

async function readMetaFault(fileSystem: FileSystem, directory: string): Promise<string | undefined> {
  let meta: unknown;
  try {
    meta = await readMeta(fileSystem, directory);
  } catch (error) {
    if (isSeglogError(error, 'CORRUPT_MESSAGE')) return error.message;
    // It is a file.
    if (errnoOf(error) !== 'ENOTDIR') throw error;
  }
  if (meta !== undefined) return undefined;
  throw new SeglogError(
    'INVALID_REQUEST',
    `${directory} is no data directory: there is no meta.json and there are no topics`,
  );
}

async function surveyTopic(fileSystem: FileSystem, data: string, name: string): Promise<TopicSurvey> {
  const directory = topicDirectory(data, name);
  const inUse = 0;
  const partitions = (await listOrNone(fileSystem, directory))
    .map(parsePartitionName)
    .filter((partition) => partition !== undefined)
    .sort((a, b) => a - b);
  try {
    if (!(await fileSystem.status(directory))?.isDirectory) {
      return {
        name,
        directory,
        file: undefined,
        fault: `${directory} is no directory: move it away`,
        partitions,
        inUse,
      };
    }
    const path = topicFilePath(directory);
    const bytes = await readWholeFile(fileSystem, path);
    const file = bytes && decodeTopicFile(bytes, name, path);
    return { name, directory, file, fault: file ? undefined : `${path} is missing`, partitions, inUse };
  } catch (error) {
    if (!isSeglogError(error, 'CORRUPT_MESSAGE')) throw error;
    return { name, directory, file: undefined, fault: error.message, partitions, inUse };
  }
}

/** What the clean marker tells of and no topic has: their directories are gone. */
export function unknownPartitions(
  marker: CleanMarker,
  topics: readonly TopicSurvey[],
): [topicId: string, partition: number][] {
  const known = new Map(topics.map(({ file, inUse }) => [file?.id, inUse]));
  return [...marker.partitions()].filter(([topicId, partition]) => !(partition < (known.get(topicId) ?? 0)));
}

/** Bytes of the segments of a topic. */
export async function segmentBytes(
  fileSystem: FileSystem,
  { directory, partitions }: TopicSurvey,
): Promise<number> {
  let bytes = 0;
  for (const partition of partitions) {
    const path = partitionDirectory(directory, partition);
    if (!(await fileSystem.status(path))?.isDirectory) continue;
    const view = await withSwapsFinished(fileSystem, path);
    for (const base of segmentBases(await view.list(path)))
      bytes += (await view.status(segmentPath(path, base)))?.size ?? 0;
  }
  return bytes;
}

/** The names in a directory, none when there is no such directory. */
async function listOrNone(fileSystem: FileSystem, directory: string): Promise<string[]> {
  try {
    return await fileSystem.list(directory);
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === 'ENOENT' || errno === 'ENOTDIR') return [];
    throw error;
  }
}

async function readMarker(
  fileSystem: FileSystem,
  directory: string,
): Promise<CleanMarker | 'damaged' | undefined> {
  const bytes = await readWholeFile(fileSystem, cleanMarkerPath(directory));
  return bytes === undefined ? undefined : (CleanMarker.decode(bytes) ?? 'damaged');
}
