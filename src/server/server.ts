/**
 * The daemon: listens, opens the log behind the listener (answering 503 until it is recovered), and stops
 * gracefully. Signals and exit codes are the business of whoever starts it.
 */
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type { FastifyInstance } from 'fastify';
import {
  Engine,
  type EngineObserver,
  type EngineOptions,
  GroupCoordinator,
  type Logger,
  silentLogger,
} from '../engine/index.ts';
import { LogSearch } from '../query/index.ts';
import { buildApp } from './app.ts';
import type { ServerConfig } from './config.ts';
import { RequestsInFlight } from './http-limits.ts';
import { Lifecycle } from './lifecycle.ts';
import { ServerMetrics } from './metrics.ts';
import { explainOpenError } from './open-error.ts';
import { parseListenAddress } from './settings.ts';

export interface StartOptions {
  logger?: Logger;
  version?: string;
  /** Replaces parts of what the engine is opened with: a file system or a clock. */
  engine?: Partial<EngineOptions>;
}

/** The part of the time for a stop that requests in flight may take; what is left is for closing the log. */
const REQUESTS_SHARE = 0.7;
/** How long connections stay open for requests that crossed the stop on the way: they are refused in words. */
const LINGER_MS = 100;

/** How a server came to its end. */
export interface ServerEnd {
  reason: 'stopped' | 'storage_failure' | 'open_failure';
  /** The log was closed with all that was accepted, within `shutdown.timeout.ms`. */
  clean: boolean;
  detail: string | null;
}

/** Starts a server; resolves once it listens. Rejects when it cannot listen; nothing was opened then. */
export async function startServer(config: ServerConfig, options: StartOptions = {}): Promise<RunningServer> {
  const { logger = silentLogger, version = '0.0.0' } = options;
  const { settings } = config;
  const lifecycle = new Lifecycle();
  const metrics = new ServerMetrics(settings['metrics.max.topics'], settings['metrics.max.groups']);
  const app = await buildApp({ lifecycle, settings, logger, metrics, version });
  const requests = new RequestsInFlight(app.server);
  const { host, port } = parseListenAddress(settings.listen);
  try {
    await app.listen({ host, port });
  } catch (error) {
    metrics.close();
    await app.close();
    throw error;
  }
  return new RunningServer({ config, options, logger, lifecycle, metrics, app, requests });
}

interface ServerParts {
  config: ServerConfig;
  options: StartOptions;
  logger: Logger;
  lifecycle: Lifecycle;
  metrics: ServerMetrics;
  app: FastifyInstance;
  requests: RequestsInFlight;
}

export class RunningServer {
  readonly url: string;
  /** Resolves once the log is recovered and served; rejects when it cannot be opened (the server stops then). */
  readonly ready: Promise<void>;
  /** Resolves when the server has come to its end, whatever the reason. */
  readonly finished: Promise<ServerEnd>;
  readonly #parts: ServerParts;
  #finish!: (end: ServerEnd) => void;
  #stopping = false;

  constructor(parts: ServerParts) {
    this.#parts = parts;
    const { address, port, family } = parts.app.server.address() as AddressInfo;
    this.url = `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`;
    this.finished = new Promise((resolve) => {
      this.#finish = resolve;
    });
    this.ready = this.#open();
    // Whoever waits only for the end learns of a failure there.
    this.ready.catch(() => {});
  }

  /** Refuses new requests, finishes those in flight, closes the log and the listener. */
  stop(): Promise<ServerEnd> {
    void this.#stop('stopped', null);
    return this.finished;
  }

