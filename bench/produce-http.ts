/**
 * Question: what does the log cost beyond HTTP and parsing, when records come over HTTP with acks=all?
 *
 * Limit: a bare fastify server with the same parsers that drops what they find. Bodies of 100 records (an octet-stream is
 * one record: it has the bytes of 100), of 256 bytes each, as log events have, and of 1 KiB; and single records. The
 * client is a process of its own on bare sockets; its connections keep the server busy while commits go to the disk.
 */
import { encode } from '@msgpack/msgpack';
import { Child } from './child.ts';
import { atLeast, benchmark, type Side } from './harness.ts';
import { httpRequest } from './http-connection.ts';
import { createTopic, deleteTopic, load, startBare, startSeglog } from './http-servers.ts';
import { events } from './workload.ts';

const CONNECTIONS = 64;
const PATH = '/api/topics/bench/records?acks=all';

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

const CASES = [
  { records: 100, bytes: 256, least: 0.6 },
  { records: 100, bytes: 1024, least: 0.6 },
  { records: 1, bytes: 256, least: 0.7 },
];

await benchmark('produce-http', async (bench) => {
  const seconds = bench.size(2, 0.7);
  const client = new Child('http-load.ts');
  const seglog = await startSeglog(bench);
  const bare = await startBare();

  const requests = (type: string, records: number, bytes: number): Buffer[] =>
    Array.from({ length: 8 }, (_, i) => {
      const body = BODIES[type]!(events(records, bytes, i * records));
      return httpRequest('POST', PATH, { 'content-type': type }, body);
    });
  const run = async (port: number, bodies: Buffer[]) =>
    (await load(client, port, CONNECTIONS, seconds, bodies)).requestsPerSecond;
  for (const { records, bytes, least } of CASES) {
    for (const type of Object.keys(BODIES)) {
      const bodies = requests(type, records, bytes);
      const candidate: Side = {
        name: 'seglog',
        round: async () => {
          // Each round has a topic of its own, so that the disk does not fill and writes out nothing of the last one.
          await createTopic(seglog.port, 'bench');
          const rate = await run(seglog.port, bodies);
          await deleteTopic(seglog.port, 'bench');
          return rate;
        },
      };
      const limit: Side = { name: 'bare fastify, parsed and dropped', round: () => run(bare.port, bodies) };
      await bench.compare({
        title: `produce over HTTP, ${type}, ${records} × ${bytes} bytes, acks=all`,
        unit: 'requests/s',
        candidate,
        limits: [{ side: limit, wanted: atLeast(least) }],
      });
    }
  }
  await Promise.all([client.end(), bare.child.end(), seglog.child.end()]);
});
