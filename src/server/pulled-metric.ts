/** A metric whose values are made when a scrape asks for them, and what they are made of. */
import type { Engine, GroupCoordinator } from '../engine/index.ts';
import type { SearchFigures } from '../query/index.ts';
import type { Sample } from './histogram.ts';
import type { ServerMetrics } from './metrics.ts';

export interface MetricSources {
  metrics: ServerMetrics;
  engine: () => Engine;
  groups: () => GroupCoordinator;
  search: () => SearchFigures;
  connections: () => Promise<number>;
  bodyBytes: () => number;
  /** Topics and partitions with figures of their own. */
  maxTopics: number;
  maxPartitions: number;
  version: string;
}

type Collect = () => Sample[] | Promise<Sample[]>;

/** A metric whose values are made when they are asked for; the part of prom-client's metrics that a registry uses. */
export class PulledMetric {
  readonly name: string;
  readonly help: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly aggregator = 'sum';
  readonly #collect: Collect;

  constructor(type: PulledMetric['type'], name: string, help: string, collect: Collect) {
    this.type = type;
    this.name = name;
    this.help = help;
    this.#collect = collect;
  }

  async get() {
    const { name, help, type, aggregator } = this;
    return { name, help, type, aggregator, values: await this.#collect() };
  }
}

export type Add = (type: PulledMetric['type'], name: string, help: string, collect: Collect) => void;

export const one = (value: number): Sample[] => [{ value, labels: {} }];
