/**
 * Repairs one partition. What is lost becomes a recorded gap, in this order:
 *
 * 1. the bytes are copied to the repair directory and synced;
 * 2. gaps.json is replaced: the commit point. From then on the range is given up: reads pass over it, and recovery and the
 *    next repair take what is left of it in the files for nothing;
 * 3. the segments are written anew without it, or moved away whole.
 *
 * A crash before the second step has changed nothing; after it the third is done again by whoever comes next. Where
 * nothing is lost, only the third step is needed: it writes the same batches again.
 */
import { dirname } from 'node:path';
import { errnoOf } from '../common/errors.ts';
import type { DamagedRange, OffsetGap } from '../common/types.ts';
import type { CleanPartition } from '../directory/clean-marker.ts';
import { removeIfExists, removeTree, replaceFiles } from '../files/file-operations.ts';
import {
  checkpointPath,
  OFFSET_INDEX_SUFFIX,
  parseNumberedName,
  producersPath,
  SEARCH_SUFFIX,
  SUMMARY_SUFFIX,
  searchPath,
  segmentBases,
  segmentPath,
  TIME_INDEX_SUFFIX,
} from '../files/log-file-names.ts';
import { checkpointFile } from '../partition/checkpoint.ts';
import { gapsFile, lastGapEnd } from '../partition/gaps.ts';
import { logStartFile } from '../partition/log-start.ts';
import { writeSegment } from '../recovery/segment-writer.ts';
import { emptyStats } from '../segment/log-segment.ts';
import { removeDerivedFiles } from '../segment/segment-files.ts';
import { damageOf, type PartitionSurvey } from './partition-survey.ts';
import {
  allGaps,
  giveUp,
  identityOf,
  isMisplaced,
  losesData,
  lossesOf,
  movedName,
  type PartitionRepair,
  settleGaps,
} from './repair-losses.ts';
import type { RepairLoss } from './repair-report.ts';
import type { DerivedProblem, SegmentSurvey } from './segment-survey.ts';
import { derivedProblems, type MarkedSegments, markedSegments, markerFault } from './survey-judgement.ts';

const DERIVED_SUFFIXES = [OFFSET_INDEX_SUFFIX, TIME_INDEX_SUFFIX, SUMMARY_SUFFIX, SEARCH_SUFFIX];

/** Whether anything is wrong that opening the partition does not put right by itself. */
export function needsRepair(survey: PartitionSurvey, clean: CleanPartition | undefined): boolean {
  const marked = markedSegments(survey, clean);
  return (
    survey.missing ||
    survey.gapsFault !== undefined ||
    hasWrongCheckpoint(survey) ||
    survey.logStart === 'damaged' ||
    survey.producersFault !== undefined ||
    damageOf(survey).length > 0 ||
    survey.segments.some(
      (segment) =>
        mustBeWritten(survey, segment) ||
        hasWrongFiles(survey, segment, marked) ||
        markerFault(survey, segment, marked) !== '',
    )
  );
}

const here = ({ segment }: SegmentSurvey) => {
  return (range: DamagedRange) => range.segment === segment.baseOffset;
};

const hasWrongCheckpoint = ({ checkpoint, checkpointFault }: PartitionSurvey) =>
  checkpoint === 'damaged' || checkpointFault !== undefined;

/** Recovery makes the derived files of a segment whose summary it cannot trust; of others nobody would, for now. */
function hasWrongFiles(
  survey: PartitionSurvey,
  segment: SegmentSurvey,
  marked: MarkedSegments | undefined,
): boolean {
  const problems = derivedProblems(survey, segment, marked);
  if (marked !== undefined || problems.some(({ kind }) => kind === 'wrong')) return problems.length > 0;
  return problems.length > 0 && !problems.some(({ path }) => path.endsWith(SUMMARY_SUFFIX));
}

/** The file is not what it should be. */
function mustBeWritten(survey: PartitionSurvey, segment: SegmentSurvey): boolean {
  const { scan, headers, lost, misplaced } = survey;
  return (
    [...headers, ...lost, ...misplaced, ...scan.abandoned].some(here(segment)) ||
    scan.runs.some((run) => run.segment === segment.segment && run.journaled !== null)
  );
}

/** Puts right what can be without a loss, and with `acceptLoss` the rest. Resolves with the losses, given up or not. */
export async function repairPartition(
  repair: PartitionRepair,
  survey: PartitionSurvey,
  clean: CleanPartition | undefined,
  acceptLoss: boolean,
): Promise<RepairLoss[]> {
  const marked = markedSegments(survey, clean);
  const losses = lossesOf(repair, survey);
  const whole = acceptLoss || !losesData(survey);
  if (survey.missing) {
    if (whole) await makeDirectory(repair, survey, losses);
    return losses;
  }
  if (whole) {
    await giveUp(repair, survey, losses);
    await settleGaps(repair, survey, losses);
  }
  for (const segment of survey.segments) {
    if (!whole && survey.lost.some(here(segment))) continue;
    if (mustBeWritten(survey, segment)) await settleSegment(repair, survey, segment);
    else if (hasWrongFiles(survey, segment, marked)) {
      await removeWrongFiles(repair, segment, derivedProblems(survey, segment, marked));
    }
  }
  if (whole) await removeOrphans(repair, survey);
  if (survey.logStart === 'damaged') {
    const file = logStartFile(repair.directory, identityOf(repair), survey.logStartOffset);
    await replaceFiles(repair.context.fileSystem, [file]);
    repair.done(file.path, 'replaced the log start by what the checkpoint says');
  }
  if (survey.producersFault !== undefined) {
    const path = producersPath(repair.directory);
    await removeIfExists(repair.context.fileSystem, path);
    await repair.context.fileSystem.syncDirectory(repair.directory);
    repair.done(path, 'removed the snapshot of producers, to be made anew from the batches');
  }
  if (hasWrongCheckpoint(survey)) {
    await replaceFiles(repair.context.fileSystem, [plainCheckpoint(repair, survey, survey.gaps)]);
    repair.done(checkpointPath(repair.directory), 'replaced the checkpoint by one that is true');
  }
  return losses;
}