  async #open(): Promise<void> {
    const { config, options, logger, lifecycle, metrics } = this.#parts;
    const startedAt = performance.now();
    try {
      const engine = await Engine.open({
        directory: config.settings.data,
        settings: config.engineSettings,
        topicDefaults: config.topicDefaults,
        logger,
        observer: this.#watch(metrics.observer),
        ...options.engine,
      });
      try {
        const groups = await GroupCoordinator.open(engine, { logger, observer: metrics.groups.observer });
        const { fileSystem, clock } = options.engine ?? {};
        const search = new LogSearch(engine, { settings: config.querySettings, fileSystem, clock, logger });
        lifecycle.opened(engine, groups, search);
      } catch (error) {
        await engine.close();
        throw error;
      }
      const ms = Math.round(performance.now() - startedAt);
      logger.info({ url: this.url, data: config.settings.data, ms }, 'the log is open');
    } catch (error) {
      const reason = explainOpenError(error, config.settings.data);
      logger.error(reason === undefined ? { err: error } : { reason }, 'the log cannot be opened');
      await this.#stop('open_failure', reason ?? (error instanceof Error ? error.message : String(error)));
      throw error;
    }
  }

  /** Passes on what the engine reports; after a failed sync the server stops, unless it is told to stay. */
  #watch(observer: EngineObserver): EngineObserver {
    const { config, logger } = this.#parts;
    return {
      ...observer,
      failed: (kind) => {
        observer.failed?.(kind);
        if (kind !== 'sync' || config.settings['storage.failure'] === 'stay') return;
        logger.error({ kind }, 'a sync failed: what the disk holds is uncertain; stopping');
        void this.#stop('storage_failure', 'a sync to disk failed; the next start recovers');
      },
    };
  }

  async #stop(reason: ServerEnd['reason'], detail: string | null): Promise<void> {
    if (this.#stopping) return;
    this.#stopping = true;
    const { config, logger, lifecycle, metrics, app } = this.#parts;
    lifecycle.stop();
    logger.info({ reason }, 'stopping');
    const deadline = config.settings['shutdown.timeout.ms'];
    const startedAt = performance.now();
    const cut = reason === 'open_failure' ? 0 : await this.#finishRequests(deadline * REQUESTS_SHARE);
    await this.#linger();
    app.server.closeAllConnections();
    const clean = await withinMs(deadline - (performance.now() - startedAt), this.#closeLog(reason));
    await app.close();
    metrics.close();
    if (clean) logger.info({ reason }, 'stopped');
    else logger.error({ reason }, 'stopped without a clean close: the next start recovers');
    const cutOff = cut === 0 ? null : `requests that did not finish in time and were cut off: ${cut}`;
    this.#finish({ reason, clean, detail: detail ?? cutOff });
  }

  /** What was on its way when the stop began gets to know that nothing was done, where a reset would leave that open. */
  async #linger(): Promise<void> {
    const { server } = this.#parts.app;
    const open = await new Promise<number>((resolve) =>
      server.getConnections((_error, count) => resolve(count)),
    );
    if (open > 0) await delay(LINGER_MS);
  }

  /** Waits for the requests in flight; how many are still not finished after `ms`. */
  async #finishRequests(ms: number): Promise<number> {
    const { requests, logger } = this.#parts;
    const idle = requests.idle().then(() => true);
    if (await withinMs(ms, idle)) return 0;
    logger.warn({ requests: requests.count }, 'requests did not finish in time and are cut off');
    return requests.count;
  }

  async #closeLog(reason: ServerEnd['reason']): Promise<boolean> {
    const { lifecycle, logger } = this.#parts;
    if (reason === 'open_failure') return true;
    try {
      // A log that is still being recovered is closed once it is open.
      await this.ready;
      await lifecycle.groups.close();
      await lifecycle.search
        .close()
        .catch((error: unknown) => logger.error({ err: error }, 'the search did not close cleanly'));
      await lifecycle.engine.close();
      return true;
    } catch (error) {
      logger.error({ err: error }, 'the log did not close cleanly');
      return false;
    }
  }
}

/** The outcome of `work`, or false when it takes longer. */
async function withinMs(ms: number, work: Promise<boolean>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), ms);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
