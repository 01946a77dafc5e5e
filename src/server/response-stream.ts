/** An answer that is sent piece by piece, no faster than the client takes it. */
import type { ServerResponse } from 'node:http';
import type { FastifyReply } from 'fastify';

export class ResponseStream {
  readonly #response: ServerResponse;
  #closed = false;
  #wake: (() => void) | undefined;

  constructor(reply: FastifyReply, headers: Readonly<Record<string, string>>) {
    reply.hijack();
    this.#response = reply.raw;
    this.#response.on('close', () => {
      this.#closed = true;
      this.#wake?.();
    });
    this.#response.on('drain', () => this.#wake?.());
    this.#response.on('error', () => {});
    this.#response.writeHead(200, headers);
  }

  /** The client is gone, or the answer has ended. */
  get closed(): boolean {
    return this.#closed;
  }

  /** Resolves once more may be written; false when the client is gone. The bytes must not change any more. */
  async write(bytes: Uint8Array | string): Promise<boolean> {
    if (this.#closed) return false;
    if (!this.#response.write(bytes)) {
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
