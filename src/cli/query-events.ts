/** The work of `seglog query`: asks the daemon, and writes what it says for people or for programs. */
import { ReportedFailure, ServerError, UsageError } from './errors.ts';
import { followEvents } from './event-stream-client.ts';
import { eventText } from './event-view.ts';
import { type Explanation, explanationText } from './explain-view.ts';
import { HttpClient, type Query } from './http-client.ts';
import { type Io, write } from './io.ts';
import { paintFor } from './paint.ts';
import { type Statistics, statisticsText } from './statistics-view.ts';
import { jsonText } from './text.ts';
import { parseTime } from './times.ts';

export interface QueryFlags {
  since?: string;
  until?: string;
  source?: string;
  level?: string;
  limit?: number;
  order?: 'asc' | 'desc';
  topic?: string;
  tail?: boolean;
  stats?: boolean;
  interval?: string;
  explain?: boolean;
  json?: boolean;
  server?: string;
}

const DEFAULT_LIMIT = 100;
/** Of one request. */
const PAGE_EVENTS = 1000;

interface Incomplete {
  complete: boolean;
  reason?: string;
}

export async function query(expression: string, flags: QueryFlags, io: Io): Promise<void> {
  if (flags.interval !== undefined && !flags.stats) throw new UsageError('--interval goes with --stats');
  const client = new HttpClient(flags.server, io.env);
  const filter = await filterOf(expression, flags);
  const signal = io.interruption();
  try {
    if (flags.tail) await tail(client, filter, flags, io, signal);
    else if (flags.stats) await stats(client, filter, flags, io, signal);
    else if (flags.explain) await explain(client, filter, flags, io, signal);
    else await search(client, filter, flags, io, signal);
  } catch (error) {
    // Ctrl-C is no failure of what was written so far.
    if (!signal.aborted) throw pointedAt(expression, error);
  } finally {
    await client.close();
  }
}

/** Shows the place in the expression that an error is about. */
function pointedAt(expression: string, error: unknown): unknown {
  if (!(error instanceof ServerError) || typeof error.problem.position !== 'number') return error;
  return new UsageError(`${error.message}\n  ${expression}\n  ${' '.repeat(error.problem.position)}^`);
}

async function filterOf(
  expression: string,
  { since, until, source, level, topic }: QueryFlags,
): Promise<Query> {
  const now = Date.now();
  const time = async (text: string | undefined) =>
    text === undefined ? undefined : new Date(await parseTime(text, now)).toISOString();
  const q = expression === '' ? undefined : expression;
  const [startTime, endTime] = [await time(since), await time(until)];
  if (startTime !== undefined && endTime !== undefined && startTime > endTime)
    throw new UsageError(`--since (${startTime}) lies behind --until (${endTime}): nothing is between them`);
  return { q, startTime, endTime, source, level, topic };
}

async function search(
  client: HttpClient,
  filter: Query,
  flags: QueryFlags,
  io: Io,
  signal: AbortSignal,
): Promise<void> {
  const headers = { accept: 'application/x-ndjson' };
  let left = flags.limit ?? DEFAULT_LIMIT;
  let cursor: string | undefined;
  do {
    const limit = Math.min(left, PAGE_EVENTS);
    const asked = { ...filter, order: flags.order, limit, cursor };
    const { body, trailers } = await client.request('GET', '/api/query/logs', {
      query: asked,
      headers,
      signal,
    });
    left -= await writeEvents(body.toString(), flags, io);
    cursor = trailers['x-seglog-next-cursor'];
    const reason = trailers['x-seglog-incomplete'];
    if (reason !== undefined) failIncomplete({ complete: false, reason }, io);
  } while (cursor !== undefined && left > 0);
}

/** Returns how many. */
async function writeEvents(lines: string, { json }: QueryFlags, io: Io): Promise<number> {
  const events = lines.split('\n').filter((line) => line !== '');
  const paint = paintFor(io);
  const text = json ? lines : events.map((line) => eventText(JSON.parse(line), paint)).join('');
  await write(io.stdout, text);
  return events.length;
}

async function tail(
  client: HttpClient,
  filter: Query,
  { json }: QueryFlags,
  io: Io,
  signal: AbortSignal,
): Promise<void> {
  const paint = paintFor(io);
  for await (const data of followEvents(client, '/api/query/tail', filter, io, signal))
    await write(io.stdout, json ? `${data}\n` : eventText(JSON.parse(data), paint), signal);
}

async function stats(
  client: HttpClient,
  filter: Query,
  flags: QueryFlags,
  io: Io,
  signal: AbortSignal,
): Promise<void> {
  const asked = { ...filter, interval: flags.interval };
  const found = await client.json<Statistics & Incomplete>('GET', '/api/query/stats', {
    query: asked,
    signal,
  });
  io.stdout.write(flags.json ? jsonText(io.stdout, found) : statisticsText(found, io.stdout, paintFor(io)));
  failIncomplete(found, io);
}

async function explain(
  client: HttpClient,
  filter: Query,
  flags: QueryFlags,
  io: Io,
  signal: AbortSignal,
): Promise<void> {
  const body = { ...filter, limit: flags.limit ?? DEFAULT_LIMIT, order: flags.order };
  const plan = await client.json<Explanation & Incomplete>('POST', '/api/query/explain', { body, signal });
  io.stdout.write(flags.json ? jsonText(io.stdout, plan) : explanationText(plan, io.stdout));
  failIncomplete(plan, io);
}

const REASONS: Readonly<Record<string, string>> = {
  timeout: 'it took longer than query.timeout.ms: ask for less time, or with rarer words',
  max_bytes: 'it read as much as query.max.bytes allows: ask for less time, or with rarer words',
  damaged: 'a part of the log is damaged: `seglog topics describe` tells where',
};

/** Throws ReportedFailure unless the answer is complete. */
function failIncomplete({ complete, reason = '' }: Incomplete, io: Io): void {
  if (complete) return;
  io.stderr.write(`seglog: the answer is not complete: ${REASONS[reason] ?? reason}\n`);
  throw new ReportedFailure('incomplete');
}
