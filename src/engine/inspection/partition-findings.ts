/** What a survey of a partition means to whoever asked whether the data is in order. */

import type { DamagedRange } from '../common/types.ts';
import type { CleanPartition } from '../directory/clean-marker.ts';
import {
  CLEANED_NAME,
  checkpointPath,
  cleanedPath,
  gapsPath,
  isUnfinished,
  logStartPath,
  OFFSET_INDEX_SUFFIX,
  PRODUCERS_NAME,
  parseNumberedName,
  preparedSegmentPath,
  producersPath,
  SEARCH_SUFFIX,
  SEGMENT_SUFFIX,
  SUMMARY_SUFFIX,
  segmentPath,
  swapPath,
  TIME_INDEX_SUFFIX,
} from '../files/log-file-names.ts';
import type { Findings } from './findings.ts';
import { damageOf, type PartitionSurvey } from './partition-survey.ts';
import type { DerivedProblem, SegmentSurvey } from './segment-survey.ts';
import type { SettledSurvey, WalkSurvey } from './settled-survey.ts';
import { countedEnd, derivedProblems, markedSegments, markerFault, runsOf } from './survey-judgement.ts';

export interface PartitionOwner {
  topic: string;
  partition: number;
}

/** Adds all that is worth telling, in the order of the segments. */
export function addPartitionFindings(
  findings: Findings,
  owner: PartitionOwner,
  survey: PartitionSurvey,
  clean: CleanPartition | undefined,
): void {
  if (survey.missing) {
    const { lost, scan, directory } = survey;
    const offsets =
      lost.length > 0 ? { firstOffset: lost[0]!.firstOffset, endOffset: scan.endOffset } : undefined;
    const message = 'the directory of the partition is missing';
    findings.add('damage', directory, message, { ...owner, ...(offsets && { offsets }) });
    return;
  }
  addFileFindings(findings, owner, survey);
  const marked = markedSegments(survey, clean);
  for (const segment of survey.segments) {
    addRangeFindings(findings, owner, survey, segment);
    addDerivedFindings(findings, owner, segment, derivedProblems(survey, segment, marked));
    const wrong = markerFault(survey, segment, marked);
    if (wrong !== '') {
      const { path, baseOffset } = segment.segment;
      const message = `the clean marker is not true of this segment: ${wrong}; repair corrects it, nothing is lost`;
      findings.add('damage', path, message, { ...owner, segment: baseOffset });
    }
    addTailFindings(findings, owner, survey, segment, marked !== undefined);
  }
}

/** The same for what is settled of a partition that another process has open. */
export function addSettledFindings(findings: Findings, owner: PartitionOwner, survey: SettledSurvey): void {
  const checkpointFault = survey.runs.find((run) => run.checkpointFault !== undefined)?.checkpointFault;
  addGapsAndCheckpoint(findings, owner, { ...survey, checkpointFault, producersFault: undefined });
  for (const run of survey.runs) {
    for (const segment of run.segments) {
      addRangeFindings(findings, owner, run, segment);
      const intact = !damageOf(run).some((range) => range.segment === segment.segment.baseOffset);
      addDerivedFindings(findings, owner, segment, segment.problems(run.sealed, intact));
    }
  }
}

/** Files of the partition as a whole, and names that are not of its segments. */
function addFileFindings(findings: Findings, owner: PartitionOwner, survey: PartitionSurvey): void {
  const { directory, names } = survey;
  const path = (name: string) => `${directory}/${name}`;
  addGapsAndCheckpoint(findings, owner, survey);
  const bases = new Set(survey.segments.map(({ segment }) => segment.baseOffset));
  bases.add(survey.scan.endOffset);
  for (const swap of survey.swaps) {
    const message = 'this segment takes the place of others, which is half done; the next start finishes it';
    findings.add('note', swapPath(directory, swap), message, { ...owner, segment: swap.baseOffset });
  }
  for (const name of names) {
    if (path(name) === preparedSegmentPath(directory)) continue;
    if (isUnfinished(name)) {
      findings.add('note', path(name), 'unfinished work of a process that ended; opening removes it', owner);
    } else if (!belongs(name, bases)) {
      findings.add('note', path(name), 'this file belongs to nothing here; it is left alone', owner);
    }
  }
}

function addGapsAndCheckpoint(
  findings: Findings,
  owner: PartitionOwner,
  survey: Pick<
    PartitionSurvey,
    | 'directory'
    | 'gapsFault'
    | 'checkpoint'
    | 'checkpointFault'
    | 'logStart'
    | 'cleanedDamaged'
    | 'producersDamaged'
    | 'producersFault'
  >,
): void {
  const { directory, gapsFault, checkpoint, checkpointFault, logStart, cleanedDamaged } = survey;
  if (gapsFault !== undefined)
    findings.add('damage', gapsPath(directory), `recorded gaps cannot be read: ${gapsFault}`, owner);
  if (logStart === 'damaged') {
    findings.add(
      'derived',
      logStartPath(directory),
      'the log start fails its checks: the checkpoint says it too, and "seglog repair" makes it anew',
      owner,
    );
  }
  if (cleanedDamaged) {
    const message = 'what was compacted cannot be read: the next compaction looks at all of the log';
    findings.add('derived', cleanedPath(directory), message, owner);
  }
  if (survey.producersDamaged) {
    const message = 'the snapshot of producers fails its checks: it is made anew from the batches';
    findings.add('derived', producersPath(directory), message, owner);
  } else if (survey.producersFault !== undefined) {
    const message = `the snapshot of producers is not true: ${survey.producersFault}; repair removes it, nothing is lost`;
    findings.add('damage', producersPath(directory), message, owner);
  }
  if (checkpoint === 'damaged') {
    findings.add(
      'derived',
      checkpointPath(directory),
      'the checkpoint fails its checks: after a crash all of the partition is read, and the checkpoint is made anew',
      owner,
    );
  } else if (checkpointFault !== undefined) {
    const message = `the checkpoint is not true: ${checkpointFault}`;
    findings.add('damage', checkpointPath(directory), message, owner);
  }
}

