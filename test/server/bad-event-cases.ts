/** As bad-input-cases.ts, for the routes that take log events in. */
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { type Case, JSON_TYPE, KIB, on, streamForever } from './bad-input-cases.ts';

const LINES_TYPE = { 'content-type': 'application/x-ndjson' };
const post = (path: string, headers: Record<string, string>, body: string | Buffer) =>
  on('POST', `/api/logs/${path}`, headers, body);

/** A request has one key: Node makes one text of two headers. */
const TWO_KEYS = { 'idempotency-key': 'a\r\nIdempotency-Key: b' };
const twoKeys: [path: string, body: string][] = [
  ['/api/logs/ingest', '{"source":"a"}'],
  ['/api/logs/batch', '[{"source":"a"}]'],
  ['/api/topics/t/records', '{"records":[{"value":"x"}]}'],
];
const backwards: [path: string, parameter: string][] = [
  ['/api/query/logs?startTime=2000&endTime=1000', 'startTime'],
  ['/api/query/search?query=x&startTime=2000&endTime=1000', 'startTime'],
  ['/api/query/stats?startTime=2000&endTime=1000', 'startTime'],
  ['/api/query/tail?startTime=2000&endTime=1000', 'startTime'],
  ['/api/topics/t/records?from=2000&until=1000', 'from'],
];

export const EVENT_CASES: Case[] = [
  ...twoKeys.map(([path, body]) => ({
    name: `two idempotency keys for ${path}`,
    act: on('POST', path, { ...JSON_TYPE, ...TWO_KEYS }, body),
    expect: {
      status: 400,
      code: 'invalid_request',
      problem: { detail: /more than one Idempotency-Key/, parameter: 'idempotency-key' },
    },
  })),
  ...backwards.map(([path, parameter]) => ({
    name: `an end before the beginning: ${path}`,
    act: on('GET', path),
    expect: { status: 400, code: 'invalid_timestamp', problem: { parameter, detail: /lies behind/ } },
  })),
  {
    name: 'an end before the beginning, asked in JSON',
    act: on('POST', '/api/query/explain', JSON_TYPE, '{"startTime":2000,"endTime":1000}'),
    expect: { status: 400, code: 'invalid_timestamp' },
  },
  ...['level=', 'source=', 'source=,%20,', 'level=&q=x'].map((query) => ({
    name: `a filter that names nothing: ${query}`,
    act: on('GET', `/api/query/logs?${query}`),
    expect: { status: 400, code: 'invalid_parameter', problem: { detail: /names none: leave it out/ } },
  })),
  ...['{"offsets":[{"topic":"t","partition":0,"offset":-1}]}', '{"reset":{"to":{"offset":-1}}}'].map(
    (body) => ({
      name: `an offset of a group that is none: ${body}`,
      act: on('PUT', '/api/groups/g/offsets', JSON_TYPE, body),
      expect: { status: 400, code: 'invalid_offset', problem: { detail: /offset must be >= 0/ } },
    }),
  ),
  {
    name: 'events that become too much of too little once decompressed',
    flags: { 'http.max.decompressed.bytes': 64 * KIB },
    act: post(
      'batch',
      { ...LINES_TYPE, 'content-encoding': 'zstd' },
      zstdCompressSync(Buffer.alloc(32 * KIB * KIB)),
    ),
    expect: { status: 413, code: 'decompressed_too_large', problem: { limit: 64 * KIB } },
  },
  {
    name: 'an event over the limit of bodies',
    flags: { 'http.max.body.bytes': 2 * KIB },
    act: post('ingest', JSON_TYPE, `{"source":"a","message":"${'x'.repeat(3 * KIB)}"}`),
    expect: { status: 413, code: 'body_too_large' },
  },
  {
    name: 'events to be stored all or none, streamed without an end',
    flags: { 'http.max.body.bytes': 64 * KIB },
    act: ({ port }) => streamForever(port, '/api/logs/batch?strict=true', 'application/x-ndjson'),
    expect: { status: 413, code: 'body_too_large', headers: { connection: 'close' } },
  },
  {
    name: 'a time that is none in an event',
    act: post('ingest', JSON_TYPE, '{"source":"a","timestamp":"soon"}'),
    expect: { status: 400, code: 'invalid_timestamp' },
  },
  {
    name: '__proto__ for the source of an event',
    act: post('ingest', JSON_TYPE, '{"__proto__":{"source":"a"}}'),
    expect: { status: 400, code: 'invalid_event' },
  },
  {
    name: 'an array of events nested too deep',
    act: post('batch?strict=true', JSON_TYPE, '['.repeat(9999) + ']'.repeat(9999)),
    expect: {
      status: 400,
      code: 'invalid_event',
      problem: { errors: [{ line: 1, code: 'nesting_too_deep' }] },
    },
  },
  {
    name: 'events in damaged compression',
    act: post(
      'batch',
      { ...LINES_TYPE, 'content-encoding': 'gzip' },
      gzipSync('{"source":"a"}').subarray(0, -3),
    ),
    expect: { status: 400, code: 'corrupt_payload' },
  },
  {
    name: 'a topic of events with a bad name',
    act: post('batch?topic=..%2Fetc', LINES_TYPE, '{"source":"a"}'),
    expect: { status: 400, code: 'invalid_topic' },
  },
  {
    name: 'events of another media type',
    act: post('batch', { 'content-type': 'application/x-www-form-urlencoded' }, '{"source":"a"}'),
    expect: { status: 415, code: 'unsupported_media_type', headers: { accept: /x-ndjson/ } },
  },
];
