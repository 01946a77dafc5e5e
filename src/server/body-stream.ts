/**
 * A request's body as a stream of pieces, decompressed: for routes that take bodies of any length and hold none of them whole.
 * The socket is read no faster than the pieces are asked for.
 */
import type { IncomingMessage } from 'node:http';
import { type BodyLimits, bodyTooLarge, contentCoding } from './body-reader.ts';
import { decompressedTooLarge } from './content-decoding.ts';
import { decodePieces } from './content-stream.ts';
import { HttpProblem } from './error-mapping.ts';

/**
 * The pieces belong to whoever takes them. Nothing bounds the whole but what content-stream.ts says of compressed bodies.
 * @throws HttpProblem corrupt_payload, unsupported_encoding, decompressed_too_large.
 */
export function streamBody(
  request: IncomingMessage,
  { maxDecompressedBytes }: BodyLimits,
): AsyncIterable<Buffer> {
  const coding = contentCoding(request);
  const pieces = receivedPieces(request);
  return coding === 'identity' ? pieces : decodePieces(coding, pieces, maxDecompressedBytes);
}

/**
 * As `streamBody`, for a body that will be held whole: bounded as such bodies are, and counted against the budget until
 * the stream is done with. @throws HttpProblem body_too_large, overloaded, too.
 */
export async function* streamBoundedBody(
  request: IncomingMessage,
  limits: BodyLimits,
): AsyncGenerator<Buffer> {
  const isPlain = contentCoding(request) === 'identity';
  const maxBytes = isPlain ? limits.maxBytes : limits.maxDecompressedBytes;
  const refusal = () => (isPlain ? bodyTooLarge(maxBytes) : decompressedTooLarge(maxBytes));
  if (isPlain && Number(request.headers['content-length'] ?? 0) > maxBytes) throw refusal();
  let taken = 0;
  try {
    for await (const piece of streamBody(request, limits)) {
      if (taken + piece.length > maxBytes) throw refusal();
      limits.budget.take(piece.length);
      taken += piece.length;
      yield piece;
    }
  } finally {
    limits.budget.release(taken);
  }
}

async function* receivedPieces(request: IncomingMessage): AsyncGenerator<Buffer> {
  try {
    // The answer goes over the same socket: it is not to be closed when nobody reads on.
    for await (const piece of request.iterator({ destroyOnReturn: false })) yield piece;
  } catch {
    throw new HttpProblem('corrupt_payload', 'the body ended before it was complete');
  }
}
