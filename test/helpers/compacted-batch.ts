/** Batches as compaction leaves them: they cover more offsets than they have records, or have none at all. */
import { compress } from '../../src/engine/format/compression.ts';
import { writeI64 } from '../../src/engine/format/integers.ts';
import {
  BATCH_HEADER_BYTES,
  BATCH_MAGIC,
  COMPRESSION_TYPES,
  stampBatch,
} from '../../src/engine/format/record-batch.ts';
import { writeVarint, writeVarlong } from '../../src/engine/format/varint.ts';
import type { CompressionType, LogRecord } from '../../src/engine/index.ts';

export interface CompactedBatch {
  baseOffset: number;
  /** Exclusive. */
  endOffset: number;
  records: readonly LogRecord[];
  compression?: CompressionType;
  /** Without records: the times that the header tells. */
  minTimestamp: number;
  maxTimestamp: number;
}

export function encodeCompacted(batch: CompactedBatch): Buffer {
  const { baseOffset, endOffset, records, compression = 'none' } = batch;
  const times = records.map(({ timestamp }) => timestamp);
  const min = records.length > 0 ? Math.min(...times) : batch.minTimestamp;
  const max = records.length > 0 ? Math.max(...times) : batch.maxTimestamp;
  const plain = Buffer.concat(records.map((record) => encodeRecord(record, baseOffset, min)));
  const codec = records.length > 0 ? compression : 'none';
  const stored = codec === 'none' ? plain : compress(codec, plain);
  const bytes = Buffer.alloc(BATCH_HEADER_BYTES + stored.length);
  bytes.fill(0xff, 56, 70);
  bytes.writeUInt32LE(bytes.length - 4, 0);
  bytes.writeUInt32LE(BATCH_MAGIC, 4);
  bytes.writeUInt32LE(endOffset - 1 - baseOffset, 24);
  bytes.writeUInt32LE(records.length, 28);
  writeI64(bytes, 32, min);
  writeI64(bytes, 40, max);
  bytes.writeUInt16LE(COMPRESSION_TYPES.indexOf(codec), 70);
  bytes.writeUInt32LE(plain.length, 72);
  stored.copy(bytes, BATCH_HEADER_BYTES);
  stampBatch(bytes, baseOffset, baseOffset);
  return bytes;
}

function encodeRecord(
  { offset, timestamp, key, value, headers }: LogRecord,
  base: number,
  min: number,
): Buffer {
  const body = Buffer.concat([
    Buffer.from([0]),
    varlong(timestamp - min),
    varint(offset - base),
    field(key),
    field(value),
    varint(headers.length),
    ...headers.flatMap((header) => [field(Buffer.from(header.key)), field(header.value)]),
  ]);
  return Buffer.concat([varint(body.length), body]);
}

const field = (bytes: Uint8Array | null) =>
  bytes === null ? varint(-1) : Buffer.concat([varint(bytes.length), bytes]);

function varint(value: number): Buffer {
  const bytes = Buffer.alloc(5);
  return bytes.subarray(0, writeVarint(bytes, 0, value));
}

function varlong(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  return bytes.subarray(0, writeVarlong(bytes, 0, value));
}
