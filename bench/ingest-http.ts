/**
 * Question: what do log events cost that come over HTTP as NDJSON and are acknowledged once they are synced (acks=all)?
 *
 * Limit: a bare fastify server that parses each line with JSON.parse and drops it. The events are those of the real corpus
 * (200 sources, the popular ones many times as often as the others), where it lies beside this checkout; made up ones else. Bodies
 * of a MiB or so, and of 100 events. The client is a process of its own on bare sockets, and the rate is in events.
 */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Child } from './child.ts';
import { atLeast, benchmark, type Side } from './harness.ts';
import { httpRequest } from './http-connection.ts';
import { deleteTopic, load, startBare, startSeglog } from './http-servers.ts';
import { events } from './workload.ts';

const CORPUS = fileURLToPath(new URL('../../shared/tools/corpus.mjs', import.meta.url));
const PATH = '/api/logs/batch?topic=bench';
const BODIES = 8;

const CASES = [
  { perRequest: 4500, connections: 4, least: 0.5 },
  { perRequest: 100, connections: 64, least: undefined },
];

function logEvents(count: number): string[] {
  if (!existsSync(CORPUS)) return events(count, 256, 0);
  const args = [CORPUS, '--events', String(count), '--sources', '200', '--span-hours', '72', '--skew', '1'];
  const output = execFileSync(process.execPath, args, { encoding: 'utf8', maxBuffer: 2 ** 30 });
  return output.trimEnd().split('\n');
}

await benchmark('ingest-http', async (bench) => {
  const seconds = bench.size(3, 1);
  const client = new Child('http-load.ts');
  const seglog = await startSeglog(bench);
  const bare = await startBare();
  const lines = logEvents(BODIES * 4500);

  for (const { perRequest, connections, least } of CASES) {
    const requests = Array.from({ length: BODIES }, (_, i) => {
      const body = Buffer.from(`${lines.slice(i * perRequest, (i + 1) * perRequest).join('\n')}\n`);
      return httpRequest('POST', PATH, { 'content-type': 'application/x-ndjson' }, body);
    });
    const run = async (port: number) =>
      (await load(client, port, connections, seconds, requests)).requestsPerSecond * perRequest;
    const candidate: Side = {
      name: 'seglog',
      round: async () => {
        const rate = await run(seglog.port);
        // Each round has a topic of its own, so that the disk does not fill and writes out nothing of the last one.
        await deleteTopic(seglog.port, 'bench');
        return rate;
      },
    };
    const limit: Side = { name: 'bare fastify, JSON.parse of each line', round: () => run(bare.port) };
    await bench.compare({
      title: `log events over HTTP, NDJSON, ${perRequest} a request, acks=all`,
      unit: 'events/s',
      candidate,
      limits: [{ side: limit, ...(least && { wanted: atLeast(least) }) }],
    });
  }
  await Promise.all([client.end(), bare.child.end(), seglog.child.end()]);
});
