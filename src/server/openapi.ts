/** /openapi.json: made of the schemas of the routes, by @fastify/swagger. */
import swagger from '@fastify/swagger';
import type { FastifyInstance } from 'fastify';
import { GROUP_COMPONENTS } from './group-components.ts';
import { QUERY_COMPONENTS } from './query-schemas.ts';
import { COMPONENTS } from './schema-components.ts';
import { json, NO_PARAMETERS, responses } from './schemas.ts';

/** To be called before the routes are registered. */
export async function registerOpenApi(app: FastifyInstance, version: string): Promise<void> {
  for (const schema of [...COMPONENTS, ...GROUP_COMPONENTS, ...QUERY_COMPONENTS]) app.addSchema(schema);
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'seglog',
        description: 'A durable, partitioned, append-only log. Errors are application/problem+json.',
        version,
        license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
      },
      tags: [
        { name: 'topics', description: 'Topics and their partitions' },
        { name: 'records', description: 'Appending and reading records' },
        { name: 'groups', description: 'Consumer groups: members, polls, committed offsets' },
        { name: 'logs', description: 'Log events' },
        {
          name: 'jobs',
          description: 'Compaction, retention, recompression: asked for, looked at, cancelled',
        },
        { name: 'load', description: 'Load that the server makes for itself, where load.enabled allows it' },
        { name: 'operating', description: 'State and figures' },
      ],
    },
    refResolver: { buildLocalReference: (json) => String(json.$id) },
  });
  const response = responses({ 200: json('The document', { type: 'object', additionalProperties: true }) });
  const schema = { tags: ['operating'], summary: 'This document', querystring: NO_PARAMETERS, response };
  app.get('/openapi.json', { schema }, async (_request, reply) =>
    reply.header('content-type', 'application/json; charset=utf-8').send(JSON.stringify(app.swagger())),
  );
}
