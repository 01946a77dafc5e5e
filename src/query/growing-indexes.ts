/**
 * Search indexes in memory of segments that have none in a file: of active segments above all, and of those that were sealed and
 * wait for theirs. They are made piece by piece, in a thread, as a segment grows, and cover it from its beginning; what lies
 * behind is scanned, so that an event is found as soon as it is acknowledged. The last piece may be a small one, which is made
 * anew, and larger, as more comes: of a segment that does not grow, nothing is left to scan.
 *
 * They are bounded in bytes: where there is no room for more, the rest of a segment is scanned.
 */
import {
  type Clock,
  type Engine,
  errnoOf,
  isSeglogError,
  type Logger,
  SEGMENT_HEADER_BYTES,
  type SearchPartition,
  type SearchSegment,
  type TaskRunner,
} from '../engine/index.ts';
import type { IndexTasks, PieceResult } from './index-task.ts';
import { type IndexPiece, mergedIndex } from './merged-index.ts';
import type { SearchIndex } from './search-index.ts';
import { BLOCK_BYTES } from './search-index-builder.ts';
import {
  CONTENT_PART,
  COUNTS_PART,
  decodeContent,
  decodeCounts,
  FIRST_PAGE_PART,
} from './search-index-format.ts';

/** How often partitions are looked at for what has come. */
const TICK_MS = 500;
/** A piece with so much of the file, or more, is made once. */
const WHOLE_PIECE_BYTES = BLOCK_BYTES;
/** A smaller one is made anew when this has come since, and half as much as it has. */
const LEAST_GROWTH_BYTES = 4096;
/** Or when nothing more has come for so many looks. */
const IDLE_TICKS = 4;
const RETRY_MS = 30_000;

export interface GrowingIndexesOptions {
  readonly engine: Engine;
  readonly runner: TaskRunner<IndexTasks>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly falsePositiveRate: number;
  /** Of memory. */
  readonly maxBytes: number;
}

interface GrowingSegment {
  readonly fields: string;
  readonly pieces: IndexPiece[];
  bytes: number;
  /** What the next piece begins with; where the last one is small, what that begins with. */
  position: number;
  nextOffset: number;
  /** The last piece, where it is small: bytes of the index, and where in the file it ends. */
  small: { readonly bytes: number; readonly position: number } | undefined;
  /** Of all pieces, as long as no other has come. */
  merged: SearchIndex | undefined;
}

export class GrowingIndexes {
  readonly #options: GrowingIndexesOptions;
  /** By id. */
  readonly #segments = new Map<number, GrowingSegment>();
  /** By topic id and partition: the high watermark up to which there is nothing to be done. */
  readonly #done = new Map<string, number>();
  /** By topic id and partition: the high watermark, and since which tick. */
  readonly #watermarks = new Map<string, { readonly offset: number; readonly since: number }>();
  readonly #abort = new AbortController();
  #bytes = 0;
  #ticks = 0;
  /** The segment of which a piece is being made. */
  #making: number | undefined;
  #round: Promise<void> | undefined;
  /** After a failure, by the monotonic clock. */
  #pausedUntil = Number.NEGATIVE_INFINITY;
  #cancelTick = () => {};

  constructor(options: GrowingIndexesOptions) {
    this.#options = options;
  }

  get bytes(): number {
    return this.#bytes;
  }

