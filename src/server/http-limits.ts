/**
 * Limits that lie below the routes: connections, and requests that never become one (headers too large or
 * too slow, no HTTP at all). Their answers are written to the socket by hand.
 */
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { HttpProblem, type ProblemCode, problemOf } from './error-mapping.ts';

/** Connections beyond the limit that are still answered, rather than dropped without a word. */
const ANSWERED_OVER_LIMIT = 64;
/** How long a client may go on sending after its answer, before the connection is cut. */
const LINGER_MS = 1_000;

const CLIENT_ERRORS: Readonly<Record<string, [ProblemCode, string]>> = {
  HPE_HEADER_OVERFLOW: [
    'headers_too_large',
    'the request line and headers are larger than this server takes',
  ],
  ERR_HTTP_REQUEST_TIMEOUT: [
    'request_timeout',
    'the request did not arrive in time; the connection is closed',
  ],
};

/** Answers what is no complete request. */
export function answerClientError(error: Error & { code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || socket.destroyed || !socket.writable) {
    socket.destroy();
    return;
  }
  const [code, detail] = CLIENT_ERRORS[error.code ?? ''] ?? [
    'invalid_request',
    'this is no valid HTTP request',
  ];
  const { problem } = problemOf(new HttpProblem(code as ProblemCode, detail));
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
export function lingerAndClose(socket: Socket): void {
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

/** "Expect: 100-continue": who announces a body that is too large is told before sending it. */
export function answerExpectations(server: Server, maxBodyBytes: number): void {
  server.on('checkContinue', (request: IncomingMessage, response: ServerResponse) => {
    if (Number(request.headers['content-length'] ?? 0) <= maxBodyBytes) response.writeContinue();
    server.emit('request', request, response);
  });
}
