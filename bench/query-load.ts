/** What the benchmarks of queries share: bringing events in, asking one after the other or all at once, and forgetting files. */
import { execFileSync } from 'node:child_process';
import { createReadStream, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { HttpConnection, httpRequest } from './http-connection.ts';
import { MIB } from './workload.ts';

const CONNECTIONS = 4;
const LINE_END = 0x0a;

/** Sends a file of JSON lines as log events, a MiB or so a request; resolves with the seconds it took until all were on disk. */
export async function ingestFile(port: number, path: string): Promise<number> {
  const connections = await openAll(port, CONNECTIONS);
  const busy = new Map<HttpConnection, Promise<HttpConnection>>();
  const start = performance.now();
  for await (const body of linesOf(path)) {
    const free =
      connections.find((connection) => !busy.has(connection)) ?? (await Promise.race(busy.values()));
    const request = httpRequest('POST', '/api/logs/batch', { 'content-type': 'application/x-ndjson' }, body);
    const sent = ask(free, request).then(() => {
      busy.delete(free);
      return free;
    });
    busy.set(free, sent);
  }
  await Promise.all(busy.values());
  const seconds = (performance.now() - start) / 1000;
  closeAll(connections);
  return seconds;
}

/** Whole lines, a MiB or so at a time. */
async function* linesOf(path: string): AsyncGenerator<Buffer> {
  let rest = Buffer.alloc(0);
  for await (const chunk of createReadStream(path, { highWaterMark: MIB })) {
    const bytes = Buffer.concat([rest, chunk as Buffer]);
    const end = bytes.lastIndexOf(LINE_END) + 1;
    if (end > 0) yield bytes.subarray(0, end);
    rest = bytes.subarray(end);
  }
  if (rest.length > 0) yield rest;
}

/** Resolves with the ms until the answer is there. */
export function ask(connection: HttpConnection, request: Buffer): Promise<number> {
  const start = performance.now();
  return new Promise((resolve, reject) => {
    connection.send(request, (error) => (error ? reject(error) : resolve(performance.now() - start)));
  });
}

export interface AskedLatencies {
  /** In ms, the shortest first. */
  all: number[];
  p50: number;
  p99: number;
}

/** Asks one question after the other. */
export async function latencies(
  connection: HttpConnection,
  count: number,
  question: () => Buffer,
  prepare = () => {},
): Promise<AskedLatencies> {
  const all: number[] = [];
  for (let i = 0; i < count; i++) {
    prepare();
    all.push(await ask(connection, question()));
  }
  if (connection.failed > 0) throw new Error('a query failed');
  return summary(all);
}

function summary(latencies: number[]): AskedLatencies {
  const all = latencies.sort((a, b) => a - b);
  const at = (share: number) => all[Math.min(all.length - 1, Math.ceil(share * all.length) - 1)]!;
  return { all, p50: at(0.5), p99: at(0.99) };
}

/** Sends all requests in the same moment, each over a connection of its own; those answered with 200 count as answered. */
export async function concurrently(
  port: number,
  requests: readonly Buffer[],
): Promise<AskedLatencies & { answered: number }> {
  const connections = await openAll(port, requests.length);
  const all = await Promise.all(requests.map((request, i) => ask(connections[i]!, request)));
  const failed = connections.reduce((sum, connection) => sum + connection.failed, 0);
  closeAll(connections);
  return { ...summary(all), answered: all.length - failed };
}

const openAll = (port: number, count: number): Promise<HttpConnection[]> =>
  Promise.all(Array.from({ length: count }, () => HttpConnection.open(port)));

function closeAll(connections: readonly HttpConnection[]): void {
  for (const connection of connections) connection.close();
}

/** The same numbers in [0, 1) for the same seed, which is none of 0 (xorshift32). */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

/** Has the system forget the bytes of files, or of all files in a directory, that it holds in memory; what is not on disk yet stays. */
export function dropCached(...paths: readonly string[]): void {
  for (const path of paths) {
    for (const file of filesOf(path))
      execFileSync('dd', [`if=${file}`, 'iflag=nocache', 'count=0', 'status=none']);
  }
}

function filesOf(path: string): string[] {
  try {
    return readdirSync(path, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map(({ parentPath, name }) => join(parentPath, name));
  } catch {
    // It is a file.
    return [path];
  }
}
