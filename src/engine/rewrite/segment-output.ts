/**
 * The file that takes the place of some segments, while it is written: batches go in one after the other, and counters and
 * indexes with them, as rebuildSegment would make them of the file.
 *
 * The last batch stays in memory until the next one comes: it may still be made to cover more offsets, or be taken back.
 * Everything goes to the file in writes of up to 1 MiB, each of them paced, and is synced every few MiB while the next ones
 * are made: so the last sync is short, and the system never has a flood of this file's pages to write while others wait for
 * a commit. The memory is one piece of 1 MiB, or of the largest batch.
 */

import { removeIfExists, writeFully } from '../files/file-operations.ts';
import type { FileHandle } from '../files/file-system.ts';
import { batchBaseOffset, MAX_LAST_OFFSET_DELTA, stampBatch } from '../format/record-batch.ts';
import { encodeSegmentHeader, SEGMENT_HEADER_BYTES } from '../format/segment-header.ts';
import { addBatch, emptyStats, IndexWriter, type SegmentStats } from '../segment/log-segment.ts';
import { emptyIndexes } from '../segment/segment-files.ts';
import { batchFacts } from '../segment/segment-scanner.ts';
import type { RewriteRequest, RewrittenSegment } from './rewrite-request.ts';
import type { TaskContext } from './task-context.ts';

const PIECE_BYTES = 1024 * 1024;
const BYTES_BETWEEN_SYNCS = 4 * PIECE_BYTES;
const LAST_OFFSET_DELTA_AT = 24;

export class SegmentOutput {
  readonly #context: TaskContext;
  readonly #request: RewriteRequest;
  readonly #file: FileHandle;
  readonly #stats: SegmentStats;
  readonly #indexWriter: IndexWriter;
  /** Filled up to `#filled`; the last batch begins at `#tailAt`, which is `#filled` when there is none. */
  #piece: Buffer = Buffer.allocUnsafeSlow(PIECE_BYTES);
  #filled = 0;
  #tailAt = 0;
  /** Of the file: what was written to it. */
  #position = 0;
  #unsynced = 0;
  /** The sync that is under way. */
  #syncing: Promise<void> = Promise.resolve();

  static async create(context: TaskContext, request: RewriteRequest): Promise<SegmentOutput> {
    await removeIfExists(context.fileSystem, request.outputPath);
    return new SegmentOutput(context, request, await context.fileSystem.open(request.outputPath, 'create'));
  }

  private constructor(context: TaskContext, request: RewriteRequest, file: FileHandle) {
    this.#context = context;
    this.#request = request;
    this.#file = file;
    const { baseOffset } = request.segments[0]!;
    this.#stats = emptyStats(baseOffset);
    this.#indexWriter = new IndexWriter(emptyIndexes(baseOffset), Number.NEGATIVE_INFINITY);
    const { identity, createdAt } = request;
    encodeSegmentHeader({ ...identity, baseOffset, createdAt }).copy(this.#piece);
    this.#filled = SEGMENT_HEADER_BYTES;
    this.#tailAt = SEGMENT_HEADER_BYTES;
  }

  /** Adds a whole batch behind all others. */
  async append(bytes: Uint8Array): Promise<void> {
    this.#settleTail();
    if (this.#filled + bytes.length > this.#piece.length) await this.#flush(bytes.length);
    this.#piece.set(bytes, this.#filled);
    this.#tailAt = this.#filled;
    this.#filled += bytes.length;
  }

  /** The last batch, for changes that leave its size as it is. */
  get tail(): Buffer {
    return this.#piece.subarray(this.#tailAt, this.#filled);
  }

  /** Makes the last batch cover the offsets below this one too; false when there is none, or it would cover too many. */
  extendTail(endOffset: number): boolean {
    const { tail } = this;
    if (tail.length === 0) return false;
    const baseOffset = batchBaseOffset(tail, 0);
    const lastOffsetDelta = endOffset - baseOffset - 1;
    if (lastOffsetDelta > MAX_LAST_OFFSET_DELTA) return false;
    tail.writeUInt32LE(lastOffsetDelta, LAST_OFFSET_DELTA_AT);
    stampBatch(tail, baseOffset, baseOffset);
    return true;
  }

  /** Takes the last batch out again; its bytes are valid until the next append. */
  takeTail(): Buffer {
    const { tail } = this;
    this.#filled = this.#tailAt;
    return tail;
  }

  /** Nothing of the last batch changes any more: it counts. */
  #settleTail(): void {
    const { tail } = this;
    if (tail.length === 0) return;
    const facts = batchFacts(tail, 0);
    const stats = this.#stats;
    const position = stats.bytes;
    addBatch(stats, facts, this.#request.segments[0]!.firstAppendAt);
    this.#indexWriter.note(facts, position, stats.maxTimestamp, this.#request.indexIntervalBytes);
    this.#tailAt = this.#filled;
  }

  /** Writes all bytes so far, and has room for `needed` bytes then. */
  async #flush(needed: number): Promise<void> {
    for (let at = 0; at < this.#filled; at += PIECE_BYTES)
      await this.#write(this.#piece.subarray(at, Math.min(at + PIECE_BYTES, this.#filled)));
    if (this.#piece.length < needed) this.#piece = Buffer.allocUnsafeSlow(needed);
    this.#filled = 0;
    this.#tailAt = 0;
  }

  async #write(bytes: Buffer): Promise<void> {
    await this.#context.pace(bytes.length);
    await writeFully(this.#file, [bytes], this.#position);
    this.#position += bytes.length;
    this.#unsynced += bytes.length;
    if (this.#unsynced < BYTES_BETWEEN_SYNCS) return;
    await this.#syncing;
    this.#unsynced = 0;
    this.#syncing = this.#file.sync();
    // Whoever waits for it next is told.
    this.#syncing.catch(() => {});
  }

  /** Writes what is left and syncs the file, which is closed then. */
  async finish(): Promise<RewrittenSegment> {
    this.#settleTail();
    await this.#flush(0);
    await this.#syncing;
    await this.#file.sync();
    await this.#file.close();
    const { endOffset, bytes } = this.#stats;
    const { offsets, times } = this.#indexWriter.indexes;
    return {
      stats: this.#stats,
      offsetIndex: Buffer.concat(offsets.encode(endOffset, bytes)),
      timeIndex: Buffer.concat(times.encode(endOffset, bytes)),
    };
  }

  /** Removes the file after a failure; what it holds counts for nothing. */
  async discard(): Promise<void> {
    await this.#syncing.catch(() => {});
    await this.#file.close().catch(() => {});
    await removeIfExists(this.#context.fileSystem, this.#request.outputPath).catch(() => {});
  }
}
