/**
 * Walks what cannot change of a partition that another process has open: its sealed segments. A segment is sealed once it
 * has its summary; the last one may have been opened again since, and has outgrown it then.
 */
import { readWholeFile } from '../files/file-operations.ts';
import type { FileSystem } from '../files/file-system.ts';
import { segmentBases, summaryPath } from '../files/log-file-names.ts';
import { damagedHeaders, misplacedFiles } from '../recovery/recovery-damage.ts';
import type { LogSegment } from '../segment/log-segment.ts';
import { decodeSummary, listSegments } from '../segment/segment-files.ts';
import { type PartitionSurvey, readGapsOrFault, type SurveyRequest, SurveyWalk } from './partition-survey.ts';

interface SealedRun {
  segments: LogSegment[];
  endOffset: number;
}

export interface SealedSurvey {
  /** Sealed segments in a row, each row by itself. */
  runs: Pick<
    PartitionSurvey,
    'directory' | 'segments' | 'scan' | 'lost' | 'misplaced' | 'suspects' | 'headers'
  >[];
  /** Segments that may still change. */
  skipped: number;
  gapsFault: string | undefined;
}

export async function surveySealed(request: SurveyRequest): Promise<SealedSurvey> {
  const { fileSystem, directory } = request;
  const bases = segmentBases(await fileSystem.list(directory));
  const segments = await listSegments(fileSystem, directory, bases);
  const { gaps, gapsFault } = await readGapsOrFault(request);
  const runs: SealedRun[] = [];
  let skipped = 0;
  let previous: SealedRun | undefined;
  for (let i = 0; i < segments.length; i++) {
    const next = segments[i + 1]?.baseOffset;
    const endOffset = await sealedEnd(fileSystem, directory, segments[i]!, next);
    if (endOffset === undefined) {
      skipped++;
      previous = undefined;
      continue;
    }
    if (previous === undefined) {
      previous = { segments: [], endOffset };
      runs.push(previous);
    }
    previous.segments.push(segments[i]!);
    previous.endOffset = next ?? endOffset;
  }
  const surveys: SealedSurvey['runs'] = [];
  for (const { segments, endOffset } of runs) {
    const walk = new SurveyWalk(request, undefined);
    const limits = { recoveryPoint: endOffset, limitOffset: endOffset };
    const found = await walk.run({ segments, ...limits, journaled: new Map(), gaps });
    const { scan } = found;
    surveys.push({
      ...found,
      directory,
      lost: scan.damaged,
      misplaced: misplacedFiles(scan),
      suspects: [],
      headers: damagedHeaders(scan, endOffset),
    });
  }
  return { runs: surveys, skipped, gapsFault };
}

/** Where the offsets of a sealed segment end; undefined when it is not, or no longer, sealed. */
async function sealedEnd(
  fileSystem: FileSystem,
  directory: string,
  { baseOffset, stats }: LogSegment,
  next: number | undefined,
): Promise<number | undefined> {
  const bytes = await readWholeFile(fileSystem, summaryPath(directory, baseOffset));
  if (bytes === undefined) return undefined;
  const summary = decodeSummary(bytes, baseOffset);
  if (summary === undefined) return next;
  return summary.bytes >= stats.bytes ? (next ?? summary.endOffset) : undefined;
}
