/**
 * A batch in the making: records of one or several batches that stood side by side, encoded anew. It covers all offsets from
 * where it begins to the end of the last batch that went in, also those whose records are gone; with none left it is a
 * batch of no records.
 *
 * Its memory is that of its records before compression, and is used again for the next one.
 */
import assert from 'node:assert';
import type { CompressionType } from '../common/types.ts';
import { type CompressionEffort, compress } from '../format/compression.ts';
import {
  BATCH_HEADER_BYTES,
  EMPTY_BATCH_HEADER,
  MAX_LAST_OFFSET_DELTA,
  setDeleteHorizon,
  stampBatch,
  writeBatchContent,
} from '../format/record-batch.ts';
import { MAX_REBASE_GROWTH, rebaseRecords } from '../format/record-rebase.ts';
import { varintSize, varlongSize, writeVarint, writeVarlong } from '../format/varint.ts';
import type { KeptRecords } from './kept-records.ts';

/** What the three integers before a record's body take at most. */
const MAX_PREFIX_BYTES = 5 + 1 + 8 + 5;
/** Up to here a loop copies bytes faster than a call does. */
const SHORT_BYTES = 32;

export class BatchBlock {
  baseOffset = 0;
  /** Exclusive. */
  endOffset = 0;
  records = 0;
  minTimestamp = 0;
  maxTimestamp = 0;
  #memory: Buffer = Buffer.allocUnsafe(BATCH_HEADER_BYTES);
  #end = BATCH_HEADER_BYTES;
  /** What timestamp deltas are relative to, until it is known which is the smallest; infinity until there is a record. */
  #referenceTimestamp = 0;
  /** Of the batches whose records are all gone. */
  #goneMinTimestamp = 0;
  #goneMaxTimestamp = 0;

  /** Of the records, before compression. */
  get bytes(): number {
    return this.#end - BATCH_HEADER_BYTES;
  }

  /** `frame`: it is one batch whose header goes on saying the same of its times, whatever is left of it. */
  open(baseOffset: number, frame?: { minTimestamp: number; maxTimestamp: number }): void {
    this.baseOffset = baseOffset;
    this.endOffset = baseOffset;
    this.records = 0;
    this.minTimestamp = frame?.minTimestamp ?? Number.POSITIVE_INFINITY;
    this.maxTimestamp = frame?.maxTimestamp ?? Number.NEGATIVE_INFINITY;
    this.#referenceTimestamp = this.minTimestamp;
    this.#goneMinTimestamp = Number.POSITIVE_INFINITY;
    this.#goneMaxTimestamp = Number.NEGATIVE_INFINITY;
    this.#end = BATCH_HEADER_BYTES;
  }

  /** Whether it can cover the offsets below this one too. */
  reaches(endOffset: number): boolean {
    return endOffset - this.baseOffset - 1 <= MAX_LAST_OFFSET_DELTA;
  }

  /** Covers a batch of which nothing is left. */
  cover(endOffset: number, minTimestamp: number, maxTimestamp: number): void {
    assert(this.reaches(endOffset) && endOffset >= this.endOffset, 'batches go in in order');
    this.endOffset = endOffset;
    this.#goneMinTimestamp = Math.min(this.#goneMinTimestamp, minTimestamp);
    this.#goneMaxTimestamp = Math.max(this.#goneMaxTimestamp, maxTimestamp);
  }

