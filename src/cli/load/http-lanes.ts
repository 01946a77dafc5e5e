/**
 * HttpLanes: connections to a daemon, each with one request under way at a time, for a client that is to cost less than
 * the server that it loads (undici takes half the processor time that node:http does).
 *
 * A lane connects with its first request, and again after it was broken. Nothing is ever sent twice.
 */
import { Client, type Dispatcher } from 'undici';

export interface LaneRequest {
  method: 'GET' | 'POST';
  /** With the query. */
  path: string;
  body?: Buffer;
  contentType?: string;
  /** The end of the answer's body is wanted. */
  keepEnd?: boolean;
}

export interface LaneAnswer {
  /** What went wrong, in a few words that are the same each time; undefined for a status of 2xx. */
  error: string | undefined;
  /** It was waited for as long as it may take, or until somebody lost patience. */
  givenUp: boolean;
  bytes: number;
  /** The last bytes of the body, where they were asked for; else empty. */
  end: string;
}

const CHECKS_MS = 50;
const TIMEOUT = 'timeout';

export class HttpLanes {
  readonly count: number;
  /** By kind of error: what the server said of the first one. */
  readonly details = new Map<string, string>();
  readonly #lanes: Lane[];
  readonly #checking: NodeJS.Timeout;

  /** No request takes longer than `timeoutMs`, but for some ms until it is noticed. */
  constructor(server: URL, count: number, timeoutMs: number) {
    this.count = count;
    this.#lanes = Array.from({ length: count }, () => new Lane(server, timeoutMs, this.details));
    this.#checking = setInterval(() => {
      const deadline = performance.now() - timeoutMs;
      for (const lane of this.#lanes) lane.breakIfSentBefore(deadline, TIMEOUT);
    }, CHECKS_MS).unref();
  }

  /** Sends a request over a lane that has none under way. `ended` is called once, and not before this returns. */
  send(lane: number, request: LaneRequest, ended: (answer: LaneAnswer) => void): void {
    this.#lanes[lane]!.send(request, ended);
  }

  /** Breaks off what is under way; it ends with `error`. */
  breakAll(error: string): void {
    for (const lane of this.#lanes) lane.breakIfSentBefore(Number.POSITIVE_INFINITY, error);
  }

  async close(): Promise<void> {
    clearInterval(this.#checking);
    await Promise.all(this.#lanes.map((lane) => lane.close()));
  }
}

const END_BYTES = 256;
/** Of a problem document. */
const PROBLEM_BYTES = 4096;

class Lane implements Dispatcher.DispatchHandler {
  readonly #client: Client;
  readonly #prefix: string;
  readonly #details: Map<string, string>;
  #ended: ((answer: LaneAnswer) => void) | undefined;
  #controller: Dispatcher.DispatchController | undefined;
  #sentAt = 0;
  #brokenBy: string | undefined;
  #keepEnd = false;
  #status = 0;
  #bytes = 0;
  #text = '';

  constructor(server: URL, timeoutMs: number, details: Map<string, string>) {
    this.#details = details;
    this.#prefix = server.pathname.replace(/\/$/, '');
    this.#client = new Client(server.origin, {
      connect: { timeout: timeoutMs },
      // The lanes look at the time themselves: a whole answer has it, not each of its pieces.
      headersTimeout: 0,
      bodyTimeout: 0,
      allowH2: false,
    });
  }

  send(
    { method, path, body, contentType, keepEnd = false }: LaneRequest,
    ended: (answer: LaneAnswer) => void,
  ): void {
    this.#ended = ended;
    this.#controller = undefined;
    this.#sentAt = performance.now();
    this.#brokenBy = undefined;
    this.#keepEnd = keepEnd;
    this.#status = 0;
    this.#bytes = 0;
    this.#text = '';
    const headers = contentType === undefined ? undefined : { 'content-type': contentType };
    this.#client.dispatch({ method, path: this.#prefix + path, body, headers }, this);
  }

  breakIfSentBefore(time: number, error: string): void {
    if (this.#ended === undefined || this.#sentAt >= time || this.#brokenBy !== undefined) return;
    this.#brokenBy = error;
    // Without a controller it is still connecting, and that has a limit of its own.
    this.#controller?.abort(new Error(error));
  }

  async close(): Promise<void> {
    await this.#client.destroy();
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#brokenBy !== undefined) controller.abort(new Error(this.#brokenBy));
  }

  onResponseStart(_controller: Dispatcher.DispatchController, status: number): void {
    this.#status = status;
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#bytes += chunk.length;
    if (this.#status >= 300) {
      if (this.#text.length < PROBLEM_BYTES) this.#text += chunk.toString('latin1', 0, PROBLEM_BYTES);
    } else if (this.#keepEnd) {
      const end = chunk.toString('latin1', Math.max(0, chunk.length - END_BYTES));
      this.#text = (this.#text + end).slice(-END_BYTES);
    }
  }

  onResponseEnd(): void {
    const failed = this.#status < 200 || this.#status >= 300;
    const error = failed ? describeStatus(this.#status, this.#text) : undefined;
    if (error !== undefined && !this.#details.has(error)) this.#details.set(error, detailOf(this.#text));
    this.#end({
      error,
      givenUp: false,
      bytes: this.#bytes,
      end: failed ? '' : this.#text,
    });
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    const reason = this.#brokenBy ?? describeFailure(error);
    const answer = {
      error: reason,
      givenUp: this.#brokenBy !== undefined || reason === TIMEOUT,
      bytes: this.#bytes,
      end: '',
    };
    // The client is in the midst of giving up its connection: it must not be given a request from within.
    setImmediate(() => this.#end(answer));
  }

  #end(answer: LaneAnswer): void {
    const ended = this.#ended;
    this.#ended = undefined;
    ended?.(answer);
  }
}

/** "503 overloaded": with the code of a problem document, where there is one. */
function describeStatus(status: number, body: string): string {
  const code = /"code":\s*"(\w{1,60})"/.exec(body)?.[1];
  return code === undefined ? `status ${status}` : `${status} ${code}`;
}

/** Of a problem document; empty where there is none. */
function detailOf(body: string): string {
  try {
    const { detail } = JSON.parse(Buffer.from(body, 'latin1').toString()) as { detail?: unknown };
    return typeof detail === 'string' ? detail : '';
  } catch {
    return '';
  }
}

const FAILURES: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'connection lost',
  EPIPE: 'connection lost',
  UND_ERR_SOCKET: 'connection lost',
  UND_ERR_CONNECT_TIMEOUT: TIMEOUT,
  ETIMEDOUT: TIMEOUT,
  ENOTFOUND: 'unknown host',
  EADDRNOTAVAIL: 'out of local ports',
  EMFILE: 'out of file descriptors',
};

function describeFailure(error: Error): string {
  if (error.name === 'HTTPParserError') return 'no HTTP';
  const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
  return FAILURES[code] ?? (code === '' ? error.message : code);
}
