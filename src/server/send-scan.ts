/** Answers made of a scan, of one partition or of many: a page in memory, or a stream of any length. */
import type { FastifyReply } from 'fastify';
import type { Logger } from '../engine/index.ts';
import { logOwnFault, type Problem, problemOf } from './error-mapping.ts';
import { msgpackFormat } from './msgpack-records.ts';
import type { OutputBuffer } from './output-buffer.ts';
import { PAGE_SEPARATORS, type PageFormat } from './page-format.ts';
import { PIECE_BYTES, type ScanLimits } from './partition-scan.ts';
import { jsonFormat, type RecordFormat } from './record-formats.ts';
import type { ValueEncoding } from './record-sink.ts';
import { ResponseStream, sendBuffer } from './response-stream.ts';
import type { ServerSettings } from './settings.ts';

/** A piece of a stream is sent once it has this size. */
const SEND_BYTES = 256 * 1024;
/** What the pieces of a stream are begun in: what one step writes usually fits. */
export const STREAM_BUFFER_BYTES = 1024 * 1024;
/** A piece that is being read, one that is written, and one that waits for the client. */
export const STREAM_MEMORY_BYTES = PIECE_BYTES + 2 * STREAM_BUFFER_BYTES;
const DEFAULT_PAGE_BYTES = 1024 * 1024;
/** Room behind the usual page, so that it need not grow for the record that turns out to be too much. */
const PAGE_SLACK_BYTES = 64 * 1024;

/** What PartitionScan and MergedScan have in common. */
export interface Scan {
  readonly records: number;
  step(): Promise<boolean>;
  sent(bytes: number): void;
}

interface LimitParameters {
  max_records?: number;
  max_bytes?: number;
}

export function pageLimits(query: LimitParameters, format: PageFormat, settings: ServerSettings): ScanLimits {
  return {
    maxRecords: query.max_records ?? Number.POSITIVE_INFINITY,
    maxBytes: Math.min(query.max_bytes ?? DEFAULT_PAGE_BYTES, settings['http.max.fetch.bytes']),
    separator: PAGE_SEPARATORS[format],
  };
}

/** What a page is begun in: few are larger than the usual one. */
export function pageBufferBytes({ maxBytes }: ScanLimits): number {
  return Math.min(maxBytes, DEFAULT_PAGE_BYTES) + PAGE_SLACK_BYTES;
}

export function streamLimits(query: LimitParameters): ScanLimits {
  const { max_records = Number.POSITIVE_INFINITY, max_bytes = Number.POSITIVE_INFINITY } = query;
  return { maxRecords: max_records, maxBytes: max_bytes, stepBytes: STREAM_BUFFER_BYTES };
}

export function pageRecords(format: PageFormat, encoding?: ValueEncoding): RecordFormat {
  return format === 'application/msgpack' ? msgpackFormat : jsonFormat(encoding);
}

/** Runs a scan to its end or its limits. Where it fails midway, what was read is given; the next page is told. */
export async function runPage(scan: Scan): Promise<void> {
  try {
    while (await scan.step());
  } catch (error) {
    if (scan.records === 0) throw error;
  }
}

/** Sends a scan to its end: at once with its length when it is small, else piece by piece. */
export async function streamScan(
  scan: Scan,
  out: OutputBuffer,
  reply: FastifyReply,
  headers: Readonly<Record<string, string>>,
  logger: Logger,
  trailer?: { name: string; value: () => string | null },
): Promise<void> {
  let stream: ResponseStream | undefined;
  const open = () =>
    new ResponseStream(reply, trailer === undefined ? headers : { ...headers, trailer: trailer.name });
  try {
    for (let more = true; more; ) {
      more = await scan.step();
      if (!more || out.length < SEND_BYTES) continue;
      stream ??= open();
      scan.sent(out.length);
      if (!(await stream.flush(out))) return;
    }
  } catch (error) {
    if (stream === undefined && out.length === 0) throw error;
    const { problem } = problemOf(error);
    logOwnFault(logger, problem, error, reply.request.url);
    await breakOff(stream ?? open(), out, problem);
    return;
  }
  const last = trailer?.value() ?? null;
  if (stream === undefined && last === null) {
    sendBuffer(reply, headers, out);
    return;
  }
  stream ??= open();
  if (out.length > 0) await stream.flush(out);
  stream.end(last === null ? undefined : { [trailer!.name]: last });
}

/** The answer has begun, so its status is said: a last line tells what went wrong, and the end is missing. */
async function breakOff(stream: ResponseStream, out: OutputBuffer, problem: Problem): Promise<void> {
  if (out.length > 0) await stream.flush(out);
  stream.abort(`${JSON.stringify({ error: problem })}\n`);
}
