/**
 * Walks a whole partition and finds out everything about it: what recovery would find, and in what state the files beside
 * the segments are. Reads only; `verify` tells what was found, `repair` acts on it.
 */
import { inspectRecords } from './batch-inspection.ts';
import { type Checkpoint, readCheckpoint } from './checkpoint.ts';
import type { CleanPartition } from './clean-marker.ts';
import type { DescriptorCache } from './descriptor-cache.ts';
import { isSeglogError } from './errors.ts';
import type { FileSystem } from './file-system.ts';
import { endOfGaps, readGaps } from './gaps.ts';
import type { JournalDamage, JournalReplay } from './journal-recovery.ts';
import { segmentBases } from './log-file-names.ts';
import type { LogSegment, SegmentStats } from './log-segment.ts';
import type { ProgressMeter } from './progress-meter.ts';
import { damagedHeaders, misplacedFiles, suspectEnd } from './recovery-damage.ts';
import { knownEnds, knownLog } from './recovery-point.ts';
import { type ScanRequest, type ScanResult, scanTail } from './recovery-scan.ts';
import { listSegments, newSegment } from './segment-files.ts';
import { SEGMENT_HEADER_BYTES } from './segment-header.ts';
import { batchFacts } from './segment-scanner.ts';
import { differences, SegmentSurvey } from './segment-survey.ts';
import type { DamagedRange, OffsetGap } from './types.ts';

export interface SurveyRequest {
  fileSystem: FileSystem;
  files: DescriptorCache;
  topicId: string;
  partition: number;
  directory: string;
  /** What the clean marker says of it. */
  clean: CleanPartition | undefined;
  journal: JournalReplay;
  meter: ProgressMeter;
}

export interface PartitionSurvey {
  directory: string;
  names: string[];
  gaps: OffsetGap[];
  /** Why gaps.json counts as empty. */
  gapsFault: string | undefined;
  checkpoint: Checkpoint | 'damaged' | undefined;
  /** In what the checkpoint contradicts the log. */
  checkpointFault: string | undefined;
  logStartOffset: number;
  recoveryPoint: number;
  /** All segments, in order, one without a file included where the log should begin. */
  segments: SegmentSurvey[];
  scan: ScanResult;
  /** Damaged journal frames that may have held more of this partition. */
  suspects: JournalDamage[];
  /** Acknowledged offsets that cannot be read, and files that are out of place. */
  lost: DamagedRange[];
  /** Damaged headers of segments whose batches are in order. */
  headers: DamagedRange[];
}

/** Undefined when the directory of the partition is missing. */
export async function surveyPartition(request: SurveyRequest): Promise<PartitionSurvey | undefined> {
  const { fileSystem, directory, clean, topicId, partition, journal } = request;
  if ((await fileSystem.status(directory)) === undefined) return undefined;
  const names = (await fileSystem.list(directory)).sort();
  const { gaps, gapsFault } = await readGapsOrFault(fileSystem, directory);
  const checkpoint = await readCheckpoint(fileSystem, directory);
  const files = await listSegments(fileSystem, directory, segmentBases(names));
  const ends = knownEnds(segmentBases(names), gaps, checkpoint, clean);
  const { recoveryPoint, logStartOffset } = await knownLog(fileSystem, directory, files, gaps, ends);
  const begin = endOfGaps(gaps, logStartOffset);
  const first = files[0]?.baseOffset ?? Number.POSITIVE_INFINITY;
  const all = begin < first ? [newSegment(directory, begin), ...files] : files;
  const walk = new SurveyWalk(request, checkpoint);
  const { segments, scan, checkpointFault } = await walk.run({
    segments: all,
    recoveryPoint,
    journaled: journal.batchesOf(topicId, partition),
    gaps,
  });
  // After a clean stop all of the journal is in the segments.
  const suspects = clean ? [] : journal.suspectsOf(topicId, partition, gaps);
  const damaged = scan.damaged.filter((range) => range.endOffset > logStartOffset);
  const lost = [...damaged, ...misplacedFiles(scan), ...suspectEnd(suspects, all, scan.endOffset)];
  const headers = damagedHeaders(scan, recoveryPoint);
  return {
    directory,
    names,
    gaps,
    gapsFault,
    checkpoint,
    checkpointFault,
    logStartOffset,
    recoveryPoint,
    segments,
    scan,
    suspects,
    lost,
    headers,
  };
}

export async function readGapsOrFault(
  fileSystem: FileSystem,
  directory: string,
): Promise<Pick<PartitionSurvey, 'gaps' | 'gapsFault'>> {
  try {
    return { gaps: await readGaps(fileSystem, directory), gapsFault: undefined };
  } catch (error) {
    if (!isSeglogError(error, 'CORRUPT_MESSAGE')) throw error;
    return { gaps: [], gapsFault: error.message };
  }
}

type WalkRequest = Pick<ScanRequest, 'segments' | 'recoveryPoint' | 'journaled' | 'gaps' | 'limitOffset'>;

/** One scan from the first to the last segment, with everything compared on the way. */
export class SurveyWalk {
  readonly #request: SurveyRequest;
  readonly #active: SegmentStats | undefined;
  readonly #segments: SegmentSurvey[] = [];
  #checkpointFault: string | undefined;

  constructor(request: SurveyRequest, checkpoint: Checkpoint | 'damaged' | undefined) {
    this.#request = request;
    const active = checkpoint === 'damaged' ? undefined : checkpoint?.active;
    this.#active = active?.batches === 0 ? undefined : active;
    if (this.#active !== undefined)
      this.#checkpointFault = 'no batch ends where it says that the log was synced';
  }

  async run(walk: WalkRequest): Promise<Pick<PartitionSurvey, 'segments' | 'scan' | 'checkpointFault'>> {
    const { files, topicId, partition, meter } = this.#request;
    const scan = await scanTail({
      ...walk,
      files,
      topicId,
      partition,
      first: 0,
      position: SEGMENT_HEADER_BYTES,
      offset: walk.segments[0]!.baseOffset,
      entered: (segment) => this.#enter(segment),
      taken: (segment, { buffer, at, size }, position) => {
        const survey = this.#segments[this.#segments.length - 1]!;
        survey.take(batchFacts(buffer, at), position);
        this.#compareCheckpoint(survey.stats);
        meter.add(segment.path, size);
      },
      refusal: ({ buffer, at }) => inspectRecords(buffer, at),
    });
    // Those behind the end of the log were not looked into.
    for (const segment of walk.segments.slice(this.#segments.length)) await this.#enter(segment);
    this.#finishLast();
    const damagedActive = scan.damaged.some(({ segment }) => segment === this.#active?.baseOffset);
    const checkpointFault = damagedActive ? undefined : this.#checkpointFault;
    return { segments: this.#segments, scan, checkpointFault };
  }

  async #enter(segment: LogSegment): Promise<void> {
    this.#finishLast();
    const { fileSystem, directory } = this.#request;
    this.#segments.push(await SegmentSurvey.open(fileSystem, directory, segment));
  }

  #finishLast(): void {
    const segment = this.#segments.at(-1)?.segment;
    if (segment?.exists) this.#request.meter.finishFile(segment.path, segment.stats.bytes);
  }

  /** The checkpoint tells what its segment held at the recovery point: at that batch it is compared. */
  #compareCheckpoint(stats: SegmentStats): void {
    const active = this.#active;
    if (active?.baseOffset !== stats.baseOffset || active.endOffset !== stats.endOffset) return;
    const wrong = differences(active, stats);
    this.#checkpointFault = wrong === '' ? undefined : wrong;
  }
}
