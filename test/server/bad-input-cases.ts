/** The rows of the table of bad input, with what each is answered. See bad-input.test.ts. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { brotliCompressSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { encode } from '@msgpack/msgpack';
import type { RunningServer } from '../../src/server/index.ts';
import { failingSyncs } from '../helpers/failing-syncs.ts';
import { rawConnection, rawExchange, type startTestServer } from '../helpers/http-app.ts';

export interface Answer {
  status: number;
  headers: Record<string, string>;
  problem: Record<string, unknown>;
}

export interface Context {
  server: RunningServer;
  port: number;
  /** Sends a request as it is, without a client that tidies up its path. */
  send(
    method: string,
    path: string,
    headers?: Record<string, string>,
    body?: string | Buffer,
  ): Promise<Answer>;
}

export interface Case {
  name: string;
  /** Spoils the data before the server opens them. */
  prepare?(data: string): void;
  flags?: Record<string, unknown>;
  options?: Parameters<typeof startTestServer>[2];
  act(context: Context): Promise<Answer>;
  expect: {
    status: number;
    code: string;
    headers?: Record<string, unknown>;
    problem?: Record<string, unknown>;
  };
}

const RECORDS = '/api/topics/t/records';
const FETCH = '/api/topics/t/partitions/0/records';
export const JSON_TYPE = { 'content-type': 'application/json' };
const TEXT_TYPE = { 'content-type': 'text/plain' };
export const KIB = 1024;
const syncs = { fail: false };

export const on =
  (method: string, path: string, headers?: Record<string, string>, body?: string | Buffer) =>
  (context: Context) =>
    context.send(method, path, headers, body);
const produce = (body: string | Buffer, headers: Record<string, string>, query = '') =>
  on('POST', RECORDS + query, headers, body);

const badTopics: [name: string, path: string][] = [
  ['a space', 'a%20b'],
  ['an encoded slash', 'a%2Fb'],
  ['traversal', '..%2F..%2Fetc%2Fpasswd'],
  ['two dots', '..'],
  ['an encoded dot', '%2e'],
  ['NUL', 'a%00b'],
  ['250 characters', 'a'.repeat(250)],
  ['no UTF-8', '%ff'],
  ['a broken escape', '%zz'],
  ['letters beyond ASCII', 'caf%C3%A9'],
];

