/**
 * The tasks that make search indexes: of a sealed segment for its file, and of what has come to a segment that grows, to be kept
 * in memory. They read the segment's file, check each batch of it, and write nothing.
 */
import {
  batchBaseOffset,
  batchNextOffset,
  batchSize,
  batchUncompressedBytes,
  checkBatch,
  decodeSegmentHeader,
  type ReadableFile,
  readFully,
  SEGMENT_HEADER_BYTES,
  SeglogError,
  type TaskContext,
  type TaskTable,
  type WalkRequest,
  walkBatches,
} from '../engine/index.ts';
import { type IndexSettings, SearchIndexBuilder } from './search-index-builder.ts';
import { indexFileContent } from './search-index-file.ts';
import { encodeIndex } from './search-index-format.ts';

export interface IndexRequest extends IndexSettings {
  /** One segment. */
  walk: WalkRequest;
}

export interface IndexResult {
  /** The file of the index. */
  content: Uint8Array<ArrayBuffer>;
  /** Once decompressed. */
  bytes: number;
}

/** A piece of a segment that grows, from the end of another piece on. */
export interface PieceRequest extends IndexSettings {
  topicId: string;
  partition: number;
  path: string;
  /** Of the segment. */
  baseOffset: number;
  position: number;
  firstOffset: number;
  /** Exclusive: what may be read, and how far the file goes. */
  endOffset: number;
  endPosition: number;
}

export interface PieceResult {
  /** The parts of the index (search-index-format.ts). */
  parts: Uint8Array<ArrayBuffer>[];
  bytes: number;
  /** Where the next piece begins. */
  position: number;
  nextOffset: number;
}

export interface IndexTasks {
  /** Null where the segment was replaced while it was read. */
  index: { request: IndexRequest; result: IndexResult | null };
  /** Null where no whole batch that may be read is there as it should be. */
  piece: { request: PieceRequest; result: PieceResult | null };
}

/** How much is decompressed between two paces. */
const PACE_BYTES = 256 * 1024;
/** Of the file, but for a batch that is larger. */
export const MAX_PIECE_BYTES = 4 * 1024 * 1024;

export const INDEX_TASKS: Required<TaskTable<IndexTasks>> = { index: indexSegment, piece: indexPiece };

async function indexSegment(context: TaskContext, request: IndexRequest): Promise<IndexResult | null> {
  const { walk } = request;
  const segment = walk.segments[0]!;
  const builder = new SearchIndexBuilder(request);
  const createdAt = await headerTime(context, segment.path);
  let bytes = 0;
  let unpaced = 0;
  await walkBatches(context, walk, (buffer, at, size, { position }) => {
    builder.add(buffer, at, position);
    const decompressed = batchUncompressedBytes(buffer, at);
    bytes += decompressed;
    // What was read of the file has had its turn: work is in what it becomes.
    unpaced += Math.max(0, decompressed - size);
    if (unpaced < PACE_BYTES) return true;
    const paced = context.pace(unpaced).then(() => true);
    unpaced = 0;
    return paced;
  });
  if ((await headerTime(context, segment.path)) !== createdAt) return null;
  const { baseOffset, endOffset } = segment;
  const identity = { ...walk.identity, baseOffset, endOffset, bytes: segment.bytes, createdAt };
  return { content: joined(indexFileContent(identity, builder.finish())), bytes };
}

/** When the segment was made, by its header. */
async function headerTime({ fileSystem }: TaskContext, path: string): Promise<number> {
  const file = await fileSystem.open(path, 'read');
  try {
    const header = await readHeader(file);
    if (typeof header !== 'string') return header.createdAt;
    throw new SeglogError('CORRUPT_MESSAGE', `the header of ${path} is damaged (${header})`);
  } finally {
    await file.close();
  }
}

const readHeader = async (file: ReadableFile) =>
  decodeSegmentHeader(await readFully(file, SEGMENT_HEADER_BYTES, 0));

async function indexPiece(context: TaskContext, request: PieceRequest): Promise<PieceResult | null> {
  const { path, position, endPosition } = request;
  const file = await context.fileSystem.open(path, 'read');
  let buffer: Buffer;
  try {
    if (!(await isOf(file, request))) return null;
    buffer = await readBatches(file, position, endPosition);
  } finally {
    await file.close();
  }
  await context.pace(buffer.length);
  const builder = new SearchIndexBuilder(request);
  const end = addBatches(builder, buffer, request);
  if (end.at === 0) return null;
  await context.pace(Math.max(0, end.bytes - end.at));
  const parts = encodeIndex(builder.finish()).map((part) => new Uint8Array(part));
  return { parts, bytes: end.bytes, position: position + end.at, nextOffset: end.offset };
}

async function isOf(file: ReadableFile, { topicId, partition, baseOffset }: PieceRequest): Promise<boolean> {
  const header = await readHeader(file);
  return (
    typeof header !== 'string' &&
    header.topicId === topicId &&
    header.partition === partition &&
    header.baseOffset === baseOffset
  );
}

/** What a piece may have, and at least one batch. */
async function readBatches(file: ReadableFile, position: number, end: number): Promise<Buffer> {
  const buffer = await readFully(file, Math.min(end - position, MAX_PIECE_BYTES), position);
  const first = buffer.length < 8 ? 0 : batchSize(buffer, 0);
  return first > buffer.length && first <= end - position ? readFully(file, first, position) : buffer;
}

/** Adds whole valid batches that may be read, each where the one before it ended. */
function addBatches(
  builder: SearchIndexBuilder,
  buffer: Buffer,
  { position, firstOffset, endOffset }: PieceRequest,
): { at: number; offset: number; bytes: number } {
  const end = { at: 0, offset: firstOffset, bytes: 0 };
  while (end.at < buffer.length && checkBatch(buffer, end.at, buffer.length) === null) {
    const next = batchNextOffset(buffer, end.at);
    if (batchBaseOffset(buffer, end.at) !== end.offset || next > endOffset) break;
    builder.add(buffer, end.at, position + end.at);
    end.bytes += batchUncompressedBytes(buffer, end.at);
    end.offset = next;
    end.at += batchSize(buffer, end.at);
  }
  return end;
}

/** In memory of its own, which can be handed to another thread. */
function joined(buffers: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(buffers.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const buffer of buffers) {
    whole.set(buffer, at);
    at += buffer.length;
  }
  return whole;
}
