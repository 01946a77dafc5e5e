/**
 * Search indexes in memory of segments that have none in a file: of active segments above all, and of those that were sealed and
 * wait for theirs. They are made piece by piece, in a thread, as a segment grows, and cover it from its beginning; what lies
 * behind is scanned, so that an event is found as soon as it is acknowledged.
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
/** A piece that is worth it has so much of the file. */
const LEAST_PIECE_BYTES = BLOCK_BYTES;
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
  /** What the next piece begins with. */
  position: number;
  nextOffset: number;
  /** Of all pieces, as long as no other has come. */
  merged: SearchIndex | undefined;
}

export class GrowingIndexes {
  readonly #options: GrowingIndexesOptions;
  /** By id. */
  readonly #segments = new Map<number, GrowingSegment>();
  /** By topic and partition: the high watermark up to which there is nothing to be done. */
  readonly #done = new Map<string, number>();
  readonly #abort = new AbortController();
  #bytes = 0;
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
    for (let made = true; made; ) {
      made = false;
      for (const { name, partitions } of engine.listTopics()) {
        for (let partition = 0; partition < partitions; partition++) {
          if (this.#abort.signal.aborted || clock.monotonic() < this.#pausedUntil) return;
          try {
            made = (await this.#look(name, partition)) || made;
          } catch (error) {
            this.#noteFailure(name, partition, error);
          }
        }
      }
    }
  }

  /** Whether a piece was made. */
  async #look(topic: string, partition: number): Promise<boolean> {
    const { engine } = this.#options;
    const key = `${topic}/${partition}`;
    const { highWatermark } = engine.offsets(topic, partition);
    if (this.#done.get(key) === highWatermark) return false;
    const of = engine.search.partition(topic, partition, highWatermark);
    if (await this.#follow(of, partition, of.segments.at(-1)!)) return true;
    this.#done.set(key, highWatermark);
    return false;
  }

  async #follow(of: SearchPartition, partition: number, segment: SearchSegment): Promise<boolean> {
    const { runner, falsePositiveRate, maxBytes } = this.#options;
    const { fields } = of;
    if (this.#segments.get(segment.id)?.fields !== fields.join()) this.forget(segment.id);
    const growing = this.#segments.get(segment.id) ?? newSegment(segment, fields);
    const { position, nextOffset } = growing;
    const endOffset = Math.min(segment.endOffset, of.highWatermark);
    const isWorthIt = segment.bytes - position >= LEAST_PIECE_BYTES && endOffset > nextOffset;
    if (!isWorthIt || fields.length === 0 || this.#bytes >= maxBytes) return false;
    const request = {
      ...{ fields, falsePositiveRate, topicId: of.topicId, partition },
      ...{ path: segment.path, baseOffset: segment.baseOffset },
      ...{ position, firstOffset: nextOffset, endOffset, endPosition: segment.bytes },
    };
    const piece = await runner.run('piece', request, { signal: this.#abort.signal });
    if (piece !== null) this.#add(segment.id, growing, piece);
    return piece !== null;
  }

  #add(id: number, growing: GrowingSegment, { parts, position, nextOffset }: PieceResult): void {
    const content = decodeContent(parts[CONTENT_PART]!);
    const counts = content && decodeCounts(parts[COUNTS_PART]!, content.dictionaries);
    if (content === undefined || counts === undefined) throw new TypeError('a piece of an index is none');
    const pages = parts
      .slice(FIRST_PAGE_PART)
      .map(({ buffer, byteOffset, length }) => Buffer.from(buffer, byteOffset, length));
    const bytes = parts.reduce((sum, { length }) => sum + length, 0);
    growing.pieces.push({ content, counts, pages });
    growing.bytes += bytes;
    growing.position = position;
    growing.nextOffset = nextOffset;
    growing.merged = undefined;
    this.#bytes += bytes;
    this.#segments.set(id, growing);
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

function newSegment({ baseOffset }: SearchSegment, fields: readonly string[]): GrowingSegment {
  return {
    fields: fields.join(),
    pieces: [],
    bytes: 0,
    position: SEGMENT_HEADER_BYTES,
    nextOffset: baseOffset,
    merged: undefined,
  };
}
