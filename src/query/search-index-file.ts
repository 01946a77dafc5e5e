/**
 * Search indexes as files beside their segments: opened by their head, and read page by page as queries ask for them. Small ones
 * are read at once.
 *
 * An index that is missing, damaged, of a newer version, or of another content than the segment has now, is none: whoever
 * asks scans the segment instead, with the same answers.
 */
import {
  DescriptorCache,
  decodeSearchHead,
  decodeSegmentHeader,
  encodeSearchFile,
  type FileSystem,
  isSearchPart,
  isSeglogError,
  readFully,
  SEGMENT_HEADER_BYTES,
  type SearchFileHead,
  type SearchFileIdentity,
  searchFileBytes,
  searchHeadBytes,
} from '../engine/index.ts';
import type { EventCounts } from './event-counts.ts';
import { type IndexContent, IndexDamaged, type IndexParts, SearchIndex } from './search-index.ts';
import type { BuiltIndex } from './search-index-builder.ts';
import {
  CONTENT_PART,
  COUNTS_PART,
  decodeContent,
  decodeCounts,
  encodeIndex,
  FIRST_PAGE_PART,
  partsFit,
} from './search-index-format.ts';

/** A sealed segment, and where its index is. */
export interface IndexedSegment extends Omit<SearchFileIdentity, 'createdAt'> {
  readonly path: string;
  readonly searchPath: string;
}

/** Read at once with the head. */
const SMALL_FILE_BYTES = 64 * 1024;

export class SearchIndexFiles {
  readonly #files: DescriptorCache;

  constructor(fileSystem: FileSystem, maxOpenFiles: number) {
    this.#files = new DescriptorCache(fileSystem, maxOpenFiles, 'read');
  }

  /**
   * The index of a segment; undefined where there is none that counts. Throws UNSUPPORTED_VERSION where there is a newer
   * one. `damaged` is called when a part of it turns out to be.
   */
  async open(segment: IndexedSegment, damaged?: () => void): Promise<SearchIndex | undefined> {
    try {
      const createdAt = await this.#createdAt(segment);
      if (createdAt === undefined) return undefined;
      return await this.#open(segment.searchPath, { ...identityOf(segment), createdAt }, damaged);
    } catch (error) {
      if (isSeglogError(error, 'NOT_READY', 'UNSUPPORTED_VERSION')) throw error;
      return undefined;
    } finally {
      // Other content may get this name.
      this.#files.forget(segment.path);
    }
  }

  /** An index is replaced or gone: its name leads to other bytes from now on. */
  forget(searchPath: string): void {
    this.#files.forget(searchPath);
  }

  close(): Promise<void> {
    return this.#files.close();
  }

  async #open(
    path: string,
    identity: SearchFileIdentity,
    damaged: (() => void) | undefined,
  ): Promise<SearchIndex | undefined> {
    this.#files.forget(path);
    const size = await this.#size(path);
    const start = await this.#read(path, 0, Math.min(size, SMALL_FILE_BYTES));
    const headBytes = searchHeadBytes(start);
    if (headBytes === undefined || headBytes > size) return undefined;
    const bytes =
      headBytes <= start.length ? start.subarray(0, headBytes) : await this.#read(path, 0, headBytes);
    const head = decodeSearchHead(bytes);
    if (typeof head === 'string' || searchFileBytes(head) !== size || !isOf(head.identity, identity))
      return undefined;
    const read = (position: number, length: number) =>
      position + length <= start.length
        ? start.subarray(position, position + length)
        : this.#read(path, position, length);
    const file = new IndexFile(path, head, start.length, read, damaged);
    const content = await file.content();
    return content && new SearchIndex(content, file);
  }

  async #createdAt({ path }: IndexedSegment): Promise<number | undefined> {
    const header = decodeSegmentHeader(await this.#read(path, 0, SEGMENT_HEADER_BYTES));
    return typeof header === 'string' ? undefined : header.createdAt;
  }

  async #size(path: string): Promise<number> {
    const lease = await this.#files.lease(path);
    try {
      return await lease.file.size();
    } finally {
      lease.release();
    }
  }

  /** Fewer bytes at the end of the file. */
  async #read(path: string, position: number, length: number): Promise<Buffer> {
    const lease = await this.#files.lease(path);
    try {
      return await readFully(lease.file, length, position);
    } finally {
      lease.release();
    }
  }
}

/** The bytes of the file of an index. */
export function indexFileContent(segment: SearchFileIdentity, index: BuiltIndex): Uint8Array[] {
  return encodeSearchFile(segment, encodeIndex(index));
}

const identityOf = ({ topicId, partition, baseOffset, endOffset, bytes }: IndexedSegment) => ({
  ...{ topicId, partition, baseOffset, endOffset, bytes },
});

function isOf(found: SearchFileIdentity, expected: SearchFileIdentity): boolean {
  return Object.entries(expected).every(([name, value]) => found[name as keyof SearchFileIdentity] === value);
}

class IndexFile implements IndexParts {
  readonly bytes: number;
  readonly damaged: (() => void) | undefined;
  readonly #path: string;
  readonly #head: SearchFileHead;
  readonly #read: (position: number, length: number) => Buffer | Promise<Buffer>;
  #content: IndexContent | undefined;

  constructor(
    path: string,
    head: SearchFileHead,
    keptBytes: number,
    read: (position: number, length: number) => Buffer | Promise<Buffer>,
    damaged?: () => void,
  ) {
    this.bytes = keptBytes + head.bytes.length;
    this.#path = path;
    this.#head = head;
    this.#read = read;
    this.damaged = damaged;
  }

  /** Undefined where it makes no sense. */
  async content(): Promise<IndexContent | undefined> {
    const lengths = this.#head.parts.map(({ length }) => length);
    if (lengths.length < FIRST_PAGE_PART) return undefined;
    const content = decodeContent(await this.#part(CONTENT_PART));
    this.#content = content !== undefined && partsFit(lengths, content) ? content : undefined;
    return this.#content;
  }

  async readCounts(): Promise<EventCounts> {
    const counts = decodeCounts(await this.#part(COUNTS_PART), this.#content!.dictionaries);
    if (counts === undefined) throw new IndexDamaged(this.#path);
    return counts;
  }

  readonly readPage = (page: number): Promise<Buffer> => this.#part(FIRST_PAGE_PART + page);

  async #part(number: number): Promise<Buffer> {
    const part = this.#head.parts[number]!;
    let bytes: Buffer;
    try {
      bytes = await this.#read(part.position, part.length);
    } catch (error) {
      throw new IndexDamaged(this.#path, error);
    }
    if (!isSearchPart(this.#head, part, bytes)) throw new IndexDamaged(this.#path);
    return bytes;
  }
}
