/** Polling as a member of a consumer group: records of all its partitions, from where the group is on. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { type PollAnswer, type PollError, SeglogError } from '../../engine/index.ts';
import { negotiate } from '../accept.ts';
import { reserveAnswer } from '../answer-memory.ts';
import type { AppContext } from '../app-context.ts';
import { problemOf } from '../error-mapping.ts';
import { GroupPage } from '../group-page.ts';
import { MEMBER_PATH, POLL_PARAMETERS } from '../group-schemas.ts';
import { PAGE_CONTENT_TYPES } from '../page-format.ts';
import type { ValueEncoding } from '../record-sink.ts';
import { requestSignal } from '../request-signal.ts';
import { sendBuffer } from '../response-stream.ts';
import { ref } from '../schema-components.ts';
import { responses } from '../schemas.ts';
import { pageLimits } from '../send-scan.ts';

interface PollRoute {
  Params: { group: string; member: string };
  Querystring: {
    cursor?: string;
    generation?: number;
    max_records?: number;
    max_bytes?: number;
    wait_ms?: number;
    encoding?: ValueEncoding;
  };
}

const FORMATS = ['application/json', 'application/msgpack'] as const;

export function registerGroupPollRoute(app: FastifyInstance, context: AppContext): void {
  app.get<PollRoute>(
    '/api/groups/:group/members/:member/records',
    {
      schema: {
        tags: ['groups'],
        summary: 'Read on in all partitions of a member, fairly',
        description:
          'From what the group has committed, or from the cursor of the answer before. A poll that waits counts as a sign of ' +
          'life, and is answered as soon as there is a record or the assignment changes.',
        params: MEMBER_PATH,
        querystring: POLL_PARAMETERS,
        response: responses(
          {
            200: {
              description:
                'Records, in the order of their offsets in each partition; none when the wait was in vain',
              content: {
                'application/json': { schema: ref('GroupPage') },
                'application/msgpack': { schema: { ...ref('GroupPage') } },
              },
            },
          },
          'invalid_group',
          'invalid_cursor',
          'unknown_group',
          'unknown_member',
          'not_acceptable',
          'fenced',
          'no_committed_offset',
          'corrupt_data',
          'storage_failed',
          'storage_full',
          'outcome_unknown',
        ),
      },
    },
    (request, reply) => poll(context, request, reply),
  );
}

async function poll(context: AppContext, request: FastifyRequest<PollRoute>, reply: FastifyReply) {
  const { lifecycle, settings, bodyLimits, metrics } = context;
  const { group, member } = request.params;
  const { cursor, generation, wait_ms = 0, encoding } = request.query;
  const format = negotiate(request.headers.accept, FORMATS);
  const limits = pageLimits(request.query, format, settings);
  let startedAt = performance.now();
  const page = new GroupPage(lifecycle.engine, format, encoding, limits, (bytes) => {
    reserveAnswer(reply, bodyLimits.budget, bytes);
    startedAt = performance.now();
  });
  const { signal, release } = requestSignal(reply, lifecycle);
  try {
    const waitMs = Math.min(wait_ms, settings['http.max.wait.ms']);
    const { maxRecords, maxBytes } = limits;
    const options = { cursor, generation, maxRecords, maxBytes, waitMs, signal, reader: page };
    const answer = await lifecycle.groups.poll(group, member, options);
    // Nobody is there any more to be answered.
    if (reply.raw.closed) return reply.hijack();
    page.end(fieldsOf(answer));
    metrics.polled(page.records, performance.now() - startedAt);
    sendBuffer(reply, { 'content-type': PAGE_CONTENT_TYPES[format] }, page.out);
    return reply;
  } finally {
    release();
    page.out.release();
  }
}

function fieldsOf({
  memberId,
  generation,
  assignment,
  revoking,
  sessionTimeoutMs,
  positions,
  cursor,
  errors,
}: PollAnswer) {
  return [
    ['memberId', memberId],
    ['generation', generation],
    ['assignment', assignment],
    ['revoking', revoking],
    ['sessionTimeoutMs', sessionTimeoutMs],
    ['positions', positions],
    ['cursor', cursor],
    ['errors', errors.map(viewError)],
  ] as const;
}

function viewError({ topic, partition, code, message, details }: PollError) {
  return { topic, partition, error: problemOf(new SeglogError(code, message, details)).problem };
}
