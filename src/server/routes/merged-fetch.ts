/** Reading a range of time over all partitions of a topic, merged by time: as lines, or as pages with a cursor. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { negotiate } from '../accept.ts';
import { reserveAnswer } from '../answer-memory.ts';
import type { AppContext } from '../app-context.ts';
import { checkTimes } from '../log-request.ts';
import { decodeCursor, encodeCursor } from '../merge-cursor.ts';
import { MERGE_MEMORY_BYTES, MergedScan } from '../merged-scan.ts';
import { OutputBuffer } from '../output-buffer.ts';
import { beginPage, endPage, PAGE_CONTENT_TYPES, type PageFormat } from '../page-format.ts';
import type { ScanLimits } from '../partition-scan.ts';
import { lineFormat, type RecordFormat } from '../record-formats.ts';
import type { ValueEncoding } from '../record-sink.ts';
import { sendBuffer } from '../response-stream.ts';
import { ref } from '../schema-components.ts';
import { MERGED_PARAMETERS, responses, TOPIC_PATH } from '../schemas.ts';
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

interface MergedRoute {
  Params: { topic: string };
  Querystring: {
    from?: number;
    until?: number;
    cursor?: string;
    max_records?: number;
    max_bytes?: number;
    encoding?: ValueEncoding;
  };
}

type MergedRequest = FastifyRequest<MergedRoute>;

const FORMATS = ['application/json', 'application/x-ndjson', 'application/msgpack'] as const;
/** A trailer, because it is known only at the end. */
const CURSOR_TRAILER = 'x-seglog-next-cursor';

export function registerMergedFetchRoute(app: FastifyInstance, context: AppContext): void {
  app.get<MergedRoute>(
    '/api/topics/:topic/records',
    {
      schema: {
        tags: ['records'],
        summary: 'Read a range of time over all partitions, merged by time',
        description:
          'Merged by the running maximum of timestamps in each partition, then by partition and offset. A record that ' +
          'came late stays where it lies in its partition. Adjoining ranges neither overlap nor leave anything out.',
        params: TOPIC_PATH,
        querystring: MERGED_PARAMETERS,
        response: responses(
          {
            200: {
              description:
                'A page with a cursor (JSON, MessagePack), or all records of the range as lines (NDJSON)',
              content: {
                'application/json': { schema: ref('MergedPage') },
                'application/msgpack': { schema: { ...ref('MergedPage') } },
                'application/x-ndjson': { schema: { ...ref('Record') } },
              },
            },
          },
          'invalid_topic',
          'invalid_timestamp',
          'invalid_cursor',
          'unknown_topic',
          'not_acceptable',
          'corrupt_data',
          'storage_failed',
        ),
      },
    },
    async (request, reply) => {
      const format = negotiate(request.headers.accept, FORMATS);
      const startedAt = performance.now();
      const answer = format === 'application/x-ndjson' ? sendLines : sendPage;
      const records = await answer(context, request, reply, format as PageFormat);
      context.metrics.fetched(request.params.topic, records, performance.now() - startedAt);
      return reply;
    },
  );
}

/** Begins the scan of what a request asks for. */
async function openScan(
  { lifecycle }: AppContext,
  request: MergedRequest,
  limits: ScanLimits,
  out: OutputBuffer,
  { write }: RecordFormat,
): Promise<{ scan: MergedScan; nextCursor: () => string | null }> {
  const { engine } = lifecycle;
  const { topic } = request.params;
  const { from, until, cursor } = request.query;
  checkTimes('from', from, 'until', until);
  const { id, partitions } = await engine.describeTopic(topic);
  const after = cursor === undefined ? undefined : decodeCursor(cursor, id);
  const range = { topic, partitions: partitions.length, from, until, after };
  const scan = new MergedScan(engine, range, limits, out, write);
  await scan.open();
  const nextCursor = () =>
    scan.complete || scan.position === undefined ? null : encodeCursor(id, scan.position);
  return { scan, nextCursor };
}

async function sendPage(
  context: AppContext,
  request: MergedRequest,
  reply: FastifyReply,
  format: PageFormat,
) {
  const { query } = request;
  const limits = pageLimits(query, format, context.settings);
  reserveAnswer(reply, context.bodyLimits.budget, limits.maxBytes + MERGE_MEMORY_BYTES);
  const out = new OutputBuffer(pageBufferBytes(limits));
  try {
    beginPage(out, format);
    const records = pageRecords(format, query.encoding);
    const { scan, nextCursor } = await openScan(context, request, limits, out, records);
    await runPage(scan);
    endPage(out, format, scan.records, [['nextCursor', nextCursor()]]);
    sendBuffer(reply, { 'content-type': PAGE_CONTENT_TYPES[format] }, out);
    return scan.records;
  } finally {
    out.release();
  }
}

async function sendLines(context: AppContext, request: MergedRequest, reply: FastifyReply): Promise<number> {
  const { query } = request;
  reserveAnswer(reply, context.bodyLimits.budget, STREAM_MEMORY_BYTES + MERGE_MEMORY_BYTES);
  const headers = { 'content-type': 'application/x-ndjson' };
  const out = new OutputBuffer(STREAM_BUFFER_BYTES);
  const lines = lineFormat(query.encoding);
  const { scan, nextCursor } = await openScan(context, request, streamLimits(query), out, lines);
  if (request.method === 'HEAD') {
    void reply.headers(headers).send();
    return 0;
  }
  try {
    await streamScan(scan, out, reply, headers, context.logger, { name: CURSOR_TRAILER, value: nextCursor });
    return scan.records;
  } finally {
    out.release();
  }
}
