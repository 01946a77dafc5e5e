/**
 * The journal's form on disk. A file `journal/<sequence>.journal` is preallocated and written over from its
 * beginning, frame after frame; one frame is one group commit. Frames begin at multiples of 512 bytes, so
 * that writing one touches no sector of another.
 *
 *     file header (at 0, 512 bytes, rest zero)     frame header
 *       0  4 bytes  magic, "SLJO"                    0  u32  magic
 *       4  u16  version                              4  u32  entries
 *       6  u16  zero                                 8  u64  checksum: XXH3-64 of byte 16 to the end of the table
 *       8  u64  checksum, as in file-header.ts,     16  u64  sequence of the file
 *               of the first 32 bytes               24  u64  position of this frame in the file
 *      16  u64  sequence                            32  u64  bytes of the whole frame, without padding
 *      24  u64  file size                           40  u32  where the frames of the file before it end, divided by 512
 *                                                   44  u32  sequence of this file - sequence of the file before it
 *     table: for each batch 32 bytes                then the batches, one after the other
 *       0  16 bytes  topic id
 *      16  u32  partition
 *      20  u32  bytes of the batch
 *      24  u64  checksum of the batch, as in its header
 *
 * A recycled file still holds frames of its earlier life: their sequence tells them apart. The checksum of each
 * batch in the table binds the batches to their frame. A frame is only written after the one before it is
 * durable, so a bad frame with a valid one behind it is damage, and a bad one at the end was never acknowledged. In
 * the same way the first frame of the next file tells where this one had ended: both fields are zero in other frames,
 * and where there was no file before it in this life of the process.
 */
import { checksumInto, checksumMatches } from './checksum.ts';
import { checkFileHeader, type FileFormat, writeFileHeader } from './file-header.ts';
import { readU64, writeU64 } from './integers.ts';
import { batchSize, checkBatch } from './record-batch.ts';

export const JOURNAL_HEADER_BYTES = 512;
export const JOURNAL_VERSION = 1;
const FORMAT: FileFormat = { magic: 'SLJO', version: JOURNAL_VERSION, name: 'a journal file' };
/** Bytes of the file header that its checksum protects. */
const PROTECTED_BYTES = 32;
const FRAME_MAGIC = 0xf7a35e1d;
export const FRAME_HEADER_BYTES = 48;
const ENTRY_BYTES = 32;
/** Frames begin at multiples of this. */
export const FRAME_ALIGNMENT = 512;
const BATCH_CHECKSUM_POSITION = 8;

/** One batch of a frame and where it belongs. */
export interface JournalEntry {
  /** 16 bytes. */
  topicId: Buffer;
  partition: number;
  /** A whole, stamped batch. */
  batch: Buffer;
}

/** Where the frames of a journal file ended when the next file was begun. */
export interface JournalEnd {
  sequence: number;
  /** A position, exclusive. */
  end: number;
}

export function encodeJournalHeader(sequence: number, fileBytes: number): Buffer {
  const header = Buffer.alloc(JOURNAL_HEADER_BYTES);
  writeU64(header, 16, sequence);
  writeU64(header, 24, fileBytes);
  writeFileHeader(header.subarray(0, PROTECTED_BYTES), FORMAT);
  return header;
}

/** The sequence in a journal file's header, undefined when the header is no good; UNSUPPORTED_VERSION when it is newer. */
export function decodeJournalHeader(bytes: Buffer): number | undefined {
  if (bytes.length < JOURNAL_HEADER_BYTES) return undefined;
  if (checkFileHeader(bytes.subarray(0, PROTECTED_BYTES), FORMAT) !== null) return undefined;
  return readU64(bytes, 16);
}

/** Bytes a frame of so many batches takes in the file, padding included. */
export function frameBytes(batches: number, batchBytes: number): number {
  return alignUp(FRAME_HEADER_BYTES + batches * ENTRY_BYTES + batchBytes);
}

export function alignUp(bytes: number): number {
  return Math.ceil(bytes / FRAME_ALIGNMENT) * FRAME_ALIGNMENT;
}

