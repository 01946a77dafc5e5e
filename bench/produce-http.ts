/**
 * Question: what does the log cost beyond HTTP and parsing, when records come over HTTP with acks=all?
 *
 * Limit: a bare fastify server with the same parsers that drops what they find. Bodies of 100 records of 1 KiB (an
 * octet-stream is one record: it has the bytes of 100), and single records. The client is a process of its own on bare
 * sockets; there are as many connections as keep the server busy while commits are on their way to the disk.
 */
import { encode } from '@msgpack/msgpack';
import { Child } from './child.ts';
import { atLeast, benchmark, type Side } from './harness.ts';
import { httpRequest } from './http-connection.ts';
import { createTopic, load, startBare, startSeglog } from './http-servers.ts';

const RECORDS = 100;
const VALUE_BYTES = 1024;
const CONNECTIONS = 64;
const PATH = '/api/topics/bench/records?acks=';

/** JSON objects of VALUE_BYTES bytes, as log lines are: text that needs no escapes when it is a value by itself. */
function texts(count: number, seed: number): string[] {
  return Array.from({ length: count }, (_, i) => {
    const head = `{"level":"INFO","service":"payments","message":"request ${seed * count + i} done","trace":"`;
    return `${head}${'0123456789abcdef'.repeat(VALUE_BYTES / 16).slice(0, VALUE_BYTES - head.length - 2)}"}`;
  });
}

/** As text in a JSON string, so that its quotes are no escapes that the other formats do not have. */
const plain = (text: string) => text.replaceAll('"', "'");

const BODIES: Record<string, (values: string[]) => Uint8Array> = {
  'application/octet-stream': (values) => Buffer.from(values.join('\n')),
  'application/x-ndjson': (values) => Buffer.from(`${values.join('\n')}\n`),
  'application/msgpack': (values) =>
    encode({ records: values.map((value) => ({ value: Buffer.from(value) })) }),
  'application/json': (values) =>
    Buffer.from(JSON.stringify({ records: values.map((value) => ({ value: plain(value) })) })),
};

await benchmark('produce-http', async (bench) => {
  const seconds = bench.size(2, 0.7);
  const client = new Child('http-load.ts');
  const seglog = await startSeglog(bench);
  const bare = await startBare();
  await createTopic(seglog.port, 'bench', { partitions: 1, config: { 'segment.bytes': 1024 * 1024 * 1024 } });

  const side = (name: string, port: number, acks: string, type: string, records: number): Side => {
    const bodies = Array.from({ length: 8 }, (_, i) => BODIES[type]!(texts(records, i)));
    const headers = { 'content-type': type };
    const requests = bodies.map((body) => httpRequest('POST', `${PATH}${acks}`, headers, body));
    return {
      name,
      round: async () => (await load(client, port, CONNECTIONS, seconds, requests)).requestsPerSecond,
    };
  };
  for (const [records, least] of [
    [RECORDS, 0.6],
    [1, 0.7],
  ] as const) {
    for (const type of Object.keys(BODIES)) {
      for (const acks of ['all', '1']) {
        const what = records === 1 ? 'a single record' : `${records} records`;
        await bench.compare({
          title: `produce over HTTP, ${type}, ${what} of 1 KiB, acks=${acks}`,
          unit: 'requests/s',
          candidate: side('seglog', seglog.port, acks, type, records),
          limits: [
            {
              side: side('bare fastify, parsed and dropped', bare.port, acks, type, records),
              ...(acks === 'all' && { wanted: atLeast(least) }),
            },
          ],
        });
      }
    }
  }
  await Promise.all([client.end(), bare.child.end(), seglog.child.end()]);
});
