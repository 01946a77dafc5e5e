/**
 * What is left in topics/ of topics that were being made or deleted when a process ended: directories with a "~" at the end
 * of their name.
 *
 * Such a directory may still have the topic's own name on the disk. Nobody knows whether the sync of its renaming has
 * succeeded, and after one that failed later syncs do not tell of that name any more. Were files removed from it then, a power
 * cut would bring back the topic without them. So its former name is taken first, by an empty directory that is made and
 * synced: from there on the name leads to nothing. An empty directory in topics/ is such a name, and no topic.
 */
import type { Logger } from '../common/logger.ts';
import { isOutOfSpace, readWholeFile, removeTree } from '../files/file-operations.ts';
import type { FileSystem } from '../files/file-system.ts';
import {
  isTopicName,
  isUnfinished,
  topicDirectory,
  topicFilePath,
  topicsDirectory,
} from '../files/log-file-names.ts';
import { decodeJsonFile } from '../format/json-file.ts';

/** Whether the directory of a topic that has no topic.json is nothing but a name. */
export async function isTakenName(fileSystem: FileSystem, topicDir: string): Promise<boolean> {
  if (!(await fileSystem.status(topicDir))?.isDirectory) return false;
  return (await fileSystem.list(topicDir)).length === 0;
}

/** Removes all that is beside these topics. On a full disk that stays of which the names cannot be taken. */
export async function removeLeftovers(
  { fileSystem, directory: data, logger }: { fileSystem: FileSystem; directory: string; logger: Logger },
  topics: ReadonlySet<string>,
): Promise<void> {
  const names = (await fileSystem.list(topicsDirectory(data))).filter((name) => !topics.has(name));
  for (const name of names)
    if (!isUnfinished(name)) await fileSystem.removeDirectory(topicDirectory(data, name));
  const leftovers = names.filter(isUnfinished).map((name) => topicDirectory(data, name));
  const former = await formerNames(fileSystem, leftovers);
  const taken = [...former].filter((name) => !topics.has(name)).map((name) => topicDirectory(data, name));
  if (await takeNames(fileSystem, data, taken)) {
    for (const path of leftovers) await removeTree(fileSystem, path);
  } else {
    logger.warn({ leftovers }, 'no space to remove what is left of deleted topics: a later start does it');
  }
}

/** Where a topic.json is gone, its topic had durably lost its name before. */
async function formerNames(fileSystem: FileSystem, leftovers: readonly string[]): Promise<Set<string>> {
  const names = new Set<string>();
  for (const path of leftovers) {
    const bytes = await readWholeFile(fileSystem, topicFilePath(path));
    const file = bytes === undefined ? '' : decodeJsonFile(bytes);
    if (typeof file === 'object' && isTopicName(file.name)) names.add(file.name);
  }
  return names;
}

/** False when there is no space for them. A crash may leave the empty directories: they do no harm. */
async function takeNames(fileSystem: FileSystem, data: string, paths: readonly string[]): Promise<boolean> {
  const made: string[] = [];
  try {
    for (const path of paths) {
      if (!(await makeDirectoryIfSpace(fileSystem, path))) return false;
      made.push(path);
    }
    if (made.length > 0) await fileSystem.syncDirectory(topicsDirectory(data));
    return true;
  } finally {
    for (const path of made) await fileSystem.removeDirectory(path);
  }
}

async function makeDirectoryIfSpace(fileSystem: FileSystem, path: string): Promise<boolean> {
  try {
    await fileSystem.makeDirectory(path);
    return true;
  } catch (error) {
    if (!isOutOfSpace(error)) throw error;
    return false;
  }
}
