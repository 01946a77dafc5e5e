/**
 * A record batch: records that were appended together. It is the unit of framing, checksum,
 * compression and acknowledgement, in segments as in the journal. Format 1, little-endian:
 *
 *     0   u32  length of all that follows this field
 *     4   u32  magic (bytes F5 53 42 01; the last one is the format)
 *     8   u64  checksum: XXH3-64 of bytes 16 to the end
 *     16  u64  base offset
 *     24  u32  last offset delta
 *     28  u32  record count
 *     32  i64  base timestamp, ms since 1970 (the smallest in the batch)
 *     40  i64  max timestamp
 *     48  u64  durable floor: the end of what was synced in this partition when the batch was written
 *     56  i64  producer id, -1 if none
 *     64  i32  base sequence, -1 if none
 *     68  i16  producer epoch, -1 if none
 *     70  u16  attributes: bits 0-2 codec (0 none, 1 gzip, 2 snappy, 3 lz4, 4 zstd), bit 3 timestamp
 *              type (0 given by the producer, 1 set at append), bit 4 transactional, bit 5 control
 *     72  u32  length of records once decompressed
 *     76  u32  delete horizon, seconds since 1970: tombstones in here may go from then on; 0 if none was set
 *     80  records
 *
 * record-batch-builder.ts writes the records and record-batch-reader.ts reads them.
 * The accessors read a header at a position of a buffer and trust it: 64 bit fields are NaN when they
 * are no safe integers, which checkBatch excludes. Below the floor of any valid batch nothing may be
 * missing: what is bad there was once acknowledged (see docs/format.md).
 */

import { SeglogError } from '../common/errors.ts';
import type { CompressionType } from '../common/types.ts';
import { checksumInto, checksumMatches } from './checksum.ts';
import { readI64, readU64, writeI64, writeU64 } from './integers.ts';

export const BATCH_HEADER_BYTES = 80;

/** F5 never occurs in UTF-8: text is not taken for a batch. */
const MAGIC_BYTES = Buffer.from([0xf5, 0x53, 0x42, 0x01]);
export const BATCH_MAGIC = MAGIC_BYTES.readUInt32LE(0);

/** Most bytes of a batch as stored, and of its records once decompressed. */
export const MAX_BATCH_BYTES = 512 * 1024 * 1024;

/** Bytes of the shortest record: null key, null value, no headers. */
export const MIN_RECORD_BYTES = 7;

/** Indexed by the codec bits of the attributes, numbered as Kafka does. */
export const COMPRESSION_TYPES: readonly CompressionType[] = ['none', 'gzip', 'snappy', 'lz4', 'zstd'];
const CODEC_MASK = 0b111;
/** Bits of the attributes. */
export const APPEND_TIME = 0b1000;
export const TRANSACTIONAL = 0b1_0000;
export const CONTROL = 0b10_0000;
const KNOWN_ATTRIBUTES = CODEC_MASK | APPEND_TIME | TRANSACTIONAL | CONTROL;

const LENGTH_BYTES = 4;
const CHECKSUM_AT = 8;
const CHECKED_FROM = 16;
/** Most offsets that a batch covers, less one. */
export const MAX_LAST_OFFSET_DELTA = 2 ** 31 - 1;

/** A batch whose header lacks only what stampBatch sets. */
export interface EncodedBatch {
  bytes: Buffer;
  /** What `bytes` is a part of, for recycleBatch; null when that is not the batch's alone. */
  memory: Buffer | null;
  recordCount: number;
  baseTimestamp: number;
  maxTimestamp: number;
}

/** What all headers share: the magic, and -1 for no producer id, sequence and epoch. */
export const EMPTY_BATCH_HEADER: Buffer = emptyHeader();

function emptyHeader(): Buffer {
  const header = Buffer.alloc(BATCH_HEADER_BYTES).fill(0xff, 56, 70);
  header.set(MAGIC_BYTES, LENGTH_BYTES);
  return header;
}

/** The fields of a header that speak of the records. */
export interface BatchContent {
  lastOffsetDelta: number;
  recordCount: number;
  baseTimestamp: number;
  maxTimestamp: number;
  codec: CompressionType;
  /** Of the records, once decompressed. */
  uncompressedBytes: number;
}