function belongs(name: string, bases: ReadonlySet<number>): boolean {
  if (['checkpoint', 'log-start', CLEANED_NAME, PRODUCERS_NAME, 'gaps.json'].includes(name)) return true;
  return [SEGMENT_SUFFIX, OFFSET_INDEX_SUFFIX, TIME_INDEX_SUFFIX, SUMMARY_SUFFIX, SEARCH_SUFFIX].some(
    (suffix) => {
      const base = parseNumberedName(name, suffix);
      return base !== undefined && bases.has(base);
    },
  );
}

const rangePlace = (owner: PartitionOwner, range: DamagedRange) => ({
  ...owner,
  segment: range.segment,
  ...(range.startPosition < range.endPosition ? { bytes: range } : {}),
  ...(range.firstOffset < range.endOffset ? { offsets: range } : {}),
});

/** Damage in a segment, and bytes that were given up before. */
function addRangeFindings(
  findings: Findings,
  owner: PartitionOwner,
  survey: WalkSurvey,
  { segment }: SegmentSurvey,
): void {
  const here = (range: DamagedRange) => range.segment === segment.baseOffset;
  const path = segmentPath(survey.directory, segment.baseOffset);
  for (const range of survey.headers.filter(here)) {
    findings.add(
      'damage',
      path,
      `${range.reason}; repair writes it anew, nothing is lost`,
      rangePlace(owner, range),
    );
  }
  for (const range of damageOf(survey).filter(here)) {
    findings.add('damage', path, range.reason, rangePlace(owner, range));
  }
  for (const range of survey.scan.abandoned.filter(here)) {
    const message =
      'bytes that were given up are still here: a repair was cut short, and the next one goes on';
    findings.add('note', path, message, rangePlace(owner, range));
  }
}

function addDerivedFindings(
  findings: Findings,
  owner: PartitionOwner,
  { segment }: SegmentSurvey,
  problems: readonly DerivedProblem[],
): void {
  for (const { path, kind, message } of problems) {
    const remedy = kind === 'wrong' ? 'repair makes it anew, nothing is lost' : 'it is made anew by itself';
    const place = { ...owner, segment: segment.baseOffset };
    findings.add(kind === 'wrong' ? 'damage' : 'derived', path, `${message}; ${remedy}`, place);
  }
}

/** What the next start will put right: batches that only the journal has, and an end that was never acknowledged. */
function addTailFindings(
  findings: Findings,
  owner: PartitionOwner,
  survey: PartitionSurvey,
  segment: SegmentSurvey,
  openedAsItIs: boolean,
): void {
  const { baseOffset, path, exists, stats } = segment.segment;
  for (const { bytes, ...offsets } of journaledRanges(survey, segment)) {
    const restored = !openedAsItIs && offsets.firstOffset >= survey.recoveredFrom;
    const place = { ...owner, segment: baseOffset, offsets, ...(bytes && { bytes }) };
    if (restored) {
      const message = 'these records are in the journal; the next start writes them to their segment';
      findings.add('note', path, message, place);
    } else {
      const message = 'these records are in the journal only: repair puts them back, nothing is lost';
      findings.add('damage', path, message, place);
    }
  }
  const end = countedEnd(survey, segment);
  if (!exists || stats.bytes <= end) return;
  const message =
    'these bytes were never acknowledged, or the next segment took them over: they are cut off at the next start';
  const bytes = { startPosition: end, endPosition: stats.bytes };
  findings.add('note', path, message, { ...owner, segment: baseOffset, bytes });
}

/** Ranges that only the journal has, those that follow each other made one; with the bytes in the file that are wrong. */
function journaledRanges(survey: PartitionSurvey, segment: SegmentSurvey) {
  const ranges: {
    firstOffset: number;
    endOffset: number;
    bytes?: { startPosition: number; endPosition: number };
  }[] = [];
  const size = segment.segment.exists ? segment.segment.stats.bytes : 0;
  for (const run of runsOf(survey, segment)) {
    if (run.journaled === null) continue;
    const endPosition = Math.min(size, run.position + run.bytes);
    const wrong = run.fits && run.position < endPosition;
    const bytes = wrong ? { startPosition: run.position, endPosition } : undefined;
    const last = ranges.at(-1);
    if (last?.endOffset === run.firstOffset) {
      last.endOffset = run.nextOffset;
      if (bytes !== undefined)
        last.bytes = { ...bytes, startPosition: last.bytes?.startPosition ?? bytes.startPosition };
    } else {
      ranges.push({ firstOffset: run.firstOffset, endOffset: run.nextOffset, ...(bytes && { bytes }) });
    }
  }
  return ranges;
}
