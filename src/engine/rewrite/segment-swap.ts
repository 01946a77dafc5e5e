/**
 * How a rewritten segment takes the place of the neighbours that it was made of: steps in a partition's directory, of which a
 * crash leaves all done or none. The first of them begins at `base`, and the segment behind the last of them at `end`:
 *
 *     1  <base>.rewritten~  → <base>-<end>.swap          then the directory is synced: the commit point
 *     2  all files of segments with a base in [base, end) → <name>~                  and synced
 *     3  <base>-<end>.swap  → <base>.log                                             and synced
 *     4  what has a "~" is removed
 *
 * Before the commit point nothing has happened. Behind it the swap file is the segment, and whatever else is there of
 * [base, end) counts no more: whoever opens the directory finishes the steps. They take no space, and each can be done again.
 * So the names of indexes and summaries that tell of the old segments are gone for good before the new one has the name
 * that they go by.
 *
 * A process that died after a failed sync leaves names that are seen, but may never become durable. So one that finishes the
 * work of another gives the swap its other name first (with ".again", or without), and what has a "~" its name back: each of
 * them is changed once more, and the sync that follows is about that. For it to know, a segment whose last name could not be
 * synced gets that of the swap back.
 */
import { removeIfExists } from '../files/file-operations.ts';
import type { FileSystem } from '../files/file-system.ts';
import {
  isUnfinished,
  OFFSET_INDEX_SUFFIX,
  parseNumberedName,
  parseSwapName,
  rewrittenPath,
  SEARCH_SUFFIX,
  SEGMENT_SUFFIX,
  type SegmentSwap,
  SUMMARY_SUFFIX,
  segmentPath,
  swapPath,
  TIME_INDEX_SUFFIX,
} from '../files/log-file-names.ts';

/** Where a swap is done. */
export interface SwapPlace {
  fileSystem: FileSystem;
  /** The partition's. */
  directory: string;
  /** Makes the names in it durable. */
  syncNames(): Promise<void>;
}

/** Swaps that were committed and not finished, among the names in a partition's directory. */
export function pendingSwaps(names: readonly string[]): SegmentSwap[] {
  return names
    .map(parseSwapName)
    .filter((swap) => swap !== undefined)
    .sort((a, b) => a.baseOffset - b.baseOffset);
}

const SUFFIXES = [SEGMENT_SUFFIX, OFFSET_INDEX_SUFFIX, TIME_INDEX_SUFFIX, SUMMARY_SUFFIX, SEARCH_SUFFIX];

/** Whether a file of that name is of a segment that a swap takes the place of. */
export function isReplaced(name: string, { baseOffset, endOffset }: SegmentSwap): boolean {
  return SUFFIXES.some((suffix) => {
    const base = parseNumberedName(name, suffix);
    return base !== undefined && baseOffset <= base && base < endOffset;
  });
}

/** The commit point. When it fails before it syncs, nothing has happened but a name; when the sync fails, nobody knows. */
export async function commitSwap(place: SwapPlace, swap: SegmentSwap): Promise<void> {
  const { fileSystem, directory } = place;
  await fileSystem.rename(rewrittenPath(directory, swap.baseOffset), swapPath(directory, swap));
  await place.syncNames();
}

/** Removes what was not committed. The directory is to be synced before another swap is. */
export async function takeBackSwap({ fileSystem, directory }: SwapPlace, swap: SegmentSwap): Promise<void> {
  await removeIfExists(fileSystem, swapPath(directory, swap));
  await removeIfExists(fileSystem, rewrittenPath(directory, swap.baseOffset));
}

/** Step 2. As the next two, it does what is not done yet. */
export async function putAside(place: SwapPlace, swap: SegmentSwap): Promise<void> {
  const { fileSystem, directory } = place;
  if (!(await isPending(place, swap))) return;
  for (const name of await fileSystem.list(directory)) {
    if (isReplaced(name, swap)) await fileSystem.rename(`${directory}/${name}`, `${directory}/${name}~`);
  }
  await place.syncNames();
}

/** Step 3; `named` is called as soon as the segment has another name. */
export async function takeName(
  place: SwapPlace,
  swap: SegmentSwap,
  named = (_path: string) => {},
): Promise<void> {
  const { fileSystem, directory } = place;
  if (!(await isPending(place, swap))) return place.syncNames();
  const path = segmentPath(directory, swap.baseOffset);
  await fileSystem.rename(swapPath(directory, swap), path);
  named(path);
  try {
    await place.syncNames();
  } catch (error) {
    // The swap may come back with a power cut, long after another one has gone over it: the next start must know of it.
    await fileSystem.rename(path, swapPath(directory, swap));
    named(swapPath(directory, swap));
    throw error;
  }
}

/** Step 4. */
export async function removeAside({ fileSystem, directory }: SwapPlace, swap: SegmentSwap): Promise<void> {
  for (const name of await fileSystem.list(directory))
    if (isAside(name, swap)) await removeIfExists(fileSystem, `${directory}/${name}`);
}

const isAside = (name: string, swap: SegmentSwap) =>
  isUnfinished(name) && isReplaced(name.slice(0, -1), swap);

const isPending = async ({ fileSystem, directory }: SwapPlace, swap: SegmentSwap): Promise<boolean> =>
  (await fileSystem.status(swapPath(directory, swap))) !== undefined;

/** Finishes what another process has committed; nothing where no swap is pending. */
export async function finishPendingSwaps(fileSystem: FileSystem, directory: string): Promise<void> {
  const place = { fileSystem, directory, syncNames: () => fileSystem.syncDirectory(directory) };
  const names = await fileSystem.list(directory);
  for (const found of pendingSwaps(names)) {
    const swap = { ...found, again: !found.again };
    await fileSystem.rename(swapPath(directory, found), swapPath(directory, swap));
    await place.syncNames();
    for (const name of names) {
      const stem = name.slice(0, -1);
      if (isAside(name, swap) && !names.includes(stem))
        await fileSystem.rename(`${directory}/${name}`, `${directory}/${stem}`);
    }
    await putAside(place, swap);
    await takeName(place, swap);
    await removeAside(place, swap);
  }
}
