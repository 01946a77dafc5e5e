/**
 * Reads a request's body into one Buffer: bounded, counted against the budget of all requests, and
 * decompressed. Nothing is read before a route asks for it, so a request that is refused for its address
 * or its parameters costs no memory.
 */
import type { IncomingMessage } from 'node:http';
import type { ByteBudget } from './byte-budget.ts';
import { decodeContent, isContentCoding } from './content-decoding.ts';
import { HttpProblem } from './error-mapping.ts';

export interface BodyLimits {
  /** Largest body as it travels. */
  maxBytes: number;
  /** Largest body once decompressed. */
  maxDecompressedBytes: number;
  budget: ByteBudget;
}

export interface RequestBody {
  readonly bytes: Buffer;
  /** Gives the memory back to the budget; to be called once the bytes are no longer needed. */
  release(): void;
}

/** @throws HttpProblem body_too_large, decompressed_too_large, corrupt_payload, unsupported_encoding, overloaded. */
export async function readBody(request: IncomingMessage, limits: BodyLimits): Promise<RequestBody> {
  const coding = contentCoding(request);
  const received = new Receiver(request, limits);
  try {
    const bytes = await received.done;
    if (coding === 'identity' || bytes.length === 0) return { bytes, release: () => received.release() };
    const decoded = await decodeContent(coding, bytes, limits.maxDecompressedBytes, limits.budget);
    received.release();
    return { bytes: decoded, release: () => limits.budget.release(decoded.length) };
  } catch (error) {
    received.release();
    throw error;
  }
}

function contentCoding(request: IncomingMessage) {
  const header = request.headers['content-encoding'];
  if (header === undefined) return 'identity';
  const coding = header.trim().toLowerCase();
  if (coding === 'identity' || isContentCoding(coding)) return coding;
  throw new HttpProblem(
    'unsupported_encoding',
    `content-encoding "${header.slice(0, 100)}" is not supported; send gzip, deflate, br, zstd or none`,
    {},
    { 'accept-encoding': 'gzip, deflate, br, zstd', connection: 'close' },
  );
}

/** One body on its way in. */
class Receiver {
  readonly done: Promise<Buffer>;
  readonly #limits: BodyLimits;
  readonly #request: IncomingMessage;
  readonly #chunks: Buffer[] = [];
  #received = 0;
  #taken = 0;
  #resolve!: (body: Buffer) => void;
  #reject!: (error: Error) => void;

  constructor(request: IncomingMessage, limits: BodyLimits) {
    this.#limits = limits;
    this.#request = request;
    this.done = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    const declared = Number(request.headers['content-length'] ?? 0);
    if (declared > limits.maxBytes) {
      this.#fail(tooLarge(limits.maxBytes));
      return;
    }
    request.on('data', this.#onData);
    request.once('end', this.#onEnd);
    request.once('error', this.#onBroken);
    request.once('close', this.#onBroken);
  }

  release(): void {
    this.#limits.budget.release(this.#taken);
    this.#taken = 0;
  }

  readonly #onData = (chunk: Buffer) => {
    this.#received += chunk.length;
    if (this.#received > this.#limits.maxBytes) {
      this.#fail(tooLarge(this.#limits.maxBytes));
      return;
    }
    try {
      this.#limits.budget.take(chunk.length);
      this.#taken += chunk.length;
      this.#chunks.push(chunk);
    } catch (error) {
      this.#fail(error as Error);
    }
  };

  readonly #onEnd = () => {
    this.#detach();
    const chunks = this.#chunks;
    this.#resolve(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, this.#received));
  };

  readonly #onBroken = () =>
    this.#fail(new HttpProblem('corrupt_payload', 'the body ended before it was complete'));

  #fail(error: Error): void {
    this.#detach();
    this.#request.pause();
    this.#chunks.length = 0;
    this.#reject(error);
  }

  #detach(): void {
    this.#request.off('data', this.#onData);
    this.#request.off('end', this.#onEnd);
    this.#request.off('error', this.#onBroken);
    this.#request.off('close', this.#onBroken);
    // A connection that breaks later is no error of anybody.
    this.#request.on('error', ignore);
  }
}

const ignore = () => {};

function tooLarge(limit: number): HttpProblem {
  return new HttpProblem(
    'body_too_large',
    `a body has at most ${limit} bytes; send fewer records at once`,
    { limit },
    { connection: 'close' },
  );
}
