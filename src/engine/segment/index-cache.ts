/**
 * Indexes of sealed segments that were looked at lately, bounded in bytes. They are read from their files when
 * needed, and made anew from the segment when the files are missing or damaged.
 */
import { LRUCache } from 'lru-cache';
import type { Logger } from '../common/logger.ts';
import type { DescriptorCache } from '../files/descriptor-cache.ts';
import { putFiles } from '../files/file-operations.ts';
import type { FileSystem } from '../files/file-system.ts';
import type { LogSegment, SegmentIndexes } from './log-segment.ts';
import { indexFiles, readIndexes, rebuildSegment } from './segment-files.ts';

/** What the indexes of a segment cost beyond their entries: objects, typed arrays and the place in the cache, as measured. */
const ENTRY_OVERHEAD_BYTES = 800;

export class IndexCache {
  readonly #fileSystem: FileSystem;
  readonly #files: DescriptorCache;
  readonly #logger: Logger;
  readonly #indexes: LRUCache<LogSegment, SegmentIndexes>;
  readonly #loading = new Map<LogSegment, Promise<SegmentIndexes>>();

  constructor(fileSystem: FileSystem, files: DescriptorCache, logger: Logger, maxBytes: number) {
    this.#fileSystem = fileSystem;
    this.#files = files;
    this.#logger = logger;
    this.#indexes = new LRUCache({
      maxSize: maxBytes,
      sizeCalculation: (indexes) =>
        indexes.offsets.sizeInBytes + indexes.times.sizeInBytes + ENTRY_OVERHEAD_BYTES,
    });
  }

  get bytes(): number {
    return this.#indexes.calculatedSize;
  }

  /** The indexes of a segment whose file holds exactly what its stats say. */
  get(partitionDir: string, segment: LogSegment, intervalBytes: number): Promise<SegmentIndexes> {
    const cached = this.#indexes.get(segment);
    if (cached !== undefined) return Promise.resolve(cached);
    const pending = this.#loading.get(segment);
    if (pending !== undefined) return pending;
    const loading = this.load(partitionDir, segment, intervalBytes)
      .then((indexes) => {
        if (!segment.retired) this.#indexes.set(segment, indexes);
        return indexes;
      })
      .finally(() => this.#loading.delete(segment));
    this.#loading.set(segment, loading);
    return loading;
  }

  /** Reads or rebuilds indexes that the caller keeps. */
  async load(partitionDir: string, segment: LogSegment, intervalBytes: number): Promise<SegmentIndexes> {
    const stored = await readIndexes(this.#fileSystem, partitionDir, segment.stats);
    if (stored !== undefined) return stored;
    this.#logger.warn({ segment: segment.path }, 'index is missing or damaged: rebuilding it from the log');
    const { bytes, baseOffset } = segment.stats;
    const { indexes } = await rebuildSegment(this.#files, segment.path, baseOffset, bytes, intervalBytes);
    if (segment.sealed && !segment.retired) await this.#store(partitionDir, segment, indexes);
    return indexes;
  }

  forget(segment: LogSegment): void {
    this.#indexes.delete(segment);
  }

  /** As `forget` for a segment that is retired; no files of its indexes are written any more once it resolves. */
  async retire(segment: LogSegment): Promise<void> {
    this.forget(segment);
    await this.#loading.get(segment)?.catch(() => {});
  }

  async #store(partitionDir: string, segment: LogSegment, indexes: SegmentIndexes): Promise<void> {
    try {
      // A sync of their names that fails could lose others; a name that is lost costs making the index again.
      await putFiles(this.#fileSystem, indexFiles(partitionDir, indexes, segment.stats));
    } catch (error) {
      // The index serves from memory all the same, and is made again when it is needed again.
      this.#logger.warn({ segment: segment.path, err: error }, 'a rebuilt index could not be stored');
    }
  }
}
