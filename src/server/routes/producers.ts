/** Idempotent producers: an id under which records are numbered, so that none is stored twice. */
import type { FastifyInstance } from 'fastify';
import type { ProducerIdentity } from '../../engine/index.ts';
import type { AppContext } from '../app-context.ts';
import { HttpProblem } from '../error-mapping.ts';
import { ref } from '../schema-components.ts';
import { BODY_PROBLEMS, json, NO_PARAMETERS, PRODUCER_BODY, responses } from '../schemas.ts';

interface ProducerRoute {
  Body: { producerId?: number; epoch?: number } | null | undefined;
}

export function registerProducerRoute(app: FastifyInstance, { lifecycle }: AppContext): void {
  app.post<ProducerRoute>(
    '/api/producers',
    {
      schema: {
        tags: ['records'],
        summary: 'Get a producer id, or the next epoch of one',
        querystring: NO_PARAMETERS,
        body: PRODUCER_BODY,
        response: responses({ 201: json('The producer', ref('Producer')) }, ...BODY_PROBLEMS),
      },
    },
    async ({ body }, reply) => {
      const { id, epoch } = lifecycle.engine.newProducer(previousOf(body ?? {}));
      void reply.code(201);
      return { producerId: id, epoch };
    },
  );
}

function previousOf({
  producerId,
  epoch,
}: {
  producerId?: number;
  epoch?: number;
}): ProducerIdentity | undefined {
  if (producerId === undefined && epoch === undefined) return undefined;
  if (producerId !== undefined && epoch !== undefined) return { id: producerId, epoch };
  throw new HttpProblem(
    'invalid_request',
    'producerId and epoch go together: who had them gets the next epoch',
  );
}
