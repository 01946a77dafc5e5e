/** Appending records to a topic. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Acks, CompressionType, PartitionAppend } from '../../engine/index.ts';
import type { AppContext } from '../app-context.ts';
import { parseBody } from '../body-reader.ts';
import { HttpProblem } from '../error-mapping.ts';
import { bodyReader, type PRODUCE_MEDIA_TYPES } from '../produce-body.ts';
import type { ValueEncoding } from '../record-sink.ts';
import { ref } from '../schema-components.ts';
import { BODY_PROBLEMS, json, PRODUCE_PARAMETERS, responses, TOPIC_PATH } from '../schemas.ts';
import { formatTimestamp } from '../timestamps.ts';

interface ProduceRoute {
  Params: { topic: string };
  Querystring: {
    acks?: 'all' | '1' | '0';
    partition?: number;
    encoding?: ValueEncoding;
    compression?: CompressionType;
    key?: string;
  };
}

const line = { type: 'string', contentMediaType: 'text/plain' };
const BODY_SCHEMAS: Readonly<Record<(typeof PRODUCE_MEDIA_TYPES)[number], object>> = {
  'application/json': { schema: ref('ProduceRequest') },
  'application/msgpack': { schema: { ...ref('ProduceRequest') } },
  'application/x-ndjson': {
    schema: { ...line, description: 'One JSON value a line, stored as the bytes that it is.' },
  },
  'text/plain': { schema: { ...line, description: 'One value a line.' } },
  'application/octet-stream': { schema: { type: 'string', format: 'binary', description: 'One value.' } },
};

export function registerProduceRoute(app: FastifyInstance, context: AppContext): void {
  app.post<ProduceRoute>(
    '/api/topics/:topic/records',
    {
      schema: {
        tags: ['records'],
        summary: 'Append records; those of one partition are stored together or not at all',
        params: TOPIC_PATH,
        querystring: PRODUCE_PARAMETERS,
        body: { content: BODY_SCHEMAS },
        response: responses(
          {
            200: json(
              'Where the records are; with acks=0 the offsets are not known yet (-1)',
              ref('ProduceResult'),
            ),
          },
          ...BODY_PROBLEMS,
          'invalid_topic',
          'invalid_partition',
          'invalid_record',
          'invalid_msgpack',
          'unknown_topic',
          'unknown_partition',
          'record_too_large',
          'timed_out',
          'outcome_unknown',
          'storage_failed',
          'storage_full',
        ),
      },
    },
    (request, reply) => produce(context, request, reply),
  );
}

async function produce(context: AppContext, request: FastifyRequest<ProduceRoute>, reply: FastifyReply) {
  const startedAt = performance.now();
  const { acks: wanted = 'all', partition, encoding, compression, key } = request.query;
  const read = bodyReader(request.headers['content-type']);
  const { engine } = context.lifecycle;
  const acks: Acks = wanted === 'all' ? 'all' : wanted === '1' ? 1 : 0;
  // Begun before the body is read: a topic that does not exist is refused without taking the body in.
  const pending = engine.startAppend(request.params.topic, { acks, partition, compression });
  await parseBody(request.raw, context.bodyLimits, (body) => {
    pending.expect(body.length + body.length / 8);
    read(body, pending, { encoding, key });
  });
  if (pending.recordCount === 0) throw new HttpProblem('invalid_request', 'the body has no records');
  const appended = await pending.commit();
  context.metrics.produced(performance.now() - startedAt);
  return reply.header('content-type', 'application/json; charset=utf-8').send(resultJson(wanted, appended));
}

/** Written by hand: this is the answer that is given most. */
function resultJson(acks: 'all' | '1' | '0', appended: readonly PartitionAppend[]): string {
  let text = '';
  for (const { partition, baseOffset, lastOffset, count, timestamp } of appended) {
    text += `${text === '' ? '' : ','}{"partition":${partition},"baseOffset":${baseOffset},"lastOffset":${lastOffset},"count":${count},"timestamp":"${formatTimestamp(timestamp)}"}`;
  }
  return `{"acks":${acks === 'all' ? '"all"' : acks},"partitions":[${text}]}\n`;
}
