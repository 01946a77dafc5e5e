/**
 * Opening a partition, in two steps: finding what there is, which only reads, and settling it, which writes where a crash
 * has left something to be put in order. All partitions are found before any is settled. After a clean stop the marker says
 * what a partition holds, and nothing is scanned; otherwise it is recovered: see recovery-find.ts. A swap of segments that was
 * left pending is seen as if it were finished, and is finished as the first thing that settles the partition.
 */

import { isSeglogError } from '../common/errors.ts';
import type { OffsetGap } from '../common/types.ts';
import type { CleanPartition } from '../directory/clean-marker.ts';
import { removeIfExists } from '../files/file-operations.ts';
import { isUnfinished, segmentBases, segmentPath } from '../files/log-file-names.ts';
import { readCleaned } from '../partition/cleaned-file.ts';
import { type Cleaned, NEVER_CLEANED } from '../partition/compaction.ts';
import { readGaps } from '../partition/gaps.ts';
import {
  type EngineContext,
  PartitionLog,
  type PartitionState,
  type TopicIdentity,
} from '../partition/partition-log.ts';
import type { ProducerRange } from '../partition/producer-range.ts';
import { type ProducersSnapshot, readProducers } from '../partition/producers-file.ts';
import { finishPendingSwaps } from '../rewrite/segment-swap.ts';
import { newSegment } from '../segment/segment-files.ts';
import { checkIdentity } from '../segment/segment-identity.ts';
import type { JournalReplay } from './journal-recovery.ts';
import { throughSwaps } from './pending-swaps.ts';
import { restoreProducers } from './producer-recovery.ts';
import { findLog, sealedSegment } from './recovery-find.ts';
import type { RecoveryRequest } from './recovery-request.ts';
import { settleLog } from './recovery-settle.ts';

export interface OpenRequest {
  context: EngineContext;
  topic: TopicIdentity;
  partition: number;
  directory: string;
  /** What the clean marker says of it; undefined after a crash. */
  clean: CleanPartition | undefined;
  /** What the journal holds; asked for only when the partition must be recovered. */
  journal(): Promise<JournalReplay>;
  /** Called when the journal's files must stay: something in them has no other place. */
  keepJournal(): void;
}

/** A partition that was read, and can be opened. */
export interface FoundPartition {
  /** `inPlace`: there is no space to write anything anew. Throws ENOSPC where that is not known before. */
  settle(inPlace: boolean): Promise<PartitionLog>;
}

/** Reads only. Throws UNSUPPORTED_VERSION. */
export async function findPartition(request: OpenRequest): Promise<FoundPartition> {
  const { context, topic, partition, directory } = request;
  const { settle, producers } = await findState(request);
  const cleaned = await findCleaned(request);
  const snapshot = await findSnapshot(request);
  return {
    settle: async (inPlace) => {
      const log = new PartitionLog(context, topic, partition, directory, await settle(inPlace));
      log.cleaned = cleaned;
      await restoreProducers(log, snapshot, producers);
      return log;
    },
  };
}

/** Without it, batches are looked at again. */
async function findSnapshot({
  context,
  topic,
  partition,
  directory,
}: OpenRequest): Promise<ProducersSnapshot | undefined> {
  const owner = { topicId: topic.id, partition };
  const snapshot = await readProducers(context.fileSystem, directory, owner);
  if (snapshot !== 'damaged') return snapshot;
  const fields = { topic: topic.name, partition };
  context.logger.warn(fields, 'the snapshot of producers is damaged: it is made anew from the batches');
  return undefined;
}

/** One that is damaged only makes the next compaction look at more. */
async function findCleaned({ context, topic, partition, directory }: OpenRequest): Promise<Cleaned> {
  const owner = { topicId: topic.id, partition };
  const cleaned = await readCleaned(context.fileSystem, directory, owner);
  if (typeof cleaned === 'object') return cleaned;
  if (cleaned === 'damaged')
    context.logger.warn(
      { topic: topic.name, partition },
      'what was compacted is not known: all is looked at again',
    );
  return NEVER_CLEANED;
}

interface FoundState {
  settle(inPlace: boolean): Promise<PartitionState>;
  /** Where batches lie that a retry may repeat. */
  producers: readonly ProducerRange[];
}

async function findState(request: OpenRequest): Promise<FoundState> {
  const { context, directory } = request;
  const { fileSystem } = context;
  if ((await fileSystem.status(directory)) === undefined) {
    const lost = await lostPartition(request);
    return { settle: async () => lost, producers: [] };
  }
  const names = await fileSystem.list(directory);
  const found = await throughSwaps(request, names, (view) => findStored(request, view));
  const settle = async (inPlace: boolean) => {
    await finishPendingSwaps(fileSystem, directory);
    for (const name of names)
      if (isUnfinished(name)) await removeIfExists(fileSystem, `${directory}/${name}`);
    return found.settle(inPlace);
  };
  return { ...found, settle };
}

