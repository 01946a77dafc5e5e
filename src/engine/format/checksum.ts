/**
 * XXH3-64, the checksum of every batch and of every checked file.
 *
 * Two packages compute it. A call of xxhash-addon costs 0.8 µs and leaves memory outside of the heap behind, but it goes
 * through many bytes fastest; hash-wasm takes 0.2 µs for a hundred bytes and is slower from 4 KiB on. This is the only
 * place that calls them: the addon does not look at its argument, and anything but bytes would crash the process. A
 * checksum is stored as a little-endian u64, that is the canonical (big-endian) digest with its bytes reversed.
 */
import { createRequire } from 'node:module';
import type { IHasher } from 'hash-wasm';
import type * as XxhashAddon from 'xxhash-addon';

const require = createRequire(import.meta.url);
const { XXHash3 } = require('xxhash-addon') as typeof XxhashAddon;
/** The one algorithm alone: all of them together are 280 KiB of source. */
const { createXXHash3 } = require('hash-wasm/dist/xxhash3.umd.min.js') as typeof import('hash-wasm');

const CHECKSUM_BYTES = 8;
const FEW_BYTES = 4096;

/** Compiled in the background. Until then, and where WebAssembly is not to be had, the addon does it all. */
let hasherOfFew: IHasher | undefined;
createXXHash3().then(
  (hasher) => {
    hasherOfFew = hasher;
  },
  () => {},
);

function digest(bytes: Uint8Array): Uint8Array {
  if (!(bytes instanceof Uint8Array)) throw new TypeError('a checksum is taken of a Uint8Array');
  if (bytes.length > FEW_BYTES || hasherOfFew === undefined) return XXHash3.hash(bytes as Buffer);
  hasherOfFew.init();
  hasherOfFew.update(bytes);
  return hasherOfFew.digest('binary');
}

function assertRoom(buffer: Buffer, at: number): void {
  if (!(at >= 0 && at + CHECKSUM_BYTES <= buffer.length)) {
    throw new RangeError(`no room for a checksum at ${at} of ${buffer.length} bytes`);
  }
}

/** The checksum of bytes that do not lie in one piece. */
export class ChecksumOfPieces {
  readonly #hash = new XXHash3(Buffer.alloc(8));

  add(bytes: Buffer): void {
    if (!(bytes instanceof Uint8Array)) throw new TypeError('a checksum is taken of a Uint8Array');
    this.#hash.update(bytes);
  }

  /** Writes it to `target[at … at + 8)`, at the end. */
  into(target: Buffer, at: number): void {
    assertRoom(target, at);
    target.set(this.#hash.digest().reverse(), at);
  }
}

/** Writes the checksum of `bytes` to `target[at … at + 8)`. `bytes` must not contain that place. */
export function checksumInto(bytes: Uint8Array, target: Buffer, at: number): void {
  assertRoom(target, at);
  const sum = digest(bytes);
  target[at] = sum[7]!;
  target[at + 1] = sum[6]!;
  target[at + 2] = sum[5]!;
  target[at + 3] = sum[4]!;
  target[at + 4] = sum[3]!;
  target[at + 5] = sum[2]!;
  target[at + 6] = sum[1]!;
  target[at + 7] = sum[0]!;
}

/** Whether `stored[at … at + 8)` is the checksum of `bytes`. */
export function checksumMatches(bytes: Uint8Array, stored: Buffer, at: number): boolean {
  assertRoom(stored, at);
  const sum = digest(bytes);
  return (
    stored[at] === sum[7] &&
    stored[at + 1] === sum[6] &&
    stored[at + 2] === sum[5] &&
    stored[at + 3] === sum[4] &&
    stored[at + 4] === sum[3] &&
    stored[at + 5] === sum[2] &&
    stored[at + 6] === sum[1] &&
    stored[at + 7] === sum[0]
  );
}
