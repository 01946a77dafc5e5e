/**
 * Compares the snapshot of a partition's producers with the headers of its batches: each batch that it remembers is what it says,
 * and none of a producer is left out between those that it remembers. What lies in bytes that cannot be read is not compared.
 */

import type { OffsetGap } from '../common/types.ts';
import {
  batchBaseOffset,
  batchLastOffsetDelta,
  batchMaxTimestamp,
  batchProducerId,
} from '../format/record-batch.ts';
import { conditionsOf } from '../partition/append-conditions.ts';
import { endOfGaps } from '../partition/gaps.ts';
import { batchesOf } from '../partition/producer-states.ts';
import type { ProducersSnapshot } from '../partition/producers-file.ts';
import type { ScanResult } from '../recovery/recovery-scan.ts';

/** A batch as text: whose it is, how many offsets it has, its max timestamp. */
type Batch = string;

export class ProducerSurvey {
  readonly #offset: number;
  /** Those that are remembered and were not met yet, by base offset. */
  readonly #missing = new Map<number, Batch>();
  /** By producer id, the base offset of the first batch that is remembered. */
  readonly #first = new Map<number, number>();
  #fault: string | undefined;

  constructor(snapshot: ProducersSnapshot) {
    this.#offset = snapshot.offset;
    for (const state of snapshot.producers()) {
      const { id, epoch } = state;
      const batches = batchesOf(state);
      this.#first.set(id, batches[0]!.baseOffset);
      for (const { baseSequence, baseOffset, count, maxTimestamp } of batches)
        this.#remember(baseOffset, describe(id, epoch, baseSequence, count, maxTimestamp));
    }
    for (const { id, fingerprint, partitions, baseOffset, count, maxTimestamp } of snapshot.keys())
      this.#remember(baseOffset, describe(id, -1 - partitions, fingerprint, count, maxTimestamp));
  }

  #remember(baseOffset: number, batch: Batch): void {
    if (this.#missing.has(baseOffset)) this.#fault ??= `two batches would begin at offset ${baseOffset}`;
    this.#missing.set(baseOffset, batch);
  }

  /** A batch of the log. */
  take(buffer: Buffer, at: number): void {
    if (batchProducerId(buffer, at) === -1 && this.#missing.size === 0) return;
    const baseOffset = batchBaseOffset(buffer, at);
    if (baseOffset >= this.#offset) return;
    const expected = this.#missing.get(baseOffset);
    const found = batchOf(buffer, at);
    if (expected !== undefined) {
      this.#missing.delete(baseOffset);
      if (found !== expected) this.#fault ??= `the batch at offset ${baseOffset} is another one`;
    } else if (baseOffset > (this.#first.get(batchProducerId(buffer, at)) ?? this.#offset)) {
      this.#fault ??= `it does not remember the batch at offset ${baseOffset}`;
    }
  }

  /** In what the snapshot contradicts the log; undefined in nothing. */
  fault({ runs, endOffset }: ScanResult, gaps: readonly OffsetGap[]): string | undefined {
    if (this.#offset > endOffset)
      return `it speaks of the log up to offset ${this.#offset}, which ends at ${endOffset}`;
    const inFiles = runs.filter(({ journaled }) => journaled === null);
    for (const offset of this.#missing.keys()) {
      const isRead = inFiles.some(
        ({ firstOffset, nextOffset }) => firstOffset <= offset && offset < nextOffset,
      );
      const isThere = isRead && endOfGaps(gaps, offset) === offset;
      if (isThere) this.#fault ??= `no batch begins at offset ${offset}`;
    }
    return this.#fault;
  }
}

function batchOf(buffer: Buffer, at: number): Batch | undefined {
  const conditions = conditionsOf(buffer, at);
  if (conditions === undefined) return undefined;
  const { producer, request } = conditions;
  const count = batchLastOffsetDelta(buffer, at) + 1;
  const maxTimestamp = batchMaxTimestamp(buffer, at);
  if (producer !== undefined)
    return describe(producer.id, producer.epoch, producer.sequence, count, maxTimestamp);
  return describe(request!.id, -1 - request!.partitions, request!.fingerprint, count, maxTimestamp);
}

function describe(id: number, epoch: number, sequence: number, count: number, maxTimestamp: number): Batch {
  return `${id} ${epoch} ${sequence} ${count} ${maxTimestamp}`;
}
