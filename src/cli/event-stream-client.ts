/**
 * Follows a stream of server-sent events, and goes on behind the last one when the connection breaks: a daemon that restarts
 * is waited for.
 */
import { ConnectionLostError } from './errors.ts';
import type { HttpClient, Query } from './http-client.ts';
import type { Io } from './io.ts';
import { answerMayCome, patiently } from './patience.ts';

const PATIENCE_MS = 24 * 3_600_000;

/** The data of each event, until the signal aborts. Throws ServerError for what the daemon refuses. */
export async function* followEvents(
  client: HttpClient,
  path: string,
  query: Query,
  io: Io,
  signal: AbortSignal,
): AsyncGenerator<string> {
  let lastId: string | undefined;
  while (!signal.aborted) {
    const headers = {
      accept: 'text/event-stream',
      ...(lastId === undefined ? {} : { 'last-event-id': lastId }),
    };
    const patience = { io, forMs: PATIENCE_MS, worthATry: answerMayCome, signal };
    const body = await patiently(patience, () => client.open('GET', path, { query, headers, signal }));
    let text = '';
    try {
      for await (const chunk of body.setEncoding('utf8')) {
        text += chunk;
        for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
          const fields = fieldsOf(text.slice(0, end));
          text = text.slice(end + 2);
          if (fields.event === 'error') throw new Error(`the stream ended: ${detailOf(fields.data)}`);
          lastId = fields.id ?? lastId;
          if (fields.data !== undefined) yield fields.data;
        }
      }
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof ConnectionLostError) && !isBroken(error)) throw error;
    }
  }
}

function fieldsOf(event: string): Partial<Record<'id' | 'data' | 'event', string>> {
  const lines = event.split('\n').filter((line) => !line.startsWith(':'));
  return Object.fromEntries(
    lines.map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)]),
  );
}

function detailOf(data: string | undefined): string {
  try {
    return JSON.parse(data ?? '').detail ?? data;
  } catch {
    return data ?? '';
  }
}

/** The connection ended in the middle of the answer. */
const isBroken = (error: unknown) =>
  error instanceof Error &&
  'code' in error &&
  ['ECONNRESET', 'EPIPE', 'ERR_STREAM_PREMATURE_CLOSE'].includes(String(error.code));
