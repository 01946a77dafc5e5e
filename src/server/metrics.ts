/**
 * The figures of a server, for Prometheus and for /api/metrics/summary.
 *
 * Hot paths add to plain numbers; metrics are made of them only when somebody asks (prom-client's own
 * counters cost 400 ns a call). What the engine knows is pulled from it at that moment. The topics and
 * partitions with labels of their own are capped, so that a scrape stays small whatever clients create.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { CommitReport, EngineObserver } from '../engine/index.ts';
import { BackgroundFigures } from './background-figures.ts';
import type { ProblemCode } from './error-mapping.ts';
import { GroupFigures } from './group-figures.ts';
import { Histogram } from './histogram.ts';
import { QueryFigures } from './query-figures.ts';

/** From 50 µs to 10 s. */
const SECONDS = [
  0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
];
const BATCHES = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024];
const BYTES = [1024, 4096, 16_384, 65_536, 262_144, 1_048_576, 4_194_304, 16_777_216, 67_108_864];
const LAG_RESOLUTION_MS = 10;

/** No topic can have this name. */
export const OTHER_TOPICS = '(other)';

export interface TopicFigures {
  producedRecords: number;
  producedBytes: number;
  fetchedRecords: number;
  fetchedBytes: number;
}

/** Log events that came in. */
export interface IngestFigures {
  accepted: number;
  readonly rejected: Map<ProblemCode, number>;
  readonly seconds: Histogram;
}

export class ServerMetrics {
  readonly topics = new Map<string, TopicFigures>();
  readonly produceSeconds = new Histogram(SECONDS);
  readonly fetchSeconds = new Histogram(SECONDS);
  readonly ingest: IngestFigures = { accepted: 0, rejected: new Map(), seconds: new Histogram(SECONDS) };
  readonly query = new QueryFigures();
  readonly syncSeconds = { segment: new Histogram(SECONDS), journal: new Histogram(SECONDS) };
  readonly commitSeconds = new Histogram(SECONDS);
  readonly commitBatches = new Histogram(BATCHES);
  readonly commitBytes = new Histogram(BYTES);
  readonly problems = new Map<ProblemCode, number>();
  readonly failures = { write: 0, sync: 0, storage_full: 0, corruption: 0 };
  readonly background = new BackgroundFigures();
  readonly groups: GroupFigures;
  /** Produce requests that had been answered before. */
  replayed = 0;
  journaledBatches = 0;
  rolls = 0;
  removedSegments = 0;
  removedBytes = 0;
  readonly startedAt = Date.now();
  readonly #maxTopics: number;
  readonly #lag: ReturnType<typeof monitorEventLoopDelay>;

  constructor(maxTopics: number, maxGroups: number) {
    this.#maxTopics = maxTopics;
    this.groups = new GroupFigures(maxGroups, SECONDS);
    this.#lag = monitorEventLoopDelay({ resolution: LAG_RESOLUTION_MS });
    this.#lag.enable();
  }

  /** What the engine reports to. */
  readonly observer: EngineObserver = {
    ...this.background.observer,
    appended: (topic, records, bytes) => {
      const figures = this.#figures(topic);
      figures.producedRecords += records;
      figures.producedBytes += bytes;
    },
    fetched: (topic, bytes) => {
      this.#figures(topic).fetchedBytes += bytes;
    },
    committed: (report) => this.#committed(report),
    synced: (file, durationMs) => this.syncSeconds[file].observe(durationMs / 1000),
    rolled: () => {
      this.rolls++;
    },
    removed: (_topic, _partition, segments, bytes) => {
      this.removedSegments += segments;
      this.removedBytes += bytes;
    },
    failed: (kind) => {
      this.failures[kind]++;
    },
  };

  produced(durationMs: number): void {
    this.produceSeconds.observe(durationMs / 1000);
  }

  /** What became of the events of a request. */
  ingested(accepted: number, rejected: ReadonlyMap<ProblemCode, number>, durationMs: number): void {
    const { ingest } = this;
    ingest.accepted += accepted;
    for (const [code, count] of rejected) ingest.rejected.set(code, (ingest.rejected.get(code) ?? 0) + count);
    ingest.seconds.observe(durationMs / 1000);
  }

  /** `durationMs` is without the time that a long poll waited. */
  fetched(topic: string, records: number, durationMs: number): void {
    this.#figures(topic).fetchedRecords += records;
    this.fetchSeconds.observe(durationMs / 1000);
  }

  /** As `fetched`, of records by topic. */
  polled(records: ReadonlyMap<string, number>, durationMs: number): void {
    for (const [topic, count] of records) this.#figures(topic).fetchedRecords += count;
    this.fetchSeconds.observe(durationMs / 1000);
  }

  /** Bytes freed, by what freed them; `delete` is retention and deletion on request. */
  get reclaimedBytes(): Record<'compact' | 'recompress' | 'delete', number> {
    return { ...this.background.rewrittenBytes, delete: this.removedBytes };
  }

  problem(code: ProblemCode): void {
    this.problems.set(code, (this.problems.get(code) ?? 0) + 1);
  }

  /** Lag of the event loop since the last call. */
  takeEventLoopLag(): { meanSeconds: number; maxSeconds: number } {
    const seconds = (nanoseconds: number) => Math.max(0, nanoseconds / 1e9 - LAG_RESOLUTION_MS / 1000) || 0;
    const lag = { meanSeconds: seconds(this.#lag.mean), maxSeconds: seconds(this.#lag.max) };
    this.#lag.reset();
    return lag;
  }

  close(): void {
    this.#lag.disable();
  }

  #committed(report: CommitReport): void {
    this.commitBatches.observe(report.batches);
    this.commitBytes.observe(report.bytes);
    this.commitSeconds.observe(report.durationMs / 1000);
    this.journaledBatches += report.journaledBatches;
  }

  #figures(topic: string): TopicFigures {
    const known = this.topics.get(topic);
    if (known !== undefined) return known;
    if (this.topics.size >= this.#maxTopics && topic !== OTHER_TOPICS) return this.#figures(OTHER_TOPICS);
    const figures = { producedRecords: 0, producedBytes: 0, fetchedRecords: 0, fetchedBytes: 0 };
    this.topics.set(topic, figures);
    return figures;
  }
}
