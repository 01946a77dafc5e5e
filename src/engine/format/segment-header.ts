/**
 * The first 64 bytes of a segment's `.log` file; batches follow. It names the partition that the file
 * belongs to, so that a misplaced or recycled file is noticed.
 *
 *     0   16 bytes  file header, magic "SLSG"; its checksum protects these 64 bytes
 *     16  16 bytes  topic id
 *     32  u32       partition
 *     36  u32       reserved, zero
 *     40  u64       base offset
 *     48  u64       when it was made, ms since 1970
 *     56  u64       reserved, zero
 */
import assert from 'node:assert';
import { checkFileHeader, type FileFormat, type FileHeaderFault, writeFileHeader } from './file-header.ts';
import { readU64, writeU64 } from './integers.ts';

export const SEGMENT_HEADER_BYTES = 64;

const FORMAT: FileFormat = { magic: 'SLSG', version: 1, name: 'a segment' };

export interface SegmentHeader {
  /** 32 hexadecimal digits. */
  topicId: string;
  partition: number;
  baseOffset: number;
  /** ms since 1970. */
  createdAt: number;
}

export function encodeSegmentHeader(header: SegmentHeader): Buffer {
  assert.match(header.topicId, /^[0-9a-f]{32}$/);
  const bytes = Buffer.alloc(SEGMENT_HEADER_BYTES);
  bytes.write(header.topicId, 16, 'hex');
  bytes.writeUInt32LE(header.partition, 32);
  writeU64(bytes, 40, header.baseOffset);
  writeU64(bytes, 48, header.createdAt);
  writeFileHeader(bytes, FORMAT);
  return bytes;
}

/** The header at the beginning of `bytes`, or what is wrong with it; UNSUPPORTED_VERSION when it is newer. */
export function decodeSegmentHeader(bytes: Buffer): SegmentHeader | FileHeaderFault {
  if (bytes.length < SEGMENT_HEADER_BYTES) return 'truncated';
  const fault = checkFileHeader(bytes.subarray(0, SEGMENT_HEADER_BYTES), FORMAT);
  if (fault !== null) return fault;
  const baseOffset = readU64(bytes, 40);
  const createdAt = readU64(bytes, 48);
  if (Number.isNaN(baseOffset) || Number.isNaN(createdAt)) return 'fields';
  return { topicId: bytes.toString('hex', 16, 32), partition: bytes.readUInt32LE(32), baseOffset, createdAt };
}
