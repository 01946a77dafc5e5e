/**
 * LoadRecorder: what became of the requests of a load, in constant memory: histograms of latency, counts of errors by kind,
 * and figures over time in intervals.
 *
 * Latency counts from when a request was due. It is taken of what was answered well, and of what was given up: a request
 * that timed out or was never sent took at least so long. A refusal, or a connection that broke, is counted as an error
 * only: a quick one is no quick answer.
 *
 * Times are milliseconds since the measurement began; those before it are negative.
 */
import { LatencyHistogram, type Percentiles } from './latency-histogram.ts';

export interface Outcome {
  /** What was asked for: `produce`, `consume`, `query`. */
  kind: string;
  /** What went wrong, in a few words that are the same each time; undefined when it was answered well. */
  error?: string;
  /** With an error: it was waited for in vain, and took at least as long as it was waited for. */
  givenUp?: boolean;
  /** Records that were stored or came back, and bytes of keys and values or of the answer. */
  records: number;
  bytes: number;
}

export interface RequestTimes {
  dueMs: number;
  sentMs: number;
  endMs: number;
}

/** What happened in an interval; latencies are of the requests that ended in it. */
export interface LoadInterval {
  startMs: number;
  endMs: number;
  due: number;
  answered: number;
  failed: number;
  records: number;
  latency: Percentiles;
  /** Requests that were due and not yet sent at its end. */
  waiting: number;
}

export interface KindFigures {
  answered: number;
  failed: number;
  records: number;
  bytes: number;
  readonly latency: LatencyHistogram;
}

export class LoadRecorder {
  readonly kinds = new Map<string, KindFigures>();
  /** By kind of error, how often. */
  readonly errors = new Map<string, number>();
  readonly intervals: LoadInterval[] = [];
  /** From when a request was sent: what a closed loop would show. */
  readonly service = new LatencyHistogram();
  /** How late requests that fell due were noticed: the generator's own share of their latency. */
  readonly lag = new LatencyHistogram();
  dueCount = 0;
  neverSentCount = 0;
  /** Lanes that ever carried a request. */
  lanesUsed = 0;
  /** How long requests that were due waited because all lanes were busy. */
  saturatedMs = 0;
  mostWaiting = 0;
  /** How long it took until the last request had ended, or takes so far. */
  elapsedMs = 0;
  readonly #intervalMs: number;
  readonly #neverSent = new LatencyHistogram();
  readonly #current = new LatencyHistogram();
  #interval: Omit<LoadInterval, 'latency' | 'endMs'> = emptyInterval(0);

  constructor(intervalMs: number) {
    this.#intervalMs = intervalMs;
  }

  /** Latency of everything, whatever its kind. */
  get latency(): LatencyHistogram {
    const all = new LatencyHistogram();
    all.add(this.#neverSent);
    for (const { latency } of this.kinds.values()) all.add(latency);
    return all;
  }

  sum(name: 'answered' | 'failed' | 'records' | 'bytes'): number {
    let sum = name === 'failed' ? this.neverSentCount : 0;
    for (const figures of this.kinds.values()) sum += figures[name];
    return sum;
  }

  /** A request fell due, and was noticed after `lagMs`. */
  due(lagMs: number): void {
    this.dueCount++;
    this.#interval.due++;
    this.lag.record(lagMs);
  }

  begun(lane: number): void {
    this.lanesUsed = Math.max(this.lanesUsed, lane + 1);
  }

  ended(outcome: Outcome, { dueMs, sentMs, endMs }: RequestTimes): void {
    const figures = this.#of(outcome.kind);
    if (outcome.error === undefined) {
      figures.answered++;
      figures.records += outcome.records;
      figures.bytes += outcome.bytes;
      this.#interval.answered++;
      this.#interval.records += outcome.records;
    } else {
      figures.failed++;
      this.#interval.failed++;
      this.errors.set(outcome.error, (this.errors.get(outcome.error) ?? 0) + 1);
      if (!outcome.givenUp) return;
    }
    figures.latency.record(endMs - dueMs);
    this.#current.record(endMs - dueMs);
    this.service.record(endMs - sentMs);
  }

  /** A request that was due was given up before it could be sent. */
  neverSent({ dueMs, endMs }: Omit<RequestTimes, 'sentMs'>): void {
    this.neverSentCount++;
    this.#interval.failed++;
    this.#neverSent.record(endMs - dueMs);
    this.#current.record(endMs - dueMs);
  }

  saturated(ms: number): void {
    this.saturatedMs += Math.max(0, ms);
  }

  /** To be called often: an interval ends with the first call behind its end. */
  tick(nowMs: number, waiting: number): void {
    if (nowMs < 0) return;
    this.elapsedMs = nowMs;
    this.mostWaiting = Math.max(this.mostWaiting, waiting);
    this.#interval.waiting = waiting;
    if (nowMs >= this.#interval.startMs + this.#intervalMs) this.#close(nowMs);
  }

  finish(nowMs: number): void {
    this.elapsedMs = Math.max(0, nowMs);
    const { due, answered, failed } = this.#interval;
    if (due + answered + failed > 0) this.#close(this.elapsedMs);
  }

  #of(kind: string): KindFigures {
    let figures = this.kinds.get(kind);
    if (figures === undefined) {
      figures = { answered: 0, failed: 0, records: 0, bytes: 0, latency: new LatencyHistogram() };
      this.kinds.set(kind, figures);
    }
    return figures;
  }

  #close(endMs: number): void {
    const end = Math.round(endMs);
    this.intervals.push({ ...this.#interval, endMs: end, latency: this.#current.percentiles() });
    this.#interval = emptyInterval(end);
    this.#current.reset();
  }
}

function emptyInterval(startMs: number): Omit<LoadInterval, 'latency' | 'endMs'> {
  return { startMs, due: 0, answered: 0, failed: 0, records: 0, waiting: 0 };
}

const NICE_INTERVALS_MS = [
  100, 200, 500, 1_000, 2_000, 5_000, 10_000, 30_000, 60_000, 300_000, 600_000, 1_800_000,
];
const MOST_INTERVALS = 250;

/** The length of intervals for a load of this length: some hundred points are all that a plot shows. */
export function intervalFor(durationMs: number): number {
  return NICE_INTERVALS_MS.find((ms) => durationMs / ms <= MOST_INTERVALS) ?? durationMs / MOST_INTERVALS;
}
