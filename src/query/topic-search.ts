/**
 * TopicSearch: goes through a topic once for a query. It looks at what there is, leaves out what cannot hold an answer, and has
 * the rest scanned, some units at a time, the most promising first, until no more is wanted.
 *
 * A unit whose file is gone, or is not what it was, is read again by way of the engine: no event is lost or comes twice
 * because segments are rewritten meanwhile, for offsets stay what they are.
 */
import { type BlockKnowledge, filterBlocks } from './block-filter.ts';
import type { Order } from './event-order.ts';
import { Heap } from './heap.ts';
import { outlineTest } from './index-outline.ts';
import { readOffsets } from './offset-reads.ts';
import { type ScanUnit, unindexedUnit, unitsOf } from './plan.ts';
import type { AskedScan, QueryFilter, QueryRun } from './query-run.ts';
import { countsKey, scanKey } from './result-keys.ts';
import { upTo } from './scan-group.ts';
import type {
  CountsWanted,
  EventsWanted,
  FoundCounts,
  ScanRequest,
  ScanResult,
  ScanSource,
} from './scan-request.ts';
import { SearchTally } from './search-tally.ts';
import { type KnownSegment, type OffsetRange, type Survey, surveyTopic } from './survey.ts';
import type { UnitMemory } from './unit-memory.ts';

/** What is wanted of a topic. */
export interface SearchWanted {
  /** Undefined for counting. */
  readonly order?: Order;
  /** Of a partition. */
  events?(partition: number): EventsWanted;
  readonly counts?: CountsWanted;
  /** Counts a segment by what its index knows; undefined where that is not enough. */
  countKnown?(index: BlockKnowledge): Promise<FoundCounts | undefined>;
  /** Plans all segments at first, for who wants to know how many could be left out. */
  readonly planAll?: boolean;
  /** What earlier passes of the same query have learnt of units. */
  readonly memory?: UnitMemory;
  /** Takes in what a scan gave. */
  take(partition: number, result: ScanResult): void;
  /** Nothing is wanted any more that comes behind this time, in the order of the query. */
  bound?(): number | undefined;
}

/** Something to be done, which may turn out to be more. */
interface Work {
  /** The time of the first event that it may give, in the order of the query. */
  readonly bestTime: number;
  /** What it scans, if that is all it does. */
  readonly unit?: ScanUnit;
  run(): Promise<void>;
}

/** Units that are scanned together have at most so many bytes, and are at most so many. */
const GROUP_BYTES = 2 * 1024 * 1024;
const GROUP_UNITS = 32;

export class TopicSearch {
  readonly #run: QueryRun;
  readonly #filter: QueryFilter;
  readonly #wanted: SearchWanted;
  readonly #waiting: Heap<Work>;
  readonly #running = new Map<Work, Promise<void>>();
  readonly #tally = new SearchTally();
  #survey!: Survey;
  #done = false;
  readonly #failures: unknown[] = [];
  /** The best time of what was begun and given up. */
  #undone: number | undefined;

  constructor(run: QueryRun, filter: QueryFilter, wanted: SearchWanted) {
    this.#run = run;
    this.#filter = filter;
    this.#wanted = wanted;
    this.#waiting = new Heap((a, b) => this.#compare(a.bestTime, b.bestTime));
  }

