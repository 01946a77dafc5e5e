/**
 * The daemon as commands see it: requests over kept-alive connections, and errors that say what to do.
 *
 * Bodies are whole Buffers, bounded by the caller's own limits (`max_bytes`, a batch's size). Any number
 * of requests may be under way at the same time; each then has a connection of its own.
 */
import type { Agent, ClientRequest, IncomingMessage } from 'node:http';
import { ConnectionLostError, ServerError, UnreachableError, UsageError } from './errors.ts';

export const DEFAULT_SERVER = 'http://127.0.0.1:7070';

export type Query = Readonly<Record<string, string | number | undefined>>;

export interface RequestOptions {
  query?: Query;
  headers?: Readonly<Record<string, string>>;
  /** A Buffer goes as it is; anything else as JSON. */
  body?: unknown;
  signal?: AbortSignal;
  /** Longest wait for the whole answer. Default: none. */
  timeoutMs?: number;
  /** The option that set it, for the message. */
  timeoutOption?: string;
}

export interface Response {
  status: number;
  headers: IncomingMessage['headers'];
  body: Buffer;
  trailers: IncomingMessage['trailers'];
}

type Transport = typeof import('node:http');

export class HttpClient {
  readonly server: string;
  readonly #url: URL;
  #transport: Promise<{ http: Transport; agent: Agent }> | undefined;

  /** `server` as given by `--server`, else SEGLOG_SERVER, else the default. */
  constructor(server: string | undefined, env: Readonly<Record<string, string | undefined>> = {}) {
    this.server = (server ?? (env.SEGLOG_SERVER || DEFAULT_SERVER)).replace(/\/+$/, '');
    this.#url = parseServerUrl(this.server);
  }

  /** The answer's body, parsed as JSON; undefined when it is empty. */
  async json<T>(method: string, path: string, options: RequestOptions = {}): Promise<T> {
    const response = await this.request(method, path, {
      ...options,
      headers: { accept: 'application/json', ...options.headers },
    });
    if (response.body.length === 0) return undefined as T;
    try {
      return JSON.parse(response.body.toString()) as T;
    } catch (error) {
      throw new Error(
        `what answers at ${this.server} is no seglog daemon: give the right one with --server`,
        {
          cause: error,
        },
      );
    }
  }

  /** Throws ServerError for an answer of 400 and above, UnreachableError, ConnectionLostError, or the signal's reason. */
  async request(method: string, path: string, options: RequestOptions = {}): Promise<Response> {
    const response = await this.#exchange(method, path, options);
    if (response.status >= 400) throw problemOf(response, this.server);
    return response;
  }

  /** Lets go of idle connections, so that they do not keep the process alive. */
  async close(): Promise<void> {
    if (this.#transport !== undefined) (await this.#transport).agent.destroy();
  }

  /** As `request`, for an answer that is read while it comes. */
  async open(method: string, path: string, options: RequestOptions = {}): Promise<IncomingMessage> {
    const message = await this.#ask(method, path, options, headersOf);
    if ((message.statusCode ?? 0) < 400) return message;
    throw problemOf(await wholeAnswer(message), this.server);
  }

  #exchange(method: string, path: string, options: RequestOptions): Promise<Response> {
    return this.#ask(method, path, options, async (request) => wholeAnswer(await headersOf(request)));
  }

