/**
 * What one segment really holds, and whether the files beside it say the same: fed with the batches of the segment in
 * order, in bounded memory.
 */
import { counted } from '../common/counted.ts';
import { readWholeFile } from '../files/file-operations.ts';
import type { FileSystem } from '../files/file-system.ts';
import { offsetIndexPath, searchPath, summaryPath, timeIndexPath } from '../files/log-file-names.ts';
import { OffsetIndex, type StoredOffsetIndex } from '../format/offset-index.ts';
import type { SearchFileIdentity } from '../format/search-file.ts';
import { type StoredTimeIndex, TimeIndex } from '../format/time-index.ts';
import {
  addBatch,
  type BatchFacts,
  emptyStats,
  type LogSegment,
  type SegmentStats,
} from '../segment/log-segment.ts';
import { checkSearchFile } from '../segment/search-file-check.ts';
import { decodeSummary } from '../segment/segment-files.ts';

/**
 * - `missing`, `damaged`: it fails its checks, so nobody believes it;
 * - `stale`: it is of another state of the segment, so nobody believes it;
 * - `wrong`: it would be believed, and it is not true.
 */
export interface DerivedProblem {
  path: string;
  kind: 'missing' | 'damaged' | 'stale' | 'wrong';
  message: string;
}

type Stored<T> = T | 'missing' | 'damaged';

export class SegmentSurvey {
  readonly segment: LogSegment;
  /** Of the batches that were taken; `bytes` is where the last one ends. */
  readonly stats: SegmentStats;
  readonly #directory: string;
  readonly #offsets: Stored<StoredOffsetIndex>;
  readonly #times: Stored<StoredTimeIndex>;
  readonly #summary: Stored<SegmentStats>;
  readonly #search: Stored<SearchFileIdentity>;
  #offsetsSeen = 0;
  #wrongOffsets = 0;
  #timesSeen = 0;
  #wrongTimes = 0;

  private constructor(
    directory: string,
    segment: LogSegment,
    offsets: Stored<StoredOffsetIndex>,
    times: Stored<StoredTimeIndex>,
    summary: Stored<SegmentStats>,
    search: Stored<SearchFileIdentity>,
  ) {
    this.segment = segment;
    this.stats = emptyStats(segment.baseOffset);
    this.#directory = directory;
    this.#offsets = offsets;
    this.#times = times;
    this.#summary = summary;
    this.#search = search;
  }

  static async open(fileSystem: FileSystem, directory: string, segment: LogSegment): Promise<SegmentSurvey> {
    const { baseOffset } = segment;
    const read = async <T>(path: string, decode: (bytes: Buffer) => T | undefined): Promise<Stored<T>> => {
      const bytes = await readWholeFile(fileSystem, path);
      return bytes === undefined ? 'missing' : (decode(bytes) ?? 'damaged');
    };
    return new SegmentSurvey(
      directory,
      segment,
      await read(offsetIndexPath(directory, baseOffset), (bytes) => OffsetIndex.decode(bytes, baseOffset)),
      await read(timeIndexPath(directory, baseOffset), (bytes) => TimeIndex.decode(bytes, baseOffset)),
      await read(summaryPath(directory, baseOffset), (bytes) => decodeSummary(bytes, baseOffset)),
      await checkSearchFile(fileSystem, searchPath(directory, baseOffset)),
    );
  }

  /** Whether there is a summary: the segment is or was sealed. */
  get hasSummary(): boolean {
    return this.#summary !== 'missing';
  }

  take(facts: BatchFacts, position: number): void {
    addBatch(this.stats, facts, facts.maxTimestamp);
    this.stats.bytes = position + facts.bytes;
    this.#compareOffsets(facts.baseOffset, position);
    this.#compareTimes(facts.nextOffset - 1);
  }