export const CASES: Case[] = [
  ...badTopics.flatMap(([name, topic]) => [
    {
      name: `a topic name with ${name}, created`,
      act: on('PUT', `/api/topics/${topic}`),
      expect: { status: 400, code: 'invalid_topic' },
    },
    {
      name: `a topic name with ${name}, produced to`,
      act: on('POST', `/api/topics/${topic}/records`, TEXT_TYPE, 'x'),
      expect: { status: 400, code: 'invalid_topic' },
    },
  ]),
  {
    name: 'traversal as it is',
    act: on('PUT', '/api/topics/../../etc'),
    expect: { status: 404, code: 'not_found' },
  },
  {
    name: 'an unknown topic',
    act: on('GET', '/api/topics/nope'),
    expect: { status: 404, code: 'unknown_topic' },
  },
  {
    name: 'an unknown topic, produced to',
    act: on('POST', '/api/topics/nope/records', TEXT_TYPE, 'x'),
    expect: { status: 404, code: 'unknown_topic' },
  },
  {
    name: 'an unknown partition',
    act: on('GET', '/api/topics/t/partitions/7/records'),
    expect: { status: 404, code: 'unknown_partition' },
  },
  {
    name: 'an unknown partition, produced to',
    act: produce('x', TEXT_TYPE, '?partition=7'),
    expect: { status: 404, code: 'unknown_partition' },
  },
  { name: 'an unknown route', act: on('GET', '/api/nope'), expect: { status: 404, code: 'not_found' } },
  {
    name: 'an unknown route with a body',
    act: on('POST', '/api/nope', { 'content-type': 'x/y' }, 'x'),
    expect: { status: 404, code: 'not_found' },
  },
  {
    name: 'a wrong method',
    act: on('DELETE', RECORDS),
    expect: { status: 405, code: 'method_not_allowed', headers: { allow: 'GET, HEAD, POST' } },
  },
  {
    name: 'headers over 16 KiB',
    act: on('GET', '/livez', { 'x-large': 'x'.repeat(17 * KIB) }),
    expect: { status: 431, code: 'headers_too_large', headers: { connection: 'close' } },
  },
  {
    name: 'slow headers',
    flags: { 'http.header.timeout.ms': 100 },
    act: async ({ port }) => parseAnswer(await rawExchange(port, 'GET /livez HTTP/1.1\r\nhost: x\r\n')),
    expect: { status: 408, code: 'request_timeout', headers: { connection: 'close' } },
  },
  {
    name: 'a slow body',
    flags: { 'http.header.timeout.ms': 100, 'http.body.timeout.ms': 200 },
    act: async ({ port }) =>
      parseAnswer(
        await rawExchange(
          port,
          `POST ${RECORDS} HTTP/1.1\r\nhost: x\r\ncontent-type: text/plain\r\ncontent-length: 9\r\n\r\nslow`,
        ),
      ),
    expect: { status: 408, code: 'request_timeout', headers: { connection: 'close' } },
  },
  {
    name: 'what is no HTTP',
    act: async ({ port }) => parseAnswer(await rawExchange(port, '\x16\x03\x01 hello\r\n\r\n')),
    expect: { status: 400, code: 'invalid_request', headers: { connection: 'close' } },
  },
  {
    name: 'a body over the limit, as declared',
    flags: { 'http.max.body.bytes': 2 * KIB },
    act: async ({ port }) =>
      parseAnswer(
        await rawExchange(
          port,
          `POST ${RECORDS} HTTP/1.1\r\nhost: x\r\ncontent-type: text/plain\r\ncontent-length: 999999999999\r\n\r\nx`,
        ),
      ),
    expect: {
      status: 413,
      code: 'body_too_large',
      headers: { connection: 'close' },
      problem: { limit: 2 * KIB },
    },
  },
  {
    name: 'a body over the limit, announced with Expect',
    flags: { 'http.max.body.bytes': 2 * KIB },
    act: produce('x'.repeat(3 * KIB), { ...TEXT_TYPE, expect: '100-continue' }),
    expect: { status: 413, code: 'body_too_large', headers: { connection: 'close' } },
  },
  {
    name: 'a body over the limit, streamed without an end',
    flags: { 'http.max.body.bytes': 64 * KIB },
    act: ({ port }) => streamForever(port),
    expect: { status: 413, code: 'body_too_large', headers: { connection: 'close' } },
  },
  ...['key=s', 'encoding=base64', 'encoding=json'].map((parameter) => ({
    name: `the parameter ${parameter} of another form of body`,
    act: on('POST', `${RECORDS}?${parameter}`, TEXT_TYPE, 'x'),
    expect: { status: 400, code: 'invalid_parameter', problem: { detail: /is for bodies of application\// } },
  })),
  {
    name: 'a batch too large',
    act: async (context) => {
      await context.send('PATCH', '/api/topics/t', JSON_TYPE, '{"config":{"max.message.bytes":2048}}');
      return context.send('POST', RECORDS, TEXT_TYPE, 'x'.repeat(3 * KIB));
    },
    expect: { status: 413, code: 'record_too_large' },
  },
  ...[gzipSync, brotliCompressSync, zstdCompressSync].map((compress, i) => ({
    name: `a ${['gzip', 'br', 'zstd'][i]} body over its cap once decompressed`,
    flags: { 'http.max.decompressed.bytes': 64 * KIB },
    act: produce(compress(Buffer.alloc(32 * KIB * KIB)), {
      ...TEXT_TYPE,
      'content-encoding': ['gzip', 'br', 'zstd'][i]!,
    }),
    expect: { status: 413, code: 'decompressed_too_large', problem: { limit: 64 * KIB } },
  })),
  {
    name: 'corrupt compression',
    act: produce('no gzip', { ...TEXT_TYPE, 'content-encoding': 'gzip' }),
    expect: { status: 400, code: 'corrupt_payload' },
  },
  {
    name: 'bad MessagePack',
    act: produce('\xc1', { 'content-type': 'application/msgpack' }),
    expect: { status: 400, code: 'invalid_msgpack', problem: { position: 0 } },
  },
  {
    name: 'bad JSON',
    act: produce('{"records":[}', JSON_TYPE),
    expect: { status: 400, code: 'invalid_json', problem: { position: 12 } },
  },
  {
    name: 'bad JSON in a line',
    act: produce('1\n2\nx\n', { 'content-type': 'application/x-ndjson' }),
    expect: { status: 400, code: 'invalid_json', problem: { line: 3, column: 1 } },
  },
  {
    name: 'bad JSON that makes a topic',
    act: on('PUT', '/api/topics/new', JSON_TYPE, '{"partitions":01}'),
    expect: { status: 400, code: 'invalid_json' },
  },
  {
    name: 'nesting too deep',
    act: produce(`{"records":[{"value":${'['.repeat(9999)}`, JSON_TYPE, '?encoding=json'),
    expect: { status: 400, code: 'nesting_too_deep' },
  },
  {
    name: 'nesting too deep, for a topic',
    act: on('PUT', '/api/topics/new', JSON_TYPE, '{"config":'.repeat(9999)),
    expect: { status: 400, code: 'nesting_too_deep' },
  },
  {
    name: '__proto__ as data of a topic',
    act: on('PUT', '/api/topics/new', JSON_TYPE, '{"__proto__":{"polluted":1}}'),
    expect: { status: 400, code: 'invalid_request' },
  },
  {
    name: '__proto__ as a setting',
    act: on('PUT', '/api/topics/new', JSON_TYPE, '{"config":{"__proto__":1}}'),
    expect: { status: 400, code: 'invalid_config' },
  },
  {
    name: '__proto__ as a field of a record',
    act: produce(Buffer.from(encode(JSON.parse('{"records":[{"value":"v","__proto__x":1}]}'))), {
      'content-type': 'application/msgpack',
    }),
    expect: { status: 400, code: 'invalid_record' },
  },
  {
    name: 'an unknown content encoding',
    act: produce('x', { ...TEXT_TYPE, 'content-encoding': 'compress' }),
    expect: {
      status: 415,
      code: 'unsupported_encoding',
      headers: { 'accept-encoding': 'gzip, deflate, br, zstd' },
    },
  },
  {
    name: 'an unknown media type',
    act: produce('x', { 'content-type': 'application/xml' }),
    expect: { status: 415, code: 'unsupported_media_type', headers: { accept: /application\/json/ } },
  },
  { name: 'no media type', act: produce('x', {}), expect: { status: 415, code: 'unsupported_media_type' } },
  {
    name: 'another charset',
    act: produce('x', { 'content-type': 'text/plain; charset=utf-16' }),
    expect: { status: 415, code: 'unsupported_media_type' },
  },
  {
    name: 'an unknown media type for a topic',
    act: on('PUT', '/api/topics/new', TEXT_TYPE, 'x'),
    expect: { status: 415, code: 'unsupported_media_type' },
  },
  ...['-1', '1.5', '9007199254740993', '1e3', 'abc', '%20', ''].map((offset) => ({
    name: `the offset "${offset}"`,
    act: on('GET', `${FETCH}?offset=${offset}`),
    expect: { status: 400, code: 'invalid_offset' },
  })),
  {
    name: 'an offset outside the log',
    act: on('GET', `${FETCH}?offset=9`),
    expect: {
      status: 416,
      code: 'offset_out_of_range',
      problem: { offset: 9, logStartOffset: 0, highWatermark: 3 },
    },
  },
  {
    name: 'a sequence out of order',
    act: async (context) => context.send('POST', `${RECORDS}?${await numbered(context, 1)}`, TEXT_TYPE, 'x'),
    expect: { status: 409, code: 'out_of_order_sequence', problem: { expectedSequence: 0 } },
  },
  {
    name: 'a fenced epoch',
    act: async (context) => {
      const parameters = await numbered(context, 0);
      const newer = parameters.replace('producerEpoch=0', 'producerEpoch=1');
      await context.send('POST', `${RECORDS}?${newer}`, TEXT_TYPE, 'x');
      return context.send('POST', `${RECORDS}?${parameters}`, TEXT_TYPE, 'x');
    },
    expect: { status: 409, code: 'fenced', problem: { currentEpoch: 1 } },
  },
  {
    name: 'a log that has gone on',
    act: produce('x', { ...TEXT_TYPE, 'if-match': '"2"' }, '?partition=0'),
    expect: { status: 412, code: 'precondition_failed', problem: { logEndOffset: 3 } },
  },
  {
    name: 'an idempotency key of another request',
    act: async (context) => {
      const headers = { ...TEXT_TYPE, 'idempotency-key': 'k' };
      await context.send('POST', RECORDS, headers, 'x');
      return context.send('POST', RECORDS, headers, 'y');
    },
    expect: { status: 422, code: 'idempotency_key_reused' },
  },
  ...['a%00b', '%ff', '%zz', 'g'.repeat(256)].map((group) => ({
    name: `a group name with ${group.slice(0, 8)}`,
    act: on('GET', `/api/groups/${group}`),
    expect: { status: 400, code: 'invalid_group' },
  })),
  {
    name: 'an unknown group',
    act: on('GET', '/api/groups/nope'),
    expect: { status: 404, code: 'unknown_group' },
  },
  {
    name: 'an unknown member',
    act: on('GET', '/api/groups/nope/members/nope/records'),
    expect: { status: 404, code: 'unknown_member' },
  },
  {
    name: 'a commit of who is no member',
    act: on('PUT', '/api/groups/nope/offsets', JSON_TYPE, '{"memberId":"m","generation":1,"offsets":[]}'),
    expect: { status: 409, code: 'fenced' },
  },
  {
    name: '__proto__ as data of a group',
    act: on('POST', '/api/groups/g/members', JSON_TYPE, '{"topics":["t"],"__proto__":{"polluted":1}}'),
    expect: { status: 400, code: 'invalid_request' },
  },
  {
    name: 'two starts',
    act: on('GET', `${FETCH}?offset=0&tail=1`),
    expect: { status: 400, code: 'invalid_parameter' },
  },
  {
    name: 'a timestamp that is none',
    act: on('GET', `${FETCH}?timestamp=noon`),
    expect: { status: 400, code: 'invalid_timestamp' },
  },
  {
    name: 'a misspelt parameter',
    act: on('GET', `${FETCH}?ofset=0`),
    expect: { status: 400, code: 'invalid_parameter', problem: { detail: /did you mean "offset"/ } },
  },
  {
    name: 'too many connections',
    flags: { 'http.max.connections': 2 },
    act: async (context) => {
      const open = [rawConnection(context.port), rawConnection(context.port)];
      await Promise.all(open.map(({ socket }) => new Promise((resolve) => socket.once('connect', resolve))));
      // The server counts a connection when it takes it, which may be after the client sees it open.
      const answer = await context.send('GET', '/api/topics');
      for (const { socket } of open) socket.destroy();
      await Promise.all(open.map(({ closed }) => closed));
      return answer;
    },
    expect: { status: 503, code: 'overloaded', headers: { connection: 'close', 'retry-after': '1' } },
  },
  {
    name: 'too many bytes in flight',
    flags: { 'http.max.in.flight.bytes': 64 * KIB },
    act: produce('x'.repeat(80 * KIB), TEXT_TYPE),
    expect: { status: 503, code: 'overloaded', headers: { 'retry-after': '1' } },
  },
  {
    name: 'a full disk',
    flags: { 'log.dir.reserve.bytes': Number.MAX_SAFE_INTEGER },
    act: produce('x', TEXT_TYPE),
    expect: { status: 507, code: 'storage_full', headers: { 'retry-after': '10' } },
  },
  {
    name: 'a sync that fails under the request',
    flags: { 'storage.failure': 'stay' },
    options: { engine: { fileSystem: failingSyncs(syncs) } },
    act: async (context) => {
      syncs.fail = true;
      const answer = await context.send('POST', RECORDS, TEXT_TYPE, 'x');
      syncs.fail = false;
      return answer;
    },
    expect: { status: 503, code: 'outcome_unknown' },
  },
  {
    name: 'a damaged range',
    prepare: damageFirstBatch,
    act: on('GET', `${FETCH}?offset=0`),
    expect: { status: 500, code: 'corrupt_data', problem: { firstOffset: 0, nextOffset: Number } },
  },
];

/** The parameters of a request by a new producer whose first record has this number. */
async function numbered({ server }: Context, sequence: number): Promise<string> {
  const answer = await fetch(`${server.url}/api/producers`, { method: 'POST' });
  const { producerId } = (await answer.json()) as { producerId: number };
  return `partition=0&producerId=${producerId}&producerEpoch=0&sequence=${sequence}`;
}

/** Changes a byte of the first batch behind the segment's header. */
function damageFirstBatch(data: string): void {
  const directory = join(data, 'topics', 't', '0');
  const path = join(directory, readdirSync(directory).find((name) => name.endsWith('.log'))!);
  const bytes = readFileSync(path);
  bytes[160]! ^= 1;
  writeFileSync(path, bytes);
}

export function requestText(
  method: string,
  path: string,
  headers: Record<string, string> = {},
  body: string | Buffer = '',
): Buffer {
  const bytes = Buffer.from(body as string, 'latin1');
  const all = { host: 'x', connection: 'close', 'content-length': String(bytes.length), ...headers };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  return Buffer.concat([Buffer.from(`${method} ${path} HTTP/1.1\r\n${lines.join('')}\r\n`, 'latin1'), bytes]);
}

export function parseAnswer(text: string): Answer {
  const [head = '', ...rest] = text.split('\r\n\r\n');
  const [statusLine = '', ...lines] = head.split('\r\n');
  const headers: Record<string, string> = {};
  for (const line of lines)
    headers[line.slice(0, line.indexOf(':')).toLowerCase()] = line.slice(line.indexOf(':') + 2);
  const body = rest.join('\r\n\r\n');
  return {
    status: Number(statusLine.split(' ')[1]),
    headers,
    problem: body.startsWith('{') ? JSON.parse(body) : {},
  };
}

/** Sends a body that never ends, until the server closes the connection. */
export async function streamForever(
  port: number,
  path = RECORDS,
  type = TEXT_TYPE['content-type'],
): Promise<Answer> {
  const { socket, closed } = rawConnection(port);
  const piece = `${(16 * KIB).toString(16)}\r\n${'x'.repeat(16 * KIB)}\r\n`;
  let sent = 0;
  const send = () => {
    while (!socket.destroyed && socket.writable && socket.write(piece)) sent += piece.length;
    if (sent > 256 * KIB * KIB) socket.destroy();
  };
  socket.on('drain', send);
  socket.write(
    `POST ${path} HTTP/1.1\r\nhost: x\r\ncontent-type: ${type}\r\ntransfer-encoding: chunked\r\n\r\n`,
  );
  send();
  return parseAnswer(await closed);
}
