/** Taking log events in: one at a time, or as many as come. */
import { crc32 } from 'node:zlib';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { type EventSink, formatTimestamp, readEventLines } from '../../query/index.ts';
import type { AppContext } from '../app-context.ts';
import { parseBody } from '../body-reader.ts';
import { withoutMark } from '../byte-order-mark.ts';
import { HttpProblem, PartlyDone, type ProblemCode } from '../error-mapping.ts';
import { EventIntake, type LineIntake } from '../event-intake.ts';
import { EventTopic, NOWHERE } from '../event-topic.ts';
import { formOf } from '../media-types.ts';
import { REPLAYED, RequestKey, refuseSecondKey } from '../produce-safety.ts';
import { ref } from '../schema-components.ts';
import {
  BATCH_PARAMETERS,
  BODY_PROBLEMS,
  INGEST_HEADERS,
  INGEST_PARAMETERS,
  json,
  responses,
} from '../schemas.ts';
import { StrictIntake } from '../strict-intake.ts';
import { takeBody } from '../take-body.ts';

interface IngestHeaders {
  'idempotency-key'?: string;
}

interface IngestRoute {
  Headers: IngestHeaders;
  Querystring: { topic?: string; source?: string };
}

interface BatchRoute {
  Headers: IngestHeaders;
  Querystring: { topic?: string; source?: string; strict?: 'true' | 'false' };
}

const DEFAULT_TOPIC = 'logs';
const BATCH_PATH = '/api/logs/batch';

const JSON_TYPE = 'application/json';
const LINES_TYPE = 'application/x-ndjson';
/** Whether the body has a line for each event. */
const BATCH_FORMS: Readonly<Record<string, boolean>> = {
  [JSON_TYPE]: false,
  [LINES_TYPE]: true,
  'application/ndjson': true,
  'application/jsonl': true,
};

const STORAGE_PROBLEMS = [
  'invalid_topic',
  'idempotency_key_reused',
  'record_too_large',
  'timed_out',
  'outcome_unknown',
  'storage_failed',
  'storage_full',
] as const;

const REPLAYED_HEADER = {
  [REPLAYED]: { type: 'string', description: 'true: events had been stored before, under the same key.' },
};

/** Whether a request's body is taken in whatever its length. */
export const takesBodiesOfAnyLength = (url: string): boolean => url.split('?', 1)[0] === BATCH_PATH;

export function registerLogRoutes(app: FastifyInstance, context: AppContext): void {
  app.post<IngestRoute>(
    '/api/logs/ingest',
    {
      schema: {
        tags: ['logs'],
        summary: 'Store one log event',
        querystring: INGEST_PARAMETERS,
        headers: INGEST_HEADERS,
        body: { content: { [JSON_TYPE]: { schema: ref('LogEvent') } } },
        response: responses(
          { 201: { ...json('Where the event is', ref('IngestResult')), headers: REPLAYED_HEADER } },
          ...BODY_PROBLEMS,
          'invalid_event',
          'invalid_timestamp',
          ...STORAGE_PROBLEMS,
        ),
      },
    },
    (request, reply) => ingestOne(context, request, reply),
  );

  app.post<BatchRoute>(
    BATCH_PATH,
    {
      schema: {
        tags: ['logs'],
        summary:
          'Store log events, as many as come; those that are not valid are named, and the others stored',
        querystring: BATCH_PARAMETERS,
        headers: INGEST_HEADERS,
        body: {
          content: {
            [JSON_TYPE]: { schema: { type: 'array', items: ref('LogEvent') } },
            [LINES_TYPE]: {
              schema: { type: 'string', contentMediaType: 'text/plain', description: 'One event a line.' },
            },
          },
        },
        response: responses(
          { 200: { ...json('What became of the events', ref('BatchResult')), headers: REPLAYED_HEADER } },
          ...BODY_PROBLEMS,
          'invalid_event',
          ...STORAGE_PROBLEMS,
        ),
      },
    },
    (request, reply) => ingestMany(context, request, reply),
  );
}

function topicOf({ lifecycle, settings }: AppContext, name = DEFAULT_TOPIC): EventTopic {
  return new EventTopic(lifecycle.engine, name, settings['logs.partitions']);
}

const sourceOf = (source: string | undefined) => (source === undefined ? undefined : Buffer.from(source));

