/**
 * Question: what does reading, checking and framing records cost beyond sending the bytes?
 *
 * Limit: a bare fastify server that sends the very same bytes from memory. Answers of up to 1 MiB, as MessagePack and as
 * NDJSON, of records of 1 KiB and of 256 bytes (log events: text with quotes, which NDJSON must escape) from segments in
 * the page cache. The client is a process of its own on bare sockets and reads no more of an answer than its length.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Child } from './child.ts';
import { atLeast, benchmark, type Side } from './harness.ts';
import { httpRequest } from './http-connection.ts';
import { createTopic, load, startBare, startSeglog } from './http-servers.ts';
import { events, KIB, MIB } from './workload.ts';

const CONNECTIONS = 8;
const PAGES = 32;
const TYPES = ['application/msgpack', 'application/x-ndjson'];
const SIZES = [KIB, 256];

const path = (bytes: number) => `/api/topics/records-of-${bytes}/partitions/0/records`;

await benchmark('fetch-http', async (bench) => {
  const seconds = bench.size(2, 0.7);
  const directory = bench.directory();
  const client = new Child('http-load.ts');
  const seglog = await startSeglog(bench);
  for (const bytes of SIZES) {
    const topic = `records-of-${bytes}`;
    await createTopic(seglog.port, topic);
    await fill(seglog.port, topic, bytes);
  }
  const answers: Record<string, string> = {};
  for (const bytes of SIZES) {
    for (const type of TYPES) {
      const response = await fetch(`http://127.0.0.1:${seglog.port}${path(bytes)}?max_bytes=${MIB}`, {
        headers: { accept: type },
      });
      const file = join(directory, `${type.replace('/', '-')}-${bytes}`);
      writeFileSync(file, new Uint8Array(await response.arrayBuffer()));
      answers[`${type} ${path(bytes)}`] = file;
    }
  }
  const bare = await startBare({ answers });
  const side = (name: string, port: number, type: string, bytes: number): Side => {
    // From all over the first half of the partition: behind it there may be less than a whole answer left.
    const requests = Array.from({ length: PAGES / 2 }, (_, i) =>
      httpRequest('GET', `${path(bytes)}?max_bytes=${MIB}&offset=${Math.floor((i * MIB) / bytes)}`, {
        accept: type,
      }),
    );
    return {
      name,
      round: async () => (await load(client, port, CONNECTIONS, seconds, requests)).mibPerSecond,
    };
  };
  for (const bytes of SIZES) {
    for (const type of TYPES) {
      await bench.compare({
        title: `fetch over HTTP, ${type}, 1 MiB of records of ${bytes} bytes`,
        unit: 'MiB/s',
        candidate: side('seglog', seglog.port, type, bytes),
        limits: [
          {
            side: side('bare fastify, the same bytes from memory', bare.port, type, bytes),
            wanted: atLeast(0.5),
          },
        ],
      });
    }
  }
  await Promise.all([client.end(), bare.child.end(), seglog.child.end()]);
});

async function fill(port: number, topic: string, bytes: number): Promise<void> {
  const perBody = 100;
  for (let first = 0; first * bytes < PAGES * MIB; first += perBody) {
    const response = await fetch(`http://127.0.0.1:${port}/api/topics/${topic}/records?acks=1`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-ndjson' },
      body: events(perBody, bytes, first).join('\n'),
    });
    if (!response.ok) throw new Error(`filling failed: ${await response.text()}`);
  }
}
