/**
 * What is left of a partition's tail after a crash: reads, decides, changes nothing.
 *
 * From where the log is known to be synced, every batch is checked in offset order. One that the file lacks is taken
 * from the journal. Where neither has it, the log has ended or is damaged. It is damaged when the offset lies below the
 * recovery point, or below the durable floor of a valid batch further on: it was acknowledged once.
 */
import type { FileLease } from './descriptor-cache.ts';
import type { BatchFacts, LogSegment } from './log-segment.ts';
import type { EngineContext } from './partition-log.ts';
import { batchBaseOffset, batchDurableFloor, batchNextOffset } from './record-batch.ts';
import { SEGMENT_HEADER_BYTES } from './segment-header.ts';
import { batchFacts, type ScannedBatch, SegmentScanner } from './segment-scanner.ts';
import type { DamagedRange, OffsetGap } from './types.ts';

/** Batches of the journal for one partition, by base offset. */
export type JournaledBatches = ReadonlyMap<number, Buffer>;

/** Recovered batches that stand one behind the other: a range of a segment's file, or one batch of the journal. */
export interface RecoveredRun {
  segment: LogSegment;
  firstOffset: number;
  nextOffset: number;
  /** Where it stands in the segment's file, or belongs there. */
  position: number;
  bytes: number;
  journaled: Buffer | null;
}

export interface ScanRequest {
  context: EngineContext;
  /** In offset order; `bytes` of their stats is the size of the file. */
  segments: readonly LogSegment[];
  /** Which segment to begin with, and where in it. */
  first: number;
  position: number;
  offset: number;
  recoveryPoint: number;
  journaled: JournaledBatches;
  gaps: readonly OffsetGap[];
  /** Told of each batch below the recovery point that the scan passes. */
  kept(facts: BatchFacts, position: number): void;
}

export interface ScanResult {
  /** Batches from the recovery point on. */
  runs: RecoveredRun[];
  endOffset: number;
  damaged: DamagedRange[];
  /** Where in the first segment the recovery point lies. */
  keptEnd: number;
}

export async function scanTail(request: ScanRequest): Promise<ScanResult> {
  const scan = new TailScan(request);
  try {
    while (await scan.step());
  } finally {
    scan.release();
  }
  return scan.result();
}

class TailScan {
  readonly #request: ScanRequest;
  readonly #runs: RecoveredRun[] = [];
  readonly #damaged: DamagedRange[] = [];
  #index: number;
  #expected: number;
  #keptEnd: number;
  #lease: FileLease | undefined;
  #scanner: SegmentScanner | undefined;

  constructor(request: ScanRequest) {
    this.#request = request;
    this.#index = request.first;
    this.#expected = request.offset;
    this.#keptEnd = request.position;
  }

