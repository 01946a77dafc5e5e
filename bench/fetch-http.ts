/**
 * Question: what does reading, checking and framing records cost beyond sending the bytes?
 *
 * Limit: a bare fastify server that sends the very same bytes from memory. Pages of up to 1 MiB as MessagePack, and the
 * same as NDJSON, of records of 1 KiB from segments in the page cache. The client is a process of its own on bare
 * sockets and reads no more of an answer than its length.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Child } from './child.ts';
import { atLeast, benchmark, type Side } from './harness.ts';
import { httpRequest } from './http-connection.ts';
import { createTopic, load, startBare, startSeglog } from './http-servers.ts';
import { MIB } from './workload.ts';

const CONNECTIONS = 8;
const VALUE_BYTES = 1024;
const PAGES = 32;
const TYPES = ['application/msgpack', 'application/x-ndjson'];
const PATH = '/api/topics/bench/partitions/0/records';

await benchmark('fetch-http', async (bench) => {
  const seconds = bench.size(2, 0.7);
  const directory = bench.directory();
  const client = new Child('http-load.ts');
  const seglog = await startSeglog(bench);
  await createTopic(seglog.port, 'bench', { partitions: 1, config: { 'segment.bytes': 16 * MIB } });
  const records = await fill(seglog.port, (PAGES * MIB) / VALUE_BYTES);

  const answers: Record<string, string> = {};
  for (const type of TYPES) {
    const response = await fetch(`http://127.0.0.1:${seglog.port}${PATH}?max_bytes=${MIB}`, {
      headers: { accept: type },
    });
    answers[type] = join(directory, type.replace('/', '-'));
    writeFileSync(answers[type], new Uint8Array(await response.arrayBuffer()));
  }
  const bare = await startBare({ answers });
  const side = (name: string, port: number, type: string): Side => {
    // Pages from all over the partition; of the last ones there may be less than a page left.
    const requests = Array.from({ length: PAGES / 2 }, (_, i) =>
      httpRequest('GET', `${PATH}?max_bytes=${MIB}&offset=${Math.floor((i * records) / PAGES)}`, {
        accept: type,
      }),
    );
    return {
      name,
      round: async () => (await load(client, port, CONNECTIONS, seconds, requests)).mibPerSecond,
    };
  };
  for (const type of TYPES) {
    await bench.compare({
      title: `fetch over HTTP, ${type}, pages of 1 MiB`,
      unit: 'MiB/s',
      candidate: side('seglog', seglog.port, type),
      limits: [
        { side: side('bare fastify, the same bytes from memory', bare.port, type), wanted: atLeast(0.5) },
      ],
    });
  }
  await Promise.all([client.end(), bare.child.end(), seglog.child.end()]);
});

/** Resolves with the records that are there. */
async function fill(port: number, records: number): Promise<number> {
  const perBody = 1000;
  for (let first = 0; first < records; first += perBody) {
    const lines = Array.from({ length: perBody }, (_, i) => {
      const head = `{"level":"INFO","service":"payments","message":"request ${first + i} done","trace":"`;
      return `${head}${'0123456789abcdef'.repeat(VALUE_BYTES / 16).slice(0, VALUE_BYTES - head.length - 2)}"}`;
    });
    const response = await fetch(`http://127.0.0.1:${port}/api/topics/bench/records?acks=1`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-ndjson' },
      body: lines.join('\n'),
    });
    if (!response.ok) throw new Error(`filling failed: ${await response.text()}`);
  }
  return records;
}
