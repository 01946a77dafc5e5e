/** Deleting the records of a partition before an offset: a job, of which the answer waits for the end. */
import type { FastifyInstance } from 'fastify';
import type { AppContext } from '../app-context.ts';
import { HttpProblem } from '../error-mapping.ts';
import { ref } from '../schema-components.ts';
import { DELETION_PARAMETERS, json, PARTITION_PATH, responses } from '../schemas.ts';

interface DeletionRoute {
  Params: { topic: string; partition: number };
  Querystring: { before_offset?: number };
}

export function registerDeletionRoute(app: FastifyInstance, { lifecycle }: AppContext): void {
  app.delete<DeletionRoute>(
    '/api/topics/:topic/partitions/:partition/records',
    {
      schema: {
        tags: ['records'],
        summary: 'Delete the records of a partition before an offset',
        params: PARTITION_PATH,
        querystring: DELETION_PARAMETERS,
        response: responses(
          { 200: json('The records are gone', ref('RecordsDeleted')) },
          'invalid_topic',
          'invalid_partition',
          'invalid_offset',
          'unknown_topic',
          'unknown_partition',
          'offset_out_of_range',
          'policy_violation',
          'storage_full',
          'storage_failed',
        ),
      },
    },
    async ({ params: { topic, partition }, query: { before_offset: offset } }) => {
      if (offset === undefined) {
        const detail = 'say with "before_offset" which records go: all whose offset is less';
        throw new HttpProblem('invalid_offset', detail, { parameter: 'before_offset' });
      }
      return { partition, ...(await lifecycle.engine.deleteRecords(topic, partition, offset)) };
    },
  );
}
