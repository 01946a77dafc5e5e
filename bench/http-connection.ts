/**
 * A kept-alive HTTP/1.1 connection on a bare socket, one request at a time, for a client that costs less than the server
 * that it loads. It looks at an answer's status and finds its end; it is no HTTP client for anything else.
 */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

const HEAD_END = Buffer.from('\r\n\r\n');
const LAST_CHUNK = Buffer.from('\r\n0\r\n\r\n');
const CONTENT_LENGTH = Buffer.from('content-length: ');
const STATUS_AT = 'HTTP/1.1 '.length;
const OK = Buffer.from('200');

export class HttpConnection {
  /** Answers with another status than 200. */
  failed = 0;
  receivedBytes = 0;
  readonly #socket: Socket;
  #answered: ((error?: Error) => void) | undefined;
  /** Bytes of the answer that are still to come; -1 while its head is not complete or its length is not known. */
  #left = -1;
  #chunked = false;
  #head: Buffer = Buffer.alloc(0);

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (bytes: Buffer) => this.#take(bytes));
    socket.on('error', (error) => this.#answered?.(error));
    socket.on('close', () => this.#answered?.(new Error('the server closed the connection')));
  }

  static async open(port: number): Promise<HttpConnection> {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    await once(socket, 'connect');
    return new HttpConnection(socket);
  }

  /** Sends a request, head and body; `answered` is called when its answer is complete, or with what broke it. */
  send(request: Buffer, answered: (error?: Error) => void): void {
    if (this.#socket.destroyed) {
      answered(new Error('the server closed the connection'));
      return;
    }
    this.#answered = answered;
    this.#socket.write(request);
  }

  close(): void {
    this.#answered = undefined;
    this.#socket.destroy();
  }

  #take(bytes: Buffer): void {
    this.receivedBytes += bytes.length;
    if (this.#chunked) {
      this.#takeChunks(bytes);
    } else if (this.#left >= 0) {
      this.#left -= bytes.length;
      this.#endIf(this.#left <= 0);
    } else {
      this.#takeHead(bytes);
    }
  }

  #takeHead(bytes: Buffer): void {
    const head = this.#head.length === 0 ? bytes : Buffer.concat([this.#head, bytes]);
    const end = head.indexOf(HEAD_END);
    if (end < 0) {
      this.#head = head;
      return;
    }
    this.#head = Buffer.alloc(0);
    if (head.compare(OK, 0, OK.length, STATUS_AT, STATUS_AT + OK.length) !== 0) this.failed++;
    const at = head.indexOf(CONTENT_LENGTH);
    if (at < 0 || at > end) {
      this.#chunked = true;
      this.#takeChunks(head.subarray(end));
      return;
    }
    const length = Number(head.toString('latin1', at + CONTENT_LENGTH.length, head.indexOf(0x0d, at)));
    this.#left = length - (head.length - end - HEAD_END.length);
    this.#endIf(this.#left <= 0);
  }

  /** Only one request is under way: the last chunk is where the bytes end. */
  #takeChunks(bytes: Buffer): void {
    const tail = Buffer.concat([this.#head, bytes.subarray(-LAST_CHUNK.length)]);
    this.#head = tail.subarray(-LAST_CHUNK.length);
    this.#endIf(this.#head.equals(LAST_CHUNK));
  }

  #endIf(complete: boolean): void {
    if (!complete) return;
    this.#left = -1;
    this.#chunked = false;
    this.#head = Buffer.alloc(0);
    this.#answered?.();
  }
}

/** A request as it goes over the wire. */
export function httpRequest(
  method: 'GET' | 'POST',
  path: string,
  headers: Readonly<Record<string, string>>,
  body: Uint8Array = new Uint8Array(),
): Buffer {
  const lines = Object.entries({ host: '127.0.0.1', ...headers }).map(([name, value]) => `${name}: ${value}`);
  if (method === 'POST') lines.push(`content-length: ${body.length}`);
  const head = `${method} ${path} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`;
  return Buffer.concat([Buffer.from(head, 'latin1'), body]);
}