/** Writes a segment anew from what is left of it; its file goes when nothing is. */
async function settleSegment(
  repair: PartitionRepair,
  survey: PartitionSurvey,
  { segment }: SegmentSurvey,
): Promise<void> {
  const { context, directory, store } = repair;
  const { fileSystem } = context;
  const { baseOffset, exists, path } = segment;
  const runs = survey.scan.runs.filter((run) => run.segment === segment);
  if (exists && isMisplaced(survey, baseOffset)) {
    const kept = await store.reserve(movedName(repair, baseOffset));
    await removeDerivedFiles(fileSystem, directory, baseOffset);
    await store.move(path, directory, kept);
    repair.done(path, `moved the file, which is not of this place, to ${kept}`);
  }
  if (runs.length > 0) {
    await writeSegment(repair, baseOffset, runs);
    repair.done(path, 'wrote the segment anew from its valid batches');
  } else if (exists && !isMisplaced(survey, baseOffset)) {
    context.files.forget(path);
    await removeIfExists(fileSystem, path);
    await removeDerivedFiles(fileSystem, directory, baseOffset);
    await fileSystem.syncDirectory(directory);
    repair.done(path, 'removed the segment, of which nothing is left');
  }
}

async function removeWrongFiles(
  { context, directory, done }: PartitionRepair,
  { segment }: SegmentSurvey,
  problems: readonly DerivedProblem[],
): Promise<void> {
  const { fileSystem } = context;
  const search = searchPath(directory, segment.baseOffset);
  const onlySearch = problems.every(({ path }) => path === search);
  if (onlySearch) await removeIfExists(fileSystem, search);
  else await removeDerivedFiles(fileSystem, directory, segment.baseOffset);
  await fileSystem.syncDirectory(directory);
  const files = onlySearch ? 'the search index' : 'the indexes and the summary';
  done(segment.path, `removed ${files}, to be made anew`);
}

/** Removes derived files whose segment is not there any more. */
async function removeOrphans(repair: PartitionRepair, survey: PartitionSurvey): Promise<void> {
  const { context, directory } = repair;
  const bases = new Set(segmentBases(await context.fileSystem.list(directory)));
  const orphans = new Set(
    survey.names
      .flatMap((name) => DERIVED_SUFFIXES.map((suffix) => parseNumberedName(name, suffix)))
      .filter((base) => base !== undefined && !bases.has(base)),
  );
  for (const base of orphans) {
    await removeDerivedFiles(context.fileSystem, directory, base!);
    repair.done(segmentPath(directory, base!), 'removed indexes and summary of a segment that is not there');
  }
  if (orphans.size > 0) await context.fileSystem.syncDirectory(directory);
}

/** Says up to where the log was synced and nothing else, so that what is below is read again. */
function plainCheckpoint(repair: PartitionRepair, survey: PartitionSurvey, gaps: readonly OffsetGap[]) {
  const { segments, recoveryPoint, logStartOffset, scan } = survey;
  const end = Math.max(recoveryPoint, lastGapEnd(gaps));
  return checkpointFile(repair.directory, {
    ...identityOf(repair),
    recoveryPoint: end,
    logStartOffset,
    active: emptyStats(segments.at(-1)?.segment.baseOffset ?? logStartOffset),
    // Of all batches, whether or not they still matter: opening finds out.
    ...(scan.producersFrom !== undefined &&
      scan.producersFrom < end && { producers: { from: scan.producersFrom, to: end } }),
  });
}

/**
 * Makes the directory of a partition that has none: aside, with its gaps and what the journal has, and renamed as one
 * step. An empty one would look like a partition that was never written to.
 */
async function makeDirectory(
  repair: PartitionRepair,
  survey: PartitionSurvey,
  losses: RepairLoss[],
): Promise<void> {
  const { context, directory, repairedAt } = repair;
  const { fileSystem } = context;
  const aside: PartitionRepair = { ...repair, directory: `${directory}~` };
  try {
    await removeTree(fileSystem, aside.directory);
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error;
  }
  await fileSystem.makeDirectory(aside.directory);
  for (const loss of losses) loss.accepted = true;
  const gaps = allGaps(survey, losses, repairedAt);
  for (const { segment } of survey.segments) {
    const runs = survey.scan.runs.filter((run) => run.segment === segment);
    if (runs.length > 0) await writeSegment(aside, runs[0]!.firstOffset, runs);
  }
  await replaceFiles(fileSystem, [
    gapsFile(aside.directory, identityOf(repair), gaps),
    plainCheckpoint(aside, survey, gaps),
  ]);
  await fileSystem.rename(aside.directory, directory);
  await fileSystem.syncDirectory(dirname(directory));
  repair.done(directory, 'made the directory of the partition');
}
