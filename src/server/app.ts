/** Builds the HTTP application: routes, schemas, limits, errors. It never listens and opens nothing. */
import type { IncomingMessage } from 'node:http';
import { Ajv } from 'ajv';
import { type FastifyInstance, type FastifyReply, type FastifyRequest, fastify } from 'fastify';
import type { Logger } from '../engine/index.ts';
import type { AppContext } from './app-context.ts';
import { bodyProblem } from './body-errors.ts';
import { ByteBudget } from './byte-budget.ts';
import { HttpProblem, sendProblem } from './error-mapping.ts';
import { answerClientError, answerExpectations, ConnectionLimit, lingerAndClose } from './http-limits.ts';
import { readJsonBody } from './json-body.ts';
import type { Lifecycle } from './lifecycle.ts';
import { unsupportedMediaType } from './media-types.ts';
import type { ServerMetrics } from './metrics.ts';
import { metricsRegistry } from './metrics-exposition.ts';
import { registerOpenApi } from './openapi.ts';
import { compileHeaders, compileParameters, type ParametersSchema } from './query-parameters.ts';
import { registerDeletionRoute } from './routes/deletion.ts';
import { registerFetchRoute } from './routes/fetch.ts';
import { registerGroupPollRoute } from './routes/group-poll.ts';
import { registerGroupRoutes } from './routes/groups.ts';
import { registerJobRoutes } from './routes/jobs.ts';
import { registerLoadRoutes } from './routes/load.ts';
import { registerLogRoutes, takesBodiesOfAnyLength } from './routes/logs.ts';
import { registerMemberRoutes } from './routes/members.ts';
import { registerMergedFetchRoute } from './routes/merged-fetch.ts';
import { registerOperationRoutes } from './routes/operations.ts';
import { registerProduceRoute } from './routes/produce.ts';
import { registerProducerRoute } from './routes/producers.ts';
import { registerQueryRoutes } from './routes/query.ts';
import { registerExplainRoute } from './routes/query-explain.ts';
import { registerStatsRoute } from './routes/query-stats.ts';
import { registerTailRoute } from './routes/query-tail.ts';
import { registerTopicRoutes } from './routes/topics.ts';
import type { ServerSettings } from './settings.ts';
import { RouteTable } from './unknown-route.ts';

export interface AppOptions {
  lifecycle: Lifecycle;
  settings: ServerSettings;
  logger: Logger;
  metrics: ServerMetrics;
  version: string;
}

export async function buildApp(options: AppOptions): Promise<FastifyInstance> {
  const { settings, lifecycle, logger, metrics, version } = options;
  const answerProblem = (reply: FastifyReply, error: unknown) =>
    metrics.problem(sendProblem(reply, error, logger).code);
  const app = createFastify(settings, answerProblem);
  const bodyLimits = {
    maxBytes: settings['http.max.body.bytes'],
    maxDecompressedBytes: settings['http.max.decompressed.bytes'],
    budget: new ByteBudget(settings['http.max.in.flight.bytes']),
  };
  const context: AppContext = { lifecycle, settings, logger, metrics, bodyLimits, version };
  const connections = new ConnectionLimit(app.server, settings['http.max.connections']);
  answerExpectations(app.server, settings['http.max.body.bytes'], takesBodiesOfAnyLength);
  const routes = new RouteTable(app);

  app.addHook('onRequest', (request, _reply, done) => {
    try {
      connections.check(request.raw.socket);
      assertHost(request.raw);
      if (request.is404) throw routes.problem(request.method, request.url);
      if (request.routeOptions.url !== '/livez') lifecycle.assertRunning();
      done();
    } catch (error) {
      done(error as Error);
    }
  });
  app.setErrorHandler((error, request, reply) => {
    // Nobody reads on where reading was given up, and the next request would wait behind the rest for ever.
    const { complete, readableFlowing } = request.raw;
    if (!complete && readableFlowing !== null) reply.header('connection', 'close');
    answerProblem(reply, error);
    closeAfterUnreadBody(request, reply.getHeader('connection') === 'close');
  });
  app.setNotFoundHandler((request) => {
    throw routes.problem(request.method, request.url);
  });
  installSchemaCompilers(app);

  await registerOpenApi(app, version);
  const registry = metricsRegistry({
    metrics,
    engine: () => lifecycle.engine,
    search: () => lifecycle.search.figures,
    connections: () => new Promise((resolve) => app.server.getConnections((_error, count) => resolve(count))),
    bodyBytes: () => bodyLimits.budget.used,
    groups: () => lifecycle.groups,
    maxTopics: settings['metrics.max.topics'],
    maxPartitions: settings['metrics.max.partitions'],
    version,
  });
  registerOperationRoutes(app, context, registry);
  await app.register(async (admin) => {
    acceptJsonBodies(admin, context);
    registerTopicRoutes(admin, context);
    registerDeletionRoute(admin, context);
    registerJobRoutes(admin, context);
    registerProducerRoute(admin, context);
    registerGroupRoutes(admin, context);
    registerMemberRoutes(admin, context);
    registerGroupPollRoute(admin, context);
    registerQueryRoutes(admin, context);
    registerExplainRoute(admin, context);
    registerStatsRoute(admin, context);
    registerTailRoute(admin, context);
    registerLoadRoutes(admin, context);
  });
  await app.register(async (records) => {
    // The route reads its body itself, once the request is known to be worth it.
    records.setValidatorCompiler((part) =>
      part.httpPart === 'body' ? () => true : compileParametersOf(part),
    );
    records.removeAllContentTypeParsers();
    records.addContentTypeParser('*', (_request, _payload, done) => done(null));
    registerProduceRoute(records, context);
    registerLogRoutes(records, context);
    registerFetchRoute(records, context);
    registerMergedFetchRoute(records, context);
  });
  return app;
}

