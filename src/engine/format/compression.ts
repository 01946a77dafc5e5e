/**
 * The codecs of record batches: the records of a batch as one gzip stream, raw snappy block, lz4 frame
 * or zstd frame.
 *
 * Levels are those that keep up with a log, not the smallest output: of access logs in 64 KiB batches
 * zstd 1 leaves 13 % at 880 MB/s and gzip 1 leaves 14 % at 330 MB/s; the default levels save another
 * 0.3 and 2 % and take a third longer and more than twice as long. All calls are synchronous: the round
 * trip to another thread costs more than a usual batch does. Records that have grown cold are worth more: `thorough`
 * asks for the levels that are gzip's and zstd's own defaults.
 *
 * What is decompressed is not trusted: memory is bounded by `expectedLength` and a fixed amount, and
 * output of any other length is CORRUPT_MESSAGE.
 */
import { createRequire } from 'node:module';
import { constants, gunzipSync, gzipSync, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import type * as Lz4 from 'lz4-napi';
import type * as Snappy from 'snappy';
import { SeglogError } from '../common/errors.ts';
import type { CompressionType } from '../common/types.ts';

export type Codec = Exclude<CompressionType, 'none'>;

/** How much work goes into compression; snappy and lz4 know one level only. */
export type CompressionEffort = 'quick' | 'thorough';

const GZIP_LEVELS: Record<CompressionEffort, number> = { quick: 1, thorough: 6 };
const ZSTD_LEVELS: Record<CompressionEffort, number> = { quick: 1, thorough: 6 };
/** Largest window a zstd frame may ask for: 8 MiB, which every decoder is recommended to grant. */
const ZSTD_WINDOW_LOG_MAX = 23;
/** Largest piece of output that is allocated before any of it exists. */
const MAX_CHUNK_BYTES = 1024 * 1024;
/** The densest snappy element makes 64 bytes of 3. */
const SNAPPY_MAX_RATIO = 22;
/** One byte of an lz4 block stands for at most 255. */
const LZ4_MAX_RATIO = 255;
const LZ4_MAGIC = 0x184d2204;
const LZ4_SMALLEST_HEADER_BYTES = 7;

/** Native code that few need is loaded by the first batch that needs it: it takes 10 ms. */
function lazily<T>(name: string): () => T {
  let loaded: T | undefined;
  return () => {
    loaded ??= createRequire(import.meta.url)(name) as T;
    return loaded;
  };
}
const snappy = lazily<typeof Snappy>('snappy');
const lz4 = lazily<typeof Lz4>('lz4-napi');

/** Without this option the output's memory belongs to the addon, which makes it 3 to 7 times slower. */
const SNAPPY_OPTIONS = { asBuffer: true, copyOutputData: true };

export function compress(codec: Codec, bytes: Buffer, effort: CompressionEffort = 'quick'): Buffer {
  switch (codec) {
    case 'gzip':
      return gzipSync(bytes, { level: GZIP_LEVELS[effort] });
    case 'snappy':
      return snappy().compressSync(bytes, SNAPPY_OPTIONS);
    case 'lz4':
      return lz4().compressFrameSync(bytes);
    case 'zstd':
      return zstdCompressSync(bytes, {
        pledgedSrcSize: bytes.length,
        params: { [constants.ZSTD_c_compressionLevel]: ZSTD_LEVELS[effort] },
      });
  }
}

/** The bytes that were compressed; CORRUPT_MESSAGE unless there are exactly `expectedLength` of them. */
export function decompress(codec: Codec, bytes: Buffer, expectedLength: number): Buffer {
  let output: Buffer;
  try {
    output = decompressBounded(codec, bytes, expectedLength);
  } catch (cause) {
    if (cause instanceof SeglogError) throw cause;
    throw corrupt(codec, `cannot be decompressed to ${expectedLength} bytes`, cause);
  }
  if (output.length === expectedLength) return output;
  throw corrupt(codec, `decompress to ${output.length} bytes, not to ${expectedLength}`);
}

function decompressBounded(codec: Codec, bytes: Buffer, expectedLength: number): Buffer {
  // The convenience methods of node:zlib do stop at maxOutputLength, unlike its streams. One byte of room
  // beyond the output spares them a second piece.
  const bounds = {
    maxOutputLength: Math.max(1, expectedLength),
    chunkSize: Math.min(Math.max(expectedLength + 1, constants.Z_MIN_CHUNK), MAX_CHUNK_BYTES),
  };
  switch (codec) {
    case 'gzip':
      return gunzipSync(bytes, bounds);
    case 'snappy':
      checkSnappyLength(bytes, expectedLength);
      return snappy().uncompressSync(bytes, SNAPPY_OPTIONS) as Buffer;
    case 'lz4':
      checkLz4Length(bytes, expectedLength);
      return lz4().decompressFrameSync(bytes);
    case 'zstd':
      return zstdDecompressSync(bytes, {
        ...bounds,
        params: { [constants.ZSTD_d_windowLogMax]: ZSTD_WINDOW_LOG_MAX },
      });
  }
}

/** A snappy block begins with its length uncompressed, which the addon allocates at once. */
function checkSnappyLength(bytes: Buffer, expectedLength: number): void {
  let length = 0;
  for (let i = 0; i < 5; i++) {
    const byte = bytes[i] ?? 0xff;
    length += (byte & 0x7f) * 2 ** (7 * i);
    if (byte < 0x80) {
      if (length !== expectedLength) throw corrupt('snappy', `hold ${length} bytes, not ${expectedLength}`);
      if (length > bytes.length * SNAPPY_MAX_RATIO)
        throw corrupt('snappy', `are too few for ${length} bytes`);
      return;
    }
  }
  throw corrupt('snappy', 'do not begin with a length');
}

/**
 * Walks the blocks of an lz4 frame and adds up the most that each can become: the addon has no limit of
 * its own. Blocks are taken as full but for the room of one, as encoders make them.
 */
function checkLz4Length(bytes: Buffer, expectedLength: number): void {
  const frame = lz4Frame(bytes);
  let most = 0;
  let at = frame.headerBytes;
  for (;;) {
    if (at + 4 > bytes.length) throw corrupt('lz4', 'end before their end mark');
    const word = bytes.readUInt32LE(at);
    at += 4;
    if (word === 0) break;
    const size = word & 0x7fff_ffff;
    most += Math.min(frame.blockBytes, word === size ? size * LZ4_MAX_RATIO : size);
    at += size + frame.blockChecksumBytes;
  }
  if (at + frame.contentChecksumBytes !== bytes.length) throw corrupt('lz4', 'are no single frame');
  if (most < expectedLength || most > expectedLength + frame.blockBytes) {
    throw corrupt('lz4', `have blocks for up to ${most} bytes, not for ${expectedLength}`);
  }
}

function lz4Frame(bytes: Buffer) {
  if (bytes.length < LZ4_SMALLEST_HEADER_BYTES || bytes.readUInt32LE(0) !== LZ4_MAGIC) {
    throw corrupt('lz4', 'do not begin with a frame');
  }
  const flags = bytes[4]!;
  const blockSizeId = (bytes[5]! >>> 4) & 0b111;
  if (blockSizeId < 4) throw corrupt('lz4', `have blocks of the unknown size ${blockSizeId}`);
  return {
    headerBytes: LZ4_SMALLEST_HEADER_BYTES + (flags & 0b1000 ? 8 : 0) + (flags & 0b1 ? 4 : 0),
    blockBytes: 4 ** (blockSizeId + 4),
    blockChecksumBytes: flags & 0b1_0000 ? 4 : 0,
    contentChecksumBytes: flags & 0b100 ? 4 : 0,
  };
}

function corrupt(codec: Codec, what: string, cause?: unknown): SeglogError {
  return new SeglogError('CORRUPT_MESSAGE', `the ${codec} bytes of a batch ${what}`, { codec }, { cause });
}
