/** Reading the records of a partition: as a page, as a finite stream of lines, or as an event stream that follows. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Engine } from '../../engine/index.ts';
import { negotiate } from '../accept.ts';
import { reserveAnswer } from '../answer-memory.ts';
import type { AppContext } from '../app-context.ts';
import { HttpProblem } from '../error-mapping.ts';
import type { FetchParameters, FetchRoute } from '../fetch-parameters.ts';
import { OutputBuffer } from '../output-buffer.ts';
import { beginPage, endPage, PAGE_CONTENT_TYPES, type PageFormat } from '../page-format.ts';
import { PartitionScan, resolveEnd, resolveStart, type ScanRange } from '../partition-scan.ts';
import { lineFormat } from '../record-formats.ts';
import { requestSignal } from '../request-signal.ts';
import { sendBuffer } from '../response-stream.ts';
import { ref } from '../schema-components.ts';
import { FETCH_PARAMETERS, PARTITION_PATH, responses } from '../schemas.ts';
import {
  pageBufferBytes,
  pageLimits,
  pageRecords,
  runPage,
  STREAM_BUFFER_BYTES,
  STREAM_MEMORY_BYTES,
  streamLimits,
  streamScan,
} from '../send-scan.ts';
import { followPartition } from './follow.ts';

type FetchRequest = FastifyRequest<FetchRoute>;

const FORMATS = [
  'application/json',
  'application/x-ndjson',
  'application/msgpack',
  'text/event-stream',
] as const;
const STARTS = ['offset', 'timestamp', 'tail'] as const;

export function registerFetchRoute(app: FastifyInstance, context: AppContext): void {
  const page = { schema: ref('RecordPage') };
  app.get<FetchRoute>(
    '/api/topics/:topic/partitions/:partition/records',
    {
      schema: {
        tags: ['records'],
        summary: 'Read records of a partition',
        params: PARTITION_PATH,
        querystring: FETCH_PARAMETERS,
        response: responses(
          {
            200: {
              description:
                'A page (JSON, MessagePack), all records of the range as lines (NDJSON), or an event stream that follows the partition',
              content: {
                'application/json': page,
                'application/msgpack': { schema: { ...ref('RecordPage') } },
                'application/x-ndjson': { schema: { ...ref('Record') } },
                'text/event-stream': { schema: { ...ref('Record') } },
              },
            },
          },
          'invalid_topic',
          'invalid_partition',
          'invalid_offset',
          'invalid_timestamp',
          'unknown_topic',
          'unknown_partition',
          'not_acceptable',
          'offset_out_of_range',
          'corrupt_data',
          'storage_failed',
        ),
      },
    },
    async (request, reply) => {
      const format = negotiate(request.headers.accept, FORMATS);
      assertOneStart(request.query);
      if (format === 'text/event-stream') return followPartition(context, request, reply);
      const range = await resolveRange(context.lifecycle.engine, request);
      await waitForFirst(context, range, request, reply);
      // Nobody is there any more to be answered.
      if (reply.raw.closed) return reply.hijack();
      const startedAt = performance.now();
      const answer = format === 'application/x-ndjson' ? sendLines : sendPage;
      const records = await answer(context, range, request, reply, format as PageFormat);
      context.metrics.fetched(range.topic, records, performance.now() - startedAt);
      return reply;
    },
  );
}

function assertOneStart(parameters: FetchParameters): void {
  const given = STARTS.filter((name) => parameters[name] !== undefined);
  if (given.length > 1) {
    throw new HttpProblem('invalid_parameter', `give one of ${given.join(', ')}: each says where to start`);
  }
}

async function resolveRange(engine: Engine, request: FetchRequest): Promise<ScanRange> {
  const { topic, partition } = request.params;
  const start = await resolveStart(engine, topic, partition, request.query, 'logStartOffset');
  const end = await resolveEnd(engine, topic, partition, request.query);
  return { topic, partition, start, end };
}

/** The long poll: waits while there is nothing at the start of the range. */
async function waitForFirst(
  { lifecycle, settings }: AppContext,
  { topic, partition, start, end }: ScanRange,
  request: FetchRequest,
  reply: FastifyReply,
): Promise<void> {
  const { engine } = lifecycle;
  const waitMs = Math.min(request.query.wait_ms ?? 0, settings['http.max.wait.ms']);
  if (waitMs === 0 || start >= end || start < engine.offsets(topic, partition).highWatermark) return;
  const { signal, release } = requestSignal(reply, lifecycle);
  try {
    await engine.waitForRecords(topic, partition, start, waitMs, signal);
  } finally {
    release();
  }
}

/** A page is made in memory, at most `max_bytes` of it; how many records it has. */
async function sendPage(
  context: AppContext,
  range: ScanRange,
  request: FetchRequest,
  reply: FastifyReply,
  format: PageFormat,
): Promise<number> {
  const { engine } = context.lifecycle;
  const limits = pageLimits(request.query, format, context.settings);
  reserveAnswer(reply, context.bodyLimits.budget, limits.maxBytes);
  const out = new OutputBuffer(pageBufferBytes(limits));
  try {
    beginPage(out, format);
    const records = pageRecords(format, request.query.encoding);
    const scan = new PartitionScan(engine, range, limits, out, records);
    await runPage(scan);
    const { highWatermark } = engine.offsets(range.topic, range.partition);
    endPage(out, format, scan.records, [
      ['nextOffset', scan.nextOffset],
      ['highWatermark', highWatermark],
    ]);
    sendBuffer(reply, { 'content-type': PAGE_CONTENT_TYPES[format] }, out);
    return scan.records;
  } finally {
    out.release();
  }
}

/** All records up to the high watermark of now, sent as they are read; how many there were. */
async function sendLines(context: AppContext, range: ScanRange, request: FetchRequest, reply: FastifyReply) {
  const { engine } = context.lifecycle;
  const { query } = request;
  const { highWatermark } = engine.offsets(range.topic, range.partition);
  const finite = { ...range, end: Math.min(range.end, highWatermark) };
  const out = new OutputBuffer(STREAM_BUFFER_BYTES);
  const scan = new PartitionScan(engine, finite, streamLimits(query), out, lineFormat(query.encoding));
  const headers = {
    'content-type': 'application/x-ndjson',
    'x-seglog-high-watermark': String(highWatermark),
  };
  if (request.method === 'HEAD') {
    void reply.headers(headers).send();
    return 0;
  }
  reserveAnswer(reply, context.bodyLimits.budget, STREAM_MEMORY_BYTES);
  try {
    await streamScan(scan, out, reply, headers, context.logger);
    return scan.records;
  } finally {
    out.release();
  }
}
