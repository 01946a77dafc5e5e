/**
 * RecordSearch: finds the records in batches that pass a filter. It looks at their bytes first (byte-search.ts,
 * search-kernel.ts) and at what they mean only where that leaves a question.
 *
 * Not for concurrent use: what is found is told in positions of memory that the next batch takes.
 */
import { type BatchView, batchRecords, visitRecords } from '../engine/index.ts';
import { type ByteSearch, byteSearchOf } from './byte-search.ts';
import type { Expression } from './expression.ts';
import { type Matcher, matcherOf } from './matches.ts';
import { StoredEvent } from './search-event.ts';
import {
  CANDIDATE,
  MATCH,
  MAX_RECORD_BYTES,
  type RecordBounds,
  type SearchKernel,
  WITHIN,
} from './search-kernel.ts';

/** What a record has to pass; its time lies in [from, until). */
export interface RecordFilter {
  readonly expression: Expression;
  readonly from: number;
  readonly until: number;
}

/** Who wants to know of records. */
export interface RecordSink {
  /** Whether it is worth the while to look at a record of this time and offset closely. */
  wants(timestamp: number, offset: number): boolean;
  /** A record that passes, with its value in [start, end) of `bytes`, which others will overwrite. */
  found(timestamp: number, offset: number, bytes: Buffer, start: number, end: number): void;
}

export class RecordSearch {
  readonly #kernel: SearchKernel;
  readonly #search: ByteSearch;
  readonly #filter: RecordFilter;
  readonly #passes: Matcher;
  /** What is left to ask of a record that has all terms; undefined for nothing. */
  readonly #passesRest: Matcher | undefined;

  constructor(filter: RecordFilter, kernel: SearchKernel) {
    this.#kernel = kernel;
    this.#filter = filter;
    this.#search = byteSearchOf(filter.expression);
    this.#passes = matcherOf(filter.expression);
    this.#passesRest = this.#search.rest.type === 'all' ? undefined : matcherOf(this.#search.rest);
    const { terms, anyOf } = this.#search;
    for (const [slot, term] of [...terms, ...anyOf].entries()) kernel.setTerm(slot, term);
  }

  /** Searches the batch at `at`, which is whole and checked, for records of offsets in [firstOffset, endOffset). */
  batch(
    chunk: Buffer,
    at: number,
    view: BatchView,
    firstOffset: number,
    endOffset: number,
    sink: RecordSink,
  ) {
    const { from, until } = this.#filter;
    if (view.maxTimestamp < from || view.minTimestamp >= until || view.records === 0) return;
    const bounds = { firstOffset, endOffset, from, until };
    if (view.recordBytes > MAX_RECORD_BYTES) {
      this.#slowly(chunk.subarray(at, at + view.size), bounds, sink);
      return;
    }
    const kernel = this.#kernel;
    kernel.open(batchRecords(chunk, at), view, bounds);
    let next = view.baseOffset;
    do {
      this.#noted(sink);
      if (kernel.count > 0) next = kernel.offsetOf(kernel.count - 1) + 1;
    } while (kernel.next());
    // Unusual, or damaged: those who know all about records find out.
    if (kernel.malformed)
      this.#slowly(
        chunk.subarray(at, at + view.size),
        { ...bounds, firstOffset: Math.max(next, firstOffset) },
        sink,
      );
  }

  /** Goes over the records that the kernel has noted, the last one first. */
  #noted(sink: RecordSink): void {
    const kernel = this.#kernel;
    const searched = this.#mark();
    const { marks, timestamps } = kernel;
    const wanted = searched ? CANDIDATE | MATCH : WITHIN;
    for (let record = kernel.count - 1; record >= 0; record--) {
      const mark = marks[record]!;
      if ((mark & wanted) === 0) continue;
      const timestamp = timestamps[record]!;
      const offset = kernel.offsetOf(record);
      if (!sink.wants(timestamp, offset)) continue;
      const start = kernel.valueStarts[record]!;
      const end = kernel.valueEnds[record]!;
      const passes = (mark & MATCH) !== 0 ? this.#passesRest : this.#passes;
      if (passes === undefined || passes(new StoredEvent(kernel.bytes, start, end)))
        sink.found(timestamp, offset, kernel.bytes, start, end);
    }
  }

  /** False when nothing can be said by bytes alone. */
  #mark(): boolean {
    const kernel = this.#kernel;
    const { terms, anyOf, slashes } = this.#search;
    if (anyOf.length === 0) return false;
    for (let i = 0; i < anyOf.length; i++) kernel.mark(terms.length + i);
    kernel.markHidden(slashes);
    if (terms.length > 0) kernel.verify(terms.length);
    return true;
  }

  #slowly(batch: Buffer, { firstOffset, endOffset, from, until }: RecordBounds, sink: RecordSink): void {
    visitRecords(batch, firstOffset, (offset, timestamp, bytes, _keyStart, _keyEnd, start, end) => {
      if (offset >= endOffset) return false;
      if (start < 0 || timestamp < from || timestamp >= until || !sink.wants(timestamp, offset)) return true;
      if (this.#passes(new StoredEvent(bytes, start, end))) sink.found(timestamp, offset, bytes, start, end);
      return true;
    });
  }
}