function keyOf(
  { 'idempotency-key': key }: IngestHeaders,
  contentType: string | undefined,
  source: string | undefined,
): RequestKey | undefined {
  if (key === undefined) return undefined;
  return new RequestKey(key, { contentType, partition: undefined, encoding: undefined, key: source });
}

async function ingestOne(context: AppContext, request: FastifyRequest<IngestRoute>, reply: FastifyReply) {
  const startedAt = performance.now();
  refuseSecondKey(request.raw);
  formOf({ [JSON_TYPE]: true }, request.headers['content-type'], [JSON_TYPE]);
  const topic = topicOf(context, request.query.topic);
  const defaultSource = sourceOf(request.query.source);
  const reject = (code: ProblemCode, detail: string): never => {
    context.metrics.ingested(0, new Map([[code, 1]]), performance.now() - startedAt);
    throw new HttpProblem(code, `${detail}; nothing was stored`);
  };
  const value = await parseBody(request.raw, context.bodyLimits, onOneLine);
  const read = (sink: EventSink) =>
    readEventLines(value, 0, value.length, {
      firstLine: 1,
      defaultSource,
      sink,
      reject: (_line, { code, detail }) => reject(code, detail),
    });
  const key = keyOf(request.headers, JSON_TYPE, request.query.source)?.ofAll(crc32(value));
  let append = topic.startAppend(key);
  if (read(append ?? NOWHERE).accepted === 0) throw noEvents();
  if (append === undefined) {
    append = await topic.createAndStartAppend(key);
    read(append);
  }
  const [stored] = await append.commit();
  const { partition, baseOffset, timestamp, duplicate } = stored!;
  context.metrics.ingested(duplicate ? 0 : 1, NO_REJECTIONS, performance.now() - startedAt);
  if (duplicate) noteReplay(context, reply);
  return reply
    .code(201)
    .header('content-type', 'application/json; charset=utf-8')
    .send(
      `{"accepted":1,"partition":${partition},"offset":${baseOffset},"timestamp":"${formatTimestamp(timestamp)}"}\n`,
    );
}

function noteReplay({ metrics }: AppContext, reply: FastifyReply): void {
  metrics.replayed++;
  void reply.header(REPLAYED, 'true');
}

const NO_REJECTIONS: ReadonlyMap<ProblemCode, number> = new Map();

/** A copy in which line breaks are blanks: in JSON they stand between values only. */
function onOneLine(body: Buffer): Buffer {
  const copy = Buffer.from(withoutMark(body));
  for (const lineBreak of [0x0a, 0x0d]) {
    for (let at = copy.indexOf(lineBreak); at >= 0; at = copy.indexOf(lineBreak, at)) copy[at] = 0x20;
  }
  return copy;
}

async function ingestMany(context: AppContext, request: FastifyRequest<BatchRoute>, reply: FastifyReply) {
  const startedAt = performance.now();
  refuseSecondKey(request.raw);
  const { topic, source, strict } = request.query;
  const isLines = formOf(BATCH_FORMS, request.headers['content-type'], Object.keys(BATCH_FORMS));
  const key = keyOf(request.headers, isLines ? LINES_TYPE : JSON_TYPE, source);
  const Intake = strict === 'true' ? StrictIntake : EventIntake;
  const intake = new Intake(topicOf(context, topic), sourceOf(source), key);
  try {
    await takeBody(request.raw, {
      isLines,
      isBounded: strict === 'true',
      limits: context.bodyLimits,
      intake,
    });
    await intake.finish();
  } catch (error) {
    await intake.settle();
    throw describeFailure(error, intake, key !== undefined);
  } finally {
    context.metrics.ingested(
      intake.accepted - intake.replayed,
      intake.rejected.byCode,
      performance.now() - startedAt,
    );
  }
  const { accepted, rejected } = intake;
  if (accepted === 0 && rejected.count === 0) throw noEvents();
  if (intake.replayed > 0) noteReplay(context, reply);
  const tookMs = Math.round(performance.now() - startedAt);
  return reply.send({ accepted, ...rejected.figures, tookMs });
}

function noEvents(): HttpProblem {
  return new HttpProblem('invalid_request', 'the body has no events');
}

/** What was stored before it failed stays stored, and whoever sent it has to know. */
function describeFailure(
  error: unknown,
  { accepted, rejected, lines }: LineIntake,
  hasKey: boolean,
): unknown {
  if (accepted === 0) return error;
  const done = `${accepted} of the events in the first ${lines} lines were stored`;
  return new PartlyDone(error, done, { accepted, ...rejected.figures, lines }, hasKey);
}
