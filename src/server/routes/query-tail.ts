/**
 * Following log events as server-sent events: each that passes, as it is acknowledged. The id of one tells how far all partitions
 * came, so that a client that comes back with Last-Event-ID goes on behind it. A comment is sent when nothing else was for a
 * while, and at once when the stream is open.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { TailRound } from '../../query/index.ts';
import { negotiate } from '../accept.ts';
import type { AppContext } from '../app-context.ts';
import { HttpProblem, logOwnFault, problemOf } from '../error-mapping.ts';
import { EVENT_STREAM_HEADERS, HEARTBEAT } from '../event-stream.ts';
import { writeLogEvent } from '../log-event-json.ts';
import { type FilterParameters, filterOf } from '../log-request.ts';
import { OutputBuffer } from '../output-buffer.ts';
import { TAIL_PARAMETERS } from '../query-schemas.ts';
import { requestSignal } from '../request-signal.ts';
import { ResponseStream } from '../response-stream.ts';
import { ref } from '../schema-components.ts';
import { responses } from '../schemas.ts';
import { decodePositions, encodePositions } from '../tail-positions.ts';
import { QUERY_PROBLEMS } from './query.ts';

interface TailRoute {
  Querystring: FilterParameters;
}

const OUTPUT_BYTES = 16 * 1024;
const SEND_BYTES = 256 * 1024;
/** A round that is looked at, and one that waits for the client. */
const TAIL_MEMORY_BYTES = 2 * 1024 * 1024;

export function registerTailRoute(app: FastifyInstance, context: AppContext): void {
  app.get<TailRoute>(
    '/api/query/tail',
    {
      schema: {
        tags: ['logs'],
        summary: 'Follow log events as they come',
        querystring: TAIL_PARAMETERS,
        response: responses(
          {
            200: {
              description: 'Server-sent events; the data of each is a log event',
              content: { 'text/event-stream': { schema: { ...ref('LogEvent') } } },
            },
          },
          ...QUERY_PROBLEMS,
          'invalid_cursor',
          'not_acceptable',
        ),
      },
    },
    (request, reply) => follow(context, request, reply),
  );
}

async function follow(
  context: AppContext,
  request: FastifyRequest<TailRoute>,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const { lifecycle, settings, logger, metrics, bodyLimits } = context;
  negotiate(request.headers.accept, ['text/event-stream']);
  const filter = filterOf(request.query);
  // What is wrong with the query, and a topic that is not there, are told before the stream begins.
  lifecycle.search.describe(filter);
  const { id: topicId } = lifecycle.engine.search.topic(filter.topic);
  const positions = lastPositions(request.headers['last-event-id'], topicId);
  if (request.method === 'HEAD') return reply.headers(EVENT_STREAM_HEADERS).send();
  const { signal, release } = requestSignal(reply, lifecycle);
  bodyLimits.budget.take(TAIL_MEMORY_BYTES);
  const stream = new ResponseStream(reply, EVENT_STREAM_HEADERS);
  const out = new OutputBuffer(OUTPUT_BYTES);
  metrics.query.tails++;
  try {
    await stream.write(HEARTBEAT);
    const idleMs = settings['http.sse.heartbeat.ms'];
    for await (const round of lifecycle.search.tail(filter, { positions, idleMs, signal })) {
      if (round.events.length === 0) await stream.write(HEARTBEAT);
      else await sendRound(round, topicId, out, stream);
      if (stream.closed) break;
    }
    stream.end();
  } catch (error) {
    const { problem } = problemOf(error);
    logOwnFault(logger, problem, error, request.url);
    if (out.length > 0) await stream.flush(out);
    stream.abort(`event: error\ndata: ${JSON.stringify(problem)}\n\n`);
  } finally {
    metrics.query.tails--;
    bodyLimits.budget.release(TAIL_MEMORY_BYTES);
    out.release();
    release();
  }
  return reply;
}

async function sendRound(
  { from, positions, events }: TailRound,
  topicId: string,
  out: OutputBuffer,
  stream: ResponseStream,
): Promise<void> {
  const behind = [...from];
  for (const [i, event] of events.entries()) {
    behind[event.partition] = event.offset + 1;
    const isLast = i === events.length - 1;
    out.text(`id: ${encodePositions(topicId, isLast ? positions : behind)}\ndata: `);
    writeLogEvent(out, event);
    out.text('\n\n');
    if ((isLast || out.length >= SEND_BYTES) && !(await stream.flush(out))) return;
  }
}

function lastPositions(
  header: string | string[] | undefined,
  topicId: string,
): readonly number[] | undefined {
  if (header === undefined || header === '') return undefined;
  const positions = decodePositions(String(header), topicId);
  if (positions !== undefined) return positions;
  throw new HttpProblem('invalid_cursor', 'last-event-id must be the id of an event of this stream');
}
