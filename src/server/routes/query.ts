/** Looking for log events: by time, source, level and words; as a page with a cursor, or as lines of any number. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { isSeglogError } from '../../engine/index.ts';
import type { FoundEvent, LogQuery, QueryOutcome } from '../../query/index.ts';
import { negotiate } from '../accept.ts';
import { reserveAnswer } from '../answer-memory.ts';
import type { AppContext } from '../app-context.ts';
import { logOwnFault, problemOf } from '../error-mapping.ts';
import { writeLogEvent } from '../log-event-json.ts';
import { bodyParameters, type LogRequest, logRequestOf, type QueryParameters } from '../log-request.ts';
import { OutputBuffer } from '../output-buffer.ts';
import { bodyOf, MAX_EVENTS, QUERY_PARAMETERS, SEARCH_PARAMETERS } from '../query-schemas.ts';
import { requestSignal } from '../request-signal.ts';
import { ResponseStream, sendBuffer } from '../response-stream.ts';
import { ref } from '../schema-components.ts';
import { BODY_PROBLEMS, NO_PARAMETERS, responses } from '../schemas.ts';

const FORMATS = ['application/json', 'application/x-ndjson'] as const;
const LINES_HEADERS = {
  'content-type': 'application/x-ndjson',
  trailer: 'x-seglog-next-cursor, x-seglog-incomplete',
};
/** Of a query and the beginning of its answer, as long as it is under way or waits; few of them run at a time. */
const QUERY_MEMORY_BYTES = 128 * 1024;
const ANSWER_BUFFER_BYTES = 64 * 1024;
const SEND_BYTES = 256 * 1024;

export const QUERY_PROBLEMS = [
  'invalid_query',
  'invalid_topic',
  'invalid_timestamp',
  'unknown_topic',
  'storage_failed',
] as const;

const RESPONSE = responses(
  {
    200: {
      description: 'A page with a cursor (JSON), or all events as lines (NDJSON)',
      content: {
        'application/json': { schema: ref('LogPage') },
        'application/x-ndjson': { schema: { ...ref('LogEvent') } },
      },
    },
  },
  ...QUERY_PROBLEMS,
  'invalid_cursor',
  'not_acceptable',
);
const tags = ['logs'];

export function registerQueryRoutes(app: FastifyInstance, context: AppContext): void {
  app.get<{ Querystring: QueryParameters }>(
    '/api/query/logs',
    { schema: { tags, summary: 'Look for log events', querystring: QUERY_PARAMETERS, response: RESPONSE } },
    (request, reply) => answer(context, request, reply, request.query),
  );
  app.get<{ Querystring: QueryParameters }>(
    '/api/query/search',
    {
      schema: {
        tags,
        summary: 'Look for log events by text',
        querystring: SEARCH_PARAMETERS,
        response: RESPONSE,
      },
    },
    (request, reply) => answer(context, request, reply, request.query),
  );
  const parametersOf = bodyParameters(QUERY_PARAMETERS);
  app.post(
    '/api/query/logs',
    {
      schema: {
        tags,
        summary: 'Look for log events, asked in JSON',
        querystring: NO_PARAMETERS,
        body: bodyOf(QUERY_PARAMETERS),
        response: {
          ...RESPONSE,
          ...responses({}, ...QUERY_PROBLEMS, 'invalid_cursor', 'not_acceptable', ...BODY_PROBLEMS),
        },
      },
    },
    (request, reply) => answer(context, request, reply, parametersOf(request.body)),
  );
}

async function answer(
  context: AppContext,
  request: FastifyRequest,
  reply: FastifyReply,
  parameters: QueryParameters,
): Promise<FastifyReply> {
  const format = negotiate(request.headers.accept, FORMATS);
  const lines = format === 'application/x-ndjson';
  const asked = logRequestOf(parameters, lines ? Number.MAX_SAFE_INTEGER : MAX_EVENTS);
  const startedAt = performance.now();
  const { signal, release } = requestSignal(reply, context.lifecycle);
  try {
    reserveAnswer(reply, context.bodyLimits.budget, QUERY_MEMORY_BYTES);
    const events = eventsOf(context, asked.query, parameters.topic !== undefined, signal);
    const outcome = lines
      ? await sendLines(context, events, reply)
      : await sendPage(context, asked, events, reply, startedAt);
    if (outcome !== undefined) context.metrics.query.answered(outcome, performance.now() - startedAt);
    return reply;
  } finally {
    release();
  }
}

