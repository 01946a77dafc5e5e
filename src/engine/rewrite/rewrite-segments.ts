/**
 * The task that writes one segment in place of some neighbours: without the records that a filter drops, with batches merged
 * and compressed as asked. All offsets that the inputs cover are covered by the output, so that what was removed never
 * looks like damage (docs/format.md, "Rewritten batches").
 *
 * - A batch of which all records stay is copied as its bytes are, unless it shares a batch with its neighbour.
 * - Batches share one of up to `blockBytes` when they are alike (batch-traits.ts) and it pays: always where a codec is asked for;
 *   where each keeps its own, if one of the two is small, or if both are compressed anew anyway.
 * - Of a single segment nothing is written before the first batch that changes; what lies before it is copied then. Where
 *   codecs are kept, that neighbours could share a batch is no change by itself.
 *
 * Memory: the window that is read through (1 MiB, or the largest batch), twice while the beginning is copied; the records
 * of one batch decompressed, and 24 bytes for each of its records, twice; the block, which is `blockBytes` or the records of
 * the largest batch; a piece of output (1 MiB, or the largest batch). Whatever fails, and also when the task is
 * cancelled, the output file is removed.
 */
import { compress } from '../format/compression.ts';
import { BATCH_HEADER_BYTES } from '../format/record-batch.ts';
import { BatchMerger, type Treatment } from './batch-merger.ts';
import { ANY_HORIZON, type BatchTraits, mayShare, traitsOf } from './batch-traits.ts';
import { KeptRecords } from './kept-records.ts';
import { RecordFilter, selectAll } from './record-filter.ts';
import type { RewriteRequest, RewriteResult } from './rewrite-request.ts';
import { SegmentOutput } from './segment-output.ts';
import { type BatchPlace, walkBatches } from './segment-walk.ts';
import type { TaskContext } from './task-context.ts';

/** CORRUPT_MESSAGE, with the range, when an input is damaged. */
export async function rewriteSegments(context: TaskContext, request: RewriteRequest): Promise<RewriteResult> {
  const rewriter = new SegmentRewriter(context, request);
  try {
    return await rewriter.run();
  } catch (error) {
    await rewriter.discard();
    throw error;
  }
}

