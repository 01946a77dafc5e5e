/**
 * The search indexes of sealed segments that were asked for lately, bounded in bytes. Of each segment it is remembered whether it
 * has one, until somebody says that this has changed.
 */
import { LRUCache } from 'lru-cache';
import { isSeglogError, type SearchPartition, type SearchSegment } from '../engine/index.ts';
import type { SearchIndex } from './search-index.ts';
import type { IndexedSegment, SearchIndexFiles } from './search-index-file.ts';

/** A segment with what its partition says of it. */
export function indexedSegment(
  { topicId }: SearchPartition,
  partition: number,
  { path, searchPath, baseOffset, endOffset, bytes }: SearchSegment,
): IndexedSegment {
  return { topicId, partition, path, searchPath, baseOffset, endOffset, bytes };
}

/** What was found of a segment; undefined is that it has no index. */
interface Known {
  readonly index: SearchIndex | undefined;
}

/** Remembering that there is none. */
const NO_INDEX_BYTES = 200;

export class SearchIndexCache {
  readonly #files: SearchIndexFiles;
  readonly #damaged: (segment: SearchSegment) => void;
  readonly #known: LRUCache<number, Known>;
  readonly #loading = new Map<number, Promise<SearchIndex | undefined>>();

  /** `damaged` is called when a part of an index turns out to be. */
  constructor(files: SearchIndexFiles, maxBytes: number, damaged: (segment: SearchSegment) => void) {
    this.#files = files;
    this.#damaged = damaged;
    this.#known = new LRUCache({
      maxSize: maxBytes,
      // One that is larger than all of it is kept as long as nothing else is asked for.
      sizeCalculation: ({ index }) => Math.min(maxBytes, Math.ceil(index?.memoryBytes ?? NO_INDEX_BYTES)),
    });
  }

  get bytes(): number {
    return this.#known.calculatedSize;
  }

  /** The index of a sealed segment, undefined where there is none that counts: at once where it is known. */
  get(
    of: SearchPartition,
    partition: number,
    segment: SearchSegment,
  ): SearchIndex | undefined | Promise<SearchIndex | undefined> {
    const known = this.#known.get(segment.id);
    return known === undefined ? this.#load(indexedSegment(of, partition, segment), segment) : known.index;
  }

  /** The index of a segment turned out to be damaged: there is none, until it has changed. */
  drop({ id, searchPath }: SearchSegment): void {
    this.forget(id, searchPath);
    this.#known.set(id, { index: undefined });
  }

  /** The index of the segment of this id has changed. */
  forget(id: number, searchPath: string): void {
    this.#files.forget(searchPath);
    this.#known.delete(id);
    this.#loading.delete(id);
  }

  async #load(indexed: IndexedSegment, segment: SearchSegment): Promise<SearchIndex | undefined> {
    const { id } = segment;
    const pending = this.#loading.get(id);
    if (pending !== undefined) return pending;
    const loading = this.#open(indexed, segment);
    this.#loading.set(id, loading);
    try {
      const index = await loading;
      // It was forgotten meanwhile: what was read may be of before.
      if (this.#loading.get(id) === loading) this.#known.set(id, { index });
      return index;
    } finally {
      if (this.#loading.get(id) === loading) this.#loading.delete(id);
    }
  }

  async #open(indexed: IndexedSegment, segment: SearchSegment): Promise<SearchIndex | undefined> {
    try {
      return await this.#files.open(indexed, () => this.#damaged(segment));
    } catch (error) {
      if (isSeglogError(error, 'UNSUPPORTED_VERSION')) return undefined;
      throw error;
    }
  }
}
