/**
 * Walks a whole partition and finds out everything about it: what recovery would find, and in what state the files beside
 * the segments are. Reads only; `verify` tells what was found, `repair` acts on it.
 */

import { isSeglogError } from '../common/errors.ts';
import type { DamagedRange, OffsetGap } from '../common/types.ts';
import type { CleanPartition } from '../directory/clean-marker.ts';
import { DescriptorCache } from '../files/descriptor-cache.ts';
import type { FileSystem } from '../files/file-system.ts';
import { type SegmentSwap, segmentBases } from '../files/log-file-names.ts';
import { SEGMENT_HEADER_BYTES } from '../format/segment-header.ts';
import { type Checkpoint, readCheckpoint } from '../partition/checkpoint.ts';
import { readCleaned } from '../partition/cleaned-file.ts';
import { endOfGaps, readGaps } from '../partition/gaps.ts';
import { readLogStart } from '../partition/log-start.ts';
import { readProducers } from '../partition/producers-file.ts';
import type { JournalDamage, JournalReplay } from '../recovery/journal-recovery.ts';
import { damagedHeaders, misplacedFiles, suspectEnd } from '../recovery/recovery-damage.ts';
import { checkpointFits, knownEnds, knownLog, segmentsBelow } from '../recovery/recovery-point.ts';
import { type ScanRequest, type ScanResult, scanTail } from '../recovery/recovery-scan.ts';
import { pendingSwaps } from '../rewrite/segment-swap.ts';
import { withSwapsFinished } from '../rewrite/swap-view.ts';
import { findSegment, type LogSegment, type SegmentStats } from '../segment/log-segment.ts';
import { listSegments, newSegment } from '../segment/segment-files.ts';
import { batchFacts } from '../segment/segment-scanner.ts';
import { inspectRecords } from './batch-inspection.ts';
import { ProducerSurvey } from './producer-survey.ts';
import type { ProgressMeter } from './progress-meter.ts';
import { differences, SegmentSurvey } from './segment-survey.ts';

const OPEN_FILES = 16;

export interface SurveyRequest {
  fileSystem: FileSystem;
  topicId: string;
  partition: number;
  directory: string;
  /** What the clean marker says of it. */
  clean: CleanPartition | undefined;
  journal: JournalReplay;
  meter: ProgressMeter;
}

/** The partition as it is looked at: with the swaps finished that are pending in it. */
export interface SurveyView extends SurveyRequest {
  files: DescriptorCache;
}

/** A damaged journal frame that may have held more of a partition than is left of it. */
export interface SuspectEnd {
  frame: JournalDamage;
  range: DamagedRange;
}

export interface PartitionSurvey {
  directory: string;
  /** There is no such directory. */
  missing: boolean;
  names: string[];
  /** Those that a process left pending; all else is as it will be once they are finished. */
  swaps: SegmentSwap[];
  gaps: OffsetGap[];
  /** Why gaps.json counts as empty. */
  gapsFault: string | undefined;
  checkpoint: Checkpoint | 'damaged' | undefined;
  /** In what the checkpoint contradicts the log. */
  checkpointFault: string | undefined;
  logStart: number | 'damaged' | undefined;
  /** The note of what was compacted fails its checks. */
  cleanedDamaged: boolean;
  /** The snapshot of producers fails its checks. */
  producersDamaged: boolean;
  /** In what it contradicts the log. */
  producersFault: string | undefined;
  logStartOffset: number;
  recoveryPoint: number;
  /** Recovery would look at what comes from here on, and at nothing before. */
  recoveredFrom: number;
  /** All segments, in order, one without a file included where the log should begin. */
  segments: SegmentSurvey[];
  scan: ScanResult;
  /** Acknowledged offsets that cannot be read. */
  lost: DamagedRange[];
  /** Files that are out of place where nothing is lost. */
  misplaced: DamagedRange[];
  suspects: SuspectEnd[];
  /** Damaged headers of segments whose batches are in order. */
  headers: DamagedRange[];
}

/** Runs a survey that sees swaps of segments as finished that are pending. */
export async function withView<T>(
  request: SurveyRequest,
  survey: (view: SurveyView) => Promise<T>,
): Promise<T> {
  const fileSystem = await withSwapsFinished(request.fileSystem, request.directory);
  const files = new DescriptorCache(fileSystem, OPEN_FILES, 'read');
  try {
    return await survey({ ...request, fileSystem, files });
  } finally {
    await files.close();
  }
}

export async function surveyPartition(request: SurveyRequest): Promise<PartitionSurvey> {
  const { fileSystem, directory } = request;
  const missing = (await fileSystem.status(directory)) === undefined;
  const swaps = missing ? [] : pendingSwaps(await fileSystem.list(directory));
  return withView(request, (view) => survey(view, missing, swaps));
}

