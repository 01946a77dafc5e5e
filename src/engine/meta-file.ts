/**
 * `meta.json` makes a directory a data directory: the version of its format and an id of this instance. It is read before
 * anything else, so that a directory of a newer program is refused and left as it was.
 */
import { randomUUID } from 'node:crypto';
import { dirname } from 'node:path';
import { errnoOf, SeglogError } from './errors.ts';
import { makeDirectoryIfMissing, readWholeFile, replaceFile } from './file-operations.ts';
import type { FileSystem } from './file-system.ts';
import { metaPath, topicsDirectory } from './log-file-names.ts';

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
      `${path} is missing although there are topics: restore it from a backup`,
    );
  }
  let meta: MetaFile;
  try {
    meta = JSON.parse(bytes.toString('utf8'));
  } catch (error) {
    throw new SeglogError(
      'CORRUPT_MESSAGE',
      `${path} is no JSON: restore it from a backup`,
      {},
      { cause: error },
    );
  }
  if (!Number.isSafeInteger(meta.formatVersion) || meta.formatVersion > FORMAT_VERSION) {
    throw new SeglogError(
      'UNSUPPORTED_VERSION',
      `${data} has format version ${meta.formatVersion}, this program knows up to ${FORMAT_VERSION}: use a newer seglog`,
      { version: meta.formatVersion },
    );
  }
  return meta;
}

export async function createMeta(fileSystem: FileSystem, data: string, now: number): Promise<MetaFile> {
  const meta = {
    formatVersion: FORMAT_VERSION,
    instanceId: randomUUID(),
    createdAt: new Date(now).toISOString(),
  };
  await replaceFile(fileSystem, metaPath(data), [Buffer.from(`${JSON.stringify(meta, null, 2)}\n`)]);
  return meta;
}

/** Makes a directory and those above it; durable when it resolves. */
export async function makeDataDirectory(fileSystem: FileSystem, path: string): Promise<void> {
  try {
    if (!(await makeDirectoryIfMissing(fileSystem, path))) return;
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT' || dirname(path) === path) throw error;
    await makeDataDirectory(fileSystem, dirname(path));
    await makeDirectoryIfMissing(fileSystem, path);
  }
  await fileSystem.syncDirectory(dirname(path));
}
