/**
 * What is left of a partition after a crash: reads, decides, changes nothing.
 *
 * From where the log is known to be synced, every batch is checked in offset order. One that the file lacks is taken
 * from the journal. Where neither has it, the log has ended or is damaged: RecoveryEvidence tells whether it had been
 * acknowledged. Damage within a recorded gap has been given up before, and is passed over.
 */

import type { DamagedRange, OffsetGap } from '../common/types.ts';
import type { DescriptorCache, FileLease } from '../files/descriptor-cache.ts';
import { batchBaseOffset, batchNextOffset, batchProducerId } from '../format/record-batch.ts';
import { SEGMENT_HEADER_BYTES } from '../format/segment-header.ts';
import { endOfGaps } from '../partition/gaps.ts';
import type { BatchFacts, LogSegment } from '../segment/log-segment.ts';
import { checkIdentity, type IdentityFault } from '../segment/segment-identity.ts';
import { batchFacts, type ScannedBatch, SegmentScanner } from '../segment/segment-scanner.ts';
import type { JournaledBatch, JournaledBatches } from './journaled-batches.ts';
import { RecoveryEvidence } from './recovery-evidence.ts';

/** Recovered batches that stand one behind the other: a range of a segment's file, or one batch of the journal. */
export interface RecoveredRun {
  segment: LogSegment;
  firstOffset: number;
  nextOffset: number;
  /** Where it stands in the segment's file, or belongs there. */
  position: number;
  bytes: number;
  journaled: JournaledBatch | null;
  /** False when other valid batches stand in its place: only a file that is written anew can take it. */
  fits: boolean;
}

export interface ScanRequest {
  files: DescriptorCache;
  /** 32 hexadecimal digits. */
  topicId: string;
  partition: number;
  /** In offset order; `bytes` of their stats is the size of the file. */
  segments: readonly LogSegment[];
  /** Which segment to begin with, and where in it. */
  first: number;
  position: number;
  offset: number;
  recoveryPoint: number;
  journaled: JournaledBatches;
  gaps: readonly OffsetGap[];
  /** Where the log behind the last of the segments goes on; by default it ends there. */
  limitOffset?: number;
  /** Called before anything of a segment's file is read. */
  entered?(segment: LogSegment): Promise<void>;
  /** Told of each batch of the first segment below the recovery point; there are no runs of those. */
  kept?(facts: BatchFacts, position: number): void;
  /** Told of each batch that is taken from a file. */
  taken?(segment: LogSegment, batch: ScannedBatch, position: number): void;
  /** A stricter check than that of frame and checksum: a batch is damaged when it has a reason to refuse it. */
  refusal?(batch: ScannedBatch): string | undefined;
}

/** A segment's file that is not in order as a whole. */
export interface FaultySegment {
  segment: LogSegment;
  fault: IdentityFault;
}

export interface ScanResult {
  /** Batches from the recovery point on; all batches when nobody is told of those below it. */
  runs: RecoveredRun[];
  endOffset: number;
  damaged: DamagedRange[];
  /** Bytes that were given up (a gap is recorded), but are still in their files. */
  abandoned: DamagedRange[];
  faulty: FaultySegment[];
  /** The first batch that a retry may repeat, as far as is known: of those in the journal it is not. */
  producersFrom: number | undefined;
}

export async function scanTail(request: ScanRequest): Promise<ScanResult> {
  const scan = new TailScan(request);
  try {
    while (await scan.step());
    return scan.result();
  } finally {
    scan.release();
  }
}

class TailScan {
  readonly #request: ScanRequest;
  readonly #evidence: RecoveryEvidence;
  readonly #runs: RecoveredRun[] = [];
  readonly #damaged: DamagedRange[] = [];
  readonly #abandoned: DamagedRange[] = [];
  readonly #faulty: FaultySegment[] = [];
  #producersFrom: number | undefined;
  #index: number;
  #expected: number;
  #lease: FileLease | undefined;
  #scanner: SegmentScanner | undefined;
  /** Why no byte of the present segment's file counts. */
  #misplaced: string | undefined;