class SegmentRewriter {
  readonly #context: TaskContext;
  readonly #request: RewriteRequest;
  readonly #filter: RecordFilter;
  readonly #kept = new KeptRecords();
  #output: SegmentOutput | undefined;
  /** Undefined as long as nothing has changed. */
  #merger: BatchMerger | undefined;
  /** The last batch, as long as nothing has changed. */
  #last: BatchTraits | undefined;
  readonly #result: RewriteResult = {
    output: undefined,
    recordsRead: 0,
    recordsKept: 0,
    tombstones: 0,
    firstDeleteHorizon: -1,
    recordsWithoutKey: 0,
    bytesRead: 0,
    bytesWritten: 0,
  };

  constructor(context: TaskContext, request: RewriteRequest) {
    this.#context = context;
    this.#request = request;
    this.#filter = new RecordFilter(request.filter, request.logStartOffset);
  }

  async run(): Promise<RewriteResult> {
    const result = this.#result;
    if (this.#request.segments.length > 1) await this.#begin();
    await walkBatches(this.#context, this.#request, async (buffer, at, size, place) => {
      result.bytesRead += size;
      await this.#take(buffer, at, size, place);
      return true;
    });
    result.recordsWithoutKey = this.#filter.recordsWithoutKey;
    if (this.#output === undefined) return result;
    await this.#merger?.finish();
    result.output = await this.#output.finish();
    result.bytesWritten = result.output.stats.bytes;
    return result;
  }

  async discard(): Promise<void> {
    await this.#output?.discard();
  }

  async #take(buffer: Buffer, at: number, size: number, place: BatchPlace): Promise<void> {
    const before = traitsOf(buffer, at);
    const keepsAll = before.control || this.#filter.keepsAll(before.baseOffset);
    const after = keepsAll ? before : this.#select(buffer, at, before);
    this.#count(before, after, keepsAll);
    const treatment = this.#treatmentOf(before, after);
    const bytes = buffer.subarray(at, at + size);
    if (this.#merger === undefined && this.#isNoChange(bytes, before, after, treatment)) {
      this.#last = after;
      return;
    }
    const merger = this.#merger ?? (await this.#begin(place, before.baseOffset));
    if (after.records === 0 && !after.framed) return merger.leaveOut(before);
    const kept = () => {
      if (keepsAll) selectAll(bytes, this.#kept);
      return this.#kept;
    };
    await merger.add({ bytes, before, after, treatment }, kept);
  }

  /** Puts the records that stay into `#kept`, and says what they are. */
  #select(buffer: Buffer, at: number, before: BatchTraits): BatchTraits {
    const kept = this.#kept;
    this.#filter.select(buffer, at, kept);
    const horizon = kept.tombstones === 0 ? ANY_HORIZON : this.#filter.horizonOf(before.horizon, kept);
    if (kept.count === before.records) return { ...before, horizon };
    const { count: records, bytes } = kept;
    if (records === 0) return { ...before, records, bytes, horizon };
    const { minTimestamp, maxTimestamp } = kept;
    return { ...before, records, bytes, minTimestamp, maxTimestamp, horizon };
  }

  #treatmentOf(before: BatchTraits, after: BatchTraits): Treatment {
    if (after.records < before.records || !this.#hasItsCodec(after)) return 'encode';
    return isStamped(before, after) ? 'stamp' : 'copy';
  }

  #hasItsCodec({ codec, records, control }: BatchTraits): boolean {
    return this.#request.codec === 'keep' || this.#request.codec === codec || records === 0 || control;
  }

  #isNoChange(bytes: Buffer, before: BatchTraits, after: BatchTraits, treatment: Treatment): boolean {
    const { codec, blockBytes } = this.#request;
    if (isStamped(before, after) || after.records < before.records) return false;
    if (codec !== 'keep' && this.#last !== undefined && mayShare(this.#last, after, blockBytes, false))
      return false;
    return treatment === 'copy' || this.#isIncompressible(bytes, after);
  }

  /** Whether a batch without a codec would stay without one: compression does not make it smaller. */
  #isIncompressible(bytes: Buffer, after: BatchTraits): boolean {
    const { codec } = this.#request;
    if (codec === 'keep' || codec === 'none' || after.codec !== 'none') return false;
    return compress(codec, bytes.subarray(BATCH_HEADER_BYTES), 'thorough').length >= after.bytes;
  }

  #count(before: BatchTraits, after: BatchTraits, keepsAll: boolean): void {
    const result = this.#result;
    result.recordsRead += before.records;
    result.recordsKept += after.records;
    if (!keepsAll) result.tombstones += this.#kept.tombstones;
    if (after.horizon <= 0) return;
    const horizon = after.horizon * 1000;
    const first = result.firstDeleteHorizon;
    result.firstDeleteHorizon = first < 0 ? horizon : Math.min(first, horizon);
  }

  /** Begins to write, with all that lies before `place`: nothing has changed up to there. */
  async #begin(place?: BatchPlace, baseOffset = 0): Promise<BatchMerger> {
    const output = await SegmentOutput.create(this.#context, this.#request);
    this.#output = output;
    if (place !== undefined) {
      const unchanged = { ...place.segment, bytes: place.position, endOffset: baseOffset };
      await walkBatches(
        this.#context,
        { ...this.#request, segments: [unchanged] },
        async (buffer, at, size) => {
          this.#result.bytesRead += size;
          await output.append(buffer.subarray(at, at + size));
          return true;
        },
      );
    }
    this.#merger = new BatchMerger(output, this.#request, this.#last);
    return this.#merger;
  }
}

/** Whether the batch gets a delete horizon that it does not have. */
function isStamped(before: BatchTraits, after: BatchTraits): boolean {
  return after.horizon > 0 && after.horizon !== before.horizon;
}
