/**
 * Reads a request's body and hands it to whoever parses it: bounded, counted against the budget of all
 * requests, and decompressed. Nothing is read before a route asks for it, so a request that is refused for
 * its address or its parameters costs no memory.
 */
import type { IncomingMessage } from 'node:http';
import type { ByteBudget } from './byte-budget.ts';
import { type ContentCoding, decodeContent, isContentCoding } from './content-decoding.ts';
import { HttpProblem } from './error-mapping.ts';

export interface BodyLimits {
  /** Largest body as it travels. */
  maxBytes: number;
  /** Largest body once decompressed. */
  maxDecompressedBytes: number;
  budget: ByteBudget;
}

/** Pieces of a body are joined here: parsing never awaits, so one piece of memory serves all requests. */
const SCRATCH_BYTES = 1024 * 1024;
let scratch: Buffer | undefined;

/**
 * Resolves to what `parse` makes of the body. The bytes are valid only until `parse` returns: what it keeps
 * it must copy.
 * @throws HttpProblem body_too_large, decompressed_too_large, corrupt_payload, unsupported_encoding, overloaded.
 */
export async function parseBody<T>(
  request: IncomingMessage,
  limits: BodyLimits,
  parse: (bytes: Buffer) => T,
): Promise<T> {
  const coding = contentCoding(request);
  if (coding === 'identity') return new Receiver(request, limits, parse).done;
  // Compressed bytes outlive this call, so they get memory of their own.
  const bytes = await new Receiver(request, limits, (received) => Buffer.from(received)).done;
  if (bytes.length === 0) return parse(bytes);
  limits.budget.take(bytes.length);
  try {
    return await decodeContent(coding, bytes, limits.maxDecompressedBytes, limits.budget, parse);
  } finally {
    limits.budget.release(bytes.length);
  }
}

export function contentCoding(request: IncomingMessage): ContentCoding | 'identity' {
  const transfer = request.headers['transfer-encoding'];
  if (transfer !== undefined && transfer.trim().toLowerCase() !== 'chunked')
    throw unsupportedEncoding(
      `transfer-encoding "${transfer.slice(0, 100)}" is not supported; send it chunked, and say in content-encoding how it is compressed`,
    );
  const header = request.headers['content-encoding'];
  if (header === undefined) return 'identity';
  const coding = header.trim().toLowerCase();
  if (coding === 'identity' || isContentCoding(coding)) return coding;
  throw unsupportedEncoding(
    `content-encoding "${header.slice(0, 100)}" is not supported; send gzip, deflate, br, zstd or none`,
  );
}

function unsupportedEncoding(detail: string): HttpProblem {
  const headers = { 'accept-encoding': 'gzip, deflate, br, zstd', connection: 'close' };
  return new HttpProblem('unsupported_encoding', detail, {}, headers);
}

/** One body on its way in. */
class Receiver<T> {
  readonly done: Promise<T>;
  readonly #limits: BodyLimits;
  readonly #request: IncomingMessage;
  readonly #parse: (bytes: Buffer) => T;
  readonly #chunks: Buffer[] = [];
  #received = 0;
  #resolve!: (parsed: T) => void;
  #reject!: (error: unknown) => void;

  constructor(request: IncomingMessage, limits: BodyLimits, parse: (bytes: Buffer) => T) {
    this.#limits = limits;
    this.#request = request;
    this.#parse = parse;
    this.done = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    if (Number(request.headers['content-length'] ?? 0) > limits.maxBytes) {
      this.#fail(bodyTooLarge(limits.maxBytes));
      return;
    }
    request.on('data', this.#onData);
    request.on('end', this.#onEnd);
    // A request that breaks off is closed; its "error" comes only to those who listen for it.
    request.on('close', this.#onBroken);
  }

  readonly #onData = (chunk: Buffer) => {
    if (this.#received + chunk.length > this.#limits.maxBytes) {
      this.#fail(bodyTooLarge(this.#limits.maxBytes));
      return;
    }
    try {
      this.#limits.budget.take(chunk.length);
      this.#received += chunk.length;
      this.#chunks.push(chunk);
    } catch (error) {
      this.#fail(error);
    }
  };

  readonly #onEnd = () => {
    this.#detach();
    try {
      this.#resolve(this.#parse(join(this.#chunks, this.#received)));
    } catch (error) {
      this.#reject(error);
    } finally {
      this.#limits.budget.release(this.#received);
    }
  };

  readonly #onBroken = () =>
    this.#fail(new HttpProblem('corrupt_payload', 'the body ended before it was complete'));

  #fail(error: unknown): void {
    this.#detach();
    this.#request.pause();
    this.#chunks.length = 0;
    this.#limits.budget.release(this.#received);
    this.#reject(error);
  }

  #detach(): void {
    this.#request.off('data', this.#onData);
    this.#request.off('end', this.#onEnd);
    this.#request.off('close', this.#onBroken);
  }
}

function join(chunks: readonly Buffer[], length: number): Buffer {
  if (chunks.length === 1) return chunks[0]!;
  if (length > SCRATCH_BYTES) return Buffer.concat(chunks, length);
  scratch ??= Buffer.allocUnsafeSlow(SCRATCH_BYTES);
  let at = 0;
  for (const chunk of chunks) at += chunk.copy(scratch, at);
  return scratch.subarray(0, length);
}

export function bodyTooLarge(limit: number): HttpProblem {
  return new HttpProblem(
    'body_too_large',
    `a body has at most ${limit} bytes; send fewer records at once`,
    { limit },
    { connection: 'close' },
  );
}
