/** Appending records to a topic. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Acks, CompressionType, PartitionAppend } from '../../engine/index.ts';
import { formatTimestamp } from '../../query/index.ts';
import type { AppContext } from '../app-context.ts';
import { parseBody } from '../body-reader.ts';
import { HttpProblem } from '../error-mapping.ts';
import { bodyReader, type PRODUCE_MEDIA_TYPES } from '../produce-body.ts';
import {
  type ProducerParameters,
  REPLAYED,
  refuseSecondKey,
  requestFingerprint,
  type SafetyHeaders,
  safetyOptions,
} from '../produce-safety.ts';
import type { ValueEncoding } from '../record-sink.ts';
import { ref } from '../schema-components.ts';
import {
  BODY_PROBLEMS,
  json,
  PRODUCE_HEADERS,
  PRODUCE_PARAMETERS,
  responses,
  TOPIC_PATH,
} from '../schemas.ts';

interface ProduceRoute {
  Params: { topic: string };
  Querystring: ProducerParameters & {
    acks?: 'all' | '1' | '0';
    partition?: number;
    encoding?: ValueEncoding;
    compression?: CompressionType;
    key?: string;
  };
  Headers: SafetyHeaders;
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
        headers: PRODUCE_HEADERS,
        body: { content: BODY_SCHEMAS },
        response: responses(
          {
            200: {
              ...json(
                'Where the records are; with acks=0 the offsets are not known yet (-1)',
                ref('ProduceResult'),
              ),
              headers: {
                [REPLAYED]: {
                  type: 'string',
                  description: 'true: they had been stored before, and this is the answer to that.',
                },
              },
            },
          },
          ...BODY_PROBLEMS,
          'invalid_topic',
          'invalid_partition',
          'invalid_record',
          'invalid_msgpack',
          'unknown_topic',
          'unknown_partition',
          'record_too_large',
          'out_of_order_sequence',
          'fenced',
          'precondition_failed',
          'idempotency_key_reused',
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
  const contentType = request.headers['content-type'];
  const read = bodyReader(contentType, { encoding, key });
  refuseSecondKey(request.raw);
  const safety = safetyOptions(request.query, request.headers);
  const { engine } = context.lifecycle;
  const acks: Acks = wanted === 'all' ? 'all' : wanted === '1' ? 1 : 0;
  // Begun before the body is read: a topic that does not exist is refused without taking the body in.
  const pending = engine.startAppend(request.params.topic, { acks, partition, compression, ...safety });
  await parseBody(request.raw, context.bodyLimits, (body) => {
    pending.expect(body.length + body.length / 8);
    read(body, pending, { encoding, key });
    if (safety.idempotency !== undefined)
      pending.setFingerprint(requestFingerprint(body, { contentType, partition, encoding, key }));
  });
  if (pending.recordCount === 0) throw new HttpProblem('invalid_request', 'the body has no records');
  const appended = await pending.commit();
  context.metrics.produced(performance.now() - startedAt);
  if (appended.some(({ duplicate }) => duplicate)) {
    context.metrics.replayed++;
    void reply.header(REPLAYED, 'true');
  }
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
