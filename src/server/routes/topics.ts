/** Topics: list, create, describe, alter, delete; and the segments of a partition. */
import type { FastifyInstance } from 'fastify';
import type { PartitionDescription, TopicChange, TopicDescription, TopicSpec } from '../../engine/index.ts';
import { isoTime } from '../../query/index.ts';
import type { AppContext } from '../app-context.ts';
import { array, object, ref } from '../schema-components.ts';
import {
  ALTER_TOPIC_BODY,
  BODY_PROBLEMS,
  CREATE_TOPIC_BODY,
  json,
  NO_PARAMETERS,
  PARTITION_PATH,
  responses,
  TOPIC_PATH,
} from '../schemas.ts';

interface TopicPath {
  Params: { topic: string };
}

interface PartitionPath {
  Params: { topic: string; partition: number };
}

const tags = ['topics'];

export function registerTopicRoutes(app: FastifyInstance, { lifecycle }: AppContext): void {
  app.get(
    '/api/topics',
    {
      schema: {
        tags,
        summary: 'List the topics',
        querystring: NO_PARAMETERS,
        response: responses({ 200: json('The topics', object({ topics: array(ref('TopicListing')) })) }),
      },
    },
    async () => ({ topics: lifecycle.engine.listTopics() }),
  );

  app.put<TopicPath & { Body: TopicSpec | null | undefined }>(
    '/api/topics/:topic',
    {
      schema: {
        tags,
        summary: 'Create a topic',
        params: TOPIC_PATH,
        querystring: NO_PARAMETERS,
        body: CREATE_TOPIC_BODY,
        response: responses(
          {
            200: json('The same topic existed', ref('Topic')),
            201: json('The topic was created', ref('Topic')),
          },
          ...BODY_PROBLEMS,
          'invalid_topic',
          'invalid_partitions',
          'invalid_config',
          'topic_exists',
          'storage_full',
          'storage_failed',
        ),
      },
    },
    async (request, reply) => {
      const { created, topic } = await lifecycle.engine.createTopic(request.params.topic, request.body ?? {});
      reply.code(created ? 201 : 200);
      return describe(topic);
    },
  );

  app.get<TopicPath>(
    '/api/topics/:topic',
    {
      schema: {
        tags,
        summary: 'Describe a topic: its partitions, and its settings with where each value comes from',
        params: TOPIC_PATH,
        querystring: NO_PARAMETERS,
        response: responses({ 200: json('The topic', ref('Topic')) }, 'invalid_topic', 'unknown_topic'),
      },
    },
    async (request) => describe(await lifecycle.engine.describeTopic(request.params.topic)),
  );

  app.patch<TopicPath & { Body: TopicChange }>(
    '/api/topics/:topic',
    {
      schema: {
        tags,
        summary: 'Change settings of a topic, or add partitions',
        params: TOPIC_PATH,
        querystring: NO_PARAMETERS,
        body: ALTER_TOPIC_BODY,
        response: responses(
          { 200: json('The topic as it is now', ref('Topic')) },
          ...BODY_PROBLEMS,
          'invalid_topic',
          'invalid_partitions',
          'invalid_config',
          'unknown_topic',
          'storage_full',
          'storage_failed',
        ),
      },
    },
    async (request) => describe(await lifecycle.engine.alterTopic(request.params.topic, request.body)),
  );

  app.delete<TopicPath>(
    '/api/topics/:topic',
    {
      schema: {
        tags,
        summary: 'Delete a topic and its records',
        params: TOPIC_PATH,
        querystring: NO_PARAMETERS,
        response: responses(
          { 204: { type: 'null', description: 'The topic was deleted' } },
          'invalid_topic',
          'unknown_topic',
          'storage_failed',
        ),
      },
    },
    async (request, reply) => {
      await lifecycle.engine.deleteTopic(request.params.topic);
      return reply.code(204).send();
    },
  );

  app.get<PartitionPath>(
    '/api/topics/:topic/partitions/:partition/segments',
    {
      schema: {
        tags,
        summary: 'List the segments of a partition',
        params: PARTITION_PATH,
        querystring: NO_PARAMETERS,
        response: responses(
          { 200: json('The segments in offset order', object({ segments: array(ref('Segment')) })) },
          'invalid_topic',
          'invalid_partition',
          'unknown_topic',
          'unknown_partition',
        ),
      },
    },
    async (request) => {
      const { topic, partition } = request.params;
      const segments = await lifecycle.engine.listSegments(topic, partition);
      return { segments: segments.map(withIsoTimes) };
    },
  );
}

function describe(topic: TopicDescription) {
  return {
    ...topic,
    partitions: topic.partitions.map(describePartition),
  };
}

function describePartition(partition: PartitionDescription) {
  const { nextDeletion: next } = partition;
  return { ...withIsoTimes(partition), nextDeletion: next && { ...next, at: isoTime(next.at) } };
}

function withIsoTimes<T extends { minTimestamp: number | null; maxTimestamp: number | null }>(described: T) {
  return {
    ...described,
    minTimestamp: isoTime(described.minTimestamp),
    maxTimestamp: isoTime(described.maxTimestamp),
  };
}
