/**
 * RecordSearch: finds the records in batches that pass a filter. It looks at their bytes first (byte-search.ts,
 * search-kernel.ts) and at what they mean only where that leaves a question.
 *
 * Not for concurrent use: what is found is told in positions of memory that the next batch takes.
 */
import { type BatchView, batchRecords, visitRecords } from '../engine/index.ts';
import { type ByteSearch, byteSearchOf } from './byte-search.ts';
import { assuming, type Expression, expressionText, isAll, isNone } from './expression.ts';
import { type Matcher, matcherOf } from './matches.ts';
import { StoredEvent } from './search-event.ts';
import { CANDIDATE, MAX_RECORD_BYTES, type SearchKernel, WITHIN } from './search-kernel.ts';

/** What a record has to pass. */
export interface RecordFilter {
  readonly expression: Expression;
  /** The event's time lies in [from, until). */
  readonly from: number;
  readonly until: number;
  readonly firstOffset: number;
  /** Exclusive. */
  readonly endOffset: number;
  /** All events have the times of their records. */
  readonly recordTimes: boolean;
}

/** Who wants to know of records. */
export interface RecordSink {
  /** Whether it is worth the while to look at an event of this time and offset closely. */
  wants(timestamp: number, offset: number): boolean;
  /** Whether it is worth the while to look at events of times in [from, to]. */
  wantsTimes(from: number, to: number): boolean;
  /** An event that passes, with its value in [start, end) of `bytes`, which others will overwrite. */
  found(timestamp: number, offset: number, bytes: Buffer, start: number, end: number): void;
}

const MAX_VERDICTS = 4096;

/** What is known of a record by its terms: that it passes, that it does not, or what is to be asked of it. */
type Verdict = boolean | Matcher;

export class RecordSearch {
  readonly #kernel: SearchKernel;
  readonly #search: ByteSearch;
  readonly #filter: RecordFilter;
  readonly #passes: Matcher;
  /** By the terms that a record has, and those of which nothing is sure. */
  readonly #verdicts = new Map<number, Verdict>();

  constructor(filter: RecordFilter, kernel: SearchKernel) {
    this.#kernel = kernel;
    this.#filter = filter;
    this.#search = byteSearchOf(filter.expression);
    this.#passes = matcherOf(filter.expression);
    const { terms, anyOf } = this.#search;
    for (const [slot, term] of [...terms, ...anyOf].entries()) kernel.setTerm(slot, term);
  }

  /** Searches the batch at `at`, which is whole and checked. False where its header tells that nothing of it is wanted. */
  batch(chunk: Buffer, at: number, view: BatchView, sink: RecordSink): boolean {
    if (!this.#mayHold(view, sink)) return false;
    const { from, until, firstOffset, endOffset, recordTimes } = this.#filter;
    if (view.recordBytes > MAX_RECORD_BYTES) {
      this.#slowly(chunk.subarray(at, at + view.size), firstOffset, sink);
      return true;
    }
    const kernel = this.#kernel;
    const times = recordTimes
      ? { from, until }
      : { from: Number.NEGATIVE_INFINITY, until: Number.POSITIVE_INFINITY };
    kernel.open(batchRecords(chunk, at), view, { firstOffset, endOffset, ...times });
    let next = firstOffset;
    do {
      this.#noted(sink);
      if (kernel.count > 0) next = Math.max(next, kernel.offsetOf(kernel.count - 1) + 1);
    } while (kernel.next());
    // Unusual, or damaged: those who know all about records find out.
    if (kernel.malformed) this.#slowly(chunk.subarray(at, at + view.size), next, sink);
    return true;
  }

  #mayHold(
    { records, baseOffset, lastOffsetDelta, minTimestamp, maxTimestamp }: BatchView,
    sink: RecordSink,
  ) {
    const { from, until, firstOffset, endOffset, recordTimes } = this.#filter;
    if (records === 0 || baseOffset >= endOffset || baseOffset + lastOffsetDelta < firstOffset) return false;
    if (!recordTimes) return true;
    return maxTimestamp >= from && minTimestamp < until && sink.wantsTimes(minTimestamp, maxTimestamp);
  }

  /** Goes over the records that the kernel has noted, the last one first. */
  #noted(sink: RecordSink): void {
    const kernel = this.#kernel;
    const { anyOf } = this.#search;
    this.#mark();
    const { marks, timestamps, termsFound, termsUnsure, bytes } = kernel;
    const wanted = anyOf.length > 0 ? CANDIDATE : WITHIN;
    for (let record = kernel.count - 1; record >= 0; record--) {
      const mark = marks[record]!;
      if ((mark & wanted) === 0) continue;
      const isCandidate = (mark & CANDIDATE) !== 0;
      const verdict = this.#verdict(isCandidate ? termsFound[record]! + termsUnsure[record]! * 0x10000 : 0);
      if (verdict === false) continue;
      const start = kernel.valueStarts[record]!;
      const end = kernel.valueEnds[record]!;
      this.#look(timestamps[record]!, kernel.offsetOf(record), bytes, start, end, verdict, sink);
    }
  }

  #look(
    recordTimestamp: number,
    offset: number,
    bytes: Buffer,
    start: number,
    end: number,
    verdict: true | Matcher,
    sink: RecordSink,
  ): void {
    const { from, until, recordTimes } = this.#filter;
    const event = new StoredEvent(bytes, start, end, recordTimestamp);
    const timestamp = recordTimes ? recordTimestamp : event.timestamp;
    if (timestamp < from || timestamp >= until || !sink.wants(timestamp, offset)) return;
    if (verdict === true || verdict(event)) sink.found(timestamp, offset, bytes, start, end);
  }

  /** Who is no candidate has none of the terms, and none of `anyOf`. */
  #mark(): void {
    const kernel = this.#kernel;
    const { terms, anyOf, slashes } = this.#search;
    if (terms.length + anyOf.length === 0) return;
    // Where nothing has to be in all that pass, each term may be what decides.
    const first = anyOf.length > 0 ? terms.length : 0;
    for (let slot = first; slot < terms.length + anyOf.length; slot++) kernel.mark(slot);
    kernel.markHidden(slashes);
    kernel.verify(terms.length);
  }

  #verdict(terms: number): Verdict {
    let verdict = this.#verdicts.get(terms);
    if (verdict === undefined) {
      if (this.#verdicts.size === MAX_VERDICTS) this.#verdicts.clear();
      verdict = this.#judge(terms % 0x10000, Math.floor(terms / 0x10000));
      this.#verdicts.set(terms, verdict);
    }
    return verdict;
  }

  #judge(found: number, unsure: number): Verdict {
    const known = new Map<string, boolean>();
    for (const [i, test] of this.#search.tests.entries())
      if ((unsure & (1 << i)) === 0) known.set(expressionText(test), (found & (1 << i)) !== 0);
    const left = assuming(this.#filter.expression, (test) => known.get(expressionText(test)));
    if (isAll(left)) return true;
    return isNone(left) ? false : matcherOf(left);
  }

  #slowly(batch: Buffer, firstOffset: number, sink: RecordSink): void {
    const { endOffset } = this.#filter;
    visitRecords(batch, firstOffset, (offset, timestamp, bytes, _keyStart, _keyEnd, start, end) => {
      if (offset >= endOffset) return false;
      if (start >= 0) this.#look(timestamp, offset, bytes, start, end, this.#passes, sink);
      return true;
    });
  }
}
