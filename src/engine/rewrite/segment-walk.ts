/**
 * Walks the batches of neighbouring sealed segments for a task: in reads of up to 1 MiB, each of them paced, and in the
 * memory of one window, which is 1 MiB or the largest batch.
 *
 * Each batch is checked by itself and against what is expected here: that it begins where the one before it ended, or behind
 * a recorded gap. Anything else is damage, CORRUPT_MESSAGE with the range: nothing may be rewritten over it.
 */
import { SeglogError } from '../common/errors.ts';
import type { ReadableFile } from '../files/file-system.ts';
import { batchBaseOffset, batchNextOffset } from '../format/record-batch.ts';
import { SEGMENT_HEADER_BYTES } from '../format/segment-header.ts';
import { checkIdentity, type PartitionIdentity } from '../segment/segment-identity.ts';
import { SegmentScanner } from '../segment/segment-scanner.ts';
import type { GapRange, SegmentInput } from './rewrite-request.ts';
import type { TaskContext } from './task-context.ts';

const MAX_READ_BYTES = 1024 * 1024;

/** The segments to walk. */
export interface WalkRequest {
  identity: PartitionIdentity;
  segments: readonly SegmentInput[];
  gaps: readonly GapRange[];
}

/**
 * Called for each batch, in order: [at, at + size) of `buffer`, which is valid until it returns, or until its promise is
 * fulfilled. False ends the walk.
 */
export type BatchVisitor = (
  buffer: Buffer,
  at: number,
  size: number,
  place: BatchPlace,
) => boolean | Promise<boolean>;

export interface BatchPlace {
  segment: SegmentInput;
  /** Of the batch in the segment's file. */
  position: number;
}

export async function walkBatches(
  context: TaskContext,
  request: WalkRequest,
  visit: BatchVisitor,
): Promise<void> {
  let expected = request.segments[0]?.baseOffset ?? 0;
  for (const segment of request.segments) {
    const file = await context.fileSystem.open(segment.path, 'read');
    try {
      const end = await new SegmentWalk(context, request, segment, file).run(expected, visit);
      if (end === undefined) return;
      expected = end;
    } finally {
      await file.close();
    }
  }
}

class SegmentWalk {
  readonly #request: WalkRequest;
  readonly #segment: SegmentInput;
  readonly #file: ReadableFile;
  readonly #scanner: SegmentScanner;

  constructor(context: TaskContext, request: WalkRequest, segment: SegmentInput, file: ReadableFile) {
    this.#request = request;
    this.#segment = segment;
    this.#file = pacedReads(file, context);
    this.#scanner = new SegmentScanner(this.#file, SEGMENT_HEADER_BYTES, segment.bytes);
  }

  /** Resolves with where the next segment begins; undefined when the visitor ended the walk. */
  async run(from: number, visit: BatchVisitor): Promise<number | undefined> {
    const segment = this.#segment;
    const scanner = this.#scanner;
    await this.#checkHeader(from);
    let expected = from;
    const place: BatchPlace = { segment, position: 0 };
    for (;;) {
      const batch = await scanner.peek();
      if (batch === null) break;
      if (batch.fault !== null)
        throw await this.#damage(expected, `a batch fails its checks (${batch.fault})`);
      const { buffer, at, size } = batch;
      if (!this.#follows(expected, batchBaseOffset(buffer, at)))
        throw await this.#damage(expected, 'a batch is not where it belongs');
      place.position = scanner.position;
      const next = batchNextOffset(buffer, at);
      const goesOn = visit(buffer, at, size, place);
      if (!(goesOn === true || (goesOn !== false && (await goesOn)))) return undefined;
      expected = next;
      scanner.skip(batch);
    }
    if (!this.#follows(expected, segment.endOffset))
      throw await this.#damage(expected, 'records are missing');
    return segment.endOffset;
  }

  #follows(expected: number, offset: number): boolean {
    return offset === expected || (offset > expected && endOfGaps(this.#request.gaps, expected) >= offset);
  }

  async #checkHeader(expected: number): Promise<void> {
    const { identity } = this.#request;
    const { baseOffset } = this.#segment;
    const fault = await checkIdentity(this.#file, { ...identity, baseOffset });
    if (fault !== null)
      throw damaged(
        this.#segment,
        baseOffset,
        this.#segment.endOffset,
        0,
        SEGMENT_HEADER_BYTES,
        fault.reason,
      );
    if (!this.#follows(expected, baseOffset))
      throw damaged(this.#segment, expected, baseOffset, 0, 0, 'records are missing before the segment');
  }

  /** From the scanner's position to where valid batches go on. */
  async #damage(expected: number, reason: string): Promise<SeglogError> {
    const segment = this.#segment;
    const scanner = this.#scanner;
    const position = scanner.position;
    const next = await scanner.findNext(expected, segment.endOffset);
    if (next < 0) return damaged(segment, expected, segment.endOffset, position, segment.bytes, reason);
    scanner.position = next;
    const batch = await scanner.peek();
    const end = batch?.fault === null ? batchBaseOffset(batch.buffer, batch.at) : segment.endOffset;
    return damaged(segment, expected, end, position, next, reason);
  }
}

/** The end of the recorded gaps that `offset` lies in, one behind the other; `offset` itself when it lies in none. */
export function endOfGaps(gaps: readonly GapRange[], offset: number): number {
  let end = offset;
  for (const gap of gaps) if (gap.first <= end && end < gap.end) end = gap.end;
  return end;
}

function damaged(
  segment: SegmentInput,
  firstOffset: number,
  endOffset: number,
  startPosition: number,
  endPosition: number,
  reason: string,
): SeglogError {
  return new SeglogError(
    'CORRUPT_MESSAGE',
    `offsets ${firstOffset} to ${endOffset} (exclusive) of ${segment.path} are damaged: ${reason}`,
    { firstOffset, endOffset, segment: segment.baseOffset, startPosition, endPosition },
  );
}

/** The file with every read cut to a MiB and paced. */
export function pacedReads(file: ReadableFile, context: TaskContext): ReadableFile {
  return {
    path: file.path,
    read: async (buffer, offset, length, position) => {
      const read = await file.read(buffer, offset, Math.min(length, MAX_READ_BYTES), position);
      await context.pace(read);
      return read;
    },
  };
}
