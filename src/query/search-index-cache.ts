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

/** What was found of a segment: an index, or that there is none for these fields. */
interface Loading {
  readonly fields: string;
  readonly index: Promise<SearchIndex | undefined>;
}

interface Known {
  readonly fields: string;
  readonly index: SearchIndex | undefined;
}

/** Remembering that there is none. */
const NO_INDEX_BYTES = 200;

export class SearchIndexCache {
  readonly #files: SearchIndexFiles;
  readonly #known: LRUCache<number, Known>;
  readonly #loading = new Map<number, Loading>();

  constructor(files: SearchIndexFiles, maxBytes: number) {
    this.#files = files;
    this.#known = new LRUCache({
      maxSize: maxBytes,
      // One that is larger than all of it is kept as long as nothing else is asked for.
      sizeCalculation: ({ index }) => Math.min(maxBytes, Math.ceil(index?.memoryBytes ?? NO_INDEX_BYTES)),
    });
  }

  get bytes(): number {
    return this.#known.calculatedSize;
  }

  /** The index of a sealed segment for the topic's fields; undefined where there is none that counts. */
  async get(
    partition: SearchPartition,
    number: number,
    segment: SearchSegment,
  ): Promise<SearchIndex | undefined> {
    const fields = partition.fields.join();
    if (fields === '' || !segment.sealed) return undefined;
    const { id } = segment;
    for (const each of [this.#known.get(id), this.#loading.get(id)])
      if (each?.fields === fields) return each.index;
    const loading: Loading = {
      fields,
      index: this.#open(indexedSegment(partition, number, segment), partition.fields),
    };
    this.#loading.set(id, loading);
    try {
      const index = await loading.index;
      // It was forgotten meanwhile: what was read may be of before.
      if (this.#loading.get(id) === loading) this.#known.set(id, { fields, index });
      return index;
    } finally {
      if (this.#loading.get(id) === loading) this.#loading.delete(id);
    }
  }

  /** The index of a segment turned out to be damaged: there is none, until it has changed. */
  drop({ fields }: SearchPartition, { id, searchPath }: SearchSegment): void {
    this.forget(id, searchPath);
    this.#known.set(id, { fields: fields.join(), index: undefined });
  }

  /** The index of the segment of this id has changed. */
  forget(id: number, searchPath: string): void {
    this.#files.forget(searchPath);
    this.#known.delete(id);
    this.#loading.delete(id);
  }

  async #open(segment: IndexedSegment, fields: readonly string[]): Promise<SearchIndex | undefined> {
    try {
      return await this.#files.open(segment, fields);
    } catch (error) {
      if (isSeglogError(error, 'UNSUPPORTED_VERSION')) return undefined;
      throw error;
    }
  }
}
