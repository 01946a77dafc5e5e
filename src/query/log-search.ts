/**
 * LogSearch: the search over log events; the query layer's main class. It reads what the engine has and writes nothing to the log.
 * Any number of queries may be asked at the same time: some run, the others wait for their turn.
 */
import {
  type Clock,
  type Engine,
  type FileSystem,
  type Logger,
  nodeFileSystem,
  resolveSettings,
  SeglogError,
} from '../engine/index.ts';
import { Admission } from './admission.ts';
import { decodeCursor, encodeCursor, fingerprintOf } from './cursor.ts';
import type { EventPlace } from './event-order.ts';
import { type EventPage, eventPages, type FoundEvent } from './event-pages.ts';
import { type CountTotals, countEvents, type StatisticsWanted } from './event-statistics.ts';
import { expressionText, hasRegex } from './expression.ts';
import { expressionOf, type LogFilter, type LogQuery } from './log-query.ts';
import { type Incomplete, type QueryFilter, QueryRun, type RunContext } from './query-run.ts';
import { ScanCache } from './result-cache.ts';
import type { RunFigures } from './run-figures.ts';
import { InlineScans, ScanPool } from './scan-pool.ts';
import { type IndexFigures, SearchIndexes } from './search-indexes.ts';
import { QUERY_SETTINGS, type QuerySettings } from './settings.ts';
import type { IndexSource } from './survey.ts';
import { type TailOptions, type TailRound, tailTopic } from './tail.ts';

export interface LogSearchOptions {
  readonly settings?: Partial<QuerySettings>;
  /** Those of the engine. Default: the real ones. Over another file system everything is done in this thread. */
  readonly fileSystem?: FileSystem;
  readonly clock?: Clock;
  readonly logger?: Logger;
  /** Default: they are made in the background. */
  readonly indexes?: IndexSource;
}

/** Queries that run at a time, for each thread; others wait. */
const RUNS_PER_THREAD = 4;
const MAX_WAITING = 10_000;
/** Of those that run: queries that may run away. */
const SLOW_SHARE = 0.5;

/** How an answer ended. */
export interface QueryOutcome {
  /** Whether the answer is all there is up to the limit. */
  readonly complete: boolean;
  readonly reason?: Incomplete;
  /** Where the next page begins; null where there is nothing more. */
  readonly nextCursor: string | null;
  readonly figures: RunFigures;
}

/** How counting ended. */
export interface StatisticsOutcome extends Omit<QueryOutcome, 'nextCursor'> {
  readonly totals: CountTotals;
}

export interface SearchFigures {
  /** Queries that run, and that wait for their turn. */
  readonly running: number;
  readonly waiting: number;
  readonly cacheBytes: number;
  readonly cacheHits: number;
  readonly cacheMisses: number;
  readonly indexes: IndexFigures | undefined;
}

/** What a query is asked with beside its text. */
export interface QueryOptions {
  /** Aborts when nobody wants the answer any more. */
  readonly signal?: AbortSignal;
  /** Plans all segments at first, so that the figures say of each why it was left out. */
  readonly planAll?: boolean;
}

export class LogSearch {
  readonly #context: RunContext;
  readonly #settings: QuerySettings;
  readonly #admission: Admission;
  /** Of queries with regular expressions, which are to leave room for others. */
  readonly #slow: Admission;
  /** Undefined where others see to the indexes. */
  readonly #indexes: SearchIndexes | undefined;
  /** Aborts when it is closed. */
  readonly #closing = new AbortController();

