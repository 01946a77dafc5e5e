/**
 * Decompression of a body that is not held whole: pieces go in as they come and pieces come out as they are asked for.
 *
 * Nothing bounds the whole, since nothing of it stays; what is bounded is how much may come of little. A body that grows
 * beyond `freeBytes` has to be larger than a hundredth of what it becomes, which logs are and bombs are not.
 */
import { type ContentCoding, DECODERS, type Decoder } from './content-decoding.ts';
import { HttpProblem } from './error-mapping.ts';

const MAX_EXPANSION = 100;
/** Each frame costs a decoder: those beyond this number must hold something. */
const FREE_FRAMES = 1024;
const MIN_FRAME_BYTES = 64;
/** Of what comes out: larger ones than Node's make it quicker. */
const PIECE_BYTES = 64 * 1024;
/** What tells one form of deflate from the other. */
const HEAD_BYTES = 2;

/** @throws HttpProblem decompressed_too_large, corrupt_payload, and what `pieces` throws. */
export async function* decodePieces(
  coding: ContentCoding,
  pieces: AsyncIterable<Buffer>,
  freeBytes: number,
): AsyncGenerator<Buffer> {
  const source = new PieceSource(pieces);
  let produced = 0;
  for (let frames = 1; ; frames++) {
    const first = await source.next(HEAD_BYTES);
    if (first === undefined) {
      if (frames === 1) return;
      break;
    }
    if (frames > 1 && coding !== 'zstd') throw moreFollows(coding, source.taken - first.length);
    if (frames > FREE_FRAMES && source.taken < frames * MIN_FRAME_BYTES)
      throw moreFollows(coding, source.taken - first.length);
    source.giveBack(first);
    for await (const piece of decodeFrame(coding, source, first)) {
      produced += piece.length;
      if (produced > freeBytes && produced > source.taken * MAX_EXPANSION) throw tooLarge(freeBytes);
      yield piece;
    }
  }
}

const NOTHING = Buffer.alloc(0);

/** Pieces that can be given back, in part, to be asked for again. */
class PieceSource {
  readonly #pieces: AsyncIterator<Buffer>;
  #returned: Buffer | undefined;
  /** Bytes that were asked for and not given back. */
  taken = 0;

  constructor(pieces: AsyncIterable<Buffer>) {
    this.#pieces = pieces[Symbol.asyncIterator]();
  }

  /** The next bytes, so many at least where there are so many; undefined at the end. */
  async next(atLeast = 1): Promise<Buffer | undefined> {
    let piece = this.#returned ?? NOTHING;
    this.#returned = undefined;
    while (piece.length < atLeast) {
      const { value, done } = await this.#pieces.next();
      if (done) break;
      piece = piece.length === 0 ? value : Buffer.concat([piece, value]);
    }
    this.taken += piece.length;
    return piece.length === 0 ? undefined : piece;
  }

  giveBack(rest: Buffer): void {
    this.taken -= rest.length;
    this.#returned = rest;
  }
}

async function* decodeFrame(
  coding: ContentCoding,
  source: PieceSource,
  first: Buffer,
): AsyncGenerator<Buffer> {
  const decoder = DECODERS[coding](first, { chunkSize: PIECE_BYTES });
  let failure: unknown;
  const feeding = feed(decoder, source).catch((error: unknown) => {
    failure = error;
    decoder.destroy();
  });
  try {
    for await (const piece of decoder) yield piece as Buffer;
  } catch {
    failure ??= new HttpProblem('corrupt_payload', `the body is no complete ${coding} data`);
  } finally {
    decoder.destroy();
  }
  await feeding;
  if (failure !== undefined) throw failure;
}

/** Writes pieces until the source or the decoder is at its end; what the decoder did not take is given back. */
async function feed(decoder: Decoder, source: PieceSource): Promise<void> {
  // A decoder that fails does not call back.
  let done = () => {};
  decoder.once('close', () => done());
  for (let before = 0; !decoder.destroyed; before = decoder.bytesWritten) {
    const piece = await source.next();
    if (piece === undefined) {
      decoder.end();
      return;
    }
    await new Promise<void>((resolve) => {
      done = resolve;
      decoder.write(piece, () => resolve());
    });
    const taken = decoder.bytesWritten - before;
    if (taken === piece.length) continue;
    source.giveBack(piece.subarray(taken));
    return;
  }
}

function moreFollows(coding: ContentCoding, end: number): HttpProblem {
  return new HttpProblem('corrupt_payload', `the ${coding} data ends at byte ${end}, but more bytes follow`);
}

function tooLarge(limit: number): HttpProblem {
  const detail = `a body that becomes more than ${limit} bytes has to be a hundredth of that or more; this one becomes too much of too little`;
  return new HttpProblem('decompressed_too_large', detail, { limit });
}
