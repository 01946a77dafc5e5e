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
 *      24  u64  file size                           40  u64  zero
 *     table: for each batch 32 bytes                then the batches, one after the other
 *       0  16 bytes  topic id
 *      16  u32  partition
 *      20  u32  bytes of the batch
 *      24  u64  checksum of the batch, as in its header
 *
 * A recycled file still holds frames of its earlier life: their sequence tells them apart. The checksum of each
 * batch in the table binds the batches to their frame. A frame is only written after the one before it is
 * durable, so a bad frame with a valid one behind it is damage, and a bad one at the end was never acknowledged.
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
const FRAME_HEADER_BYTES = 48;
const ENTRY_BYTES = 32;
const ALIGNMENT = 512;
const BATCH_CHECKSUM_POSITION = 8;

/** One batch of a frame and where it belongs. */
export interface JournalEntry {
  /** 16 bytes. */
  topicId: Buffer;
  partition: number;
  /** A whole, stamped batch. */
  batch: Buffer;
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

function alignUp(bytes: number): number {
  return Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
}

/** Header and table of a frame; the batches themselves follow it as they are. */
export function encodeFrameHead(
  entries: readonly JournalEntry[],
  sequence: number,
  position: number,
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
  writeU64(head, 40, 0);
  checksumInto(head.subarray(16), head, 8);
  return head;
}

export interface JournalFrame {
  position: number;
  /** Where the next frame begins. */
  end: number;
  entries: JournalEntry[];
  /** Batches that fail their checks: what the table says of them. */
  lost: LostEntry[];
}

export interface LostEntry {
  topicId: Buffer;
  partition: number;
  /** Bytes of the batch. */
  bytes: number;
  /** A later batch of the same partition in this frame is intact: what is missing before it is known. */
  followed: boolean;
}

/** The frame at `position` of a journal file, or undefined when there is none of this sequence. */
export function decodeFrame(file: Buffer, position: number, sequence: number): JournalFrame | undefined {
  if (position + FRAME_HEADER_BYTES > file.length || file.readUInt32LE(position) !== FRAME_MAGIC)
    return undefined;
  const count = file.readUInt32LE(position + 4);
  const tableEnd = position + FRAME_HEADER_BYTES + count * ENTRY_BYTES;
  if (tableEnd > file.length) return undefined;
  if (!checksumMatches(file.subarray(position + 16, tableEnd), file, position + 8)) return undefined;
  if (readU64(file, position + 16) !== sequence || readU64(file, position + 24) !== position)
    return undefined;
  return decodeEntries(file, position, count, tableEnd);
}

function decodeEntries(
  file: Buffer,
  position: number,
  count: number,
  tableEnd: number,
): JournalFrame | undefined {
  const entries: JournalEntry[] = [];
  const lost: LostEntry[] = [];
  let batchAt = tableEnd;
  for (let i = 0; i < count; i++) {
    const at = position + FRAME_HEADER_BYTES + i * ENTRY_BYTES;
    const bytes = file.readUInt32LE(at + 20);
    const batchEnd = batchAt + bytes;
    if (batchEnd > file.length) return undefined;
    const topicId = file.subarray(at, at + 16);
    const partition = file.readUInt32LE(at + 16);
    if (isBoundBatch(file, batchAt, batchEnd, at + 24)) {
      entries.push({ topicId, partition, batch: file.subarray(batchAt, batchEnd) });
      for (const before of lost)
        before.followed ||= before.partition === partition && before.topicId.equals(topicId);
    } else {
      lost.push({ topicId, partition, bytes, followed: false });
    }
    batchAt = batchEnd;
  }
  return { position, end: alignUp(batchAt), entries, lost };
}

function isBoundBatch(file: Buffer, at: number, end: number, checksumAt: number): boolean {
  if (checkBatch(file, at, end) !== null || batchSize(file, at) !== end - at) return false;
  return (
    file.compare(
      file,
      checksumAt,
      checksumAt + 8,
      at + BATCH_CHECKSUM_POSITION,
      at + BATCH_CHECKSUM_POSITION + 8,
    ) === 0
  );
}

export interface JournalContent {
  frames: JournalFrame[];
  /** Frames that were durable once and are damaged now, wholly or in part. */
  damaged: DamagedFrame[];
  /** A frame at the end of which not all batches are intact: it was never acknowledged. */
  unfinished: JournalFrame | undefined;
}

export interface DamagedFrame {
  position: number;
  end: number;
  /** The batches that are lost; null when not even the table can be read. */
  lost: LostEntry[] | null;
}

/** All frames of one file's present life, in order. */
export function decodeJournal(file: Buffer, sequence: number): JournalContent {
  const frames: JournalFrame[] = [];
  const damaged: DamagedFrame[] = [];
  let position = JOURNAL_HEADER_BYTES;
  while (position < file.length) {
    const frame = decodeFrame(file, position, sequence);
    if (frame !== undefined) {
      frames.push(frame);
      position = frame.end;
      continue;
    }
    const next = findFrame(file, position + ALIGNMENT, sequence);
    if (next < 0) break;
    damaged.push({ position, end: next, lost: null });
    position = next;
  }
  // The last frame was acknowledged only if all of it is there.
  const unfinished = (frames.at(-1)?.lost.length ?? 0) > 0 ? frames.pop() : undefined;
  for (const { position, end, lost } of frames) if (lost.length > 0) damaged.push({ position, end, lost });
  return { frames, damaged: damaged.sort((a, b) => a.position - b.position), unfinished };
}

function findFrame(file: Buffer, from: number, sequence: number): number {
  const magic = Buffer.alloc(4);
  magic.writeUInt32LE(FRAME_MAGIC);
  for (let at = file.indexOf(magic, from); at >= 0; at = file.indexOf(magic, at + 1)) {
    if (at % ALIGNMENT === 0 && decodeFrame(file, at, sequence) !== undefined) return at;
  }
  return -1;
}
