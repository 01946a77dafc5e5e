/**
 * Settles what was found of a partition's log after a crash: what is left is made durable (recovery-rewrite.ts), and an end
 * that was never acknowledged is cut off. Where acknowledged data is damaged nothing is cut: the partition is fenced and
 * serves what it has.
 */

import type { DamagedRange } from '../common/types.ts';
import { replaceFiles } from '../files/file-operations.ts';
import { checkpointFile } from '../partition/checkpoint.ts';
import { logStartFile } from '../partition/log-start.ts';
import type { PartitionState } from '../partition/partition-log.ts';
import type { LogSegment } from '../segment/log-segment.ts';
import { indexFiles, newSegment, removeSegment, summaryFile } from '../segment/segment-files.ts';
import { hullOf } from './producer-recovery.ts';
import { keepDamaged } from './recovery-damage.ts';
import type { FoundLog, RebuiltSegment } from './recovery-find.ts';
import { settleInPlace } from './recovery-in-place.ts';
import type { RecoveryRequest, SettledLog } from './recovery-request.ts';
import { cutFile, rewriteTail } from './recovery-rewrite.ts';

/** `inPlace`: there is no space to write anything anew. */
export async function settleLog(
  request: RecoveryRequest,
  found: FoundLog,
  inPlace: boolean,
): Promise<PartitionState> {
  const { gaps } = request;
  const { logStartOffset, scan, lost } = found;
  if (found.needsJournal) request.keepJournal();
  await settleStart(request, found, inPlace);
  for (const rebuilt of found.rebuilt) await settleRebuilt(request, rebuilt, inPlace);
  let settled: SettledLog;
  if (lost.length > 0) settled = await keepDamaged(request, found.segments, found.first, scan, inPlace);
  else settled = await (inPlace ? settleInPlace(request, found) : settleTail(request, found));
  if (settled.durableOffset < scan.endOffset) request.keepJournal();
  const damaged = [...lost, ...found.headers];
  report(request, found, damaged);
  // Nothing was appended in the future, whatever the records' own times say: retention goes by it.
  const now = request.context.clock.now();
  for (const { stats } of settled.segments) stats.firstAppendAt = Math.min(stats.firstAppendAt, now);
  return { ...settled, logStartOffset, logEndOffset: scan.endOffset, damaged, gaps };
}

async function settleStart(
  { context, directory, topic, partition }: RecoveryRequest,
  found: FoundLog,
  inPlace: boolean,
): Promise<void> {
  const { fileSystem } = context;
  if (found.deleted.length === 0 && !found.logStartDamaged) return;
  const owner = { topicId: topic.id, partition };
  // What was read of it may have been in memory only: it is made durable before what lies before it goes.
  if (inPlace) await fileSystem.syncDirectory(directory);
  else await replaceFiles(fileSystem, [logStartFile(directory, owner, found.logStartOffset)]);
  for (const baseOffset of found.deleted) await removeSegment(fileSystem, directory, baseOffset);
}

async function settleRebuilt(
  { context, directory }: RecoveryRequest,
  { segment, fileBytes }: RebuiltSegment,
  inPlace: boolean,
): Promise<void> {
  if (segment.stats.bytes < fileBytes) await cutFile(context, segment);
  // Its indexes stay in memory until it can be sealed.
  if (inPlace) return;
  await replaceFiles(context.fileSystem, [
    ...indexFiles(directory, segment.indexWriter!.indexes, segment.stats),
    summaryFile(directory, segment.stats),
  ]);
  segment.sealed = true;
  segment.indexWriter = undefined;
}

/** No damage: the tail goes to new files, and the checkpoint says so. */
async function settleTail(request: RecoveryRequest, found: FoundLog): Promise<SettledLog> {
  const { context, topic, partition, directory } = request;
  const { segments, first, kept, scan, logStartOffset } = found;
  const rewritten = await rewriteTail({ context, topic, partition, directory, segments, first, kept }, scan);
  for (const cut of rewritten.cut) {
    const fields = { topic: topic.name, partition, offset: scan.endOffset, ...cut };
    context.logger.warn(fields, 'cut off bytes that were never acknowledged');
  }
  const result = rewritten.segments;
  const last = result.at(-1);
  // Behind a gap at the log's end the next segment begins.
  if (last?.endOffset !== scan.endOffset) result.push(newSegment(directory, scan.endOffset));
  await sealRecovered(request, result);
  const active = result.at(-1)!;
  const producers = hullOf(found.producers);
  active.sealed = false;
  const indexes = active.indexWriter?.indexes;
  await replaceFiles(context.fileSystem, [
    ...(active.exists && indexes !== undefined ? indexFiles(directory, indexes, active.stats) : []),
    checkpointFile(directory, {
      topicId: topic.id,
      partition,
      recoveryPoint: scan.endOffset,
      logStartOffset,
      active: last?.stats ?? active.stats,
      ...(producers && { producers }),
    }),
  ]);
  const { endOffset } = scan;
  return { segments: result, syncedOffset: endOffset, durableOffset: endOffset, tail: [], fenced: null };
}

/** All but the last are sealed from now on. */
async function sealRecovered(request: RecoveryRequest, segments: LogSegment[]): Promise<void> {
  const { context, directory, topic } = request;
  for (const segment of segments.slice(0, -1)) {
    if (segment.sealed) continue;
    const interval = topic.settings['index.interval.bytes'];
    const indexes =
      segment.indexWriter?.indexes ?? (await context.indexCache.load(directory, segment, interval));
    await replaceFiles(context.fileSystem, [
      ...indexFiles(directory, indexes, segment.stats),
      summaryFile(directory, segment.stats),
    ]);
    segment.sealed = true;
    segment.indexWriter = undefined;
  }
}

function report(request: RecoveryRequest, found: FoundLog, damaged: readonly DamagedRange[]): void {
  const { context, topic, partition } = request;
  const { recoveryPoint, scan } = found;
  const { logger, observer } = context;
  for (const range of damaged) {
    logger.error({ topic: topic.name, partition, ...range }, 'damaged data');
    observer.failed?.('corruption');
  }
  const records = scan.runs.reduce((sum, run) => sum + run.nextOffset - run.firstOffset, 0);
  const journaled = scan.runs.filter((run) => run.journaled !== null).length;
  const fields = {
    topic: topic.name,
    partition,
    recoveryPoint,
    logEndOffset: scan.endOffset,
    records,
    journaled,
  };
  logger.info(fields, 'recovered partition');
}