async function survey(request: SurveyView, missing: boolean, swaps: SegmentSwap[]): Promise<PartitionSurvey> {
  const { fileSystem, directory, clean, topicId, partition, journal } = request;
  const names = missing ? [] : (await fileSystem.list(directory)).sort();
  const { gaps, gapsFault } = await readGapsOrFault(request);
  const checkpoint = await readCheckpoint(fileSystem, directory, request);
  const bases = segmentBases(names);
  const logStart = await readLogStart(fileSystem, directory, request);
  const cleanedDamaged = (await readCleaned(fileSystem, directory, request)) === 'damaged';
  const snapshot = await readProducers(fileSystem, directory, request);
  const producers = typeof snapshot === 'object' ? new ProducerSurvey(snapshot) : undefined;
  const ends = knownEnds(bases, gaps, checkpoint, logStart, clean);
  // What was deleted counts no more, though a crash may have left its files.
  const files = await listSegments(
    fileSystem,
    directory,
    bases.slice(segmentsBelow(bases, ends.logStartOffset)),
  );
  const { recoveryPoint, logStartOffset } = await knownLog(fileSystem, directory, files, gaps, ends);
  const begin = endOfGaps(gaps, logStartOffset);
  const first = files[0]?.baseOffset ?? Number.POSITIVE_INFINITY;
  const all = begin < first ? [newSegment(directory, begin), ...files] : files;
  const walk = new SurveyWalk(request, checkpoint, producers);
  const { segments, scan, checkpointFault } = await walk.run({
    segments: all,
    recoveryPoint,
    journaled: journal.batchesOf(topicId, partition),
    gaps,
  });
  // After a clean stop all of the journal is in the segments.
  const frames = clean ? [] : journal.suspectsOf(topicId, partition, gaps);
  const ranges = suspectEnd(frames, all, scan.endOffset);
  return {
    directory,
    missing,
    names,
    swaps,
    gaps,
    gapsFault,
    checkpoint,
    checkpointFault,
    logStart,
    cleanedDamaged,
    producersDamaged: snapshot === 'damaged',
    producersFault: producers?.fault(scan, gaps),
    logStartOffset,
    recoveryPoint,
    recoveredFrom: recoveredFrom(all, recoveryPoint, checkpoint, gaps),
    segments,
    scan,
    lost: scan.damaged.filter((range) => range.endOffset > logStartOffset),
    misplaced: misplacedFiles(scan),
    suspects: frames.map((frame, i) => ({ frame, range: ranges[i]! })),
    headers: damagedHeaders(scan, recoveryPoint),
  };
}

export async function readGapsOrFault(
  request: Pick<SurveyRequest, 'fileSystem' | 'directory' | 'topicId' | 'partition'>,
): Promise<Pick<PartitionSurvey, 'gaps' | 'gapsFault'>> {
  try {
    return { gaps: await readGaps(request.fileSystem, request.directory, request), gapsFault: undefined };
  } catch (error) {
    if (!isSeglogError(error, 'CORRUPT_MESSAGE')) throw error;
    return { gaps: [], gapsFault: error.message };
  }
}

type WalkRequest = Pick<ScanRequest, 'segments' | 'recoveryPoint' | 'journaled' | 'gaps' | 'limitOffset'>;

function recoveredFrom(
  segments: readonly LogSegment[],
  recoveryPoint: number,
  checkpoint: Checkpoint | 'damaged' | undefined,
  gaps: readonly OffsetGap[],
): number {
  const segment = segments[Math.max(0, findSegment(segments, recoveryPoint))]!;
  return checkpointFits(checkpoint, segment, recoveryPoint, gaps) ? recoveryPoint : segment.baseOffset;
}

/** All that is damaged in a survey, whether or not offsets are lost by it. */
export function damageOf({
  lost,
  misplaced,
  suspects,
}: Pick<PartitionSurvey, 'lost' | 'misplaced' | 'suspects'>): DamagedRange[] {
  return [...lost, ...misplaced, ...suspects.map(({ range }) => range)];
}

/** One scan from the first to the last segment, with everything compared on the way. */
export class SurveyWalk {
  readonly #request: SurveyView;
  readonly #active: SegmentStats | undefined;
  readonly #producers: ProducerSurvey | undefined;
  readonly #segments: SegmentSurvey[] = [];
  #checkpointFault: string | undefined;

  constructor(
    request: SurveyView,
    checkpoint: Checkpoint | 'damaged' | undefined,
    producers?: ProducerSurvey,
  ) {
    this.#request = request;
    this.#producers = producers;
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
        this.#producers?.take(buffer, at);
        this.#compareCheckpoint(survey.stats);
        meter.add(segment.path, size);
      },
      refusal: ({ buffer, at }) => inspectRecords(buffer, at),
    });
    // Those behind the end of the log were not looked into.
    for (const segment of walk.segments.slice(this.#segments.length)) await this.#enter(segment);
    this.#finishLast();
    const checkpointFault = this.#isActiveWhole(scan) ? this.#checkpointFault : undefined;
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

  /** Whether all of the checkpoint's segment was found in its file. */
  #isActiveWhole({ damaged, runs }: ScanResult): boolean {
    const base = this.#active?.baseOffset;
    return (
      this.#segments.some(({ segment }) => segment.exists && segment.baseOffset === base) &&
      !damaged.some(({ segment }) => segment === base) &&
      !runs.some((run) => run.journaled !== null && run.segment.baseOffset === base)
    );
  }

  /** The checkpoint tells what its segment held at the recovery point: at that batch it is compared. */
  #compareCheckpoint(stats: SegmentStats): void {
    const active = this.#active;
    if (active?.baseOffset !== stats.baseOffset || active.endOffset !== stats.endOffset) return;
    const wrong = differences(active, stats);
    this.#checkpointFault = wrong === '' ? undefined : wrong;
  }
}
