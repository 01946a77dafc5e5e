/**
 * Wire: a bare connection over which batches go out, each in one write, and whose replies are counted. Producing goes this
 * way for all peers: with their clients it is mostly these that would be measured (for a record in a batch of 100, those of
 * Redis and NATS take 15 and 80 µs of processor time, their servers 2 and 8).
 *
 * One request is under way at a time. What is no reply of success breaks it off.
 */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

/** What is found at the front of what has come. */
export interface Taken {
  /** Complete replies. */
  replies: number;
  /** Bytes that are done with. */
  bytes: number;
  /** What the server wants to hear now. */
  answer?: string;
}

/** Takes what is complete off the front of `bytes`; throws for a refusal. */
export type ReplyReader = (bytes: Buffer) => Taken;

const EMPTY = Buffer.alloc(0);
const PATIENCE_MS = 30_000;

export class Wire {
  readonly #socket: Socket;
  readonly #read: ReplyReader;
  #rest: Buffer = EMPTY;
  #missing = 0;
  #resolve: () => void = () => {};
  #reject: (error: Error) => void = () => {};

  private constructor(socket: Socket, read: ReplyReader) {
    this.#socket = socket;
    this.#read = read;
    socket.on('data', (bytes) => this.#take(bytes));
    socket.on('error', (error) => this.#reject(error));
    socket.on('close', () => this.#reject(new Error('the server closed the connection')));
    socket.setTimeout(PATIENCE_MS, () => {
      if (this.#missing > 0) this.#reject(new Error(`${this.#missing} replies did not come`));
    });
  }

  static async open(port: number, read: ReplyReader): Promise<Wire> {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    await once(socket, 'connect');
    return new Wire(socket, read);
  }

  /** Resolves when so many replies have come. */
  send(request: string | Buffer, replies = 1): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#missing = replies;
      this.#resolve = resolve;
      this.#reject = reject;
      this.#socket.write(request);
    });
  }

  close(): void {
    this.#reject = () => {};
    this.#socket.destroy();
  }

  #take(chunk: Buffer): void {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    try {
      const taken = this.#read(bytes);
      this.#rest = bytes.subarray(taken.bytes);
      if (taken.answer !== undefined) this.#socket.write(taken.answer);
      if (taken.replies === 0) return;
      this.#missing -= taken.replies;
      if (this.#missing === 0) this.#resolve();
      else if (this.#missing < 0) throw new Error('more replies came than were asked for');
    } catch (error) {
      this.#reject(error as Error);
    }
  }
}

/** Calls `visit` for each complete line, without its end; gives the bytes that they take up. */
function eachLine(bytes: Buffer, visit: (line: string) => void): number {
  let start = 0;
  for (;;) {
    const end = bytes.indexOf('\r\n', start);
    if (end < 0) return start;
    visit(bytes.toString('latin1', start, end));
    start = end + 2;
  }
}

/** Of Redis (RESP): each reply is a bulk string, a line with its length and one with its text. */
export const readRedisReplies: ReplyReader = (bytes) => {
  let replies = 0;
  const taken = eachLine(bytes, (line) => {
    if (line.startsWith('-')) throw new Error(`Redis: ${line}`);
    if (!line.startsWith('$')) replies++;
  });
  return { replies, bytes: taken };
};

/** Of NATS: each reply is a message, a line that announces it and one with the acknowledgement as JSON. */
export const readNatsReplies: ReplyReader = (bytes) => {
  let replies = 0;
  let answer: string | undefined;
  const taken = eachLine(bytes, (line) => {
    // A line of headers is a status: nobody has taken the message.
    if (/^(-|NATS\/)/.test(line) || line.includes('"error"')) throw new Error(`NATS: ${line}`);
    if (line.startsWith('{')) replies++;
    else if (line === 'PING') answer = 'PONG\r\n';
  });
  return { replies, bytes: taken, answer };
};

const READY = 'Z'.charCodeAt(0);
const ERROR = 'E'.charCodeAt(0);

/** Of PostgreSQL: messages with a type and a length; a reply ends where the server is ready again. */
export const readPostgresReplies: ReplyReader = (bytes) => {
  let replies = 0;
  let at = 0;
  while (at + 5 <= bytes.length) {
    const end = at + 1 + bytes.readUInt32BE(at + 1);
    if (end > bytes.length) break;
    if (bytes[at] === ERROR) throw new Error(`PostgreSQL: ${bytes.toString('latin1', at + 5, end)}`);
    if (bytes[at] === READY) replies++;
    at = end;
  }
  return { replies, bytes: at };
};
