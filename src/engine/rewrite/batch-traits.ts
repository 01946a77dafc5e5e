/**
 * What decides whether records of neighbouring batches may share one: they have the same codec (unless all get another one),
 * the same kind of timestamps and the same delete horizon, and no producer, transaction or control batch among them.
 */
import type { CompressionType } from '../common/types.ts';
import {
  APPEND_TIME,
  batchAttributes,
  batchBaseOffset,
  batchBaseTimestamp,
  batchCodec,
  batchDeleteHorizon,
  batchMaxTimestamp,
  batchNextOffset,
  batchProducerId,
  batchRecordCount,
  batchUncompressedBytes,
  CONTROL,
  MAX_LAST_OFFSET_DELTA,
  TRANSACTIONAL,
} from '../format/record-batch.ts';

/** The horizon of records that have none and need none: there is no tombstone among them. */
export const ANY_HORIZON = -1;

/** A batch, as its header has it or as it will be. */
export interface BatchTraits {
  baseOffset: number;
  /** Exclusive. */
  endOffset: number;
  records: number;
  /** Of the records, before compression. */
  bytes: number;
  minTimestamp: number;
  maxTimestamp: number;
  codec: CompressionType;
  appendTime: boolean;
  /** Of a producer with an id, or of a transaction: it keeps its own frame. */
  framed: boolean;
  control: boolean;
  /** Seconds since 1970, 0 or ANY_HORIZON. */
  horizon: number;
}

export function traitsOf(buffer: Buffer, at: number): BatchTraits {
  const attributes = batchAttributes(buffer, at);
  return {
    baseOffset: batchBaseOffset(buffer, at),
    endOffset: batchNextOffset(buffer, at),
    records: batchRecordCount(buffer, at),
    bytes: batchUncompressedBytes(buffer, at),
    minTimestamp: batchBaseTimestamp(buffer, at),
    maxTimestamp: batchMaxTimestamp(buffer, at),
    codec: batchCodec(buffer, at),
    appendTime: (attributes & APPEND_TIME) !== 0,
    framed: batchProducerId(buffer, at) !== -1 || (attributes & (TRANSACTIONAL | CONTROL)) !== 0,
    control: (attributes & CONTROL) !== 0,
    horizon: batchDeleteHorizon(buffer, at),
  };
}

/** Whether the records of both may lie in one batch of at most `maxBytes`. Codecs count where they are kept. */
export function mayShare(a: BatchTraits, b: BatchTraits, maxBytes: number, keepsCodec: boolean): boolean {
  if (a.framed || b.framed || a.endOffset !== b.baseOffset) return false;
  if (a.bytes + b.bytes > maxBytes || b.endOffset - a.baseOffset - 1 > MAX_LAST_OFFSET_DELTA) return false;
  // What has no records takes on whatever the other one is.
  if (a.records === 0 || b.records === 0) return true;
  return (
    a.appendTime === b.appendTime &&
    (!keepsCodec || a.codec === b.codec) &&
    (a.horizon === b.horizon || a.horizon === ANY_HORIZON || b.horizon === ANY_HORIZON) &&
    Number.isSafeInteger(Math.max(a.maxTimestamp, b.maxTimestamp) - Math.min(a.minTimestamp, b.minTimestamp))
  );
}

/** The batch that both are together. */
export function merged(a: BatchTraits, b: BatchTraits): BatchTraits {
  const main = a.records === 0 ? b : a;
  const other = main === a ? b : a;
  const hasOther = other.records > 0;
  return {
    ...main,
    baseOffset: a.baseOffset,
    endOffset: b.endOffset,
    records: a.records + b.records,
    bytes: a.bytes + b.bytes,
    minTimestamp: hasOther ? Math.min(a.minTimestamp, b.minTimestamp) : main.minTimestamp,
    maxTimestamp: hasOther ? Math.max(a.maxTimestamp, b.maxTimestamp) : main.maxTimestamp,
    horizon: hasOther ? Math.max(a.horizon, b.horizon) : main.horizon,
  };
}
