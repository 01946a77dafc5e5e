/** Statistics over log events: counts by level and source, a histogram, the most frequent sources, the first and the last event. */
import type { FastifyInstance } from 'fastify';
import { isSeglogError } from '../../engine/index.ts';
import {
  type CountTotals,
  formatTimestamp,
  type LogFilter,
  mostFrequent,
  type StatisticsOutcome,
  type StatisticsWanted,
} from '../../query/index.ts';
import type { AppContext } from '../app-context.ts';
import { HttpProblem } from '../error-mapping.ts';
import { type FilterParameters, filterOf } from '../log-request.ts';
import { STATS_PARAMETERS } from '../query-schemas.ts';
import { requestSignal } from '../request-signal.ts';
import { ref } from '../schema-components.ts';
import { json, responses } from '../schemas.ts';
import { QUERY_PROBLEMS, tookMs } from './query.ts';

interface StatsParameters extends FilterParameters {
  hoursBack?: number;
  interval?: string;
  fields?: string;
  top?: number;
}

const HOUR_MS = 3_600_000;
const DEFAULT_HOURS = 24;
const DEFAULT_TOP = 10;
const MAX_BARS = 10_000;
/** Widths that people like, one of which makes about as many bars as fit on a screen. */
const INTERVALS = [1, 5, 10, 30, 60, 300, 600, 1800, 3600, 10_800, 21_600, 43_200, 86_400, 604_800].map(
  (seconds) => seconds * 1000,
);
const LIKED_BARS = 36;
const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: HOUR_MS, d: 24 * HOUR_MS };

export function registerStatsRoute(app: FastifyInstance, context: AppContext): void {
  app.get<{ Querystring: StatsParameters }>(
    '/api/query/stats',
    {
      schema: {
        tags: ['logs'],
        summary: 'Count log events by level, by source and over time',
        querystring: STATS_PARAMETERS,
        response: responses({ 200: json('The counts', ref('LogStatistics')) }, ...QUERY_PROBLEMS),
      },
    },
    async ({ query }, reply) => {
      const startedAt = performance.now();
      const filter = rangeOf(query, Date.now());
      const further = (query.fields ?? '').split(',').filter((field) => field !== '');
      const wanted = {
        fields: ['source', 'level', ...further],
        intervalMs: intervalOf(query, filter),
        top: query.top ?? DEFAULT_TOP,
      };
      const { signal, release } = requestSignal(reply, context.lifecycle);
      try {
        const outcome = await statisticsOf(context, filter, wanted, query.topic !== undefined, signal);
        if (outcome === undefined) return viewStatistics(filter, wanted, further, NOTHING, startedAt);
        context.metrics.query.answered(outcome, performance.now() - startedAt);
        return viewStatistics(filter, wanted, further, outcome, startedAt);
      } finally {
        release();
      }
    },
  );
}

async function statisticsOf(
  { lifecycle }: AppContext,
  filter: LogFilter,
  wanted: StatisticsWanted,
  isNamed: boolean,
  signal: AbortSignal,
): Promise<StatisticsOutcome | undefined> {
  try {
    return await lifecycle.search.statistics(filter, wanted, { signal });
  } catch (error) {
    if (isNamed || !isSeglogError(error, 'UNKNOWN_TOPIC_OR_PARTITION')) throw error;
    return undefined;
  }
}

type Counted = Pick<StatisticsOutcome, 'complete' | 'reason'> & {
  totals: Pick<CountTotals, 'total' | 'first' | 'last' | 'fields' | 'buckets'>;
};

const NOTHING: Counted = {
  complete: true,
  totals: { total: 0, first: Number.NaN, last: Number.NaN, fields: [], buckets: [] },
};

/** Without a range it is the last hours; an end alone is a range of all that came before it. */
function rangeOf(parameters: StatsParameters, now: number): LogFilter {
  const filter = filterOf(parameters);
  if (filter.startTime !== undefined || (filter.endTime !== undefined && parameters.hoursBack === undefined))
    return filter;
  const hours = parameters.hoursBack ?? DEFAULT_HOURS;
  return { ...filter, startTime: (filter.endTime ?? now) - hours * HOUR_MS };
}

function intervalOf({ interval }: StatsParameters, { startTime, endTime }: LogFilter): number {
  const range = (endTime ?? Date.now()) - (startTime ?? Number.NEGATIVE_INFINITY);
  const asked = /^(\d+)(ms|s|m|h|d)?$/.exec(interval ?? '');
  if (asked === null)
    return (
      INTERVALS.find((width) => range / width <= LIKED_BARS) ??
      (range < Number.POSITIVE_INFINITY ? INTERVALS.at(-1)! : HOUR_MS)
    );
  const width = Number(asked[1]) * UNIT_MS[asked[2] ?? 'ms']!;
  if (Number.isFinite(range) && range / width > MAX_BARS)
    throw new HttpProblem('invalid_parameter', `"interval" makes more than ${MAX_BARS} bars of this range`, {
      parameter: 'interval',
    });
  return width;
}

function viewStatistics(
  { startTime, endTime }: LogFilter,
  { intervalMs, top }: StatisticsWanted,
  further: readonly string[],
  { totals, complete, reason }: Counted,
  startedAt: number,
) {
  const [sources, levels, ...others] = totals.fields;
  return {
    startTime: timeOrNull(startTime),
    endTime: timeOrNull(endTime),
    total: totals.total,
    firstSeen: timeOrNull(totals.first),
    lastSeen: timeOrNull(totals.last),
    byLevel: byName(levels),
    bySource: byName(sources),
    byField: Object.fromEntries(further.map((field, i) => [field, byName(others[i])])),
    topSources: mostFrequent(sources?.values() ?? [], top).map(({ value, count, first, last }) => ({
      source: value ?? '',
      count,
      firstSeen: timeOrNull(first),
      lastSeen: timeOrNull(last),
    })),
    intervalMs,
    histogram: histogramOf(totals, intervalMs),
    complete,
    reason,
    tookMs: tookMs(startedAt),
  };
}

/** What is not known, or is no time, is null. */
const timeOrNull = (ms: number | undefined) => (Number.isFinite(ms) ? formatTimestamp(ms!) : null);

function byName(values: CountTotals['fields'][number] | undefined): Record<string, number> {
  const sorted = mostFrequent(values?.values() ?? [], Number.POSITIVE_INFINITY);
  return Object.fromEntries(sorted.map(({ value, count }) => [value ?? '', count]));
}

/** From the first bar to the last, those without events too, unless there are too many of them. */
function histogramOf({ buckets }: Pick<CountTotals, 'buckets'>, intervalMs: number) {
  const bars = new Map<number, { time: string; count: number; byLevel: Record<string, number> }>();
  const times = buckets.map(({ time }) => time).sort((a, b) => a - b);
  const [first = 0, last = -1] = [times[0], times.at(-1)];
  const bar = (time: number) => {
    const found = bars.get(time) ?? { time: formatTimestamp(time), count: 0, byLevel: {} };
    bars.set(time, found);
    return found;
  };
  if ((last - first) / intervalMs <= MAX_BARS)
    for (let time = first; time <= last; time += intervalMs) bar(time);
  else for (const time of times) bar(time);
  for (const { time, level, count } of buckets) {
    const found = bar(time);
    found.count += count;
    found.byLevel[level ?? ''] = count;
  }
  return [...bars.values()];
}
