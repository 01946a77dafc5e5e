/**
 * The limit of the HTTP benchmarks, to be run as a child: a fastify server with nothing behind it. It parses produce
 * bodies with the daemon's own parsers and lines of log events with JSON.parse, drops what it finds, and answers fetches with
 * bytes that it has in memory.
 */
import { readFileSync } from 'node:fs';
import { fastify } from 'fastify';
import { bodyReader } from '../src/server/produce-body.ts';
import { childArgs, tell } from './child.ts';

export interface BareServerArgs {
  /** Answers by media type and path, with a space between: files with their bytes. */
  answers?: Record<string, string>;
}

const PRODUCED =
  '{"acks":"all","partitions":[{"partition":0,"baseOffset":123456,"lastOffset":123555,"count":100,"timestamp":"2026-11-01T00:00:00.000Z"}]}\n';

const { answers = {} } = childArgs<BareServerArgs>();
const bytes = new Map(Object.entries(answers).map(([key, path]) => [key, readFileSync(path)]));
const app = fastify({ logger: false, bodyLimit: 64 * 1024 * 1024 });
app.removeAllContentTypeParsers();
app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));

const sink = { add: () => {}, addBytes: () => {} };
app.post('/api/topics/:topic/records', (request, reply) => {
  bodyReader(request.headers['content-type'])(request.body as Buffer, sink, {
    encoding: undefined,
    key: undefined,
  });
  reply.header('content-type', 'application/json; charset=utf-8').send(PRODUCED);
});
app.post('/api/logs/batch', (request, reply) => {
  const body = request.body as Buffer;
  let accepted = 0;
  for (let start = 0; start < body.length; accepted++) {
    const newline = body.indexOf(0x0a, start);
    const end = newline < 0 ? body.length : newline;
    JSON.parse(body.toString('utf8', start, end));
    start = end + 1;
  }
  reply.send({ accepted, rejected: 0, errors: [], errorsOmitted: 0, tookMs: 0 });
});
app.get('/api/topics/:topic/partitions/:partition/records', (request, reply) => {
  const type = request.headers.accept!;
  reply.header('content-type', type).send(bytes.get(`${type} ${request.url.split('?', 1)[0]}`));
});
await app.listen({ port: 0, host: '127.0.0.1' });
process.once('SIGTERM', () => process.exit(0));
tell((app.server.address() as { port: number }).port);
