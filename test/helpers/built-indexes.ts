/** Search indexes of sealed segments made on the spot, and, for growing ones, of some of what they hold: with nothing in the background. */
import { readFileSync } from 'node:fs';
import {
  batchNextOffset,
  batchSize,
  SEGMENT_HEADER_BYTES,
  type SearchPartition,
  type SearchSegment,
} from '../../src/engine/index.ts';
import { SearchIndex } from '../../src/query/search-index.ts';
import { SearchIndexBuilder } from '../../src/query/search-index-builder.ts';
import {
  COUNTS_PART,
  decodeContent,
  decodeCounts,
  encodeIndex,
  FIRST_PAGE_PART,
} from '../../src/query/search-index-format.ts';
import type { IndexSource } from '../../src/query/survey.ts';

export class BuiltIndexes implements IndexSource {
  readonly #indexes = new Map<number, SearchIndex>();
  readonly #fields: readonly string[];
  readonly #share: number;
  /** Which segments have an index, by their id. */
  has: (id: number) => boolean = () => true;

  /** `share`: how much of a growing segment has one. */
  constructor(fields: readonly string[], share = 0.5) {
    this.#share = share;
    this.#fields = fields;
  }

  sealed(_topic: string, _partition: number, _of: SearchPartition, segment: SearchSegment) {
    if (!this.has(segment.id)) return undefined;
    let index = this.#indexes.get(segment.id);
    index ??= this.#build(segment, segment.endOffset);
    this.#indexes.set(segment.id, index);
    return index;
  }

  /** Of its beginning, as it was when it was first asked for. */
  growing(_topic: string, _partition: number, segment: SearchSegment) {
    if (!this.has(segment.id)) return undefined;
    let index = this.#indexes.get(-segment.id);
    index ??= this.#build(
      segment,
      segment.baseOffset + (segment.endOffset - segment.baseOffset) * this.#share,
    );
    this.#indexes.set(-segment.id, index);
    return index;
  }

  #build({ path, bytes }: SearchSegment, untilOffset: number): SearchIndex {
    const file = readFileSync(path).subarray(0, bytes);
    const builder = new SearchIndexBuilder({ fields: this.#fields, falsePositiveRate: 0.01 });
    for (
      let at = SEGMENT_HEADER_BYTES;
      at < bytes && batchNextOffset(file, at) <= untilOffset;
      at += batchSize(file, at)
    )
      builder.add(file, at, at);
    const parts = encodeIndex(builder.finish()).map((part) => Buffer.from(part));
    const content = decodeContent(parts[0]!)!;
    return new SearchIndex(content, {
      readCounts: async () => decodeCounts(parts[COUNTS_PART]!, content.dictionaries)!,
      readPage: (page) => parts[FIRST_PAGE_PART + page]!,
      bytes: 0,
    });
  }
}
