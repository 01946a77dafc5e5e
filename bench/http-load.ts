/** A load client, to be run as a child: it does what each message says and answers with what came of it. */
import { tell } from './child.ts';
import { HttpConnection } from './http-connection.ts';
import { type Latencies, steadyLoad } from './steady-load.ts';

/** Closed loop: each connection sends its next request when the last one is answered. */
export interface ClosedLoad {
  kind: 'closed';
  port: number;
  connections: number;
  seconds: number;
  /** Sent in turn. */
  requests: Uint8Array[];
}

/** Open loop: requests are due at a fixed rate, whatever became of those before. */
export interface OpenLoad {
  kind: 'open';
  port: number;
  connections: number;
  seconds: number;
  perSecond: number;
  requests: Uint8Array[];
}

export interface ClosedOutcome {
  requestsPerSecond: number;
  mibPerSecond: number;
}

process.on('message', (load: ClosedLoad | OpenLoad) => {
  const run: Promise<ClosedOutcome | Latencies> = load.kind === 'closed' ? runClosed(load) : runOpen(load);
  run.then(tell);
});

async function runClosed({ port, connections, seconds, requests }: ClosedLoad): Promise<ClosedOutcome> {
  const open = await openAll(port, connections);
  const buffers = requests.map((request) => Buffer.from(request));
  let sent = 0;
  let answers = 0;
  const start = performance.now();
  const end = start + seconds * 1000;
  const loops = open.map(
    (connection) =>
      new Promise<void>((resolve, reject) => {
        const next = () => connection.send(buffers[sent++ % buffers.length]!, answered);
        const answered = (error?: Error) => {
          if (error) return reject(error);
          answers++;
          if (performance.now() < end) next();
          else resolve();
        };
        next();
      }),
  );
  await Promise.all(loops);
  const elapsed = (performance.now() - start) / 1000;
  const bytes = closeAll(open);
  return { requestsPerSecond: answers / elapsed, mibPerSecond: bytes / elapsed / 2 ** 20 };
}

async function runOpen({ port, connections, seconds, perSecond, requests }: OpenLoad): Promise<Latencies> {
  const open = await openAll(port, connections);
  const buffers = requests.map((request) => Buffer.from(request));
  let sent = 0;
  // Latency counts from when the request was due, so the wait for a connection is in it.
  const latencies = await steadyLoad(perSecond, seconds, connections, (lane, done) => {
    open[lane]!.send(buffers[sent++ % buffers.length]!, (error) => {
      if (error) throw error;
      done();
    });
  });
  closeAll(open);
  return latencies;
}

function openAll(port: number, connections: number): Promise<HttpConnection[]> {
  return Promise.all(Array.from({ length: connections }, () => HttpConnection.open(port)));
}

/** Resolves with the bytes that were received. */
function closeAll(connections: readonly HttpConnection[]): number {
  const failed = connections.reduce((sum, connection) => sum + connection.failed, 0);
  if (failed > 0) throw new Error(`${failed} answers were no 200`);
  for (const connection of connections) connection.close();
  return connections.reduce((sum, { receivedBytes }) => sum + receivedBytes, 0);
}