  start(): void {
    this.#cancelTick = this.#options.clock.after(TICK_MS, () => {
      this.#ticks++;
      this.#round ??= this.#lookAtAll().finally(() => {
        this.#round = undefined;
      });
      this.start();
    });
  }

  async stop(): Promise<void> {
    this.#cancelTick();
    this.#abort.abort();
    await this.#round;
  }

  /** Resolves when what had come by the last tick is indexed. */
  async idle(): Promise<void> {
    await this.#round;
  }

  /** Of the beginning of a segment; undefined where there is none. */
  get(id: number): SearchIndex | undefined {
    const segment = this.#segments.get(id);
    if (segment === undefined || segment.pieces.length === 0) return undefined;
    segment.merged ??= mergedIndex(segment.pieces);
    return segment.merged;
  }

  /** The segment of this id has an index in a file, or is gone. */
  forget(id: number): void {
    if (this.#making === id) this.#making = undefined;
    const segment = this.#segments.get(id);
    if (segment === undefined) return;
    this.#bytes -= segment.bytes;
    this.#segments.delete(id);
  }

  /** Keeps only what is of these segments. */
  retain(ids: ReadonlySet<number>): void {
    for (const id of this.#segments.keys()) if (!ids.has(id)) this.forget(id);
  }

  /** One piece of each partition in turn, until there is no more. */
  async #lookAtAll(): Promise<void> {
    const { engine, clock } = this.#options;
    const seen = new Set<string>();
    for (let made = true; made; ) {
      made = false;
      for (const { id, name, partitions } of engine.listTopics()) {
        for (let partition = 0; partition < partitions; partition++) {
          if (this.#abort.signal.aborted || clock.monotonic() < this.#pausedUntil) return;
          const key = `${id}/${partition}`;
          seen.add(key);
          try {
            made = (await this.#look(key, name, partition)) || made;
          } catch (error) {
            this.#noteFailure(name, partition, error);
          }
        }
      }
    }
    for (const known of [this.#done, this.#watermarks])
      for (const key of known.keys()) if (!seen.has(key)) known.delete(key);
  }

  /** Whether a piece was made. */
  async #look(key: string, topic: string, partition: number): Promise<boolean> {
    const { engine } = this.#options;
    const { highWatermark } = engine.offsets(topic, partition);
    if (this.#done.get(key) === highWatermark) return false;
    const before = this.#watermarks.get(key);
    const since = before?.offset === highWatermark ? before.since : this.#ticks;
    this.#watermarks.set(key, { offset: highWatermark, since });
    const isIdle = this.#ticks - since >= IDLE_TICKS;
    const of = engine.search.partition(topic, partition, highWatermark);
    if (await this.#follow(of, partition, of.segments.at(-1)!, isIdle)) return true;
    if (isIdle) this.#done.set(key, highWatermark);
    return false;
  }

  async #follow(
    of: SearchPartition,
    partition: number,
    segment: SearchSegment,
    isIdle: boolean,
  ): Promise<boolean> {
    const { runner, falsePositiveRate, maxBytes } = this.#options;
    const { fields } = of;
    if (this.#segments.get(segment.id)?.fields !== fields.join()) this.forget(segment.id);
    const growing = this.#segments.get(segment.id) ?? newSegment(segment, fields);
    const { position, nextOffset } = growing;
    const endOffset = Math.min(segment.endOffset, of.highWatermark);
    if (!isWorthIt(growing, segment.bytes, isIdle) || endOffset <= nextOffset) return false;
    if (fields.length === 0 || this.#bytes >= maxBytes) return false;
    const request = {
      ...{ fields, falsePositiveRate, topicId: of.topicId, partition },
      ...{ path: segment.path, baseOffset: segment.baseOffset },
      ...{ position, firstOffset: nextOffset, endOffset, endPosition: segment.bytes },
    };
    this.#making = segment.id;
    const piece = await runner.run('piece', request, { signal: this.#abort.signal });
    // Meanwhile it may have got an index in a file, and been forgotten.
    if (this.#making !== segment.id) return false;
    if (piece === null || piece.position <= (growing.small?.position ?? position)) return false;
    this.#add(segment.id, growing, piece);
    return true;
  }

  #add(id: number, growing: GrowingSegment, { parts, position, nextOffset }: PieceResult): void {
    const content = decodeContent(parts[CONTENT_PART]!);
    const counts = content && decodeCounts(parts[COUNTS_PART]!, content.dictionaries);
    if (content === undefined || counts === undefined) throw new TypeError('a piece of an index is none');
    const pages = parts
      .slice(FIRST_PAGE_PART)
      .map(({ buffer, byteOffset, length }) => Buffer.from(buffer, byteOffset, length));
    const bytes = parts.reduce((sum, { length }) => sum + length, 0);
    if (growing.small !== undefined) {
      growing.pieces.pop();
      growing.bytes -= growing.small.bytes;
      this.#bytes -= growing.small.bytes;
    }
    growing.pieces.push({ content, counts, pages });
    growing.bytes += bytes;
    this.#bytes += bytes;
    growing.merged = undefined;
    this.#segments.set(id, growing);
    growing.small = position - growing.position < WHOLE_PIECE_BYTES ? { bytes, position } : undefined;
    if (growing.small !== undefined) return;
    growing.position = position;
    growing.nextOffset = nextOffset;
  }

  #noteFailure(topic: string, partition: number, error: unknown): void {
    const { clock, logger } = this.#options;
    if (this.#abort.signal.aborted) return;
    // The file is being renamed, or the topic is gone.
    if (errnoOf(error) === 'ENOENT' || isSeglogError(error, 'UNKNOWN_TOPIC_OR_PARTITION')) return;
    this.#pausedUntil = clock.monotonic() + RETRY_MS;
    logger.warn({ topic, partition, err: error }, 'what has come was not indexed, to be tried again');
  }
}

/** Whether a piece of what is there of the file by now would be large enough. */
function isWorthIt({ position, small }: GrowingSegment, fileBytes: number, isIdle: boolean): boolean {
  if (fileBytes - position >= WHOLE_PIECE_BYTES) return true;
  const covered = small?.position ?? position;
  const come = fileBytes - covered;
  return come > 0 && (isIdle || come >= Math.max(LEAST_GROWTH_BYTES, (covered - position) / 2));
}

function newSegment({ baseOffset }: SearchSegment, fields: readonly string[]): GrowingSegment {
  return {
    fields: fields.join(),
    pieces: [],
    bytes: 0,
    position: SEGMENT_HEADER_BYTES,
    nextOffset: baseOffset,
    small: undefined,
    merged: undefined,
  };
}
