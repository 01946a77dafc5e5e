/**
 * The container of a segment's search index, `.search`: whose index it is, and parts, each of which can be read and checked by
 * itself. What is in the parts is the business of whoever searches.
 *
 *     0   16 bytes  file header, magic "SLSX"; its checksum protects the head
 *     16  16 bytes  topic id
 *     32  u32       partition
 *     36  u32       count of parts
 *     40  u64       base offset of the segment
 *     48  u64       end offset of the segment, exclusive
 *     56  u64       bytes of the segment's file
 *     64  u64       when the segment was made, ms since 1970 (of its header)
 *     72  for each part:
 *         u32  bytes
 *         u64  checksum: XXH3-64 of the part
 *     then the parts, one after the other, in the same order
 */
import assert from 'node:assert';
import { checksumInto, checksumMatches } from './checksum.ts';
import { checkFileHeader, type FileFormat, type FileHeaderFault, writeFileHeader } from './file-header.ts';
import { readU64, writeU64 } from './integers.ts';

const FORMAT: FileFormat = { magic: 'SLSX', version: 1, name: 'a search index' };

/** Of the head without what it says of the parts. */
export const SEARCH_PREAMBLE_BYTES = 72;
const PART_BYTES = 12;

/** The content of a segment: a rewritten one has another. */
export interface SearchFileIdentity {
  /** 32 hexadecimal digits. */
  topicId: string;
  partition: number;
  baseOffset: number;
  /** Exclusive. */
  endOffset: number;
  /** Of its file. */
  bytes: number;
  /** ms since 1970; of the header of the segment. */
  createdAt: number;
}

export interface SearchFilePart {
  /** In the file. */
  position: number;
  length: number;
  /** Where the head has its checksum. */
  checksumAt: number;
}

export interface SearchFileHead {
  identity: SearchFileIdentity;
  parts: SearchFilePart[];
  /** What the head was read from. */
  bytes: Buffer;
}

/** The whole file. */
export function encodeSearchFile(identity: SearchFileIdentity, parts: readonly Uint8Array[]): Uint8Array[] {
  assert.match(identity.topicId, /^[0-9a-f]{32}$/);
  const head = Buffer.alloc(SEARCH_PREAMBLE_BYTES + parts.length * PART_BYTES);
  head.write(identity.topicId, 16, 'hex');
  head.writeUInt32LE(identity.partition, 32);
  head.writeUInt32LE(parts.length, 36);
  writeU64(head, 40, identity.baseOffset);
  writeU64(head, 48, identity.endOffset);
  writeU64(head, 56, identity.bytes);
  writeU64(head, 64, identity.createdAt);
  for (const [i, part] of parts.entries()) {
    const at = SEARCH_PREAMBLE_BYTES + i * PART_BYTES;
    head.writeUInt32LE(part.length, at);
    checksumInto(part, head, at + 4);
  }
  writeFileHeader(head, FORMAT);
  return [head, ...parts];
}

/** Bytes of the head of a file that begins with these, which are at least the preamble; undefined where it is none. */
export function searchHeadBytes(start: Buffer): number | undefined {
  if (start.length < SEARCH_PREAMBLE_BYTES || start.toString('latin1', 0, 4) !== FORMAT.magic)
    return undefined;
  return SEARCH_PREAMBLE_BYTES + start.readUInt32LE(36) * PART_BYTES;
}

/** What the head says, or what is wrong with it; UNSUPPORTED_VERSION when it is newer. */
export function decodeSearchHead(bytes: Buffer): SearchFileHead | FileHeaderFault {
  const fault = checkFileHeader(bytes, FORMAT);
  if (fault !== null) return fault;
  if (searchHeadBytes(bytes) !== bytes.length) return 'fields';
  const identity: SearchFileIdentity = {
    topicId: bytes.toString('hex', 16, 32),
    partition: bytes.readUInt32LE(32),
    baseOffset: readU64(bytes, 40),
    endOffset: readU64(bytes, 48),
    bytes: readU64(bytes, 56),
    createdAt: readU64(bytes, 64),
  };
  const { baseOffset, endOffset, bytes: size, createdAt } = identity;
  if (Number.isNaN(baseOffset + endOffset + size + createdAt)) return 'fields';
  const parts: SearchFilePart[] = [];
  let position = bytes.length;
  for (let at = SEARCH_PREAMBLE_BYTES; at < bytes.length; at += PART_BYTES) {
    const length = bytes.readUInt32LE(at);
    parts.push({ position, length, checksumAt: at + 4 });
    position += length;
  }
  return { identity, parts, bytes };
}

/** Bytes of the file that a head is of. */
export function searchFileBytes({ parts, bytes }: SearchFileHead): number {
  return parts.reduce((sum, { length }) => sum + length, bytes.length);
}

/** Whether these bytes are the part. */
export function isSearchPart(
  head: SearchFileHead,
  { length, checksumAt }: SearchFilePart,
  part: Buffer,
): boolean {
  return part.length === length && checksumMatches(part, head.bytes, checksumAt);
}