  /** Returns the best time of what was left undone because the run ended; undefined where all is done that is wanted. */
  async all(): Promise<number | undefined> {
    const { context, figures } = this.#run;
    const { topic: name } = this.#filter;
    const startedAt = performance.now();
    this.#survey = await surveyTopic(context.engine, context.indexes, name, this.#run.ends);
    this.#run.ends ??= this.#survey.partitions.map(({ highWatermark }) => highWatermark);
    this.#tally.begin(this.#survey);
    await this.#begin();
    figures.planningMs += performance.now() - startedAt;
    try {
      await this.#drain();
    } finally {
      this.#done = true;
      this.#tally.end(figures);
    }
    if (!this.#run.ended) return undefined;
    const left = [...this.#waiting.items, ...this.#running.keys()].map(({ bestTime }) => bestTime);
    if (this.#undone !== undefined) left.push(this.#undone);
    const [first] = left.filter((time) => !this.#enough(time)).sort((a, b) => this.#compare(a, b));
    return first;
  }

  /** Whether nothing is wanted any more whose first event has this time. */
  #enough(bestTime: number): boolean {
    const bound = this.#wanted.bound?.();
    return bound !== undefined && this.#compare(bound, bestTime) < 0;
  }

  #compare(a: number, b: number): number {
    // Infinities less each other are no number.
    if (a === b) return 0;
    return a < b === (this.#wanted.order !== 'desc') ? -1 : 1;
  }

  /** Puts down what is to be done, without what the times of segments rule out. */
  async #begin(): Promise<void> {
    const { expression, from, until } = this.#filter;
    const ruledOutBy = outlineTest(expression, from, until);
    for (const known of this.#survey.known) {
      const { outline } = known.indexed;
      const by = ruledOutBy(outline);
      if (by !== undefined) {
        this.#tally.leftOut(known, by);
      } else if (this.#wanted.planAll) {
        await this.#planSegment(known);
      } else {
        const bestTime = this.#best(outline.minTime, outline.maxTime);
        this.#waiting.push({ bestTime, run: () => this.#countOrPlan(known) });
      }
    }
    for (const unit of this.#survey.unknown) this.#addUnit(unit);
    for (const range of this.#survey.reads) this.#addRead(range);
  }

  async #drain(): Promise<void> {
    for (;;) {
      for (
        let next = this.#waiting.first;
        next !== undefined && this.#mayBegin(next);
        next = this.#waiting.first
      )
        this.#start(this.#grouped(this.#waiting.pop()!));
      if (this.#running.size === 0 || this.#isEnough()) return;
      await Promise.race(this.#running.values());
      if (this.#failures.length > 0) throw this.#failures[0];
    }
  }

  #mayBegin({ bestTime }: Work): boolean {
    const { ended, context } = this.#run;
    return !ended && this.#running.size < context.scans.threads && !this.#enough(bestTime);
  }

  /**
   * With a small unit those that are to be scanned whatever it gives, since they may have events before its last one: a thread
   * is asked once for all of them.
   */
  #grouped(work: Work): Work {
    if (work.unit === undefined) return work;
    const units = [work.unit];
    const lastTime = this.#wanted.order === 'desc' ? work.unit.minTime : work.unit.maxTime;
    let bytes = bytesOf(work.unit);
    for (let next = this.#waiting.first; next?.unit !== undefined; next = this.#waiting.first) {
      bytes += bytesOf(next.unit);
      if (bytes > GROUP_BYTES || units.length === GROUP_UNITS || !this.#mayBegin(next)) break;
      if (this.#wanted.order !== undefined && this.#compare(next.bestTime, lastTime) > 0) break;
      units.push(next.unit);
      this.#waiting.pop();
    }
    return units.length === 1 ? work : { bestTime: work.bestTime, run: () => this.#scanUnits(units) };
  }

  #isEnough(): boolean {
    return this.#run.ended || [...this.#running.keys()].every(({ bestTime }) => this.#enough(bestTime));
  }

  #start(work: Work): void {
    const running = work
      .run()
      .catch((error: unknown) => {
        this.#failures.push(error);
      })
      .finally(() => this.#running.delete(work));
    this.#running.set(work, running);
  }

  #best(minTime: number, maxTime: number): number {
    return this.#wanted.order === 'desc' ? maxTime : minTime;
  }

  async #countOrPlan(known: KnownSegment): Promise<void> {
    const counts = this.#isSearchedWhole(known) ? await this.#countKnown(known) : undefined;
    if (counts === undefined) return this.#planSegment(known);
    this.#tally.counted(known);
    this.#take(known.partition, { counts, ...NOTHING_READ });
  }

  /** Whether all that the index knows of may be read, and is not younger than the query. */
  #isSearchedWhole({ partition, segment, indexed }: KnownSegment): boolean {
    const { logStartOffset, highWatermark } = this.#survey.partitions[partition]!;
    return segment.baseOffset >= logStartOffset && indexed.outline.endOffset <= highWatermark;
  }

  /** What an index has counted is right for ever, too. */
  async #countKnown(known: KnownSegment): Promise<FoundCounts | undefined> {
    const { cache } = this.#run.context;
    const { countKnown } = this.#wanted;
    if (countKnown === undefined) return undefined;
    const key = countsKey(known, this.#filter, this.#wanted.counts);
    const cached = cache.get(key)?.counts;
    if (cached !== undefined) return cached;
    const index = await known.indexed.index();
    const counts = index && (await countKnown(index));
    if (counts !== undefined) cache.set(key, { counts, ...NOTHING_READ });
    return counts;
  }

  async #planSegment(known: KnownSegment): Promise<void> {
    const { partition, segment, indexed } = known;
    const { expression, from, until } = this.#filter;
    const found = indexed.index();
    const index = found instanceof Promise ? await found : found;
    if (index === undefined) {
      this.#addUnit(unindexedUnit(partition, segment));
      return;
    }
    const filtered = await filterBlocks(index, expression, from, until);
    this.#tally.filtered(known, filtered);
    const { blocks } = filtered;
    const { blocks: table, otherTimes } = index;
    for (const unit of unitsOf({ partition, segment, table, blocks, otherTimes }, this.#wanted.order))
      this.#addUnit(unit);
  }

  #addUnit(unit: ScanUnit): void {
    const bestTime = this.#best(unit.minTime, unit.maxTime);
    const left = this.#wanted.memory?.left(unit, bestTime);
    if (left === 'nothing') return;
    this.#waiting.push({ bestTime: left ?? bestTime, unit, run: () => this.#scanUnits([unit]) });
  }

  #addRead(range: OffsetRange): void {
    const bestTime = this.#best(Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY);
    this.#waiting.push({ bestTime, run: () => this.#read(range) });
  }

  async #scanUnits(units: readonly ScanUnit[]): Promise<void> {
    const asked = units.map((unit) => this.#askedOf(unit));
    const results = await this.#run.scanGroup(asked);
    let isCertain = true;
    for (const [i, unit] of units.entries()) {
      const { request, mayBeCut } = asked[i]!;
      // What was found in one that counts for nothing may have cut those behind it.
      const result: ScanResult | undefined = mayBeCut && !isCertain ? undefined : results[i];
      const isTaken: boolean = result !== undefined && this.#isCurrent(unit);
      isCertain &&= isTaken;
      if (isTaken) this.#takeUnit(unit, request, result!);
      else await this.#readUnit(unit);
    }
  }

  #askedOf(unit: ScanUnit): AskedScan {
    const { segment, ranges, settled } = unit;
    const request = this.#request(unit, { path: segment.path, ranges });
    const { from, until } = request.filter;
    // Nobody is likely to ask for just these bounds again.
    const isBounded = from !== Number.NEGATIVE_INFINITY || until !== Number.POSITIVE_INFINITY;
    const isKept = settled && (!isBounded || request.events === undefined);
    if (isKept) return { request, cacheKey: scanKey(unit, request), mayBeCut: false };
    const mayBeCut = this.#wanted.memory === undefined;
    const bound = mayBeCut ? this.#wanted.bound?.() : undefined;
    return { request: bound === undefined ? request : upTo(request, bound), mayBeCut };
  }

  #takeUnit(unit: ScanUnit, { events }: AskedScan['request'], result: ScanResult): void {
    this.#tally.scanned(unit);
    if (result.events !== undefined) this.#wanted.memory?.note(unit, result.events, events!);
    this.#take(unit.partition, result);
  }

