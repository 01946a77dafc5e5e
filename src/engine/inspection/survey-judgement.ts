/** Conclusions from a survey of a partition that both verification and repair draw. */
import type { CleanPartition } from '../directory/clean-marker.ts';
import { SUMMARY_SUFFIX } from '../files/log-file-names.ts';
import type { RecoveredRun } from '../recovery/recovery-scan.ts';
import type { SegmentStats } from '../segment/log-segment.ts';
import { damageOf, type PartitionSurvey } from './partition-survey.ts';
import { type DerivedProblem, differences, type SegmentSurvey } from './segment-survey.ts';

/** Stats by base offset. */
export type MarkedSegments = ReadonlyMap<number, SegmentStats>;

/** The segments as the clean marker has them; undefined when the next start will not believe it. */
export function markedSegments(
  survey: PartitionSurvey,
  clean: CleanPartition | undefined,
): MarkedSegments | undefined {
  if (clean === undefined) return undefined;
  const stored = survey.segments.filter(({ segment }) => segment.exists);
  const active = stored.at(-1)?.segment.stats.bytes;
  const fits =
    clean.segments.length === stored.length &&
    clean.segments.every(({ baseOffset }, i) => baseOffset === stored[i]!.segment.baseOffset) &&
    active === clean.segments.at(-1)?.bytes;
  return fits ? new Map(clean.segments.map((stats) => [stats.baseOffset, stats])) : undefined;
}

/** In what the clean marker is not true of a segment; empty when it is. */
export function markerFault(
  survey: PartitionSurvey,
  segment: SegmentSurvey,
  marked: MarkedSegments | undefined,
): string {
  const stats = marked?.get(segment.segment.baseOffset);
  return stats !== undefined && isIntact(survey, segment) ? differences(stats, segment.stats) : '';
}

/** What is wrong with the derived files of a segment, as far as they should be there. */
export function derivedProblems(
  survey: PartitionSurvey,
  segment: SegmentSurvey,
  marked: MarkedSegments | undefined,
): DerivedProblem[] {
  const last = segment === survey.segments.at(-1);
  // After a crash the last segment's files lag behind it.
  const sealed = segment.segment.exists && (!last || marked !== undefined);
  return segment.problems(sealed, isIntact(survey, segment)).filter(({ kind, path }) => {
    // The last segment has a summary only if it was sealed when nothing came.
    return !last || kind === 'wrong' || kind === 'damaged' || !path.endsWith(SUMMARY_SUFFIX);
  });
}

/** Nothing of it is damaged, all of it counts, and the journal has nothing that it lacks. */
function isIntact(survey: PartitionSurvey, segment: SegmentSurvey): boolean {
  const { baseOffset } = segment.segment;
  return (
    !damageOf(survey).some((range) => range.segment === baseOffset) &&
    !isCut(survey, segment) &&
    !runsOf(survey, segment).some(({ journaled }) => journaled !== null)
  );
}

export const runsOf = (survey: PartitionSurvey, { segment }: SegmentSurvey): RecoveredRun[] =>
  survey.scan.runs.filter((run) => run.segment === segment);

/** Where the part of a segment's file that counts ends. */
export function countedEnd(survey: PartitionSurvey, segment: SegmentSurvey): number {
  const lost = damageOf(survey);
  const ends = [
    segment.stats.bytes,
    ...runsOf(survey, segment).map((run) => run.position + run.bytes),
    ...[...lost, ...survey.scan.abandoned].map((range) =>
      range.segment === segment.segment.baseOffset ? range.endPosition : 0,
    ),
  ];
  return Math.max(...ends);
}

export const isCut = (survey: PartitionSurvey, segment: SegmentSurvey) =>
  segment.segment.exists && countedEnd(survey, segment) < segment.segment.stats.bytes;
