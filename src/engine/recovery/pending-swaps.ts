/** Looking at a partition through the swaps that a process left pending in it: as it will be once they are finished. */
import { DescriptorCache } from '../files/descriptor-cache.ts';
import { readFully } from '../files/file-operations.ts';
import type { FileSystem } from '../files/file-system.ts';
import { parseNumberedName, SEGMENT_SUFFIX, type SegmentSwap } from '../files/log-file-names.ts';
import { decodeSegmentHeader, SEGMENT_HEADER_BYTES } from '../format/segment-header.ts';
import type { EngineContext } from '../partition/partition-log.ts';
import { isReplaced, pendingSwaps } from '../rewrite/segment-swap.ts';
import { withSwapsFinished } from '../rewrite/swap-view.ts';
import { refuseNewerFiles } from '../segment/segment-files.ts';

const OPEN_FILES = 16;

/**
 * Runs `look` with a context that shows the swaps as finished. Throws UNSUPPORTED_VERSION as well when a file that they take
 * away is of a newer version.
 */
export async function throughSwaps<R extends { context: EngineContext; directory: string }, T>(
  request: R,
  names: readonly string[],
  look: (view: R) => Promise<T>,
): Promise<T> {
  const { context, directory } = request;
  const swaps = pendingSwaps(names);
  if (swaps.length === 0) return look(request);
  for (const swap of swaps) await refuseNewerReplaced(context.fileSystem, directory, names, swap);
  const fileSystem = await withSwapsFinished(context.fileSystem, directory);
  const files = new DescriptorCache(fileSystem, OPEN_FILES, 'read');
  try {
    return await look({ ...request, context: { ...context, fileSystem, files } });
  } finally {
    await files.close();
  }
}

async function refuseNewerReplaced(
  fileSystem: FileSystem,
  directory: string,
  names: readonly string[],
  swap: SegmentSwap,
): Promise<void> {
  for (const name of names.filter((each) => isReplaced(each, swap))) {
    const base = parseNumberedName(name, SEGMENT_SUFFIX);
    if (base === undefined) continue;
    await refuseNewerFiles(fileSystem, directory, base);
    const file = await fileSystem.open(`${directory}/${name}`, 'read');
    try {
      decodeSegmentHeader(await readFully(file, SEGMENT_HEADER_BYTES, 0));
    } finally {
      await file.close();
    }
  }
}
