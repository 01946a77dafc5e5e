/** How a query is carried out: what there is, what was left out and by which knowledge, what was read, and how long it took. */
import type { FastifyInstance } from 'fastify';
import type { PartCounts } from '../../query/index.ts';
import type { AppContext } from '../app-context.ts';
import { bodyParameters, logRequestOf } from '../log-request.ts';
import { bodyOf, MAX_EVENTS, QUERY_PARAMETERS } from '../query-schemas.ts';
import { requestSignal } from '../request-signal.ts';
import { ref } from '../schema-components.ts';
import { BODY_PROBLEMS, json, NO_PARAMETERS, responses } from '../schemas.ts';
import { QUERY_PROBLEMS } from './query.ts';

export function registerExplainRoute(app: FastifyInstance, { lifecycle, metrics }: AppContext): void {
  const parametersOf = bodyParameters(QUERY_PARAMETERS);
  app.post(
    '/api/query/explain',
    {
      schema: {
        tags: ['logs'],
        summary: 'Carry a query out, and tell how instead of what it found',
        querystring: NO_PARAMETERS,
        body: bodyOf(QUERY_PARAMETERS),
        response: responses(
          { 200: json('How it was carried out', ref('QueryPlan')) },
          ...QUERY_PROBLEMS,
          'invalid_cursor',
          ...BODY_PROBLEMS,
        ),
      },
    },
    async (request, reply) => {
      const startedAt = performance.now();
      const { query } = logRequestOf(parametersOf(request.body), MAX_EVENTS);
      const { signal, release } = requestSignal(reply, lifecycle);
      try {
        let matches = 0;
        const events = lifecycle.search.query(query, { signal, planAll: true });
        let next = await events.next();
        for (; !next.done; next = await events.next()) matches += next.value.length;
        const { complete, reason, figures } = next.value;
        metrics.query.answered(next.value, performance.now() - startedAt);
        const { segments, blocks, partitions, unindexedSegments } = figures;
        return {
          query: lifecycle.search.describe(query),
          matches,
          partitions: parts(partitions),
          segments: { ...parts(segments), unindexed: unindexedSegments },
          blocks: parts(blocks),
          bytesRead: figures.bytesRead,
          bytesSkipped: figures.bytesSkipped,
          recordsScanned: figures.records,
          scans: figures.scans,
          cachedScans: figures.cachedScans,
          planningMs: rounded(figures.planningMs),
          runMs: rounded(figures.runMs),
          complete,
          reason,
        };
      } finally {
        release();
      }
    },
  );
}

const parts = ({ total, pruned, scanned, unneeded }: PartCounts) => ({ total, pruned, scanned, unneeded });

const rounded = (ms: number): number => Math.round(ms * 1000) / 1000;
