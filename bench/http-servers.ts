/** What the HTTP benchmarks share: the daemon, the bare server and the load client, each in a process of its own. */
import { join } from 'node:path';
import type { BareServerArgs } from './bare-server.ts';
import { Child } from './child.ts';
import type { Bench } from './harness.ts';
import type { ClosedLoad, ClosedOutcome } from './http-load.ts';
import type { ServerArgs } from './seglog-server.ts';

export interface RunningChild {
  child: Child;
  port: number;
}

export async function startSeglog(bench: Bench, args: Partial<ServerArgs> = {}): Promise<RunningChild> {
  const { data = join(bench.directory(), 'data') } = args;
  const child = new Child('seglog-server.ts', { ...args, data } satisfies ServerArgs);
  return { child, port: await child.next<number>() };
}

export async function startBare(args: BareServerArgs = {}): Promise<RunningChild> {
  const child = new Child('bare-server.ts', args);
  return { child, port: await child.next<number>() };
}

export function createTopic(port: number, name: string, partitions = 1): Promise<void> {
  return changeTopic(port, name, {
    method: 'PUT',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ partitions }),
  });
}

export function deleteTopic(port: number, name: string): Promise<void> {
  return changeTopic(port, name, { method: 'DELETE' });
}

async function changeTopic(port: number, name: string, request: RequestInit): Promise<void> {
  const response = await fetch(`http://127.0.0.1:${port}/api/topics/${name}`, request);
  if (!response.ok) throw new Error(`${request.method} of topic ${name}: ${await response.text()}`);
}

/** Loads a server with `requests` over `connections`, closed loop. */
export function load(
  client: Child,
  port: number,
  connections: number,
  seconds: number,
  requests: readonly Buffer[],
): Promise<ClosedOutcome> {
  const message: ClosedLoad = { kind: 'closed', port, connections, seconds, requests: [...requests] };
  return client.ask<ClosedOutcome>(message);
}
