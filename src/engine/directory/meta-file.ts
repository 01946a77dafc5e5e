/**
 * `meta.json` makes a directory a data directory: the version of its format and an id of this instance. It is read before
 * anything else, so that a directory of a newer program is refused and left as it was.
 */
import { randomUUID } from 'node:crypto';
import { dirname, join } from 'node:path';
import { errnoOf, SeglogError } from '../common/errors.ts';
import { makeDirectoryIfMissing, readWholeFile, replaceFile } from '../files/file-operations.ts';
import type { FileSystem } from '../files/file-system.ts';
import { isOwnName, metaPath, topicsDirectory } from '../files/log-file-names.ts';
import { checkJsonVersion, decodeJsonFile, encodeJsonFile } from '../format/json-file.ts';

/** The version of everything below the data directory; see docs/format.md. */
export const FORMAT_VERSION = 1;

export interface MetaFile {
  formatVersion: number;
  instanceId: string;
  /** ISO 8601. */
  createdAt: string;
}

/** Undefined when the directory has none yet. Refuses what this program does not know. */
export async function readMeta(fileSystem: FileSystem, data: string): Promise<MetaFile | undefined> {
  const path = metaPath(data);
  const bytes = await readWholeFile(fileSystem, path);
  if (bytes === undefined) {
    if ((await fileSystem.status(topicsDirectory(data))) === undefined) return undefined;
    throw new SeglogError(
      'CORRUPT_MESSAGE',
      `${path} is missing although there are topics: run "seglog repair"`,
    );
  }
  const meta = decodeJsonFile(bytes);
  if (typeof meta !== 'string' && checkJsonVersion(meta.formatVersion, FORMAT_VERSION, data)) {
    return meta as unknown as MetaFile;
  }
  const what = typeof meta === 'string' ? meta : 'it has no format version';
  throw new SeglogError('CORRUPT_MESSAGE', `${path} is damaged: ${what}; run "seglog repair"`);
}

/**
 * Refuses to make a data directory of one that holds something else: whoever named the wrong one would find files strewn
 * among theirs. What a start left that was killed early is ours, and so is what begins with a dot or is the file system's
 * own; other data directories may lie in it. Throws INVALID_REQUEST.
 */
export async function refuseForeignDirectory(fileSystem: FileSystem, data: string): Promise<void> {
  if (!(await fileSystem.status(data))?.isDirectory) return;
  for (const name of (await fileSystem.list(data)).sort()) {
    if (isOwnName(name) || name.startsWith('.') || name === 'lost+found') continue;
    if (await isDataDirectory(fileSystem, join(data, name))) continue;
    throw new SeglogError(
      'INVALID_REQUEST',
      `${data} is not empty and no data directory of seglog (there is "${name}", and no meta.json): name an empty or a new directory, such as ${join(data, 'seglog')}`,
      { directory: data },
    );
  }
}

async function isDataDirectory(fileSystem: FileSystem, path: string): Promise<boolean> {
  if (!(await fileSystem.status(path))?.isDirectory) return false;
  // One that may not be looked into is somebody else's.
  return (await fileSystem.status(metaPath(path)).catch(() => undefined)) !== undefined;
}

export async function createMeta(fileSystem: FileSystem, data: string, now: number): Promise<MetaFile> {
  const meta = {
    formatVersion: FORMAT_VERSION,
    instanceId: randomUUID(),
    createdAt: new Date(now).toISOString(),
  };
  await replaceFile(fileSystem, metaPath(data), [encodeJsonFile(meta)]);
  return meta;
}

/** Makes a directory and those above it; durable when it resolves. */
export async function makeDataDirectory(fileSystem: FileSystem, path: string): Promise<void> {
  try {
    // Synced also when it is there: who made it may have died before its name was safe.
    await makeDirectoryIfMissing(fileSystem, path);
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT' || dirname(path) === path) throw error;
    await makeDataDirectory(fileSystem, dirname(path));
    await makeDirectoryIfMissing(fileSystem, path);
  }
  await fileSystem.syncDirectory(dirname(path));
}