  async #readUnit({ partition, firstOffset, endOffset, minTime, maxTime }: ScanUnit): Promise<void> {
    const { logStartOffset, highWatermark } = this.#survey.partitions[partition]!;
    if (this.#run.ended) {
      this.#noteUndone(this.#best(minTime, maxTime));
      return;
    }
    await this.#read({
      partition,
      firstOffset: Math.max(firstOffset, logStartOffset),
      endOffset: Math.min(endOffset, highWatermark),
    });
  }

  /** The file was the segment's all the while: nothing else can have had its name before the log's layout changed. */
  #isCurrent({ partition, segment }: ScanUnit): boolean {
    const { engine } = this.#run.context;
    const { topic } = this.#filter;
    if (engine.search.layout(topic, partition) === this.#survey.partitions[partition]!.layout) return true;
    const { segments } = engine.search.partition(topic, partition);
    return segments.some(({ id, path }) => id === segment.id && path === segment.path);
  }

  async #read(range: OffsetRange): Promise<void> {
    const { context } = this.#run;
    const unknown = {
      minTime: Number.NEGATIVE_INFINITY,
      maxTime: Number.POSITIVE_INFINITY,
      recordTimes: false,
    };
    const unreadable = this.#run.noteUnreadable.bind(this.#run);
    for await (const { chunks, bytes } of readOffsets(
      context.engine,
      this.#filter.topic,
      range,
      unreadable,
    )) {
      this.#tally.read(range.partition);
      this.#run.countBytes(bytes);
      const request = this.#request({ ...range, ...unknown }, { chunks });
      const result = this.#run.ended ? undefined : await this.#run.scan(request);
      if (result !== undefined) {
        this.#take(range.partition, result);
      } else if (this.#run.ended) {
        this.#noteUndone(this.#best(unknown.minTime, unknown.maxTime));
        return;
      } else {
        throw new Error('batches that the engine gave cannot be scanned');
      }
    }
  }

  #take(partition: number, result: ScanResult): void {
    if (!this.#done) this.#wanted.take(partition, result);
  }

  #noteUndone(bestTime: number): void {
    if (this.#undone === undefined || this.#compare(bestTime, this.#undone) < 0) this.#undone = bestTime;
  }

  #request(
    {
      partition,
      firstOffset,
      endOffset,
      minTime,
      maxTime,
      recordTimes,
    }: Omit<ScanUnit, 'segment' | 'ranges' | 'settled'>,
    source: ScanSource,
  ): Omit<ScanRequest, 'control'> {
    const { expression, from, until } = this.#filter;
    const { logStartOffset, highWatermark } = this.#survey.partitions[partition]!;
    const events = this.#wanted.events?.(partition);
    return {
      source,
      filter: {
        expression,
        // Bounds that bound nothing are left out: other queries ask the same of this unit.
        from: minTime >= from ? Number.NEGATIVE_INFINITY : from,
        until: maxTime < until ? Number.POSITIVE_INFINITY : until,
        firstOffset: Math.max(firstOffset, logStartOffset),
        endOffset: Math.min(endOffset, highWatermark),
        recordTimes,
      },
      events: events && { ...events, after: this.#afterOf(events, minTime, maxTime) },
      counts: this.#wanted.counts,
    };
  }

  #afterOf({ after, order }: EventsWanted, minTime: number, maxTime: number): EventsWanted['after'] {
    if (after === null) return null;
    return order === 'asc'
      ? minTime > after.timestamp
        ? null
        : after
      : maxTime < after.timestamp
        ? null
        : after;
  }
}

const bytesOf = ({ ranges }: ScanUnit): number =>
  ranges.reduce((sum, { position, end }) => sum + end - position, 0);

const NOTHING_READ = { bytesRead: 0, batches: 0, records: 0 };
