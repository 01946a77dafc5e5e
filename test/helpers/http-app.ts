/**
 * An application over an engine of its own, for tests of routes: asked with `inject`, or over real sockets. After the test
 * the data directory is verified.
 */
import { connect, type Socket } from 'node:net';
import type { FastifyInstance, InjectOptions, LightMyRequestResponse } from 'fastify';
import { Engine, GroupCoordinator, type Logger, silentLogger } from '../../src/engine/index.ts';
import { LogSearch } from '../../src/query/index.ts';
import { buildApp } from '../../src/server/app.ts';
import { loadConfig } from '../../src/server/config.ts';
import { Lifecycle } from '../../src/server/lifecycle.ts';
import { ServerMetrics } from '../../src/server/metrics.ts';
import { type RunningServer, startServer } from '../../src/server/server.ts';
import { type ServerSettings, serverSettings } from '../../src/server/settings.ts';
import { verifyNow } from './verify-after.ts';

interface Teardown {
  testdir(): string;
  teardown(close: () => unknown): void;
}

export interface TestApp {
  app: FastifyInstance;
  engine: Engine;
  lifecycle: Lifecycle;
  metrics: ServerMetrics;
  directory: string;
  /** Asks, and parses the answer when it is JSON. */
  ask(
    options: InjectOptions,
  ): Promise<LightMyRequestResponse & { body: string; problem: Record<string, unknown> }>;
  /** Creates a topic and appends text values, one record each. */
  fill(topic: string, values: readonly string[], partitions?: number): Promise<void>;
}

export async function openApp(
  t: Teardown,
  settings: Partial<ServerSettings> = {},
  topicDefaults: Record<string, string | number> = {},
  logger: Logger = silentLogger,
  engineSettings: Record<string, string | number> = {},
): Promise<TestApp> {
  // The first handler runs first: all is closed before the directory is removed.
  let close = async () => {};
  t.teardown(() => close());
  const directory = t.testdir();
  const { 'metrics.max.topics': topics, 'metrics.max.groups': maxGroups } = serverSettings(settings);
  const metrics = new ServerMetrics(topics, maxGroups);
  const lifecycle = new Lifecycle();
  const engine = await Engine.open({
    directory,
    observer: metrics.observer,
    topicDefaults,
    // Small, so that a test does not wait for 64 MiB to be preallocated.
    settings: { 'journal.file.bytes': 256 * 1024, 'log.dir.reserve.bytes': 0, ...engineSettings },
  });
  const groups = await GroupCoordinator.open(engine, { observer: metrics.groups.observer });
  const search = new LogSearch(engine);
  lifecycle.opened(engine, groups, search);
  const app = await buildApp({
    lifecycle,
    settings: serverSettings(settings),
    logger,
    metrics,
    version: '1.2.3',
  });
  close = async () => {
    lifecycle.stop();
    metrics.close();
    app.server.closeAllConnections();
    await app.close();
    await groups.close();
    await search.close();
    await engine.close();
    await verifyNow(directory);
  };
  return {
    app,
    engine,
    lifecycle,
    metrics,
    directory,
    async ask(options) {
      const response = await app.inject(options);
      const isJson = String(response.headers['content-type']).includes('json');
      const isLines = String(response.headers['content-type']).includes('ndjson');
      return Object.assign(response, {
        problem: isJson && !isLines && response.body !== '' ? response.json() : {},
      });
    },
    async fill(topic, values, partitions = 1) {
      await engine.createTopic(topic, { partitions });
      await engine.append(
        topic,
        values.map((value) => ({ value })),
      );
    },
  };
}

/** Lets an application listen on a free port of this machine; its address. */
export async function listen({ app }: TestApp): Promise<{ url: string; port: number }> {
  const url = await app.listen({ host: '127.0.0.1', port: 0 });
  return { url, port: Number(new URL(url).port) };
}

/** Starts a whole server on a free port; it is stopped when the test ends, and its data directory verified. */
export async function startTestServer(
  t: Teardown,
  flags: Record<string, unknown> = {},
  options: Parameters<typeof startServer>[1] = {},
): Promise<RunningServer> {
  let server: RunningServer | undefined;
  t.teardown(async () => {
    const end = await server?.stop();
    // One that others use as well is verified by them.
    if (flags.data === undefined && end?.reason === 'stopped') await verifyNow(data);
  });
  const defaults = { listen: '127.0.0.1:0', 'journal.file.bytes': 256 * 1024, 'log.dir.reserve.bytes': 0 };
  const data = String(flags.data ?? t.testdir());
  server = await startServer(loadConfig({ flags: { ...defaults, ...flags, data } }), options);
  return server;
}

/** Sends text over a raw connection; resolves to all that came back once the server closes it. */
export function rawExchange(port: number, text: string | Buffer): Promise<string> {
  const { socket, closed } = rawConnection(port);
  socket.write(text);
  return closed;
}

export function rawConnection(port: number): {
  socket: Socket;
  closed: Promise<string>;
  received: () => string;
} {
  const socket = connect(port, '127.0.0.1');
  let received = '';
  socket.on('data', (data) => {
    received += data.toString('latin1');
  });
  const closed = new Promise<string>((resolve) => {
    socket.on('error', () => resolve(received));
    socket.on('close', () => resolve(received));
  });
  return { socket, closed, received: () => received };
}

/** Resolves once `condition` holds; fails after ten seconds. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error('the condition did not come to hold within 10 s');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
