/**
 * The tasks that make search indexes: of a sealed segment for its file, and of what has come to a segment that grows, to be kept
 * in memory. They read the segment's file, check each batch of it, and write nothing.
 */
import {
  batchUncompressedBytes,
  decodeSegmentHeader,
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

export interface IndexTasks {
  /** Null where the segment was replaced while it was read. */
  index: { request: IndexRequest; result: IndexResult | null };
}

/** How much is decompressed between two paces. */
const PACE_BYTES = 256 * 1024;

export const INDEX_TASKS: Required<TaskTable<IndexTasks>> = { index: indexSegment };

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
    const header = decodeSegmentHeader(await readFully(file, SEGMENT_HEADER_BYTES, 0));
    if (typeof header !== 'string') return header.createdAt;
    throw new SeglogError('CORRUPT_MESSAGE', `the header of ${path} is damaged (${header})`);
  } finally {
    await file.close();
  }
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
