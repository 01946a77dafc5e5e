/**
 * The search indexes of sealed segments that were asked for lately, bounded in bytes, and outlines of many more. Of each segment it is
 * remembered whether it has one, until somebody says that this has changed.
 */
import { LRUCache } from 'lru-cache';
import { isSeglogError, type SearchPartition, type SearchSegment } from '../engine/index.ts';
import { type Outlined, outlineBytes } from './index-outline.ts';
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

/** A segment with an index, which need not be at hand. */
type Known = Outlined<SearchIndex>;

/** Remembering that there is none. */
const NO_INDEX_BYTES = 200;
/** Of the memory, for outlines. */
const OUTLINES_SHARE = 0.25;

export class SearchIndexCache {
  readonly #files: SearchIndexFiles;
  readonly #damaged: (segment: SearchSegment) => void;
  readonly #indexes: LRUCache<number, SearchIndex>;
  /** 'none' for a segment without an index. */
  readonly #known: LRUCache<number, Known | 'none'>;
  readonly #loading = new Map<number, Promise<SearchIndex | undefined>>();

  /** `damaged` is called when a part of an index turns out to be. */
  constructor(files: SearchIndexFiles, maxBytes: number, damaged: (segment: SearchSegment) => void) {
    this.#files = files;
    this.#damaged = damaged;
    const outlineBytesMax = Math.floor(maxBytes * OUTLINES_SHARE);
    const indexBytesMax = maxBytes - outlineBytesMax;
    this.#indexes = new LRUCache({
      maxSize: indexBytesMax,
      // One that is larger than all of it is kept as long as nothing else is asked for.
      sizeCalculation: ({ memoryBytes }) => Math.min(indexBytesMax, Math.ceil(memoryBytes)),
    });
    this.#known = new LRUCache({
      maxSize: outlineBytesMax,
      sizeCalculation: (known) => (known === 'none' ? NO_INDEX_BYTES : outlineBytes(known.outline)),
    });
  }

  get bytes(): number {
    return this.#indexes.calculatedSize + this.#known.calculatedSize;
  }

  /** Of a sealed segment; undefined where it has no index that counts: at once where that is known. */
  get(
    of: SearchPartition,
    partition: number,
    segment: SearchSegment,
  ): Known | undefined | Promise<Known | undefined> {
    // All of them are asked for by every query: which was so last says nothing.
    const known = this.#known.peek(segment.id);
    if (known === undefined) return this.#find(indexedSegment(of, partition, segment), segment);
    return known === 'none' ? undefined : known;
  }

  /** The index of a segment turned out to be damaged: there is none, until it has changed. */
  drop({ id, searchPath }: SearchSegment): void {
    this.forget(id, searchPath);
    this.#known.set(id, 'none');
  }

  /** The index of the segment of this id has changed. */
  forget(id: number, searchPath: string): void {
    this.#files.forget(searchPath);
    this.#known.delete(id);
    this.#indexes.delete(id);
    this.#loading.delete(id);
  }

  async #find(indexed: IndexedSegment, segment: SearchSegment): Promise<Known | undefined> {
    const index = await this.#load(indexed, segment);
    if (index === undefined) return undefined;
    return this.#outlined(indexed, segment, index);
  }

  #outlined(indexed: IndexedSegment, segment: SearchSegment, { outline }: SearchIndex): Known {
    return { outline, index: () => this.#indexes.get(segment.id) ?? this.#load(indexed, segment) };
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
      if (this.#loading.get(id) === loading) this.#keep(indexed, segment, index);
      return index;
    } finally {
      if (this.#loading.get(id) === loading) this.#loading.delete(id);
    }
  }

  #keep(indexed: IndexedSegment, segment: SearchSegment, index: SearchIndex | undefined): void {
    const { id } = segment;
    if (index === undefined) {
      this.#known.set(id, 'none');
      return;
    }
    this.#indexes.set(id, index);
    if (this.#known.has(id)) return;
    this.#known.set(id, this.#outlined(indexed, segment, index));
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
