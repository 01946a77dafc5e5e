/** Load that the daemon makes for itself, for a demonstration; refused unless `load.enabled` allows it. */
import type { FastifyInstance } from 'fastify';
import { isoTime } from '../../query/index.ts';
import type { AppContext } from '../app-context.ts';
import { HttpProblem } from '../error-mapping.ts';
import { DaemonLoad, DEMO_TOPIC, type DemoStats } from '../load/daemon-load.ts';
import { fittingBatchSize } from '../load/schedule.ts';
import { ref } from '../schema-components.ts';
import { BODY_PROBLEMS, json, LOAD_PARAMETERS, NO_BODY, NO_PARAMETERS, responses } from '../schemas.ts';

interface BurstRoute {
  Querystring: {
    durationSeconds?: number;
    rate?: number;
    topic?: string;
    batchSize?: number;
    valueBytes?: number;
  };
}

const tags = ['load'];

/** Records are made on the thread that serves: more would leave it no time for anything else, and heap by the GiB. */
const MOST_MIB_PER_SECOND = 256;

export function registerLoadRoutes(app: FastifyInstance, { lifecycle, logger, settings }: AppContext): void {
  const load = new DaemonLoad(logger);
  lifecycle.onStop(() => void load.stop());
  const assertEnabled = () => {
    if (settings['load.enabled'] === 'true') return;
    throw new HttpProblem('forbidden', 'the server makes no load: start it with load.enabled=true for that');
  };

  app.post<BurstRoute>(
    '/api/load/burst',
    {
      schema: {
        tags,
        summary: 'Append made records at a fixed rate for some time',
        querystring: LOAD_PARAMETERS,
        body: NO_BODY,
        response: responses(
          { 202: json('It runs', ref('LoadStats')) },
          ...BODY_PROBLEMS,
          'invalid_topic',
          'unknown_topic',
          'forbidden',
          'load_running',
          'storage_failed',
          'storage_full',
        ),
      },
    },
    async ({ query }, reply) => {
      assertEnabled();
      const { rate = 1_000, durationSeconds = 10, topic = DEMO_TOPIC, valueBytes = 256 } = query;
      const most = rate * durationSeconds;
      const { batchSize = Math.min(fittingBatchSize(rate), most) } = query;
      if (batchSize > most)
        throw new HttpProblem(
          'invalid_parameter',
          `"batchSize" ${batchSize} is more than the ${most} records of the whole load ("rate" × "durationSeconds"): give at most ${most}, a longer time or a higher rate`,
        );
      const mib = (rate * valueBytes) / 2 ** 20;
      if (mib > MOST_MIB_PER_SECOND)
        throw new HttpProblem(
          'invalid_parameter',
          `"rate" × "valueBytes" is ${Math.ceil(mib)} MiB a second, and at most ${MOST_MIB_PER_SECOND} are made: lower one of them`,
        );
      const stats = await load.start(lifecycle.engine, {
        topic,
        rate,
        durationSeconds,
        batchSize,
        valueBytes,
      });
      void reply.code(202);
      return view(stats);
    },
  );

  app.post(
    '/api/load/stop',
    {
      schema: {
        tags,
        summary: 'Stop the load, if there is one',
        querystring: NO_PARAMETERS,
        body: NO_BODY,
        response: responses(
          { 200: json('How far it came', ref('LoadStats')) },
          ...BODY_PROBLEMS,
          'forbidden',
        ),
      },
    },
    async () => {
      assertEnabled();
      return view(await load.stop());
    },
  );

  app.get(
    '/api/load/stats',
    {
      schema: {
        tags,
        summary: 'Figures of the load that runs, or of the last one',
        querystring: NO_PARAMETERS,
        response: responses({ 200: json('The figures', ref('LoadStats')) }, 'forbidden'),
      },
    },
    async () => {
      assertEnabled();
      return view(load.stats());
    },
  );
}

function view(stats: DemoStats) {
  return { ...stats, startedAt: isoTime(stats.startedAt) };
}
