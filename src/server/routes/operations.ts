/** What an operator asks: is it alive, is it ready, how is it, and its figures. */
import type { FastifyInstance } from 'fastify';
import type { Registry } from 'prom-client';
import type { JobState } from '../../engine/index.ts';
import { formatTimestamp } from '../../query/index.ts';
import type { AppContext } from '../app-context.ts';
import { HttpProblem } from '../error-mapping.ts';
import { listGroups } from '../group-exposition.ts';
import type { GroupCounts } from '../group-figures.ts';
import type { Histogram } from '../histogram.ts';
import { json, NO_PARAMETERS, responses } from '../schemas.ts';

const tags = ['operating'];
const anything = { type: 'object', additionalProperties: true };

export function registerOperationRoutes(app: FastifyInstance, context: AppContext, registry: Registry): void {
  const { lifecycle, metrics, version } = context;
  const querystring = NO_PARAMETERS;
  const uptimeSeconds = () => Math.round((Date.now() - metrics.startedAt) / 1000);

  app.get(
    '/livez',
    {
      schema: {
        tags,
        summary: 'Whether the process answers; also while it starts or stops',
        querystring,
        response: responses({ 200: json('It does', anything) }),
      },
    },
    async () => ({ status: 'alive', phase: lifecycle.phase }),
  );

  app.get(
    '/readyz',
    {
      schema: {
        tags,
        summary: 'Whether requests are served: nothing fenced, no failure, space left',
        querystring,
        response: responses({ 200: json('They are', anything) }),
      },
    },
    async () => {
      const { ready, reasons } = lifecycle.engine.health();
      if (!ready) throw new HttpProblem('not_ready', reasons.join('; '), { reasons });
      return { status: 'ready' };
    },
  );

  app.get(
    '/health',
    {
      schema: {
        tags,
        summary: 'The state in detail; 503 with the same body when not ready',
        querystring,
        response: responses({ 200: json('Ready', anything) }),
      },
    },
    async (_request, reply) => {
      const health = lifecycle.engine.health();
      if (!health.ready) reply.code(503);
      return {
        status: health.ready ? 'ready' : 'not ready',
        version,
        uptimeSeconds: uptimeSeconds(),
        ...health,
      };
    },
  );

  app.get(
    '/metrics',
    {
      schema: {
        tags,
        summary: 'Figures for Prometheus',
        querystring,
        response: responses({
          200: { description: 'Text format', content: { 'text/plain': { schema: { type: 'string' } } } },
        }),
      },
    },
    async (_request, reply) =>
      reply.header('content-type', registry.contentType).send(await registry.metrics()),
  );

  app.get(
    '/api/metrics/summary',
    {
      schema: {
        tags,
        summary: 'The main figures as JSON',
        querystring,
        response: responses({ 200: json('The figures since the start', anything) }),
      },
    },
    async () => ({ version, uptimeSeconds: uptimeSeconds(), ...summary(context) }),
  );
}

function summary(context: AppContext) {
  const { lifecycle, metrics } = context;
  const { engine } = lifecycle;
  const sum = { producedRecords: 0, producedBytes: 0, fetchedRecords: 0, fetchedBytes: 0 };
  for (const figures of metrics.topics.values()) {
    for (const name of Object.keys(sum) as (keyof typeof sum)[]) sum[name] += figures[name];
  }
  const { heapUsed, rss } = process.memoryUsage();
  return {
    ready: engine.health().ready,
    produce: {
      requests: metrics.produceSeconds.count,
      records: sum.producedRecords,
      bytes: sum.producedBytes,
      ...latency(metrics.produceSeconds),
    },
    fetch: {
      requests: metrics.fetchSeconds.count,
      records: sum.fetchedRecords,
      bytes: sum.fetchedBytes,
      ...latency(metrics.fetchSeconds),
    },
    ingest: {
      requests: metrics.ingest.seconds.count,
      accepted: metrics.ingest.accepted,
      rejected: Object.fromEntries(metrics.ingest.rejected),
      ...latency(metrics.ingest.seconds),
    },
    commit: { groups: metrics.commitBatches.count, ...latency(metrics.commitSeconds) },
    groups: groupSummary(context),
    background: backgroundSummary(context),
    problems: Object.fromEntries(metrics.problems),
    storage: engine.stats(),
    process: { residentBytes: rss, heapUsedBytes: heapUsed, cpuSeconds: process.cpuUsage().user / 1e6 },
  };
}

function groupSummary({ lifecycle, metrics }: AppContext) {
  const groups = listGroups(lifecycle.groups);
  const counts = [...metrics.groups.counts.values()];
  const sum = (field: keyof GroupCounts) => counts.reduce((total, each) => total + each[field], 0);
  return {
    groups: groups.length,
    members: groups.reduce((total, { members }) => total + members, 0),
    lag: lifecycle.groups.lags().reduce((total, lag) => total + lag.sum, 0),
    rebalances: sum('rebalances'),
    movedPartitions: sum('movedPartitions'),
    expiredMembers: sum('expiredMembers'),
    commits: metrics.groups.commitSeconds.count,
    ...latency(metrics.groups.commitSeconds),
  };
}

function backgroundSummary({ lifecycle, metrics }: AppContext) {
  const { background } = lifecycle.engine;
  const { kinds, tasks, retentionFailures } = metrics.background;
  const jobs = background.jobs();
  const open = (state: JobState) => jobs.filter((job) => job.state === state).length;
  const ended = (state: 'done' | 'failed' | 'cancelled') =>
    Object.values(kinds).reduce((sum, figures) => sum + figures.ended[state], 0);
  const { compactions, dirtyBytes, recompressions } = background.backlog();
  return {
    jobs: {
      queued: open('queued'),
      running: open('running'),
      done: ended('done'),
      failed: ended('failed'),
      cancelled: ended('cancelled'),
    },
    backlog: { compactions, dirtyBytes, recompressions },
    reclaimedBytes: metrics.reclaimedBytes,
    retentionFailures,
    throttledSeconds: [...tasks.values()].reduce((sum, { throttledSeconds }) => sum + throttledSeconds, 0),
    lastSuccess: Object.fromEntries(
      Object.entries(kinds).map(([kind, { lastSuccessSeconds }]) => [
        kind,
        lastSuccessSeconds === 0 ? null : formatTimestamp(Math.round(lastSuccessSeconds * 1000)),
      ]),
    ),
  };
}

/** Upper bounds of the histogram's buckets in which the quantiles lie. */
function latency(seconds: Histogram) {
  const ms = (fraction: number) => {
    const bound = seconds.quantile(fraction);
    return bound === null ? null : bound * 1000;
  };
  return { p50Ms: ms(0.5), p99Ms: ms(0.99), p999Ms: ms(0.999) };
}