  /** The engine is closed after it. */
  constructor(engine: Engine, options: LogSearchOptions = {}) {
    const { fileSystem = nodeFileSystem, clock, logger } = options;
    const settings = resolveSettings(QUERY_SETTINGS, options.settings);
    const threads = settings['query.threads'];
    this.#settings = settings;
    if (options.indexes === undefined)
      this.#indexes = new SearchIndexes(engine, { settings, fileSystem, clock, logger });
    this.#context = {
      engine,
      indexes: options.indexes ?? this.#indexes!,
      scans: fileSystem === nodeFileSystem ? new ScanPool(threads) : new InlineScans(fileSystem),
      cache: new ScanCache(settings['query.cache.bytes']),
    };
    const runs = this.#context.scans.threads * RUNS_PER_THREAD;
    this.#admission = new Admission(runs, MAX_WAITING);
    this.#slow = new Admission(runs * SLOW_SHARE, MAX_WAITING);
  }

  /**
   * Events in the order of the query, some at a time; returns how the answer ended. Who stops taking them before ends the
   * query. Throws QueryError, UNKNOWN_TOPIC_OR_PARTITION, THROTTLED.
   */
  async *query(query: LogQuery, options: QueryOptions = {}): AsyncGenerator<FoundEvent[], QueryOutcome> {
    const { order = 'desc', limit = Number.POSITIVE_INFINITY } = query;
    const fingerprint = this.#fingerprint(query);
    const after = query.cursor === undefined ? null : decodeCursor(query.cursor, fingerprint);
    const { run, filter, leave } = await this.#begin(query, options.signal);
    let skip = query.skip ?? 0;
    let page: EventPage = { events: [], next: null };
    try {
      const request = { order, after, limit: limit + skip, planAll: options.planAll };
      for await (page of eventPages(run, filter, request)) {
        const events = page.events.slice(skip);
        skip -= page.events.length - events.length;
        if (events.length > 0) yield events;
      }
    } finally {
      leave();
    }
    const { next } = page;
    const { incomplete, figures } = run;
    const nextCursor = next === null ? null : encodeCursor(fingerprint, next);
    return { complete: incomplete === undefined, reason: incomplete, nextCursor, figures };
  }

  /** Counts the events that pass. */
  async statistics(
    filter: LogFilter,
    wanted: StatisticsWanted,
    options: QueryOptions = {},
  ): Promise<StatisticsOutcome> {
    const { run, filter: asked, leave } = await this.#begin(filter, options.signal);
    try {
      const totals = await countEvents(run, asked, wanted);
      const { incomplete, figures } = run;
      return { totals, complete: incomplete === undefined, reason: incomplete, figures };
    } finally {
      leave();
    }
  }

  /** Follows the events that pass. Throws QueryError, UNKNOWN_TOPIC_OR_PARTITION, REQUEST_TIMED_OUT. */
  tail(filter: LogFilter, options: TailOptions): AsyncGenerator<TailRound> {
    const signal = this.#endedBy(options.signal);
    return tailTopic(this.#context.engine, filterOf(filter), { ...options, signal }, () =>
      this.#newRun(signal),
    );
  }

  /** What is asked, as it is understood: in the language of queries, with the filters in it. */
  describe(filter: LogFilter): string {
    return expressionText(expressionOf(filter));
  }

  /** Where an answer to the query goes on behind an event of it. */
  cursorBehind(query: LogQuery, event: EventPlace): string {
    return encodeCursor(this.#fingerprint(query), event);
  }

  /** At this moment. */
  get figures(): SearchFigures {
    const { cache } = this.#context;
    return {
      running: this.#admission.inside,
      waiting: this.#admission.waiting + this.#slow.waiting,
      cacheBytes: cache.bytes,
      cacheHits: cache.hits,
      cacheMisses: cache.misses,
      indexes: this.#indexes?.figures,
    };
  }

  /** Resolves when all is indexed that was to be at the last look. */
  async indexed(): Promise<void> {
    await this.#indexes?.idle();
  }

  /** Ends all queries. */
  async close(): Promise<void> {
    this.#closing.abort(new SeglogError('NOT_READY', 'the search is closing'));
    await this.#indexes?.close();
    await this.#context.scans.close();
  }

  #fingerprint(query: LogQuery): string {
    const { id: topicId } = this.#context.engine.search.topic(query.topic);
    const { order = 'desc', startTime = '', endTime = '' } = query;
    return fingerprintOf(topicId, expressionText(expressionOf(query)), startTime, endTime, order);
  }

  /** In its turn. */
  async #begin(
    asked: LogFilter,
    signal: AbortSignal | undefined,
  ): Promise<{ run: QueryRun; filter: QueryFilter; leave(): void }> {
    const filter = filterOf(asked);
    const ended = this.#endedBy(signal);
    const gates = hasRegex(filter.expression) ? [this.#slow, this.#admission] : [this.#admission];
    const entered: Admission[] = [];
    const goOut = () => {
      for (const gate of entered) gate.leave();
    };
    try {
      for (const gate of gates) {
        await gate.enter(ended);
        entered.push(gate);
      }
    } catch (error) {
      goOut();
      throw error;
    }
    const run = this.#newRun(ended);
    const leave = () => {
      run.close();
      goOut();
    };
    return { run, filter, leave };
  }

  #endedBy(signal: AbortSignal | undefined): AbortSignal {
    const closing = this.#closing.signal;
    return signal === undefined ? closing : AbortSignal.any([signal, closing]);
  }

  #newRun(signal: AbortSignal | undefined): QueryRun {
    const { 'query.timeout.ms': timeoutMs, 'query.max.bytes': maxBytes } = this.#settings;
    return new QueryRun(this.#context, { signal, timeoutMs, maxBytes });
  }
}

function filterOf({ topic, startTime, endTime, ...rest }: LogFilter): QueryFilter {
  return {
    topic,
    expression: expressionOf({ topic, ...rest }),
    from: startTime ?? Number.NEGATIVE_INFINITY,
    until: endTime ?? Number.POSITIVE_INFINITY,
  };
}
