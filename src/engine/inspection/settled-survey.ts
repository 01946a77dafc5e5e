/**
 * Walks what cannot change of a partition that another process has open: its sealed segments, and its active one up to the
 * recovery point of the checkpoint. A segment is sealed once it has its summary; the last one may have been opened again
 * since, and has outgrown it then.
 */
import { errnoOf } from '../common/errors.ts';
import { readWholeFile } from '../files/file-operations.ts';
import type { FileSystem } from '../files/file-system.ts';
import { segmentBases, summaryPath } from '../files/log-file-names.ts';
import { type Checkpoint, readCheckpoint } from '../partition/checkpoint.ts';
import { readCleaned } from '../partition/cleaned-file.ts';
import { readLogStart } from '../partition/log-start.ts';
import { readProducers } from '../partition/producers-file.ts';
import { JournaledBatches } from '../recovery/journaled-batches.ts';
import { damagedHeaders, misplacedFiles } from '../recovery/recovery-damage.ts';
import { withSwapsFinished } from '../rewrite/swap-view.ts';
import { LogSegment, type SegmentStats } from '../segment/log-segment.ts';
import { decodeSummary, listSegments } from '../segment/segment-files.ts';
import type { PartitionIdentity } from '../segment/segment-identity.ts';
import {
  damageOf,
  type PartitionSurvey,
  readGapsOrFault,
  type SurveyRequest,
  type SurveyView,
  SurveyWalk,
  withView,
} from './partition-survey.ts';

interface SettledRun {
  segments: LogSegment[];
  endOffset: number;
  /** False for the part of the active segment that is below the recovery point: a run by itself. */
  sealed: boolean;
}

/** What a walk over segments found, whether or not they are all of their partition. */
export type WalkSurvey = Pick<
  PartitionSurvey,
  'directory' | 'segments' | 'scan' | 'lost' | 'misplaced' | 'suspects' | 'headers' | 'checkpointFault'
>;

export interface SettledRunSurvey extends WalkSurvey {
  sealed: boolean;
}

export interface SettledSurvey
  extends Pick<
    PartitionSurvey,
    'directory' | 'checkpoint' | 'logStart' | 'cleanedDamaged' | 'producersDamaged' | 'gapsFault'
  > {
  /** Sealed segments in a row, each row by itself. */
  runs: SettledRunSurvey[];
  /** Segments that may still change. */
  inUse: number;
}

/** How often it is begun anew, when segments are deleted or replaced meanwhile. */
const MAX_ATTEMPTS = 5;

/**
 * A segment that another one takes the place of while it is looked at may be missing, or not fit what was read of it before.
 * Damage stays: what is not in order is looked at again, until the same is found twice.
 */
export async function surveySettled(request: SurveyRequest): Promise<SettledSurvey> {
  let before = '';
  const { mark } = request.meter;
  for (let attempt = 1; ; attempt++) {
    request.meter.returnTo(mark);
    try {
      const survey = await withView(request, surveyOnce);
      const faults = faultsOf(survey);
      if (faults === '' || faults === before || attempt === MAX_ATTEMPTS) return survey;
      before = faults;
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT' || attempt === MAX_ATTEMPTS) throw error;
    }
  }
}

/** All that is not in order, as text; empty when all is. */
function faultsOf({ runs }: SettledSurvey): string {
  const faults = runs.flatMap((run) => [
    ...damageOf(run),
    ...run.headers,
    ...(run.checkpointFault === undefined ? [] : [run.checkpointFault]),
    ...run.segments.flatMap((segment) => segment.problems(run.sealed, true)),
  ]);
  return faults.length === 0 ? '' : JSON.stringify(faults);
}

