/**
 * What a repair of a partition gives up: what is lost is told, its bytes are kept, and the gaps are recorded. The record is
 * the commit point, see repair-partition.ts.
 */

import type { DamagedRange, OffsetGap } from '../common/types.ts';
import { replaceFiles } from '../files/file-operations.ts';
import { gapsPath, journalPath, segmentPath } from '../files/log-file-names.ts';
import { gapsFile } from '../partition/gaps.ts';
import { type JournalDamage, keptFrameName } from '../recovery/journal-recovery.ts';
import type { SegmentWriterTarget } from '../recovery/segment-writer.ts';
import type { PartitionSurvey } from './partition-survey.ts';
import type { RepairLoss } from './repair-report.ts';
import type { RepairStore } from './repair-store.ts';

export interface PartitionRepair extends SegmentWriterTarget {
  data: string;
  topicName: string;
  store: RepairStore;
  /** ISO 8601. */
  repairedAt: string;
  /** Tells of something that was done to a file. */
  done(path: string, message: string): void;
}

export const identityOf = ({ topic, partition }: PartitionRepair) => ({ topicId: topic.id, partition });

/** Whether something cannot be read any more, or is not known to be all there. */
export function losesData({
  lost,
  suspects,
  missing,
  logStartOffset,
  recoveryPoint,
}: PartitionSurvey): boolean {
  // Of a missing directory nobody knows what was in it, unless it is known that nothing was.
  return lost.length > 0 || suspects.length > 0 || (missing && recoveryPoint === logStartOffset);
}

/** How the losses of a partition are told. */
export function lossesOf(
  repair: Pick<PartitionRepair, 'topicName' | 'partition'>,
  survey: PartitionSurvey,
): RepairLoss[] {
  const { lost, suspects, scan } = survey;
  let end = scan.endOffset;
  const owner = { topic: repair.topicName, partition: repair.partition, accepted: false, keptAs: null };
  return [
    ...lost.map(({ firstOffset, endOffset, segment, startPosition, endPosition, reason }) => {
      return { ...owner, firstOffset, endOffset, segment, bytes: endPosition - startPosition, reason };
    }),
    // At most one record for each byte of the frame, so that no offset it may have held is given again.
    ...suspects.map(({ frame, range: { segment, reason } }) => {
      const bytes = frame.end - frame.position;
      const firstOffset = end;
      end += bytes;
      return { ...owner, firstOffset, endOffset: end, segment, bytes, reason };
    }),
  ];
}

/** Keeps the bytes that are lost; the losses say where from then on. */
export async function giveUp(
  repair: PartitionRepair,
  survey: PartitionSurvey,
  losses: RepairLoss[],
): Promise<void> {
  const { store, directory } = repair;
  for (let i = 0; i < losses.length; i++) {
    const loss = losses[i]!;
    const range = survey.lost[i];
    if (range === undefined)
      loss.keptAs = await keepFrame(repair, survey.suspects[i - survey.lost.length]!.frame);
    else if (isMisplaced(survey, range.segment))
      loss.keptAs = await store.reserve(movedName(repair, range.segment));
    else if (range.startPosition < range.endPosition) {
      const path = segmentPath(directory, range.segment);
      const { startPosition, endPosition } = range;
      loss.keptAs = await store.keepBytes(path, startPosition, endPosition, bytesName(repair, range));
    }
    loss.accepted = true;
  }
}

function keepFrame({ data, store }: PartitionRepair, frame: JournalDamage): Promise<string> {
  const { sequence, position, end } = frame;
  return store.keepBytes(journalPath(data, sequence), position, end, keptFrameName(frame));
}

/** Names of files have at most 255 bytes; a long topic name gives way to the topic's id. */
const shortName = ({ topicName, topic, partition }: PartitionRepair) =>
  `${topicName.length > 150 ? topic.id : topicName}-${partition}`;
export const movedName = (repair: PartitionRepair, base: number) => `${shortName(repair)}-${base}.log`;
const bytesName = (repair: PartitionRepair, { segment, startPosition }: DamagedRange) =>
  `${shortName(repair)}-${segment}-${startPosition}.bytes`;

export function isMisplaced({ scan }: PartitionSurvey, base: number): boolean {
  return scan.faulty.some(({ segment, fault }) => fault.kind === 'misplaced' && segment.baseOffset === base);
}

/** The commit point: what is in gaps.json has been given up. */
export async function settleGaps(
  repair: PartitionRepair,
  survey: PartitionSurvey,
  losses: readonly RepairLoss[],
): Promise<void> {
  const { context, directory, repairedAt, store } = repair;
  const { fileSystem } = context;
  if (losses.length === 0 && survey.gapsFault === undefined) return;
  const path = gapsPath(directory);
  const damaged = survey.gapsFault === undefined ? undefined : await fileSystem.status(path);
  if (damaged !== undefined) await store.keepBytes(path, 0, damaged.size, `${shortName(repair)}-gaps.json`);
  await replaceFiles(fileSystem, [
    gapsFile(directory, identityOf(repair), allGaps(survey, losses, repairedAt)),
  ]);
  const what = losses.length === 1 ? '1 gap' : `${losses.length} gaps`;
  repair.done(path, damaged ? `replaced the damaged file and recorded ${what}` : `recorded ${what}`);
}

export function allGaps(
  survey: PartitionSurvey,
  losses: readonly RepairLoss[],
  repairedAt: string,
): OffsetGap[] {
  const added = losses.map(({ firstOffset, endOffset, bytes, reason, keptAs }) => {
    return { firstOffset, endOffset, bytes, reason, repairedAt, keptAs };
  });
  return [...survey.gaps, ...added].sort((a, b) => a.firstOffset - b.firstOffset);
}
