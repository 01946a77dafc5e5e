/**
 * Limits that lie below the routes: connections, and requests that never become one (headers too large or
 * too slow, no HTTP at all). Their answers are written to the socket by hand.
 */
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { HttpProblem, type ProblemCode, problemOf } from './error-mapping.ts';

/** Connections beyond the limit that are still answered, rather than dropped without a word. */
const ANSWERED_OVER_LIMIT = 64;
/** How long a client may go on sending after its answer, before the connection is cut. */
const LINGER_MS = 1_000;

const CLIENT_ERRORS: Readonly<Record<string, readonly [ProblemCode, string]>> = {
  HPE_HEADER_OVERFLOW: [
    'headers_too_large',
    'the request line and headers are larger than this server takes',
  ],
  HPE_INVALID_EOF_STATE: [
    'corrupt_payload',
    'the connection was closed before the request was complete; nothing was stored',
  ],
  ERR_HTTP_REQUEST_TIMEOUT: [
    'request_timeout',
    'the request did not arrive in time; the connection is closed',
  ],
};

const NO_REQUEST = ['invalid_request', 'this is no valid HTTP request'] as const;

/** Answers what is no complete request. */
export function answerClientError(error: Error & { code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || socket.destroyed || !socket.writable) {
    socket.destroy();
    return;
  }
  const [code, detail] = CLIENT_ERRORS[error.code ?? ''] ?? NO_REQUEST;
  refuse(socket, new HttpProblem(code, detail));
}

function refuse(socket: Duplex, reason: HttpProblem): void {
  const { problem } = problemOf(reason);
  const body = JSON.stringify(problem);
  socket.write(
    `HTTP/1.1 ${problem.status} ${problem.title}\r\nconnection: close\r\n` +
      `content-type: application/problem+json; charset=utf-8\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
  lingerAndClose(socket);
}

/**
 * Closes a connection whose client may still be sending: at first only our side, because the reset that
 * unread bytes cause would make the client lose the answer.
 */
export function lingerAndClose(socket: Duplex): void {
  socket.end();
  socket.resume();
  const timer = setTimeout(() => socket.destroy(), LINGER_MS);
  socket.once('close', () => clearTimeout(timer));
}

/** Counts connections; those over the limit have their first request refused, and are closed. */
export class ConnectionLimit {
  readonly #refused = new WeakSet<Socket>();

  constructor(server: Server, limit: number) {
    server.maxConnections = limit + ANSWERED_OVER_LIMIT;
    let open = 0;
    server.on('connection', (socket: Socket) => {
      if (open >= limit) this.#refused.add(socket);
      open++;
      socket.once('close', () => {
        open--;
      });
    });
  }

  /** @throws HttpProblem overloaded. */
  check(socket: Socket): void {
    if (!this.#refused.has(socket)) return;
    throw new HttpProblem(
      'overloaded',
      'too many connections are open; try again shortly',
      {},
      { connection: 'close' },
    );
  }
}

/** Requests that are being answered, for a stop that waits for them. */
export class RequestsInFlight {
  #count = 0;
  #idle: (() => void)[] = [];

  constructor(server: Server) {
    server.on('request', (_request: IncomingMessage, response: ServerResponse) => {
      this.#count++;
      response.once('close', () => {
        if (--this.#count > 0) return;
        for (const resolve of this.#idle.splice(0)) resolve();
      });
    });
  }

  get count(): number {
    return this.#count;
  }

  /** Resolves once none is being answered. */
  idle(): Promise<void> {
    return this.#count === 0 ? Promise.resolve() : new Promise((resolve) => void this.#idle.push(resolve));
  }
}

/**
 * What Node would answer by itself, or not at all. "Expect: 100-continue": who announces a body that is too large is told
 * before sending it, unless the route takes bodies of any length; any other expectation is passed over. CONNECT is for proxies.
 */
export function answerExpectations(
  server: Server,
  maxBodyBytes: number,
  takesAnyLength: (url: string) => boolean,
): void {
  server.on('checkExpectation', (request: IncomingMessage, response: ServerResponse) => {
    server.emit('request', request, response);
  });
  server.on('connect', (_request: IncomingMessage, socket: Duplex) => {
    refuse(socket, new HttpProblem('invalid_request', 'this is no proxy: CONNECT is not taken'));
  });
  server.on('checkContinue', (request: IncomingMessage, response: ServerResponse) => {
    const announced = Number(request.headers['content-length'] ?? 0);
    if (announced <= maxBodyBytes || takesAnyLength(request.url ?? '')) response.writeContinue();
    server.emit('request', request, response);
  });
}
