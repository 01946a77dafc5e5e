/**
 * Whether the search index beside a segment can be read: the engine keeps it with its segment and checks it, and knows nothing
 * of what is in it.
 */

import { errnoOf } from '../common/errors.ts';
import { readFully } from '../files/file-operations.ts';
import type { FileHandle, FileSystem } from '../files/file-system.ts';
import {
  decodeSearchHead,
  isSearchPart,
  SEARCH_PREAMBLE_BYTES,
  type SearchFileHead,
  type SearchFileIdentity,
  searchFileBytes,
  searchHeadBytes,
} from '../format/search-file.ts';

/** What it is an index of, once all of it has passed its checks. Throws UNSUPPORTED_VERSION when it is newer. */
export function checkSearchFile(
  fileSystem: FileSystem,
  path: string,
): Promise<SearchFileIdentity | 'missing' | 'damaged'> {
  return withFile(fileSystem, path, async (file) => {
    const head = await readSearchHead(file);
    if (head === undefined) return 'damaged';
    for (const part of head.parts) {
      const bytes = await readFully(file, part.length, part.position);
      if (!isSearchPart(head, part, bytes)) return 'damaged';
    }
    return head.identity;
  });
}

/** Throws UNSUPPORTED_VERSION when there is one of a newer version. */
export async function refuseNewerSearchFile(fileSystem: FileSystem, path: string): Promise<void> {
  await withFile(fileSystem, path, readSearchHead);
}

async function withFile<T>(
  fileSystem: FileSystem,
  path: string,
  use: (file: FileHandle) => Promise<T>,
): Promise<T | 'missing'> {
  let file: FileHandle;
  try {
    file = await fileSystem.open(path, 'read');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return 'missing';
    throw error;
  }
  try {
    return await use(file);
  } finally {
    await file.close();
  }
}

/** Undefined when the file does not pass; its parts lie within it otherwise. */
async function readSearchHead(file: FileHandle): Promise<SearchFileHead | undefined> {
  const size = await file.size();
  const length = searchHeadBytes(await readFully(file, SEARCH_PREAMBLE_BYTES, 0));
  if (length === undefined || length > size) return undefined;
  const head = decodeSearchHead(await readFully(file, length, 0));
  return typeof head === 'string' || searchFileBytes(head) !== size ? undefined : head;
}
