/** What a survey of a partition means to whoever asked whether the data is in order. */

import type { CleanPartition } from './clean-marker.ts';
import type { Findings } from './findings.ts';
import {
  checkpointPath,
  gapsPath,
  isUnfinished,
  OFFSET_INDEX_SUFFIX,
  parseNumberedName,
  preparedSegmentPath,
  SEGMENT_SUFFIX,
  SUMMARY_SUFFIX,
  segmentPath,
  TIME_INDEX_SUFFIX,
} from './log-file-names.ts';
import type { PartitionSurvey } from './partition-survey.ts';
import type { RecoveredRun } from './recovery-scan.ts';
import type { SealedSurvey } from './sealed-survey.ts';
import type { SegmentSurvey } from './segment-survey.ts';
import { differences } from './segment-survey.ts';
import type { DamagedRange } from './types.ts';

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
  addFileFindings(findings, owner, survey);
  const marked = markedSegments(survey, clean);
  for (let i = 0; i < survey.segments.length; i++) {
    const segment = survey.segments[i]!;
    addRangeFindings(findings, owner, survey, segment);
    const { baseOffset } = segment.segment;
    const intact = !survey.lost.some((range) => range.segment === baseOffset) && !isCut(survey, segment);
    const last = i + 1 === survey.segments.length;
    // After a crash the last segment's files lag behind it, and those of segments that were not sealed yet are missing.
    const sealed = segment.segment.exists && (last ? marked !== undefined : true);
    addDerivedFindings(findings, owner, segment, { sealed, intact, last });
    const stats = marked?.get(baseOffset);
    const wrong = stats !== undefined && intact ? differences(stats, segment.stats) : '';
    if (wrong !== '') {
      const message = `the clean marker is not true of this segment: ${wrong}; repair removes it`;
      findings.add('damage', segment.segment.path, message, { ...owner, segment: baseOffset });
    }
    addTailFindings(findings, owner, survey, segment, marked !== undefined);
  }
}

/** The same for sealed segments of a partition that another process has open. */
export function addSealedFindings(
  findings: Findings,
  owner: PartitionOwner,
  survey: SealedSurvey['runs'][number],
): void {
  for (const segment of survey.segments) {
    addRangeFindings(findings, owner, survey, segment);
    const intact = !survey.lost.some((range) => range.segment === segment.segment.baseOffset);
    addDerivedFindings(findings, owner, segment, { sealed: true, intact, last: false });
  }
}

/** The segments as the clean marker has them; undefined when the next start will not believe it. */
function markedSegments(survey: PartitionSurvey, clean: CleanPartition | undefined) {
  if (clean === undefined) return undefined;
  const stored = survey.segments.filter(({ segment }) => segment.exists);
  const active = stored.at(-1)?.segment.stats.bytes;
  const fits =
    clean.segments.length === stored.length &&
    clean.segments.every(({ baseOffset }, i) => baseOffset === stored[i]!.segment.baseOffset) &&
    active === clean.segments.at(-1)?.bytes;
  return fits ? new Map(clean.segments.map((stats) => [stats.baseOffset, stats])) : undefined;
}

/** Files of the partition as a whole, and names that are not of its segments. */
function addFileFindings(findings: Findings, owner: PartitionOwner, survey: PartitionSurvey): void {
  const { directory, names, checkpoint, checkpointFault, gapsFault } = survey;
  const path = (name: string) => `${directory}/${name}`;
  if (gapsFault !== undefined) addGapsFault(findings, owner, directory, gapsFault);
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
  const bases = new Set(survey.segments.map(({ segment }) => segment.baseOffset));
  bases.add(survey.scan.endOffset);
  for (const name of names) {
    if (path(name) === preparedSegmentPath(directory)) continue;
    if (isUnfinished(name)) {
      findings.add('note', path(name), 'unfinished work of a process that ended; opening removes it', owner);
    } else if (!belongs(name, bases)) {
      findings.add('note', path(name), 'this file belongs to nothing here; it is left alone', owner);
    }
  }
}