  async #ask<T>(
    method: string,
    path: string,
    options: RequestOptions,
    answer: (request: ClientRequest) => Promise<T>,
  ): Promise<T> {
    this.#transport ??= loadTransport(this.#url.protocol);
    const { http, agent } = await this.#transport;
    const body = encodeBody(options.body);
    const url = new URL(this.#url.pathname.replace(/\/$/, '') + path, this.#url);
    for (const [name, value] of Object.entries(options.query ?? {})) {
      if (value !== undefined) url.searchParams.set(name, String(value));
    }
    const headers: Record<string, string | number> = { ...options.headers };
    if (body !== undefined) {
      headers['content-type'] ??= 'application/json';
      headers['content-length'] = body.length;
    }
    options.signal?.throwIfAborted();
    const timeout = options.timeoutMs === undefined ? undefined : AbortSignal.timeout(options.timeoutMs);
    const signal = AbortSignal.any([options.signal, timeout].filter((each) => each !== undefined));
    try {
      const request = http.request(url, { method, headers, agent, signal });
      const answered = answer(request);
      request.end(body);
      return await answered;
    } catch (error) {
      options.signal?.throwIfAborted();
      if (timeout?.aborted) {
        throw new ConnectionLostError(`no answer from ${this.server} within ${limitText(options)}`, {
          cause: error,
        });
      }
      throw this.#explain(error);
    }
  }

  #explain(error: unknown): unknown {
    const code = error instanceof Error && 'code' in error ? String(error.code) : '';
    if (['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH', 'ENOENT'].includes(code)) {
      return new UnreachableError(
        `no seglog daemon answers at ${this.server}: start one with \`seglog serve\`, or give --server`,
        { cause: error },
      );
    }
    if (code.startsWith('HPE_')) {
      return new Error(
        `what answers at ${this.server} does not speak HTTP: give the right one with --server`,
      );
    }
    // What OpenSSL makes of an answer in plain text.
    if (code === 'EPROTO') {
      return new Error(
        `what answers at ${this.server} does not speak TLS: give a URL that begins with http:// by --server`,
        { cause: error },
      );
    }
    if (!/^E[A-Z]+$/.test(code)) return error;
    return new ConnectionLostError(
      `the connection to the seglog daemon at ${this.server} broke off (${code}): see whether it still runs`,
      { cause: error },
    );
  }
}

/** "20 ms", "10 s (--timeout)". */
function limitText({ timeoutMs = 0, timeoutOption }: RequestOptions): string {
  const time = timeoutMs % 1000 === 0 ? `${timeoutMs / 1000} s` : `${timeoutMs} ms`;
  return timeoutOption === undefined ? time : `${time} (${timeoutOption})`;
}

function parseServerUrl(server: string): URL {
  const url = URL.canParse(server) ? new URL(server) : undefined;
  if (url === undefined || !['http:', 'https:'].includes(url.protocol)) {
    throw new UsageError(`--server takes a URL such as ${DEFAULT_SERVER}, not "${server}"`);
  }
  return url;
}

async function loadTransport(protocol: string): Promise<{ http: Transport; agent: Agent }> {
  // Loading node:http costs as much as starting Node: commands that never talk to a daemon do without.
  const http = (protocol === 'https:' ? await import('node:https') : await import('node:http')) as Transport;
  return { http, agent: new http.Agent({ keepAlive: true }) };
}

function encodeBody(body: unknown): Buffer | undefined {
  if (body === undefined || Buffer.isBuffer(body)) return body;
  return Buffer.from(JSON.stringify(body));
}

/** The answer as soon as its headers are there. */
function headersOf(request: ClientRequest): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    request.on('error', reject);
    request.on('response', resolve);
  });
}

function wholeAnswer(message: IncomingMessage): Promise<Response> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    message.on('data', (chunk: Buffer) => chunks.push(chunk));
    message.on('error', reject);
    message.on('end', () =>
      resolve({
        status: message.statusCode ?? 0,
        headers: message.headers,
        body: chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks),
        trailers: message.trailers,
      }),
    );
  });
}

function problemOf(response: Response, server: string): ServerError {
  const after = Number(response.headers['retry-after']);
  const problem = parseProblem(response);
  // A daemon has the routes that commands ask for: what is wrong is where they were looked for.
  if (problem.code === 'not_found')
    problem.detail = `the daemon has nothing at ${server} and below: give its URL without a path by --server`;
  return new ServerError(response.status, problem, Number.isFinite(after) ? after * 1000 : undefined);
}

function parseProblem(response: Response): Record<string, unknown> {
  try {
    const problem: unknown = JSON.parse(response.body.toString());
    if (typeof problem === 'object' && problem !== null) return problem as Record<string, unknown>;
  } catch {
    // Not a seglog daemon's answer, or one of a proxy before it: the status has to do.
  }
  return {};
}
