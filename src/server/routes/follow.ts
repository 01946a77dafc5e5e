/**
 * Following a partition as server-sent events: each record is an event whose id is its offset, so a client
 * that comes back with Last-Event-ID goes on behind it. A comment is sent when nothing else was for a while.
 */
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { AppContext } from '../app-context.ts';
import { HttpProblem, logOwnFault, problemOf } from '../error-mapping.ts';
import { EVENT_STREAM_HEADERS, HEARTBEAT } from '../event-stream.ts';
import type { FetchRoute } from '../fetch-parameters.ts';
import { OutputBuffer } from '../output-buffer.ts';
import { PartitionScan, resolveEnd, resolveStart } from '../partition-scan.ts';
import { eventFormat } from '../record-formats.ts';
import { requestSignal } from '../request-signal.ts';
import { ResponseStream } from '../response-stream.ts';
import { STREAM_MEMORY_BYTES, streamLimits } from '../send-scan.ts';

export async function followPartition(
  context: AppContext,
  request: FastifyRequest<FetchRoute>,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const { topic, partition } = request.params;
  const { engine } = context.lifecycle;
  const { query } = request;
  const last = lastEventId(request.headers['last-event-id']);
  const parameters =
    last === undefined ? query : { ...query, timestamp: undefined, tail: undefined, offset: last + 1 };
  const start = await resolveStart(engine, topic, partition, parameters, 'highWatermark');
  const end = await resolveEnd(engine, topic, partition, query);
  if (request.method === 'HEAD') return reply.headers(EVENT_STREAM_HEADERS).send();
  const out = new OutputBuffer(16 * 1024);
  const format = eventFormat(query.encoding);
  const scan = new PartitionScan(engine, { topic, partition, start, end }, streamLimits(query), out, format);
  const stream = new ResponseStream(reply, EVENT_STREAM_HEADERS);
  try {
    await follow(context, scan, out, stream, reply, { topic, partition });
    stream.end();
  } catch (error) {
    if (out.length > 0) await stream.flush(out);
    const { problem } = problemOf(error);
    logOwnFault(context.logger, problem, error, request.url);
    stream.abort(`event: error\ndata: ${JSON.stringify(problem)}\n\n`);
  } finally {
    out.release();
  }
  return reply;
}

async function follow(
  context: AppContext,
  scan: PartitionScan,
  out: OutputBuffer,
  stream: ResponseStream,
  reply: FastifyReply,
  { topic, partition }: { topic: string; partition: number },
): Promise<void> {
  const { lifecycle, settings } = context;
  const { engine } = lifecycle;
  const { signal, release } = requestSignal(reply, lifecycle);
  try {
    // Says at once that the stream is open.
    await stream.write(HEARTBEAT);
    while (!stream.closed && !signal.aborted) {
      const more = await forward(context, scan, out, stream, topic);
      if (scan.done) return;
      if (more) continue;
      const wait = settings['http.sse.heartbeat.ms'];
      const woken = await engine.waitForRecords(topic, partition, scan.nextOffset, wait, signal);
      if (!woken && !signal.aborted) await stream.write(HEARTBEAT);
    }
  } finally {
    release();
  }
}

/** Reads a piece and sends it; memory counts from then until the client has taken it. False when there is no more now. */
async function forward(
  { metrics, bodyLimits: { budget } }: AppContext,
  scan: PartitionScan,
  out: OutputBuffer,
  stream: ResponseStream,
  topic: string,
): Promise<boolean> {
  const startedAt = performance.now();
  const before = scan.records;
  budget.take(STREAM_MEMORY_BYTES);
  try {
    const more = await scan.step();
    if (scan.records > before) metrics.fetched(topic, scan.records - before, performance.now() - startedAt);
    scan.sent(out.length);
    if (out.length > 0) await stream.flush(out);
    return more;
  } finally {
    budget.release(STREAM_MEMORY_BYTES);
  }
}

function lastEventId(header: string | string[] | undefined): number | undefined {
  if (header === undefined || header === '') return undefined;
  const offset = Number(header);
  if (!/^\d{1,16}$/.test(String(header)) || !Number.isSafeInteger(offset)) {
    throw new HttpProblem(
      'invalid_offset',
      'last-event-id must be the id of an event of this stream: an offset',
    );
  }
  return offset;
}