export function addGapsFault(
  findings: Findings,
  owner: PartitionOwner,
  directory: string,
  fault: string,
): void {
  findings.add('damage', gapsPath(directory), `recorded gaps cannot be read: ${fault}`, owner);
}

function belongs(name: string, bases: ReadonlySet<number>): boolean {
  if (name === 'checkpoint' || name === 'gaps.json') return true;
  return [SEGMENT_SUFFIX, OFFSET_INDEX_SUFFIX, TIME_INDEX_SUFFIX, SUMMARY_SUFFIX].some((suffix) => {
    const base = parseNumberedName(name, suffix);
    return base !== undefined && bases.has(base);
  });
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
  survey: SealedSurvey['runs'][number],
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
  for (const range of survey.lost.filter(here)) {
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
  survey: SegmentSurvey,
  { sealed, intact, last }: { sealed: boolean; intact: boolean; last: boolean },
): void {
  const { baseOffset } = survey.segment;
  for (const { path, kind, message } of survey.problems(sealed, intact)) {
    // The last segment has a summary only if it was sealed when nothing came.
    if (last && (kind === 'missing' || kind === 'stale') && path.endsWith(SUMMARY_SUFFIX)) continue;
    const what =
      kind === 'wrong'
        ? `${message}; repair makes it anew, nothing is lost`
        : `${message}; it is made anew by itself`;
    findings.add(kind === 'wrong' ? 'damage' : 'derived', path, what, { ...owner, segment: baseOffset });
  }
}

const runsOf = (survey: PartitionSurvey, { segment }: SegmentSurvey): RecoveredRun[] =>
  survey.scan.runs.filter((run) => run.segment === segment);

/** Where the part of a segment's file that counts ends. */
function countedEnd(survey: PartitionSurvey, segment: SegmentSurvey): number {
  const lost = survey.lost.filter((range) => range.segment === segment.segment.baseOffset);
  const ends = [
    segment.stats.bytes,
    ...runsOf(survey, segment).map((run) => run.position + run.bytes),
    ...[...lost, ...survey.scan.abandoned].map((range) =>
      range.segment === segment.segment.baseOffset ? range.endPosition : 0,
    ),
  ];
  return Math.max(...ends);
}

const isCut = (survey: PartitionSurvey, segment: SegmentSurvey) =>
  segment.segment.exists && countedEnd(survey, segment) < segment.segment.stats.bytes;

/** What the next start will put right: batches that only the journal has, and an end that was never acknowledged. */
function addTailFindings(
  findings: Findings,
  owner: PartitionOwner,
  survey: PartitionSurvey,
  segment: SegmentSurvey,
  openedAsItIs: boolean,
): void {
  const { baseOffset, path, exists, stats } = segment.segment;
  const place = { ...owner, segment: baseOffset };
  for (const run of joined(runsOf(survey, segment).filter(({ journaled }) => journaled !== null))) {
    if (openedAsItIs) {
      const message = 'these records are in the journal only: repair puts them back, nothing is lost';
      findings.add('damage', path, message, { ...place, offsets: run });
    } else {
      const message = 'these records are in the journal; the next start writes them to their segment';
      findings.add('note', path, message, { ...place, offsets: run });
    }
  }
  const end = countedEnd(survey, segment);
  if (!exists || stats.bytes <= end) return;
  const message =
    'these bytes were never acknowledged, or the next segment took them over: they are cut off at the next start';
  findings.add('note', path, message, { ...place, bytes: { startPosition: end, endPosition: stats.bytes } });
}

/** Ranges of offsets, those that follow each other made one. */
function joined(runs: readonly RecoveredRun[]): { firstOffset: number; endOffset: number }[] {
  const ranges: { firstOffset: number; endOffset: number }[] = [];
  for (const { firstOffset, nextOffset } of runs) {
    const last = ranges.at(-1);
    if (last?.endOffset === firstOffset) last.endOffset = nextOffset;
    else ranges.push({ firstOffset, endOffset: nextOffset });
  }
  return ranges;
}