  get #segment(): LogSegment {
    return this.#request.segments[this.#index]!;
  }

  /** Where the next segment begins; batches of this one lie below. */
  get #limit(): number {
    return this.#request.segments[this.#index + 1]?.baseOffset ?? Number.POSITIVE_INFINITY;
  }

  result(): ScanResult {
    const { recoveryPoint } = this.#request;
    if (this.#expected < recoveryPoint) {
      this.#noteDamage(recoveryPoint, this.#segment.stats.bytes, 'acknowledged records are missing');
      this.#expected = recoveryPoint;
    }
    return { runs: this.#runs, endOffset: this.#expected, damaged: this.#damaged, keptEnd: this.#keptEnd };
  }

  release(): void {
    this.#lease?.release();
    this.#lease = undefined;
    this.#scanner = undefined;
  }

  /** Takes one batch, or moves on; false at the end of the log. */
  async step(): Promise<boolean> {
    if (this.#expected >= this.#limit) {
      this.#enter(this.#index + 1);
      return true;
    }
    const scanner = await this.#open();
    const batch = await scanner.peek();
    if (batch !== null && batch.fault === null && this.#follows(batch)) {
      this.#takeStored(scanner, batch);
      return true;
    }
    const journaled = this.#request.journaled.get(this.#expected);
    if (journaled !== undefined && batchNextOffset(journaled, 0) <= this.#limit) {
      this.#takeJournaled(scanner, journaled);
      return true;
    }
    return this.#resume(scanner);
  }

  async #open(): Promise<SegmentScanner> {
    if (this.#scanner !== undefined) return this.#scanner;
    const first = this.#index === this.#request.first;
    const { path, stats, exists } = this.#segment;
    const position = first ? this.#request.position : SEGMENT_HEADER_BYTES;
    if (exists) this.#lease = await this.#request.context.files.lease(path);
    const end = exists ? stats.bytes : position;
    this.#scanner = new SegmentScanner(this.#lease?.file ?? noFile, position, end);
    return this.#scanner;
  }

  #enter(index: number): void {
    this.release();
    this.#index = index;
  }

  #follows(batch: ScannedBatch): boolean {
    const base = batchBaseOffset(batch.buffer, batch.at);
    if (batchNextOffset(batch.buffer, batch.at) > this.#limit) return false;
    return base === this.#expected || this.#request.gaps.some((gap) => coversGap(gap, this.#expected, base));
  }

  #takeStored(scanner: SegmentScanner, batch: ScannedBatch): void {
    const facts = batchFacts(batch.buffer, batch.at);
    const { position } = scanner;
    scanner.skip(batch);
    this.#expected = facts.nextOffset;
    if (facts.nextOffset <= this.#request.recoveryPoint && this.#index === this.#request.first) {
      this.#keptEnd = scanner.position;
      this.#request.kept(facts, position);
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
      this.#addRun(position, facts, null);
    }
  }

  /** The journal's bytes are what the file should hold here: behind them the file may go on. */
  #takeJournaled(scanner: SegmentScanner, journaled: Buffer): void {
    const facts = batchFacts(journaled, 0);
    this.#addRun(scanner.position, facts, journaled);
    scanner.position += facts.bytes;
    this.#expected = facts.nextOffset;
  }

  #addRun(position: number, facts: BatchFacts, journaled: Buffer | null): void {
    const { baseOffset: firstOffset, nextOffset, bytes } = facts;
    this.#runs.push({ segment: this.#segment, firstOffset, nextOffset, position, bytes, journaled });
  }

  /** Neither file nor journal has the next batch: ends the scan, or notes damage and goes on behind it. */
  async #resume(scanner: SegmentScanner): Promise<boolean> {
    if (!(await this.#wasAcknowledged(scanner))) return false;
    const next = await scanner.findNext(this.#expected);
    if (next >= 0) {
      const from = scanner.position;
      scanner.position = next;
      const batch = (await scanner.peek()) as ScannedBatch;
      scanner.position = from;
      this.#noteDamage(batchBaseOffset(batch.buffer, batch.at), next, 'a batch fails its checks');
      scanner.position = next;
      return true;
    }
    const journaled = [...this.#request.journaled.keys()].filter(
      (offset) => offset > this.#expected && offset < this.#limit,
    );
    const end = this.#segment.stats.bytes;
    if (journaled.length > 0) {
      this.#noteDamage(Math.min(...journaled), end, 'a batch fails its checks');
      // Behind the damaged bytes, which stay as they are.
      scanner.position = Math.max(scanner.position, end);
      return true;
    }
    if (this.#limit === Number.POSITIVE_INFINITY) return false;
    this.#noteDamage(this.#limit, end, 'acknowledged records are missing');
    return true;
  }

  #noteDamage(endOffset: number, endPosition: number, reason: string): void {
    this.#damaged.push({
      firstOffset: this.#expected,
      endOffset,
      segment: this.#segment.baseOffset,
      startPosition: this.#scanner?.position ?? SEGMENT_HEADER_BYTES,
      endPosition,
      reason,
    });
    this.#expected = endOffset;
  }

  /** Whether anything further on shows that the log once was synced past `expected`. */
  async #wasAcknowledged(scanner: SegmentScanner): Promise<boolean> {
    const { recoveryPoint, journaled, segments, context } = this.#request;
    if (this.#expected < recoveryPoint) return true;
    for (const [offset, batch] of journaled) {
      if (offset > this.#expected && batchDurableFloor(batch, 0) > this.#expected) return true;
    }
    if (this.#lease !== undefined) {
      const rest = new SegmentScanner(this.#lease.file, scanner.position, this.#segment.stats.bytes);
      if (await this.#hasHigherFloor(rest)) return true;
    }
    for (const segment of segments.slice(this.#index + 1)) {
      if (!segment.exists) continue;
      const lease = await context.files.lease(segment.path);
      try {
        const scanner = new SegmentScanner(lease.file, SEGMENT_HEADER_BYTES, segment.stats.bytes);
        if (await this.#hasHigherFloor(scanner)) return true;
      } finally {
        lease.release();
      }
    }
    return false;
  }

  async #hasHigherFloor(scanner: SegmentScanner): Promise<boolean> {
    for (;;) {
      const batch = await scanner.peek();
      if (batch === null) return false;
      if (batch.fault === null) {
        const { buffer, at } = batch;
        if (batchBaseOffset(buffer, at) > this.#expected && batchDurableFloor(buffer, at) > this.#expected)
          return true;
        scanner.skip(batch);
        continue;
      }
      const next = await scanner.findNext(this.#expected);
      if (next < 0) return false;
      scanner.position = next;
    }
  }
}

/** Stands in for the file of a segment that has none: there is nothing to read. */
const noFile = { path: '', read: async () => 0 } as never;

function coversGap(gap: OffsetGap, expected: number, base: number): boolean {
  return gap.firstOffset <= expected && expected < gap.endOffset && base <= gap.endOffset;
}