  constructor(request: ScanRequest) {
    this.#request = request;
    this.#evidence = new RecoveryEvidence(request);
    this.#index = request.first;
    this.#expected = request.offset;
  }

  get #segment(): LogSegment {
    return this.#request.segments[this.#index]!;
  }

  /** Where the next segment begins; batches of this one lie below. */
  get #limit(): number {
    const { segments, limitOffset = Number.POSITIVE_INFINITY } = this.#request;
    return segments[this.#index + 1]?.baseOffset ?? limitOffset;
  }

  result(): ScanResult {
    const known = Math.max(this.#request.recoveryPoint, this.#evidence.floor);
    if (this.#expected < known) {
      this.#noteDamage(known, this.#segment.stats.bytes, 'acknowledged records are missing');
    }
    return {
      runs: this.#runs,
      endOffset: this.#expected,
      damaged: this.#damaged,
      abandoned: this.#abandoned,
      faulty: this.#faulty,
      producersFrom: this.#producersFrom,
    };
  }

  release(): void {
    this.#lease?.release();
    this.#lease = undefined;
    this.#scanner = undefined;
    this.#misplaced = undefined;
  }

  /** Takes one batch, or moves on; false at the end of the log. */
  async step(): Promise<boolean> {
    if (this.#expected >= this.#limit) {
      if (this.#index + 1 === this.#request.segments.length) return false;
      this.release();
      this.#index++;
      return true;
    }
    const scanner = await this.#open();
    const batch = await scanner.peek();
    const whole = batch !== null && batch.fault === null ? batch : undefined;
    const refusal = whole && this.#request.refusal?.(whole);
    const stored = refusal === undefined ? whole : undefined;
    if (stored !== undefined && this.#follows(stored)) {
      this.#takeStored(scanner, stored);
      return true;
    }
    const journaled = this.#request.journaled.get(this.#expected);
    if (journaled !== undefined && journaled.nextOffset <= this.#limit) {
      this.#takeJournaled(scanner, journaled, stored === undefined);
      return true;
    }
    return this.#resume(scanner, stored, refusal ?? 'a batch fails its checks');
  }

  async #open(): Promise<SegmentScanner> {
    if (this.#scanner !== undefined) return this.#scanner;
    const { path, stats, exists } = this.#segment;
    await this.#request.entered?.(this.#segment);
    const first = this.#index === this.#request.first;
    const position = first ? this.#request.position : SEGMENT_HEADER_BYTES;
    let end = stats.bytes;
    if (exists) {
      this.#lease = await this.#request.files.lease(path);
      const { topicId, partition } = this.#request;
      const identity = { topicId, partition, baseOffset: this.#segment.baseOffset };
      const fault = await checkIdentity(this.#lease.file, identity);
      if (fault !== null) this.#faulty.push({ segment: this.#segment, fault });
      if (fault?.kind === 'misplaced') this.#misplaced = fault.reason;
    }
    if (!exists || this.#misplaced !== undefined) end = position;
    this.#scanner = new SegmentScanner(this.#lease?.file ?? noFile, position, end);
    return this.#scanner;
  }

  #follows(batch: ScannedBatch): boolean {
    const base = batchBaseOffset(batch.buffer, batch.at);
    if (batchNextOffset(batch.buffer, batch.at) > this.#limit) return false;
    if (base === this.#expected) return true;
    return base > this.#expected && endOfGaps(this.#request.gaps, this.#expected) >= base;
  }

  #takeStored(scanner: SegmentScanner, batch: ScannedBatch): void {
    const facts = batchFacts(batch.buffer, batch.at);
    const { position } = scanner;
    const { recoveryPoint, first, kept, taken } = this.#request;
    taken?.(this.#segment, batch, position);
    if (batchProducerId(batch.buffer, batch.at) !== -1) this.#producersFrom ??= facts.baseOffset;
    scanner.skip(batch);
    this.#expected = facts.nextOffset;
    if (kept !== undefined && facts.nextOffset <= recoveryPoint && this.#index === first) {
      kept(facts, position);
      return;
    }
    const last = this.#runs.at(-1);
    if (
      last?.segment === this.#segment &&
      last.journaled === null &&
      last.position + last.bytes === position
    ) {
      last.bytes += facts.bytes;
      last.nextOffset = facts.nextOffset;
    } else {
      this.#addRun(position, facts, null, true);
    }
  }

  /** The journal's bytes are what the file should hold here: behind them the file may go on. */
  #takeJournaled(scanner: SegmentScanner, journaled: JournaledBatch, fits: boolean): void {
    this.#addRun(scanner.position, journaled, journaled, fits && this.#misplaced === undefined);
    this.#producersFrom ??= journaled.baseOffset;
    if (fits) scanner.position += journaled.bytes;
    this.#expected = journaled.nextOffset;
  }

  #addRun(
    position: number,
    { baseOffset: firstOffset, nextOffset, bytes }: Pick<BatchFacts, 'baseOffset' | 'nextOffset' | 'bytes'>,
    journaled: JournaledBatch | null,
    fits: boolean,
  ): void {
    this.#runs.push({ segment: this.#segment, firstOffset, nextOffset, position, bytes, journaled, fits });
  }

  /** Neither file nor journal has the next batch: ends the scan, or notes damage and goes on behind it. */
  async #resume(scanner: SegmentScanner, stored: ScannedBatch | undefined, reason: string): Promise<boolean> {
    if (!(await this.#evidence.wasAcknowledged(this.#expected, this.#index, scanner.position))) return false;
    const next = await this.#nextStored(scanner, stored);
    const limit = next?.offset ?? this.#limit;
    const resumed = this.#request.journaled.firstWithin(this.#expected + 1, limit)?.baseOffset ?? limit;
    if (resumed === Number.POSITIVE_INFINITY) return false;
    const end = next?.position ?? this.#segment.stats.bytes;
    const missing = end <= scanner.position || stored !== undefined;
    this.#noteDamage(resumed, end, missing ? 'records are missing' : reason);
    scanner.position = Math.max(scanner.position, end);
    return true;
  }

  /** The batch with which the file goes on behind `expected`: the one at hand, or one further on. */
  async #nextStored(
    scanner: SegmentScanner,
    stored: ScannedBatch | undefined,
  ): Promise<{ offset: number; position: number } | undefined> {
    const { position } = scanner;
    if (stored !== undefined) {
      const offset = batchBaseOffset(stored.buffer, stored.at);
      const below = batchNextOffset(stored.buffer, stored.at) <= this.#limit;
      if (offset > this.#expected && below) return { offset, position };
    }
    const found = await scanner.findNext(this.#expected, this.#limit);
    if (found < 0) return undefined;
    scanner.position = found;
    const batch = (await scanner.peek()) as ScannedBatch;
    scanner.position = position;
    return { offset: batchBaseOffset(batch.buffer, batch.at), position: found };
  }

  #noteDamage(endOffset: number, endPosition: number, reason: string): void {
    const whole = this.#misplaced !== undefined;
    const range: DamagedRange = {
      firstOffset: this.#expected,
      endOffset,
      segment: this.#segment.baseOffset,
      startPosition: whole ? 0 : (this.#scanner?.position ?? SEGMENT_HEADER_BYTES),
      endPosition: whole ? this.#segment.stats.bytes : endPosition,
      reason: this.#misplaced ?? reason,
    };
    const firstOffset = Math.min(endOffset, endOfGaps(this.#request.gaps, this.#expected));
    if (firstOffset < endOffset) this.#damaged.push({ ...range, firstOffset });
    else if (range.startPosition < range.endPosition) this.#abandoned.push(range);
    this.#expected = endOffset;
  }
}

/** Stands in for the file of a segment that has none: there is nothing to read. */
const noFile = { path: '', read: async () => 0 } as never;
