/**
 * QueryRun: one query while it is carried out: its scans, what it may cost, and what it came to. When its time or its bytes
 * are used up, or nobody wants the answer any more, all that is under way ends.
 */
import type { Engine } from '../engine/index.ts';
import { type Expression, hasRegex } from './expression.ts';
import type { UnreadableRange } from './offset-reads.ts';
import type { ScanCache } from './result-cache.ts';
import { emptyFigures, type RunFigures } from './run-figures.ts';
import { ScanControl } from './scan-control.ts';
import type { ScanRunner } from './scan-pool.ts';
import type { ScanRequest, ScanResult } from './scan-request.ts';
import type { IndexSource } from './survey.ts';

/** What is asked of the events of a topic: their times lie in [from, until), and they pass the expression. */
export interface QueryFilter {
  readonly topic: string;
  readonly expression: Expression;
  readonly from: number;
  readonly until: number;
}

/** Why an answer is not all there is. */
export type Incomplete = 'timeout' | 'max_bytes' | 'damaged' | 'cancelled';

/** What all queries share. */
export interface RunContext {
  readonly engine: Engine;
  readonly indexes: IndexSource;
  readonly scans: ScanRunner;
  readonly cache: ScanCache;
}

export interface RunLimits {
  /** Aborts when nobody wants the answer any more. */
  readonly signal?: AbortSignal;
  readonly timeoutMs: number;
  /** To be read. */
  readonly maxBytes: number;
}

/** A scan that is asked for. */
export interface AskedScan {
  readonly request: Omit<ScanRequest, 'control'>;
  /** Under which its result is kept, and found. */
  readonly cacheKey?: string;
  /** As GroupedScan has it: not where the result is kept. */
  readonly mayBeCut: boolean;
}

export class QueryRun {
  readonly context: RunContext;
  readonly figures: RunFigures = emptyFigures();
  readonly unreadable: UnreadableRange[] = [];
  /** Where each partition ended when the run began: what comes later is of no concern to it. */
  ends: readonly number[] | undefined;
  /** The first reason why the answer is not all there is. */
  incomplete: Incomplete | undefined;
  readonly #limits: RunLimits;
  readonly #control = new ScanControl();
  readonly #stop = new AbortController();
  readonly #timer: NodeJS.Timeout;
  readonly #startedAt = performance.now();

  constructor(context: RunContext, limits: RunLimits) {
    this.context = context;
    this.#limits = limits;
    this.#timer = setTimeout(() => this.#end('timeout'), limits.timeoutMs);
    limits.signal?.addEventListener('abort', this.#cancel, { once: true });
    if (limits.signal?.aborted) this.#cancel();
  }

  readonly #cancel = () => this.#end('cancelled');

  /** To be called once, whatever became of it: ends what is still under way. */
  close(): void {
    clearTimeout(this.#timer);
    this.#limits.signal?.removeEventListener('abort', this.#cancel);
    this.figures.runMs = performance.now() - this.#startedAt;
    this.#giveUp();
  }

  /** Nothing more is to be begun. */
  get ended(): boolean {
    return this.#stop.signal.aborted;
  }

  /** What a scan gives; undefined when it was given up, or did not find what was to be there. */
  async scan(request: AskedScan['request']): Promise<ScanResult | undefined> {
    const [result] = await this.scanGroup([{ request, mayBeCut: false }]);
    return result;
  }

  /** What scans give, or gave before under their keys, as `scan` does: a thread does one after the other. */
  async scanGroup(asked: readonly AskedScan[]): Promise<(ScanResult | undefined)[]> {
    const { cache, scans } = this.context;
    const results = asked.map(({ cacheKey }) => (cacheKey === undefined ? undefined : cache.get(cacheKey)));
    const missing = [...asked.keys()].filter((i) => results[i] === undefined);
    this.figures.cachedScans += asked.length - missing.length;
    if (missing.length === 0) return results;
    const control = this.#control.shared;
    const group = missing.map((i) => ({
      request: { ...asked[i]!.request, control },
      mayBeCut: asked[i]!.mayBeCut,
    }));
    const slow = hasRegex(asked[0]!.request.filter.expression);
    const outcomes = await scans.run(group, this.#stop.signal, slow);
    for (const [n, i] of missing.entries()) {
      const outcome = outcomes[n]!;
      if (!('result' in outcome)) continue;
      const { result } = outcome;
      results[i] = result;
      this.#note(result);
      const { cacheKey } = asked[i]!;
      if (cacheKey !== undefined) cache.set(cacheKey, result);
    }
    return results;
  }

  #note(result: ScanResult): void {
    this.figures.scans++;
    this.figures.records += result.records;
    this.countBytes(result.bytesRead);
  }

  countBytes(bytes: number): void {
    this.figures.bytesRead += bytes;
    if (this.figures.bytesRead > this.#limits.maxBytes) this.#end('max_bytes');
  }

  noteUnreadable(range: UnreadableRange): void {
    this.unreadable.push(range);
    this.incomplete ??= 'damaged';
  }

  #end(reason: Incomplete): void {
    if (this.ended) return;
    this.incomplete = reason;
    this.#giveUp();
  }

  #giveUp(): void {
    this.#control.cancel();
    this.#stop.abort();
  }
}
