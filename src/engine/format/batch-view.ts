/** A stored batch as those see it who go through many of them: what its header says, and the bytes of its records. */
import type { CompressionType } from '../common/types.ts';
import { decompress } from './compression.ts';
import {
  BATCH_HEADER_BYTES,
  batchBaseOffset,
  batchBaseTimestamp,
  batchCodec,
  batchLastOffsetDelta,
  batchMaxTimestamp,
  batchRecordCount,
  batchSize,
  batchUncompressedBytes,
} from './record-batch.ts';

export interface BatchView {
  /** Bytes of the whole batch. */
  size: number;
  baseOffset: number;
  lastOffsetDelta: number;
  records: number;
  /** The smallest and the largest time of its records. */
  minTimestamp: number;
  maxTimestamp: number;
  codec: CompressionType;
  /** Of the records, once decompressed. */
  recordBytes: number;
}

/** Of the batch at `at`, which is whole and checked. */
export function viewBatch(chunk: Buffer, at: number): BatchView {
  return {
    size: batchSize(chunk, at),
    baseOffset: batchBaseOffset(chunk, at),
    lastOffsetDelta: batchLastOffsetDelta(chunk, at),
    records: batchRecordCount(chunk, at),
    minTimestamp: batchBaseTimestamp(chunk, at),
    maxTimestamp: batchMaxTimestamp(chunk, at),
    codec: batchCodec(chunk, at),
    recordBytes: batchUncompressedBytes(chunk, at),
  };
}

/** The bytes of the records of the batch at `at`: a part of the chunk, or what they decompress to. Throws CORRUPT_MESSAGE. */
export function batchRecords(chunk: Buffer, at: number): Buffer {
  const records = chunk.subarray(at + BATCH_HEADER_BYTES, at + batchSize(chunk, at));
  const codec = batchCodec(chunk, at);
  return codec === 'none' ? records : decompress(codec, records, batchUncompressedBytes(chunk, at));
}