  /** Adds what stays of a batch, of which there is some, and covers all of it. */
  add(kept: KeptRecords, baseOffset: number, endOffset: number): void {
    assert(
      this.reaches(endOffset) && baseOffset >= this.endOffset && kept.count > 0,
      'batches go in in order',
    );
    this.#reserve(kept.bytes + kept.count * MAX_PREFIX_BYTES);
    const shift = baseOffset - this.baseOffset;
    if (this.#referenceTimestamp === Number.POSITIVE_INFINITY) this.#referenceTimestamp = kept.minTimestamp;
    if (shift === 0 && this.#referenceTimestamp === kept.baseTimestamp) this.#addAsTheyAre(kept);
    else this.#addEncoded(kept, shift);
    this.records += kept.count;
    this.minTimestamp = Math.min(this.minTimestamp, kept.minTimestamp);
    this.maxTimestamp = Math.max(this.maxTimestamp, kept.maxTimestamp);
    this.endOffset = endOffset;
  }

  /** Both bases are those of the batch: the records' bytes are the same, and whole runs of them are copied. */
  #addAsTheyAre({ buffer, count, starts, ends }: KeptRecords): void {
    let at = this.#end;
    for (let i = 0; i < count; ) {
      const from = starts[i]!;
      let to = ends[i++]!;
      while (i < count && starts[i] === to) to = ends[i++]!;
      at += buffer.copy(this.#memory, at, from, to);
    }
    this.#end = at;
  }

  #addEncoded(kept: KeptRecords, shift: number): void {
    const { buffer, count, bodies, ends, offsetDeltas, timestamps } = kept;
    const memory = this.#memory;
    const reference = this.#referenceTimestamp;
    let at = this.#end;
    for (let i = 0; i < count; i++) {
      const from = bodies[i]!;
      const to = ends[i]!;
      const timestampDelta = timestamps[i]! - reference;
      const offsetDelta = offsetDeltas[i]! + shift;
      const length = 1 + varlongSize(timestampDelta) + varintSize(offsetDelta) + to - from;
      at = writeVarint(memory, at, length);
      memory[at++] = 0;
      at = writeVarlong(memory, at, timestampDelta);
      at = writeVarint(memory, at, offsetDelta);
      if (to - from > SHORT_BYTES) at += buffer.copy(memory, at, from, to);
      else for (let byte = from; byte < to; byte++) memory[at++] = buffer[byte]!;
    }
    this.#end = at;
  }

  #reserve(bytes: number): void {
    const needed = this.#end + bytes;
    if (needed <= this.#memory.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(needed, 2 * this.#memory.length));
    this.#memory.copy(larger, 0, 0, this.#end);
    this.#memory = larger;
  }

  /**
   * The whole batch, whose fields other than those of its records are those of `header`. Valid until the next use of the
   * block. Uncompressed where compression does not pay.
   */
  finish(
    codec: CompressionType,
    effort: CompressionEffort,
    deleteHorizon: number,
    header = EMPTY_BATCH_HEADER,
  ): Buffer {
    if (this.records > 0 && this.minTimestamp < this.#referenceTimestamp) this.#rebase();
    const compressed = this.#compressed(codec, effort);
    const bytes = compressed ?? this.#memory.subarray(0, this.#end);
    header.copy(bytes, 0, 0, BATCH_HEADER_BYTES);
    writeBatchContent(bytes, {
      lastOffsetDelta: this.endOffset - this.baseOffset - 1,
      recordCount: this.records,
      baseTimestamp: this.records > 0 ? this.minTimestamp : this.#goneMinTimestamp,
      maxTimestamp: this.records > 0 ? this.maxTimestamp : this.#goneMaxTimestamp,
      codec: compressed === undefined ? 'none' : codec,
      uncompressedBytes: this.bytes,
    });
    setDeleteHorizon(bytes, deleteHorizon);
    stampBatch(bytes, this.baseOffset, this.baseOffset);
    return bytes;
  }

  #compressed(codec: CompressionType, effort: CompressionEffort): Buffer | undefined {
    if (codec === 'none' || this.records === 0) return undefined;
    const records = compress(codec, this.#memory.subarray(BATCH_HEADER_BYTES, this.#end), effort);
    if (records.length >= this.bytes) return undefined;
    const bytes = Buffer.allocUnsafeSlow(BATCH_HEADER_BYTES + records.length);
    bytes.set(records, BATCH_HEADER_BYTES);
    return bytes;
  }

  #rebase(): void {
    const shift = this.#referenceTimestamp - this.minTimestamp;
    const target = Buffer.allocUnsafeSlow(this.#end + this.records * MAX_REBASE_GROWTH);
    this.#end = rebaseRecords(this.#memory, BATCH_HEADER_BYTES, this.#end, shift, target);
    this.#memory = target;
    this.#referenceTimestamp = this.minTimestamp;
  }
}
