/**
 * A stand-in for the daemon in tests of the command line: topics in memory behind the HTTP interface, and a
 * hook through which a test refuses, breaks or delays requests as it likes.
 */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { decode, encode } from '@msgpack/msgpack';

export interface FakeRecord {
  offset: number;
  timestamp: string;
  key: Uint8Array | null;
  value: Uint8Array | null;
  headers: { key: string; value: Uint8Array | null }[];
}

export interface FakeRequest {
  method: string;
  path: string;
  query: URLSearchParams;
  headers: IncomingMessage['headers'];
  body: Buffer;
}

/** Returns true when it has answered (or broken) the request itself. */
export type Interceptor = (request: FakeRequest, response: ServerResponse) => boolean | Promise<boolean>;

export class FakeDaemon {
  readonly topics = new Map<string, FakeRecord[][]>();
  /** Lines of log events, as they came. */
  readonly events: string[] = [];
  readonly requests: FakeRequest[] = [];
  intercept: Interceptor = () => false;
  now = Date.parse('2020-05-20T08:00:00Z');
  #producers = 0;
  /** Of batches that may be sent again, by what they are known by. */
  readonly #answers = new Map<string, object>();
  readonly #server = createServer((request, response) => void this.#handle(request, response));

  static async start(): Promise<FakeDaemon> {
    const daemon = new FakeDaemon();
    daemon.#server.listen(0, '127.0.0.1');
    await once(daemon.#server, 'listening');
    return daemon;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    if (this.#server.listening) await new Promise((resolve) => this.#server.close(resolve));
  }

  addTopic(name: string, partitions = 1): void {
    this.topics.set(
      name,
      Array.from({ length: partitions }, () => []),
    );
  }

  /** Values of a partition as text. */
  values(topic: string, partition = 0): (string | null)[] {
    return this.topics
      .get(topic)!
      [partition]!.map(({ value }) => (value === null ? null : Buffer.from(value).toString()));
  }

  append(
    topic: string,
    partition: number,
    value: string | Uint8Array | null,
    more: Partial<FakeRecord> = {},
  ): void {
    const log = this.topics.get(topic)![partition]!;
    log.push({
      offset: log.length,
      timestamp: new Date(this.now).toISOString(),
      key: null,
      value: typeof value === 'string' ? Buffer.from(value) : value,
      headers: [],
      ...more,
    });
  }

  async #handle(message: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of message) chunks.push(chunk);
    const url = new URL(message.url!, 'http://localhost');
    const request: FakeRequest = {
      method: message.method!,
      path: url.pathname,
      query: url.searchParams,
      headers: message.headers,
      body: Buffer.concat(chunks),
    };
    this.requests.push(request);
    if (await this.intercept(request, response)) return;
    this.#route(request, response);
  }

  #route(request: FakeRequest, response: ServerResponse): void {
    const [, , name = '', kind, partition, last] = request.path.slice(1).split('/').map(decodeURIComponent);
    const route = `${request.method} ${kind === undefined ? 'topic' : (last ?? kind)}`;
    const topic = this.topics.get(name);
    if (request.path === '/api/logs/batch') sendJson(response, 200, this.ingest(request));
    else if (request.path === '/api/producers')
      sendJson(response, 201, { producerId: 1000 + this.#producers++, epoch: 0 });
    else if (request.path === '/readyz') sendJson(response, 200, { status: 'ready' });
    else if (request.path === '/api/topics')
      sendJson(response, 200, { topics: [...this.topics.keys()].map((each) => this.#listing(each)) });
    else if (route === 'PUT topic') this.#create(name, request, response);
    else if (topic === undefined) sendProblem(response, 404, 'unknown_topic', `no topic "${name}"`);
    else if (route === 'GET topic' || route === 'PATCH topic')
      sendJson(response, 200, this.#description(name));
    else if (route === 'DELETE topic') {
      this.topics.delete(name);
      response.writeHead(204).end();
    } else if (route === 'POST records') this.#produce(name, request, response);
    else if (route === 'GET records') this.#fetch(topic[Number(partition)]!, request, response);
    else if (route === 'GET segments') sendJson(response, 200, { segments: [] });
    else sendProblem(response, 404, 'not_found', 'there is no such route');
  }

  #create(name: string, request: FakeRequest, response: ServerResponse): void {
    const known = this.topics.has(name);
    if (!known) this.addTopic(name, JSON.parse(request.body.toString()).partitions ?? 1);
    sendJson(response, known ? 200 : 201, this.#description(name));
  }

  #listing(name: string): object {
    const logs = this.topics.get(name)!;
    const records = logs.reduce((sum, log) => sum + log.length, 0);
    return { name, id: '0'.repeat(32), partitions: logs.length, records, bytes: records * 100 };
  }

  #description(name: string): object {
    const partitions = this.topics.get(name)!.map((log, partition) => ({
      partition,
      logStartOffset: 0,
      highWatermark: log.length,
      logEndOffset: log.length,
      bytes: log.length * 100,
      segments: 1,
      minTimestamp: log[0]?.timestamp ?? null,
      maxTimestamp: log.at(-1)?.timestamp ?? null,
      compaction: null,
      nextDeletion: null,
      fenced: null,
      damaged: [],
      gaps: [],
    }));
    const config = {
      'segment.bytes': { value: 268435456, source: 'default' },
      flush: { value: 'os', source: 'topic' },
    };
    return { name, id: '0'.repeat(32), partitions, config };
  }

  #produce(name: string, request: FakeRequest, response: ServerResponse): void {
    const fixed = request.query.get('partition');
    const identity = identityOf(request);
    const before = identity && this.#answers.get(identity);
    if (before !== undefined) {
      sendJson(response, 200, before);
      return;
    }
    const touched = new Map<
      number,
      { partition: number; baseOffset: number; lastOffset: number; count: number }
    >();
    for (const record of parseRecords(request)) {
      const partition = record.partition ?? Number(fixed ?? 0);
      this.append(name, partition, record.value, {
        key: record.key ?? null,
        headers: record.headers ?? [],
        ...(record.timestamp === undefined ? {} : { timestamp: new Date(record.timestamp).toISOString() }),
      });
      const offset = this.topics.get(name)![partition]!.length - 1;
      const known = touched.get(partition) ?? { partition, baseOffset: offset, lastOffset: offset, count: 0 };
      touched.set(partition, { ...known, lastOffset: offset, count: known.count + 1 });
    }
    const answer = { acks: request.query.get('acks') ?? 'all', partitions: [...touched.values()] };
    if (identity !== undefined) this.#answers.set(identity, answer);
    sendJson(response, 200, answer);
  }

  /** Takes log events in; a request of the same key is answered as before. */
  ingest({ body, headers }: Pick<FakeRequest, 'body' | 'headers'>): object {
    const key = headers['idempotency-key'];
    const answer = (key !== undefined && this.#answers.get(`${key}`)) || this.#store(body.toString());
    if (key !== undefined) this.#answers.set(`${key}`, answer);
    return answer;
  }

  /** Lines that are no JSON objects are rejected. */
  #store(body: string): object {
    const errors: object[] = [];
    let accepted = 0;
    for (const [i, line] of body.split('\n').entries()) {
      if (/^\s*\{.*\}\s*$/.test(line)) {
        accepted++;
        this.events.push(line);
      } else if (line.trim() !== '') {
        errors.push({ line: i + 1, code: 'invalid_json', detail: 'byte 1: it is none' });
      }
    }
    const named = { errors: errors.slice(0, 100), errorsOmitted: Math.max(0, errors.length - 100) };
    return { accepted, rejected: errors.length, ...named, tookMs: 1 };
  }

  #fetch(log: readonly FakeRecord[], { query }: FakeRequest, response: ServerResponse): void {
    const number = (name: string, missing: number) => (query.has(name) ? Number(query.get(name)) : missing);
    let start = number('offset', 0);
    if (query.has('tail')) start = Math.max(0, log.length - number('tail', 0));
    if (query.has('timestamp')) {
      const found = log.findIndex((record) => record.timestamp >= query.get('timestamp')!);
      start = found < 0 ? log.length : found;
    }
    const end = Math.min(log.length, number('until_offset', log.length), start + number('max_records', 1000));
    const records = log.slice(start, end);
    const nextOffset = start + records.length;
    const answer = () => {
      response.writeHead(200, { 'content-type': 'application/msgpack' });
      response.end(encode({ records, nextOffset, highWatermark: log.length }));
    };
    // A long poll: nobody wakes it here, so it is answered after a moment.
    if (records.length === 0 && number('wait_ms', 0) > 0) setTimeout(answer, 10);
    else answer();
  }
}

/** What tells a batch that is sent again from a new one; undefined where nothing does. */
function identityOf({ query, headers }: FakeRequest): string | undefined {
  const key = headers['idempotency-key'];
  if (key !== undefined) return String(key);
  if (!query.has('producerId')) return undefined;
  return ['producerId', 'partition', 'sequence'].map((name) => query.get(name)).join('/');
}

interface ParsedRecord {
  key?: Uint8Array | null;
  value: Uint8Array | null;
  headers?: FakeRecord['headers'];
  timestamp?: number | string;
  partition?: number;
}

function parseRecords({ headers, body }: FakeRequest): ParsedRecord[] {
  if (headers['content-type'] === 'application/msgpack')
    return (decode(body) as { records: ParsedRecord[] }).records;
  if (headers['content-type'] === 'application/json')
    return JSON.parse(body.toString()).records.map(fromJson);
  const lines = body.toString('latin1').split('\n');
  if (lines.at(-1) === '') lines.pop();
  return lines.map((line) => ({ value: Buffer.from(line, 'latin1') }));
}

/** Headers as a map. */
function fromJson({ key, value, headers = {} }: Record<string, string> & { headers?: object }): ParsedRecord {
  return {
    key: key === undefined ? null : Buffer.from(key),
    value: Buffer.from(value!),
    headers: Object.entries(headers).map(([name, each]) => ({ key: name, value: Buffer.from(each) })),
  };
}

export function sendJson(response: ServerResponse, status: number, value: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value));
}

export function sendProblem(
  response: ServerResponse,
  status: number,
  code: string,
  detail: string,
  headers: Record<string, string> = {},
): true {
  response.writeHead(status, { 'content-type': 'application/problem+json', ...headers });
  response.end(JSON.stringify({ code, title: code, detail, status }));
  return true;
}