  #compareOffsets(baseOffset: number, position: number): void {
    if (typeof this.#offsets === 'string') return;
    const { index } = this.#offsets;
    while (this.#offsetsSeen < index.entries) {
      const entry = index.entry(this.#offsetsSeen);
      if (entry.position > position) return;
      if (entry.position !== position || entry.offset !== baseOffset) this.#wrongOffsets++;
      this.#offsetsSeen++;
    }
  }

  #compareTimes(lastOffset: number): void {
    if (typeof this.#times === 'string') return;
    const { index } = this.#times;
    while (this.#timesSeen < index.entries) {
      const entry = index.entry(this.#timesSeen);
      if (entry.offset > lastOffset) return;
      if (entry.offset !== lastOffset || entry.timestamp !== this.stats.maxTimestamp) this.#wrongTimes++;
      this.#timesSeen++;
    }
  }

  /**
   * What is wrong with the derived files, once all batches were taken. `sealed`: they should be there and cover all of
   * the segment. `intact`: nothing of it is damaged, so that entries can be compared.
   */
  problems(sealed: boolean, intact: boolean): DerivedProblem[] {
    const { baseOffset } = this.segment;
    const index = { path: offsetIndexPath(this.#directory, baseOffset), name: 'the offset index' };
    const times = { path: timeIndexPath(this.#directory, baseOffset), name: 'the time index' };
    const offsetsRest =
      typeof this.#offsets === 'string' ? 0 : this.#offsets.index.entries - this.#offsetsSeen;
    const timesRest = typeof this.#times === 'string' ? 0 : this.#times.index.entries - this.#timesSeen;
    return [
      ...this.#indexProblems(index, this.#offsets, this.#wrongOffsets + offsetsRest, sealed, intact),
      ...this.#indexProblems(times, this.#times, this.#wrongTimes + timesRest, sealed, intact),
      ...this.#summaryProblems(sealed, intact),
      ...this.#searchProblems(sealed, intact),
    ];
  }

  #indexProblems(
    { path, name }: { path: string; name: string },
    stored: Stored<StoredOffsetIndex | StoredTimeIndex>,
    wrongEntries: number,
    sealed: boolean,
    intact: boolean,
  ): DerivedProblem[] {
    if (stored === 'missing') return sealed ? [{ path, kind: stored, message: `${name} is missing` }] : [];
    if (stored === 'damaged') return [{ path, kind: stored, message: `${name} fails its checks` }];
    if (!intact) return [];
    const { coveredEndOffset, coveredEndPosition } = stored;
    const covers = coveredEndOffset === this.stats.endOffset && coveredEndPosition === this.stats.bytes;
    if (!covers) {
      const message = `${name} is of another state of the segment: it covers the log below offset ${coveredEndOffset}`;
      return sealed ? [{ path, kind: 'stale', message }] : [];
    }
    if (wrongEntries === 0) return [];
    const wrong = counted(wrongEntries, 'wrong entry', 'wrong entries');
    return [{ path, kind: 'wrong', message: `${name} has ${wrong}, which would lead reads astray` }];
  }

  #summaryProblems(sealed: boolean, intact: boolean): DerivedProblem[] {
    const path = summaryPath(this.#directory, this.segment.baseOffset);
    const summary = this.#summary;
    if (summary === 'missing')
      return sealed ? [{ path, kind: summary, message: 'the summary is missing' }] : [];
    if (summary === 'damaged') return [{ path, kind: summary, message: 'the summary fails its checks' }];
    if (!intact || !sealed) return [];
    if (summary.bytes !== this.segment.stats.bytes) {
      return [{ path, kind: 'stale', message: 'the summary is of another state of the segment' }];
    }
    const wrong = differences(summary, this.stats);
    return wrong === '' ? [] : [{ path, kind: 'wrong', message: `the summary is not true: ${wrong}` }];
  }

  /** Not every segment has one; what is in it is for those to say who search. */
  #searchProblems(sealed: boolean, intact: boolean): DerivedProblem[] {
    const path = searchPath(this.#directory, this.segment.baseOffset);
    const search = this.#search;
    if (search === 'missing') return [];
    if (search === 'damaged') return [{ path, kind: search, message: 'the search index fails its checks' }];
    const { baseOffset, endOffset, bytes } = this.stats;
    const isOfIt =
      search.baseOffset === baseOffset && search.endOffset === endOffset && search.bytes === bytes;
    if (isOfIt || !sealed || !intact) return [];
    return [{ path, kind: 'stale', message: 'the search index is of another state of the segment' }];
  }
}

/** In words how stored stats differ from what a segment holds; the time of the first append is known to nobody else. */
export function differences(stored: SegmentStats, found: SegmentStats): string {
  return (Object.keys(found) as (keyof SegmentStats)[])
    .filter((key) => key !== 'firstAppendAt' && stored[key] !== found[key])
    .map((key) => `${key} is ${found[key]}, not ${stored[key]}`)
    .join(', ');
}