async function surveyOnce(request: SurveyView): Promise<SettledSurvey> {
  const { fileSystem, directory } = request;
  const logStart = await readLogStart(fileSystem, directory, request);
  const cleanedDamaged = (await readCleaned(fileSystem, directory, request)) === 'damaged';
  const producersDamaged = (await readProducers(fileSystem, directory, request)) === 'damaged';
  const { runs, checkpoint, inUse } = await settledRuns(fileSystem, directory, request);
  const { gaps, gapsFault } = await readGapsOrFault(request);
  const surveys: SettledRunSurvey[] = [];
  for (const { segments, endOffset, sealed } of runs) {
    const walk = new SurveyWalk(request, sealed ? undefined : checkpoint);
    const limits = { recoveryPoint: endOffset, limitOffset: endOffset };
    const found = await walk.run({ segments, ...limits, journaled: JournaledBatches.NONE, gaps });
    const { scan } = found;
    surveys.push({
      ...found,
      directory,
      sealed,
      lost: scan.damaged,
      misplaced: misplacedFiles(scan),
      suspects: [],
      headers: damagedHeaders(scan, endOffset),
    });
  }
  return {
    directory,
    runs: surveys,
    checkpoint,
    logStart,
    cleanedDamaged,
    producersDamaged,
    inUse,
    gapsFault,
  };
}

/** How many bytes `surveySettled` will look at. */
export async function settledBytes(
  fileSystem: FileSystem,
  directory: string,
  owner: PartitionIdentity,
): Promise<number> {
  const view = await withSwapsFinished(fileSystem, directory);
  const { runs } = await settledRuns(view, directory, owner);
  return runs.flatMap(({ segments }) => segments).reduce((sum, { stats }) => sum + stats.bytes, 0);
}

/** The log goes on meanwhile: what a file tells is read first, and then how long the file is that it tells of. */
async function settledRuns(fileSystem: FileSystem, directory: string, owner: PartitionIdentity) {
  const checkpoint = await readCheckpoint(fileSystem, directory, owner);
  const bases = segmentBases(await fileSystem.list(directory));
  const runs: SettledRun[] = [];
  let inUse = 0;
  let previous: SettledRun | undefined;
  for (const [i, base] of bases.entries()) {
    const summary = await readSummaryOrFault(fileSystem, directory, base);
    const [segment] = (await listSegments(fileSystem, directory, [base])) as [LogSegment];
    const endOffset = sealedEnd(segment, summary, bases[i + 1]);
    if (endOffset === undefined) {
      inUse++;
      previous = undefined;
      const run = runOfActive(segment, checkpoint);
      if (run !== undefined) runs.push(run);
      continue;
    }
    if (previous === undefined) {
      previous = { segments: [], endOffset, sealed: true };
      runs.push(previous);
    }
    previous.segments.push(segment);
    previous.endOffset = endOffset;
  }
  return { runs, checkpoint, inUse };
}

async function readSummaryOrFault(
  fileSystem: FileSystem,
  directory: string,
  baseOffset: number,
): Promise<SegmentStats | 'damaged' | undefined> {
  const bytes = await readWholeFile(fileSystem, summaryPath(directory, baseOffset));
  return bytes === undefined ? undefined : (decodeSummary(bytes, baseOffset) ?? 'damaged');
}

/** Where the offsets of a sealed segment end; undefined when it is not, or no longer, sealed. */
function sealedEnd(
  { stats }: LogSegment,
  summary: SegmentStats | 'damaged' | undefined,
  next: number | undefined,
): number | undefined {
  if (summary === undefined) return undefined;
  if (summary === 'damaged') return next;
  return summary.bytes >= stats.bytes ? (next ?? summary.endOffset) : undefined;
}

/** The segment as if it ended at the recovery point; undefined when nothing of it is known to be synced. */
function runOfActive(
  { path, stats }: LogSegment,
  checkpoint: Checkpoint | 'damaged' | undefined,
): SettledRun | undefined {
  if (checkpoint === undefined || checkpoint === 'damaged') return undefined;
  const { active } = checkpoint;
  if (active.baseOffset !== stats.baseOffset || active.batches === 0) return undefined;
  const bytes = Math.min(stats.bytes, active.bytes);
  const segments = [new LogSegment(path, { ...stats, bytes }, true)];
  return { segments, endOffset: active.endOffset, sealed: false };
}