function createFastify(
  settings: ServerSettings,
  answerProblem: (reply: FastifyReply, error: unknown) => void,
): FastifyInstance {
  const headersTimeout = settings['http.header.timeout.ms'];
  const requestTimeout = Math.max(headersTimeout, settings['http.body.timeout.ms']);
  return fastify({
    // No log line and no logger for each request: what fails is logged where it fails.
    logger: false,
    requestTimeout,
    keepAliveTimeout: settings['http.keep.alive.timeout.ms'],
    http: {
      // Node's own answer to a request without one would be no problem document.
      requireHostHeader: false,
      maxHeaderSize: settings['http.max.header.bytes'],
      headersTimeout,
      // How often Node looks for connections that are too slow.
      connectionsCheckingInterval: Math.ceil(Math.min(headersTimeout, 4_000) / 4),
    },
    // A parameter that is too long is refused for what it is, by its own rule.
    routerOptions: { maxParamLength: settings['http.max.header.bytes'] },
    clientErrorHandler: answerClientError,
    frameworkErrors: (error, request, reply) => {
      const code =
        BAD_URL_PROBLEMS.find(([prefix]) => request.url.startsWith(prefix))?.[1] ?? 'invalid_request';
      const detail = 'the path is not valid: a percent sign must begin an encoded UTF-8 character';
      const badUrl = error.code === 'FST_ERR_BAD_URL';
      answerProblem(reply, badUrl ? new HttpProblem(code, detail) : error);
    },
    forceCloseConnections: true,
    return503OnClosing: false,
  });
}

/** What a path that cannot be decoded names. */
const BAD_URL_PROBLEMS = [
  ['/api/topics/', 'invalid_topic'],
  ['/api/groups/', 'invalid_group'],
] as const;

/**
 * HTTP/1.1 wants one, and of no request more than one (RFC 9112, section 3.2): whoever stands before us may have gone by
 * the other. @throws HttpProblem invalid_request.
 */
function assertHost({ rawHeaders, httpVersion }: IncomingMessage): void {
  let hosts = 0;
  for (let i = 0; i < rawHeaders.length; i += 2)
    if (rawHeaders[i]!.length === 4 && rawHeaders[i]!.toLowerCase() === 'host') hosts++;
  if (hosts === 1 || (hosts === 0 && httpVersion !== '1.1')) return;
  const detail = hosts === 0 ? 'the request has no Host header' : 'the request has more than one Host header';
  throw new HttpProblem('invalid_request', detail, {}, { connection: 'close' });
}

/** A request that was refused while its body was on the way: the rest is not read, and the client still gets the answer. */
function closeAfterUnreadBody(request: FastifyRequest, close: boolean): void {
  const { socket, complete } = request.raw;
  if (close && !complete) socket.destroySoon = () => lingerAndClose(socket);
}

type SchemaCompiler = Parameters<FastifyInstance['setValidatorCompiler']>[0];

/** Parameters are checked by our own strict compiler, bodies by ajv. Answers are not: they are made here. */
function installSchemaCompilers(app: FastifyInstance): void {
  const ajv = new Ajv({ strict: false });
  const compileBody: SchemaCompiler = ({ schema }) => {
    const check = ajv.compile(schema as object);
    return (body: unknown) => {
      if (check(body)) return { value: body };
      return { error: bodyProblem(check.errors ?? []) };
    };
  };
  app.setValidatorCompiler((route) =>
    route.httpPart === 'body' ? compileBody(route) : compileParametersOf(route),
  );
  app.setSerializerCompiler(() => (data) => `${JSON.stringify(data)}\n`);
}

const compileParametersOf: SchemaCompiler = ({ schema, httpPart }) =>
  (httpPart === 'headers' ? compileHeaders : compileParameters)(schema as ParametersSchema);

function acceptJsonBodies(app: FastifyInstance, { bodyLimits }: AppContext): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', (request: FastifyRequest) =>
    readJsonBody(request.raw, bodyLimits),
  );
  app.addContentTypeParser('*', (request, _payload, done) => {
    done(unsupportedMediaType(request.headers['content-type'] ?? '', ['application/json']));
  });
}