/** Writes what a header says of the records, over one that has all else. `bytes` is one whole batch. */
export function writeBatchContent(bytes: Buffer, content: BatchContent): void {
  bytes.writeUInt32LE(bytes.length - LENGTH_BYTES, 0);
  bytes.writeUInt32LE(content.lastOffsetDelta, 24);
  bytes.writeUInt32LE(content.recordCount, 28);
  writeI64(bytes, 32, content.baseTimestamp);
  writeI64(bytes, 40, content.maxTimestamp);
  const others = batchAttributes(bytes, 0) & ~CODEC_MASK;
  bytes.writeUInt16LE(others | COMPRESSION_TYPES.indexOf(content.codec), 70);
  bytes.writeUInt32LE(content.uncompressedBytes, 72);
}

/** Bytes of the whole batch, as its header says. */
export const batchSize = (buffer: Buffer, at: number): number => buffer.readUInt32LE(at) + LENGTH_BYTES;
export const batchBaseOffset = (buffer: Buffer, at: number): number => readU64(buffer, at + 16);
export const batchLastOffsetDelta = (buffer: Buffer, at: number): number => buffer.readUInt32LE(at + 24);
export const batchRecordCount = (buffer: Buffer, at: number): number => buffer.readUInt32LE(at + 28);
export const batchBaseTimestamp = (buffer: Buffer, at: number): number => readI64(buffer, at + 32);
export const batchMaxTimestamp = (buffer: Buffer, at: number): number => readI64(buffer, at + 40);
export const batchDurableFloor = (buffer: Buffer, at: number): number => readU64(buffer, at + 48);
export const batchProducerId = (buffer: Buffer, at: number): number => readI64(buffer, at + 56);
export const batchBaseSequence = (buffer: Buffer, at: number): number => buffer.readInt32LE(at + 64);
export const batchProducerEpoch = (buffer: Buffer, at: number): number => buffer.readInt16LE(at + 68);
export const batchAttributes = (buffer: Buffer, at: number): number => buffer.readUInt16LE(at + 70);
/** Bytes of the records once decompressed. */
export const batchUncompressedBytes = (buffer: Buffer, at: number): number => buffer.readUInt32LE(at + 72);
/** When compaction may drop the batch's tombstones, in seconds since 1970; 0 when no pass has met them yet. */
export const batchDeleteHorizon = (buffer: Buffer, at: number): number => buffer.readUInt32LE(at + 76);

/** Offset of the last record, inclusive. */
export function batchLastOffset(buffer: Buffer, at: number): number {
  return batchBaseOffset(buffer, at) + batchLastOffsetDelta(buffer, at);
}

/** Offset at which the batch after this one begins. */
export function batchNextOffset(buffer: Buffer, at: number): number {
  return batchLastOffset(buffer, at) + 1;
}

/** How the records are compressed; UNSUPPORTED_COMPRESSION_TYPE for a codec this program does not know. */
export function batchCodec(buffer: Buffer, at: number): CompressionType {
  const codec = batchAttributes(buffer, at) & CODEC_MASK;
  const name = COMPRESSION_TYPES[codec];
  if (name !== undefined) return name;
  throw new SeglogError('UNSUPPORTED_COMPRESSION_TYPE', `codec ${codec} is not known to this program`, {
    codec,
  });
}

/** Sets the delete horizon, in seconds since 1970. The checksum is to be set anew then. */
export function setDeleteHorizon(bytes: Buffer, seconds: number): void {
  bytes.writeUInt32LE(seconds, 76);
}

/** Writes who appends the batch, over a header that names nobody. `bytes` is one whole batch, not yet stamped. */
export function writeProducer(bytes: Buffer, producerId: number, baseSequence: number, epoch: number): void {
  writeI64(bytes, 56, producerId);
  bytes.writeInt32LE(baseSequence, 64);
  bytes.writeInt16LE(epoch, 68);
}

