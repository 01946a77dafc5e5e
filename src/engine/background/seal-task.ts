/**
 * The task that seals a segment: it goes through a segment that was rolled and synced, checks each batch and that none is
 * missing, and writes the index files and the summary anew from what is there.
 *
 * What it writes is derived: cut short anywhere, it is done again or by somebody else. Where the segment is damaged it
 * writes nothing, for what is known of the missing records is known in memory alone.
 */
import { dirname } from 'node:path';
import type { DamagedRange } from '../common/types.ts';
import { putFiles } from '../files/file-operations.ts';
import type { ReadableFile } from '../files/file-system.ts';
import { SEGMENT_HEADER_BYTES } from '../format/segment-header.ts';
import type { GapRange, SegmentInput } from '../rewrite/rewrite-request.ts';
import { endOfGaps, pacedReads } from '../rewrite/segment-walk.ts';
import type { TaskContext } from '../rewrite/task-context.ts';
import {
  addBatch,
  type BatchFacts,
  emptyStats,
  IndexWriter,
  type SegmentStats,
} from '../segment/log-segment.ts';
import { emptyIndexes, indexFiles, type RebuiltSegment, summaryFile } from '../segment/segment-files.ts';
import { checkIdentity, damagedHeader, type PartitionIdentity } from '../segment/segment-identity.ts';
import { batchFacts, type ScanFault, type ScannedBatch, SegmentScanner } from '../segment/segment-scanner.ts';

/** Of one segment; whoever reads it meets the others. */
const MOST_RANGES = 100;

export interface SealRequest {
  identity: PartitionIdentity;
  segment: SegmentInput;
  gaps: GapRange[];
  indexIntervalBytes: number;
}

export interface SealResult {
  /** What the segment holds. */
  stats: SegmentStats;
  /** Empty when it is as it should be: then its derived files are written, and durable once the directory is synced. */
  damaged: DamagedRange[];
}

export async function sealSegment(context: TaskContext, request: SealRequest): Promise<SealResult> {
  const { fileSystem } = context;
  const { path } = request.segment;
  const file = await fileSystem.open(path, 'read');
  let walk: SealingWalk;
  try {
    walk = new SealingWalk(request, pacedReads(file, context));
    await walk.run();
  } finally {
    await file.close();
  }
  const { stats, indexes, damaged } = walk;
  if (damaged.length === 0) {
    const directory = dirname(path);
    const files = [...indexFiles(directory, indexes, stats), summaryFile(directory, stats)];
    await context.pace(files.flatMap(({ buffers }) => buffers).reduce((sum, { length }) => sum + length, 0));
    await putFiles(fileSystem, files);
  }
  return { stats, damaged };
}

class SealingWalk implements RebuiltSegment {
  readonly stats: SegmentStats;
  readonly indexes: RebuiltSegment['indexes'];
  readonly damaged: DamagedRange[] = [];
  readonly #request: SealRequest;
  readonly #file: ReadableFile;
  readonly #scanner: SegmentScanner;
  readonly #writer: IndexWriter;
  /** The offset at which the next batch is to begin. */
  #expected: number;

  constructor(request: SealRequest, file: ReadableFile) {
    const { baseOffset, bytes } = request.segment;
    this.#request = request;
    this.#file = file;
    this.#scanner = new SegmentScanner(file, SEGMENT_HEADER_BYTES, bytes);
    this.stats = emptyStats(baseOffset);
    this.indexes = emptyIndexes(baseOffset);
    this.#writer = new IndexWriter(this.indexes, Number.NEGATIVE_INFINITY);
    this.#expected = baseOffset;
  }

  async run(): Promise<void> {
    if (!(await this.#checkHeader())) return;
    const { endOffset } = this.#request.segment;
    for (;;) {
      const batch = await this.#scanner.peek();
      if (batch === null) break;
      const isWell = this.#take(batch);
      if (!isWell && !((await this.#passDamage(batch)) && this.damaged.length < MOST_RANGES)) return;
    }
    if (this.#expected < endOffset) this.#missing(endOffset);
  }

  /** False when the file is of another place: then nothing of it counts. */
  async #checkHeader(): Promise<boolean> {
    const { identity, segment } = this.#request;
    const { baseOffset, bytes } = segment;
    const fault = await checkIdentity(this.#file, { ...identity, baseOffset });
    if (fault === null) return true;
    if (fault.kind === 'header') {
      this.damaged.push(damagedHeader(baseOffset, fault));
      return true;
    }
    this.#damage({
      endOffset: segment.endOffset,
      startPosition: 0,
      endPosition: bytes,
      reason: fault.reason,
    });
    return false;
  }

  #fits({ baseOffset, nextOffset }: BatchFacts): boolean {
    if (nextOffset > this.#request.segment.endOffset) return false;
    if (baseOffset === this.#expected) return true;
    return baseOffset > this.#expected && endOfGaps(this.#request.gaps, this.#expected) >= baseOffset;
  }

  /** False when it is not the batch that is to come here. */
  #take(batch: ScannedBatch | ScanFault): boolean {
    const facts = factsOf(batch);
    if (batch.fault !== null || facts === undefined || !this.#fits(facts)) return false;
    const { segment, indexIntervalBytes } = this.#request;
    addBatch(this.stats, facts, segment.firstAppendAt);
    this.#writer.note(facts, this.#scanner.position, this.stats.maxTimestamp, indexIntervalBytes);
    this.#expected = facts.nextOffset;
    this.#scanner.skip(batch);
    return true;
  }

  /** Goes on where valid data does; false when there is no more. */
  async #passDamage(batch: ScannedBatch | ScanFault): Promise<boolean> {
    const scanner = this.#scanner;
    const { endOffset, bytes } = this.#request.segment;
    const found = factsOf(batch);
    if (found !== undefined && found.baseOffset > this.#expected && found.nextOffset <= endOffset) {
      this.#missing(found.baseOffset);
      return true;
    }
    const startPosition = scanner.position;
    const next = await scanner.findNext(this.#expected, endOffset);
    scanner.position = next < 0 ? bytes : next;
    const following = next < 0 ? null : await scanner.peek();
    const goesOnAt = (following === null ? undefined : factsOf(following)?.baseOffset) ?? endOffset;
    const reason = 'a batch fails its checks';
    this.#damage({ endOffset: goesOnAt, startPosition, endPosition: scanner.position, reason });
    return next >= 0;
  }

  #missing(endOffset: number): void {
    const { position } = this.#scanner;
    const reason = 'records are missing';
    this.#damage({ endOffset, startPosition: position, endPosition: position, reason });
  }

  /** What was given up is no damage. */
  #damage(range: Pick<DamagedRange, 'endOffset' | 'startPosition' | 'endPosition' | 'reason'>): void {
    const firstOffset = endOfGaps(this.#request.gaps, this.#expected);
    const segment = this.#request.segment.baseOffset;
    if (firstOffset < range.endOffset) this.damaged.push({ firstOffset, segment, ...range });
    this.#expected = Math.max(this.#expected, range.endOffset);
  }
}

const factsOf = (batch: ScannedBatch | ScanFault): BatchFacts | undefined =>
  batch.fault === null ? batchFacts(batch.buffer, batch.at) : undefined;
