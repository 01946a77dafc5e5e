/** An answer that is sent piece by piece, no faster than the client takes it. */
import type { ServerResponse } from 'node:http';
import type { FastifyReply } from 'fastify';
import { giveBuffer } from './buffer-pool.ts';
import type { OutputBuffer } from './output-buffer.ts';

export class ResponseStream {
  readonly #response: ServerResponse;
  #closed: boolean;
  #wake: (() => void) | undefined;
  /** What the system has not taken yet. */
  readonly #unsent = new Set<Buffer>();

  constructor(reply: FastifyReply, headers: Readonly<Record<string, string>>) {
    reply.hijack();
    this.#response = reply.raw;
    // A client that is gone by now was reported before anybody listened here.
    this.#closed = reply.raw.closed;
    if (this.#closed) return;
    this.#response.on('close', () => {
      this.#closed = true;
      this.#wake?.();
      // The connection is closed too: nothing is on its way any more.
      for (const bytes of this.#unsent) this.#sent(bytes);
    });
    this.#response.on('drain', () => this.#wake?.());
    this.#response.on('error', () => {});
    this.#response.writeHead(200, headers);
  }

  /** The client is gone, or the answer has ended. */
  get closed(): boolean {
    return this.#closed;
  }

  /** Writes what a buffer has; resolves once more may be written, to false when the client is gone. */
  flush(out: OutputBuffer): Promise<boolean> {
    const bytes = out.take();
    this.#unsent.add(bytes);
    if (this.#closed) this.#sent(bytes);
    return this.#write(bytes, (error) => {
      // After an error the system may still hold on to the memory, until the connection is closed.
      if (error === null || error === undefined) this.#sent(bytes);
    });
  }

  #sent(bytes: Buffer): void {
    if (this.#unsent.delete(bytes)) giveBuffer(bytes);
  }

  write(text: string): Promise<boolean> {
    return this.#write(text);
  }

  async #write(piece: Uint8Array | string, written?: (error?: Error | null) => void): Promise<boolean> {
    if (this.#closed) return false;
    if (!this.#response.write(piece, written)) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      this.#wake = undefined;
    }
    return !this.#closed;
  }

  end(trailers?: Readonly<Record<string, string>>): void {
    if (this.#closed) return;
    if (trailers !== undefined) this.#response.addTrailers(trailers);
    this.#response.end();
  }

  /** Sends the last bytes and breaks the connection off, so that nobody takes the answer for complete. */
  abort(lastBytes: string): void {
    if (this.#closed) return;
    this.#response.write(lastBytes, () => this.#response.destroy());
  }
}

/** Answers with what a buffer has, as a whole; its memory is used again once it is with the system, or nobody wants it. */
export function sendBuffer(
  reply: FastifyReply,
  headers: Readonly<Record<string, string>>,
  out: OutputBuffer,
): void {
  // Its "close" has been when the client left meanwhile.
  if (reply.raw.closed) return;
  const { bytes, pooled } = out.takeAll();
  if (pooled) reply.raw.once('close', () => giveBuffer(bytes));
  void reply.headers(headers).send(bytes);
}
