/**
 * Decompression of request bodies. The output is counted as it comes and given up at its limit: a stream's
 * own `maxOutputLength` does not bound it, and what a body claims about its size is not believed.
 */
import {
  type BrotliDecompress,
  createBrotliDecompress,
  createGunzip,
  createInflate,
  createInflateRaw,
  createZstdDecompress,
  type Gunzip,
  type Inflate,
  type InflateRaw,
  type ZstdDecompress,
} from 'node:zlib';
import type { ByteBudget } from './byte-budget.ts';
import { HttpProblem } from './error-mapping.ts';

export type Decoder = Gunzip | Inflate | InflateRaw | BrotliDecompress | ZstdDecompress;

export type ContentCoding = 'gzip' | 'x-gzip' | 'deflate' | 'br' | 'zstd';

type Options = { chunkSize?: number };

/** Makes the decoder for a body that begins with `bytes`, two of them or all. */
export const DECODERS: Readonly<Record<ContentCoding, (bytes: Buffer, options?: Options) => Decoder>> = {
  gzip: (_bytes, options) => createGunzip(options),
  'x-gzip': (_bytes, options) => createGunzip(options),
  // HTTP's "deflate" is the zlib format, but some clients send the bare stream.
  deflate: (bytes, options) =>
    bytes[0]! % 16 === 8 && (bytes[0]! * 256 + (bytes[1] ?? 0)) % 31 === 0
      ? createInflate(options)
      : createInflateRaw(options),
  br: (_bytes, options) => createBrotliDecompress(options),
  zstd: (_bytes, options) => createZstdDecompress(options),
};

/** Each frame costs a decoder, however little it holds. */
const MAX_FRAMES = 1024;

export function isContentCoding(name: string): name is ContentCoding {
  return Object.hasOwn(DECODERS, name);
}

/**
 * Resolves to what `parse` makes of the decompressed bytes; until then as many are taken from the budget.
 * @throws HttpProblem decompressed_too_large, corrupt_payload, overloaded.
 */
export async function decodeContent<T>(
  coding: ContentCoding,
  bytes: Buffer,
  maxBytes: number,
  budget: ByteBudget,
  parse: (decoded: Buffer) => T,
): Promise<T> {
  const output = new CountedOutput(maxBytes, budget);
  try {
    let consumed = await decodeStream(coding, bytes, output);
    // Zstandard data may be several frames in a row; Node's stream stops behind the first.
    for (let frames = 1; coding === 'zstd' && consumed < bytes.length && frames < MAX_FRAMES; frames++) {
      consumed += await decodeStream(coding, bytes.subarray(consumed), output);
    }
    if (consumed < bytes.length) {
      throw new HttpProblem(
        'corrupt_payload',
        `the ${coding} data ends at byte ${consumed}, but more bytes follow`,
      );
    }
    return parse(output.join());
  } finally {
    output.release();
  }
}

/** Feeds the output of one stream; resolves to the bytes of input that the stream took. */
function decodeStream(coding: ContentCoding, bytes: Buffer, output: CountedOutput): Promise<number> {
  const decoder = DECODERS[coding](bytes);
  return new Promise((resolve, reject) => {
    decoder.on('data', (chunk: Buffer) => {
      try {
        output.add(chunk);
      } catch (error) {
        decoder.removeAllListeners('data');
        decoder.destroy();
        reject(error);
      }
    });
    decoder.on('error', () =>
      reject(new HttpProblem('corrupt_payload', `the body is no complete ${coding} data`)),
    );
    decoder.on('end', () => resolve(decoder.bytesWritten));
    decoder.end(bytes);
  });
}

class CountedOutput {
  readonly #maxBytes: number;
  readonly #budget: ByteBudget;
  readonly #chunks: Buffer[] = [];
  #total = 0;

  constructor(maxBytes: number, budget: ByteBudget) {
    this.#maxBytes = maxBytes;
    this.#budget = budget;
  }

  add(chunk: Buffer): void {
    if (this.#total + chunk.length > this.#maxBytes) {
      throw decompressedTooLarge(this.#maxBytes);
    }
    this.#budget.take(chunk.length);
    this.#total += chunk.length;
    this.#chunks.push(chunk);
  }

  join(): Buffer {
    return Buffer.concat(this.#chunks, this.#total);
  }

  release(): void {
    this.#budget.release(this.#total);
    this.#total = 0;
    this.#chunks.length = 0;
  }
}

export function decompressedTooLarge(limit: number): HttpProblem {
  const detail = `a body has at most ${limit} bytes decompressed; send fewer records at once`;
  return new HttpProblem('decompressed_too_large', detail, { limit });
}
