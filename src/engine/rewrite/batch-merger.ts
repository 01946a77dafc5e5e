/**
 * Puts what stays of batch after batch into an output: as the bytes they were, or in a block that neighbours share. So the
 * output's batches cover all offsets without a hole, whatever is left out.
 *
 * The last batch is open for what comes next: it may be in the block, or be the output's tail, which is taken back then.
 */
import type { CompressionType } from '../common/types.ts';
import type { CompressionEffort } from '../format/compression.ts';
import {
  APPEND_TIME,
  batchBaseOffset,
  batchDurableFloor,
  EMPTY_BATCH_HEADER,
  setDeleteHorizon,
  stampBatch,
} from '../format/record-batch.ts';
import { BatchBlock } from './batch-block.ts';
import { type BatchTraits, mayShare, merged } from './batch-traits.ts';
import { KeptRecords } from './kept-records.ts';
import { selectAll } from './record-filter.ts';
import type { SegmentOutput } from './segment-output.ts';

/** Below this a batch costs more than its records are worth: neighbours share one. */
const SMALL_BYTES = 16 * 1024;

const APPEND_TIME_HEADER = Buffer.from(EMPTY_BATCH_HEADER);
APPEND_TIME_HEADER.writeUInt16LE(APPEND_TIME, 70);

export interface MergeSettings {
  blockBytes: number;
  codec: CompressionType | 'keep';
}

/** What becomes of a batch of which something stays: its bytes, the same with a delete horizon, or its records. */
export type Treatment = 'copy' | 'stamp' | 'encode';

/** A batch of the input and what stays of it. */
export interface MergeInput {
  /** The whole batch. */
  bytes: Buffer;
  before: BatchTraits;
  after: BatchTraits;
  treatment: Treatment;
}

export class BatchMerger {
  readonly #output: SegmentOutput;
  readonly #settings: MergeSettings;
  readonly #effort: CompressionEffort;
  readonly #block = new BatchBlock();
  readonly #taken = new KeptRecords();
  #blockIsOpen = false;
  /** In the block, or the output's tail. Undefined at the beginning and behind a gap. */
  #last: BatchTraits | undefined;

  /** `last` is the output's tail. */
  constructor(output: SegmentOutput, settings: MergeSettings, last: BatchTraits | undefined) {
    this.#output = output;
    this.#settings = settings;
    this.#effort = settings.codec === 'keep' ? 'quick' : 'thorough';
    this.#last = last;
  }

  /** Covers a batch of which nothing stays and that needs no frame. */
  async leaveOut(gone: BatchTraits): Promise<void> {
    const last = await this.#continued(gone.baseOffset);
    const { endOffset, minTimestamp, maxTimestamp } = gone;
    if (this.#blockIsOpen && this.#block.reaches(endOffset)) {
      this.#block.cover(endOffset, minTimestamp, maxTimestamp);
      this.#last = { ...last!, endOffset };
    } else if (!this.#blockIsOpen && last?.framed === false && this.#output.extendTail(endOffset)) {
      this.#last = { ...last, endOffset };
    } else {
      await this.#close();
      this.#block.open(gone.baseOffset);
      this.#blockIsOpen = true;
      this.#block.cover(endOffset, minTimestamp, maxTimestamp);
      this.#last = { ...gone, records: 0, bytes: 0 };
    }
  }

  /** Adds what stays of a batch; `kept` gives its records, and is asked where they are needed. */
  async add(input: MergeInput, kept: () => KeptRecords): Promise<void> {
    const { bytes, before, after, treatment } = input;
    const last = await this.#continued(before.baseOffset);
    if (last !== undefined && this.#share(last, after, treatment)) {
      if (!this.#blockIsOpen) this.#takeBack(last);
      this.#fill(kept(), before);
      this.#last = { ...merged(last, after), bytes: this.#block.bytes };
      return;
    }
    await this.#close();
    this.#last = after;
    if (treatment !== 'encode') return this.#copy(bytes, treatment === 'stamp' ? after.horizon : undefined);
    this.#block.open(before.baseOffset, after.framed ? before : undefined);
    this.#blockIsOpen = true;
    this.#fill(kept(), before);
    if (after.framed) await this.#close(bytes);
  }

  /** Gives the last batch to the output. */
  async finish(): Promise<void> {
    await this.#close();
  }

  /** The last batch, if `baseOffset` follows on it: no batch reaches over a gap. */
  async #continued(baseOffset: number): Promise<BatchTraits | undefined> {
    if (this.#last !== undefined && this.#last.endOffset !== baseOffset) {
      await this.#close();
      this.#last = undefined;
    }
    return this.#last;
  }

  #share(last: BatchTraits, next: BatchTraits, treatment: Treatment): boolean {
    const { codec, blockBytes } = this.#settings;
    if (!mayShare(last, next, blockBytes, codec === 'keep')) return false;
    if (codec !== 'keep' || Math.min(last.bytes, next.bytes) < SMALL_BYTES) return true;
    // Both are compressed anew anyway: together they get smaller.
    return this.#blockIsOpen && treatment === 'encode' && next.codec !== 'none';
  }

  #takeBack(last: BatchTraits): void {
    selectAll(this.#output.takeTail(), this.#taken);
    this.#block.open(last.baseOffset);
    this.#blockIsOpen = true;
    this.#fill(this.#taken, last);
  }

  #fill(kept: KeptRecords, { baseOffset, endOffset, minTimestamp, maxTimestamp }: BatchTraits): void {
    if (kept.count > 0) this.#block.add(kept, baseOffset, endOffset);
    else this.#block.cover(endOffset, minTimestamp, maxTimestamp);
  }

  async #copy(bytes: Buffer, horizon: number | undefined): Promise<void> {
    await this.#output.append(bytes);
    if (horizon === undefined) return;
    const { tail } = this.#output;
    setDeleteHorizon(tail, horizon);
    stampBatch(tail, batchBaseOffset(tail, 0), batchDurableFloor(tail, 0));
  }

  /** Gives the block to the output, in the frame of `framed` where there is one. */
  async #close(framed?: Buffer): Promise<void> {
    if (!this.#blockIsOpen) return;
    this.#blockIsOpen = false;
    const { codec, appendTime, horizon } = this.#last!;
    const header = framed ?? (appendTime ? APPEND_TIME_HEADER : EMPTY_BATCH_HEADER);
    const target = this.#settings.codec === 'keep' ? codec : this.#settings.codec;
    await this.#output.append(this.#block.finish(target, this.#effort, Math.max(horizon, 0), header));
  }
}