type Events = AsyncGenerator<FoundEvent[], QueryOutcome | undefined>;

/** Of a topic that nobody has named there are none before the first event. */
async function* eventsOf(
  { lifecycle }: AppContext,
  query: LogQuery,
  isNamed: boolean,
  signal: AbortSignal,
): Events {
  try {
    return yield* lifecycle.search.query(query, { signal });
  } catch (error) {
    if (isNamed || !isSeglogError(error, 'UNKNOWN_TOPIC_OR_PARTITION')) throw error;
    return undefined;
  }
}

/** Up to a number of bytes: what is left then is the next page's. */
async function sendPage(
  { lifecycle, settings, bodyLimits }: AppContext,
  { query, page, size }: LogRequest,
  events: Events,
  reply: FastifyReply,
  startedAt: number,
): Promise<QueryOutcome | undefined> {
  const out = new OutputBuffer(ANSWER_BUFFER_BYTES);
  try {
    out.text('{"logs":[');
    let cut: FoundEvent | undefined;
    let next = await events.next();
    for (; !next.done && cut === undefined; next = await events.next()) {
      for (const event of next.value) {
        if (out.length > 16) out.byte(0x2c);
        writeLogEvent(out, event);
        if (out.length < settings['http.max.fetch.bytes']) continue;
        cut = event;
        break;
      }
      if (cut !== undefined) break;
    }
    if (cut !== undefined) await events.return(undefined);
    const outcome = next.done ? next.value : undefined;
    const nextCursor = cut === undefined ? outcome?.nextCursor : lifecycle.search.cursorBehind(query, cut);
    const end = {
      nextCursor: nextCursor ?? undefined,
      complete: outcome?.complete ?? true,
      reason: outcome?.reason,
      page,
      size,
      tookMs: tookMs(startedAt),
    };
    out.text(`],${JSON.stringify(end).slice(1)}\n`);
    if (out.length > QUERY_MEMORY_BYTES)
      reserveAnswer(reply, bodyLimits.budget, out.length - QUERY_MEMORY_BYTES);
    sendBuffer(reply, { 'content-type': 'application/json; charset=utf-8' }, out);
    return outcome;
  } finally {
    out.release();
  }
}

export const tookMs = (startedAt: number): number => Math.round((performance.now() - startedAt) * 10) / 10;

async function sendLines(
  { logger }: AppContext,
  events: Events,
  reply: FastifyReply,
): Promise<QueryOutcome | undefined> {
  const out = new OutputBuffer(ANSWER_BUFFER_BYTES);
  // What is wrong with the query is told before anything else.
  let next = await events.next();
  const stream = new ResponseStream(reply, LINES_HEADERS);
  try {
    for (; !next.done; next = await events.next()) {
      for (const event of next.value) {
        writeLogEvent(out, event);
        out.byte(0x0a);
        if (out.length >= SEND_BYTES && !(await stream.flush(out))) break;
      }
      if (out.length > 0) await stream.flush(out);
      if (stream.closed) {
        await events.return(undefined);
        return undefined;
      }
    }
    stream.end(trailersOf(next.value));
    return next.value;
  } catch (error) {
    const { problem } = problemOf(error);
    logOwnFault(logger, problem, error, reply.request.url);
    if (out.length > 0) await stream.flush(out);
    stream.abort(`${JSON.stringify({ error: problem })}\n`);
    return undefined;
  } finally {
    out.release();
  }
}

function trailersOf(outcome: QueryOutcome | undefined): Record<string, string> {
  const trailers: Record<string, string> = {};
  if (outcome?.nextCursor) trailers['x-seglog-next-cursor'] = outcome.nextCursor;
  if (outcome?.reason !== undefined) trailers['x-seglog-incomplete'] = outcome.reason;
  return trailers;
}