/** Header and table of a frame; the batches themselves follow it as they are. `before`: for the first frame of a file. */
export function encodeFrameHead(
  entries: readonly JournalEntry[],
  sequence: number,
  position: number,
  before?: JournalEnd,
): Buffer {
  const head = Buffer.allocUnsafe(FRAME_HEADER_BYTES + entries.length * ENTRY_BYTES);
  let at = FRAME_HEADER_BYTES;
  let bytes = head.length;
  for (const { topicId, partition, batch } of entries) {
    topicId.copy(head, at);
    head.writeUInt32LE(partition, at + 16);
    head.writeUInt32LE(batch.length, at + 20);
    batch.copy(head, at + 24, BATCH_CHECKSUM_POSITION, BATCH_CHECKSUM_POSITION + 8);
    bytes += batch.length;
    at += ENTRY_BYTES;
  }
  head.writeUInt32LE(FRAME_MAGIC, 0);
  head.writeUInt32LE(entries.length, 4);
  writeU64(head, 16, sequence);
  writeU64(head, 24, position);
  writeU64(head, 32, bytes);
  head.writeUInt32LE(before === undefined ? 0 : before.end / FRAME_ALIGNMENT, 40);
  head.writeUInt32LE(before === undefined ? 0 : sequence - before.sequence, 44);
  checksumInto(head.subarray(16), head, 8);
  return head;
}

/**
 * How many bytes the header and the table of a frame take, as its header claims; 0 where no frame of this file begins. The
 * header must be in `bytes`, where the frame begins at `at`.
 */
export function frameHeadBytes(bytes: Buffer, at: number, sequence: number, position: number): number {
  if (bytes.readUInt32LE(at) !== FRAME_MAGIC) return 0;
  if (readU64(bytes, at + 16) !== sequence || readU64(bytes, at + 24) !== position) return 0;
  return FRAME_HEADER_BYTES + bytes.readUInt32LE(at + 4) * ENTRY_BYTES;
}

/** What the header of a frame of the file `sequence` says of the file before it, if anything. */
export function endBefore(bytes: Buffer, at: number, sequence: number): JournalEnd | undefined {
  const end = bytes.readUInt32LE(at + 40) * FRAME_ALIGNMENT;
  const distance = bytes.readUInt32LE(at + 44);
  return end === 0 || distance === 0 ? undefined : { sequence: sequence - distance, end };
}

/** How many bytes the whole frame takes, without padding; 0 when its head fails its checks. All of the head must be in `bytes`. */
export function checkedFrameBytes(bytes: Buffer, at: number, headBytes: number): number {
  if (!checksumMatches(bytes.subarray(at + 16, at + headBytes), bytes, at + 8)) return 0;
  let total = headBytes;
  for (let entry = at + FRAME_HEADER_BYTES; entry < at + headBytes; entry += ENTRY_BYTES)
    total += bytes.readUInt32LE(entry + 20);
  return total;
}

/** An entry of a frame as it lies in memory: where its topic id is, its partition, and where its batch is and whether it is intact. */
export type EntryVisitor = (
  topicIdAt: number,
  partition: number,
  batchAt: number,
  batchBytes: number,
  index: number,
) => void;

/** Goes through the entries of a frame of which all bytes are at hand. */
export function visitEntries(bytes: Buffer, at: number, visit: EntryVisitor): void {
  const count = bytes.readUInt32LE(at + 4);
  let batchAt = at + FRAME_HEADER_BYTES + count * ENTRY_BYTES;
  for (let i = 0; i < count; i++) {
    const entry = at + FRAME_HEADER_BYTES + i * ENTRY_BYTES;
    const batchBytes = bytes.readUInt32LE(entry + 20);
    visit(entry, bytes.readUInt32LE(entry + 16), batchAt, batchBytes, i);
    batchAt += batchBytes;
  }
}

/** Whether the batch of an entry is valid, and the one that was written with this frame. */
export function isBoundBatch(bytes: Buffer, entryAt: number, batchAt: number, batchBytes: number): boolean {
  const end = batchAt + batchBytes;
  if (checkBatch(bytes, batchAt, end) !== null || batchSize(bytes, batchAt) !== batchBytes) return false;
  for (let i = 0; i < 8; i++)
    if (bytes[entryAt + 24 + i] !== bytes[batchAt + BATCH_CHECKSUM_POSITION + i]) return false;
  return true;
}
