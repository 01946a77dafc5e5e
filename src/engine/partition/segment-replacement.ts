/**
 * Putting a rewritten segment in the place of the neighbours that it was made of, while the partition is read and appended to.
 * The steps in its directory are those of segment-swap.ts; here they are tied to what is in memory:
 *
 * - Up to the commit point nothing has changed. A sync of the directory that fails there leaves unknown whether it is reached:
 *   the partition is fenced, as after any failed sync, and goes on serving the old segments, whose files stay as they are.
 *   The next start finds the swap or does not. Either way it finds one set of segments or the other, and never some of both,
 *   since nothing of the old one was taken away.
 * - From the commit point on the new segment stands in the list, and its file has the swap's name. Readers that have an old
 *   file open finish with it; others find that the segment is retired, or that a file has gone, and look again.
 * - Whatever fails after that changes nothing for readers. It is tried again, and at last by the next start.
 */
import assert from 'node:assert';
import { removeIfExists } from '../files/file-operations.ts';
import { rewrittenPath, type SegmentSwap, swapPath } from '../files/log-file-names.ts';
import { OffsetIndex } from '../format/offset-index.ts';
import { TimeIndex } from '../format/time-index.ts';
import type { RewrittenSegment } from '../rewrite/rewrite-request.ts';
import {
  commitSwap,
  putAside,
  removeAside,
  type SwapPlace,
  takeBackSwap,
  takeName,
} from '../rewrite/segment-swap.ts';
import { IndexWriter, LogSegment, type SegmentIndexes } from '../segment/log-segment.ts';
import type { PartitionLog } from './partition-log.ts';
import { syncFailed, syncNewNames } from './partition-names.ts';

/**
 * `replaced`, or why not: the partition is gone, or takes no changes, or its segments are not those any more (retention has
 * removed one), or one of them turned out to be damaged. The rewritten file is gone then, and nothing has changed.
 */
export type Replacement = 'replaced' | 'deleted' | 'fenced' | 'stopped' | 'changed' | 'damaged';

/** Why these segments cannot be replaced now. */
export function refusalOf(partition: PartitionLog, olds: readonly LogSegment[]): Replacement | undefined {
  const { segments, damaged, deleted, fenced } = partition;
  if (deleted) return 'deleted';
  if (fenced !== null) return 'fenced';
  const first = segments.indexOf(olds[0]!);
  const next = segments[first + olds.length];
  const same = olds.every((old, i) => segments[first + i] === old && old.sealed);
  // There is always one behind them, which is active.
  if (first < 0 || next === undefined || !same) return 'changed';
  const { baseOffset } = olds[0]!;
  const isOfThem = damaged.some(
    ({ segment, firstOffset, endOffset }) =>
      (baseOffset <= segment && segment < next.baseOffset) ||
      (firstOffset < next.baseOffset && baseOffset < endOffset),
  );
  return isOfThem ? 'damaged' : undefined;
}

/** Removes a rewritten segment that nobody wants any more; the next start removes it otherwise. */
export async function discardRewritten(partition: PartitionLog, baseOffset: number): Promise<void> {
  const { context, directory } = partition;
  await removeIfExists(context.fileSystem, rewrittenPath(directory, baseOffset)).catch(() => {});
}

/**
 * Commits, and puts the new segment in its place: durable when it resolves. Its swap is yet to be finished. Nothing may come
 * between `refusalOf` and this call.
 */
export async function commitReplacement(
  partition: PartitionLog,
  olds: readonly LogSegment[],
  { stats, offsetIndex, timeIndex }: RewrittenSegment,
): Promise<LogSegment> {
  const { segments, directory, context } = partition;
  const indexes = decodeIndexes(stats.baseOffset, offsetIndex, timeIndex);
  assert(
    stats.baseOffset === olds[0]!.baseOffset && stats.endOffset === olds.at(-1)!.endOffset,
    'it covers what it replaces',
  );
  const { baseOffset: endOffset } = segments[segments.indexOf(olds[0]!) + olds.length]!;
  const swap: SegmentSwap = { baseOffset: stats.baseOffset, endOffset, again: false };
  await partition.syncing.run(() => commit(partition, swap));
  const segment = new LogSegment(swapPath(directory, swap), { ...stats }, true);
  segment.swap = swap;
  segment.indexWriter = new IndexWriter(indexes, stats.bytes);
  segments.splice(segments.indexOf(olds[0]!), olds.length, segment);
  partition.layout++;
  for (const old of olds) {
    old.retired = true;
    context.files.forget(old.path);
  }
  // An index that is being made anew for one of them must not be stored beside the new segment.
  for (const old of olds) await context.indexCache.retire(old);
  return segment;
}

function decodeIndexes(baseOffset: number, offsetIndex: Uint8Array, timeIndex: Uint8Array): SegmentIndexes {
  const asBuffer = ({ buffer, byteOffset, length }: Uint8Array) => Buffer.from(buffer, byteOffset, length);
  const offsets = OffsetIndex.decode(asBuffer(offsetIndex), baseOffset);
  const times = TimeIndex.decode(asBuffer(timeIndex), baseOffset);
  assert(offsets !== undefined && times !== undefined, 'the indexes are those of the segment');
  return { offsets: offsets.index, times: times.index };
}

async function commit(partition: PartitionLog, swap: SegmentSwap): Promise<void> {
  if (partition.fenced !== null) throw partition.fencedError();
  const place = placeOf(partition);
  // Of one that was taken back nothing may be left: two of them may overlap.
  if (partition.directoryDirty) await place.syncNames();
  try {
    await commitSwap(place, swap);
  } catch (error) {
    if (partition.fenced === null) await takeBack(partition, place, swap);
    throw error;
  }
}

/** A swap that is there and not known of would be finished by the next start, over whatever has changed until then. */
async function takeBack(partition: PartitionLog, place: SwapPlace, swap: SegmentSwap): Promise<void> {
  partition.directoryDirty = true;
  try {
    await takeBackSwap(place, swap);
  } catch {
    partition.fence('a rewritten segment could not be taken back; restart seglog once the disk is well');
  }
}

/** Does what is left of a segment's swap; nothing where there is none. */
export async function finishReplacement(partition: PartitionLog, segment: LogSegment): Promise<void> {
  const { swap } = segment;
  if (swap === undefined) return;
  const { files } = partition.context;
  const place = placeOf(partition);
  // One step at a time: syncs of appends come between them.
  await partition.syncing.run(() => unlessFenced(partition, () => putAside(place, swap)));
  await partition.syncing.run(() =>
    unlessFenced(partition, () =>
      takeName(place, swap, (path) => {
        const before = segment.path;
        segment.path = path;
        partition.layout++;
        files.forget(before);
        // Who came too late to the old segment may have opened it once more.
        files.forget(path);
      }),
    ),
  );
  await removeAside(place, swap);
  segment.swap = undefined;
}

/** After a failed sync, names that are seen may never become durable: nothing is built on them. */
function unlessFenced(partition: PartitionLog, step: () => Promise<void>): Promise<void> {
  return partition.fenced === null ? step() : Promise.reject(partition.fencedError());
}

function placeOf(partition: PartitionLog): SwapPlace {
  return {
    fileSystem: partition.context.fileSystem,
    directory: partition.directory,
    syncNames: async () => {
      await syncNewNames(partition).catch((error) => {
        throw syncFailed(partition, error);
      });
      // What failed beside it may have lost these names.
      if (partition.fenced !== null) throw partition.fencedError();
    },
  };
}