/** Sets what is known only when a group commit is formed, and the checksum over it. `bytes` is one whole batch. */
export function stampBatch(bytes: Buffer, baseOffset: number, durableFloor: number): void {
  writeU64(bytes, 16, baseOffset);
  writeU64(bytes, 48, durableFloor);
  checksumInto(bytes.subarray(CHECKED_FROM), bytes, CHECKSUM_AT);
}

/**
 * What is wrong with a batch:
 * - `truncated`: it ends, or would end, behind the end of the data;
 * - `magic`: no batch begins here;
 * - `length`: no batch is that short or that long;
 * - `checksum`: it is not what was written;
 * - `fields`: it is what was written, but its header contradicts itself or has unsafe integers.
 */
export type BatchFault = 'truncated' | 'magic' | 'length' | 'checksum' | 'fields';

/** Checks everything about the batch at `at`, which must lie in [at, end), but the layout of its records. */
export function checkBatch(buffer: Buffer, at: number, end: number): BatchFault | null {
  const fault = checkFrame(buffer, at, end);
  if (fault !== null) return fault;
  const size = batchSize(buffer, at);
  if (!checksumMatches(buffer.subarray(at + CHECKED_FROM, at + size), buffer, at + CHECKSUM_AT))
    return 'checksum';
  return fieldsAgree(buffer, at, size) ? null : 'fields';
}

function checkFrame(buffer: Buffer, at: number, end: number): BatchFault | null {
  const available = Math.min(end, buffer.length) - at;
  if (available < CHECKSUM_AT) return 'truncated';
  if (buffer.readUInt32LE(at + LENGTH_BYTES) !== BATCH_MAGIC) return 'magic';
  const size = batchSize(buffer, at);
  if (size < BATCH_HEADER_BYTES || size > MAX_BATCH_BYTES) return 'length';
  return size > available ? 'truncated' : null;
}

function fieldsAgree(buffer: Buffer, at: number, size: number): boolean {
  return (
    offsetsAgree(buffer, at) &&
    recordsAgree(buffer, at, size) &&
    batchMaxTimestamp(buffer, at) >= batchBaseTimestamp(buffer, at) &&
    batchProducerId(buffer, at) >= -1
  );
}

function offsetsAgree(buffer: Buffer, at: number): boolean {
  const delta = batchLastOffsetDelta(buffer, at);
  const baseOffset = batchBaseOffset(buffer, at);
  return (
    delta <= MAX_LAST_OFFSET_DELTA &&
    // After compaction a batch keeps its range of offsets with fewer records.
    batchRecordCount(buffer, at) <= delta + 1 &&
    baseOffset + delta < Number.MAX_SAFE_INTEGER &&
    batchDurableFloor(buffer, at) <= baseOffset
  );
}

function recordsAgree(buffer: Buffer, at: number, size: number): boolean {
  const attributes = batchAttributes(buffer, at);
  const codec = attributes & CODEC_MASK;
  const bytes = batchUncompressedBytes(buffer, at);
  const count = batchRecordCount(buffer, at);
  return (
    attributes <= KNOWN_ATTRIBUTES &&
    codec < COMPRESSION_TYPES.length &&
    bytes <= MAX_BATCH_BYTES - BATCH_HEADER_BYTES &&
    (codec !== 0 || bytes === size - BATCH_HEADER_BYTES) &&
    (count === 0 ? bytes === 0 : bytes >= count * MIN_RECORD_BYTES)
  );
}

/**
 * Position of the first valid batch that begins in [from, end) and ends there too, or -1.
 *
 * Meant for what follows a damaged place. A record's value may hold the bytes of a batch itself:
 * whether the offsets of what was found fit is for the caller to judge.
 */
export function findBatch(buffer: Buffer, from: number, end: number): number {
  const data = buffer.subarray(0, end);
  let magicAt = data.indexOf(MAGIC_BYTES, from + LENGTH_BYTES);
  while (magicAt !== -1) {
    const at = magicAt - LENGTH_BYTES;
    const mayBe = checkFrame(data, at, end) === null && fieldsAgree(data, at, batchSize(data, at));
    if (mayBe && checkBatch(data, at, end) === null) return at;
    magicAt = data.indexOf(MAGIC_BYTES, magicAt + 1);
  }
  return -1;
}