/** Finds what is stored as `view` shows it. */
async function findStored(request: OpenRequest, view: OpenRequest): Promise<FoundState> {
  const { context, clean } = request;
  const bases = segmentBases(await view.context.fileSystem.list(view.directory));
  const { gaps, damage } = await readGapsOrDamage(view);
  const state = damage === undefined ? await openClean(view, bases, gaps) : undefined;
  if (state !== undefined)
    return { settle: async () => state, producers: clean?.producers === undefined ? [] : [clean.producers] };
  const recovery: RecoveryRequest = { ...view, bases, gaps, journal: await request.journal() };
  const found = await findLog(recovery);
  const settle = async (inPlace: boolean) => {
    const settled = await settleLog({ ...recovery, context }, found, inPlace);
    settled.fenced ??= damage ?? null;
    return settled;
  };
  return { settle, producers: found.producers };
}

/** Gaps that cannot be read are no reason to keep the rest of the log from its readers: the partition is fenced. */
async function readGapsOrDamage({
  context,
  directory,
  topic,
  partition,
}: OpenRequest): Promise<{ gaps: OffsetGap[]; damage?: string }> {
  try {
    return { gaps: await readGaps(context.fileSystem, directory, { topicId: topic.id, partition }) };
  } catch (error) {
    if (!isSeglogError(error, 'CORRUPT_MESSAGE')) throw error;
    context.observer.failed?.('corruption');
    return { gaps: [], damage: error.message };
  }
}

/** Undefined when there is no marker, or the directory does not look as it says. */
async function openClean(
  request: OpenRequest,
  bases: number[],
  gaps: OffsetGap[],
): Promise<PartitionState | undefined> {
  const { clean, directory } = request;
  if (clean === undefined) return undefined;
  const { segments: stored, logStartOffset, logEndOffset } = clean;
  const same = stored.length === bases.length && stored.every((stats, i) => stats.baseOffset === bases[i]);
  if (!same || !(await activeIsInOrder(request, clean))) return undefined;
  const segments = stored.map((stats) => sealedSegment(directory, stats));
  // Behind a gap at the log's end the next segment begins.
  if (segments.at(-1)?.endOffset === logEndOffset) segments[segments.length - 1]!.sealed = false;
  else segments.push(newSegment(directory, logEndOffset));
  return {
    segments,
    logStartOffset,
    logEndOffset,
    syncedOffset: logEndOffset,
    durableOffset: logEndOffset,
    tail: [],
    damaged: [],
    gaps,
    fenced: null,
  };
}

/** The file that will be written to is the right one, and ends where it ended. */
async function activeIsInOrder(
  { context, directory, topic, partition }: OpenRequest,
  clean: CleanPartition,
): Promise<boolean> {
  const active = clean.segments.at(-1);
  if (active === undefined) return true;
  const lease = await context.files.lease(segmentPath(directory, active.baseOffset));
  try {
    const identity = { topicId: topic.id, partition, baseOffset: active.baseOffset };
    return (await lease.file.size()) === active.bytes && (await checkIdentity(lease.file, identity)) === null;
  } finally {
    lease.release();
  }
}

/**
 * The directory of the partition is missing: every offset that is known to have been given is damaged. It is not made
 * again here, for an empty one would look like a new partition at the next start.
 */
async function lostPartition(request: OpenRequest): Promise<PartitionState> {
  const { clean, topic, partition, directory, context } = request;
  const journalEnd = (await request.journal()).batchesOf(topic.id, partition).endOffset;
  const end = Math.max(clean?.logEndOffset ?? 0, journalEnd);
  if (journalEnd > 0) request.keepJournal();
  const reason = 'its directory is missing';
  context.logger.error(
    { topic: topic.name, partition, directory },
    'the directory of a partition is missing',
  );
  context.observer.failed?.('corruption');
  const range = { firstOffset: 0, endOffset: end, segment: 0, startPosition: 0, endPosition: 0, reason };
  return {
    segments: [newSegment(directory, end)],
    logStartOffset: clean?.logStartOffset ?? 0,
    logEndOffset: end,
    syncedOffset: end,
    durableOffset: end,
    tail: [],
    damaged: [range],
    gaps: [],
    fenced: `${reason}: restore it from a backup, or run "seglog repair" with the daemon stopped`,
  };
}

/** A partition that was never written to. */
export function newPartition(
  context: EngineContext,
  topic: TopicIdentity,
  partition: number,
  directory: string,
): PartitionLog {
  return new PartitionLog(context, topic, partition, directory, {
    segments: [newSegment(directory, 0)],
    logStartOffset: 0,
    logEndOffset: 0,
    syncedOffset: 0,
    durableOffset: 0,
    tail: [],
    damaged: [],
    gaps: [],
    fenced: null,
  });
}
