import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib';
import t from 'tap';
import type { ContentCoding } from '../../src/server/content-decoding.ts';
import { decodePieces } from '../../src/server/content-stream.ts';

const CODINGS: [name: string, coding: ContentCoding, compress: (bytes: Buffer) => Buffer][] = [
  ['gzip', 'gzip', gzipSync],
  ['deflate', 'deflate', deflateSync],
  ['deflate without its zlib frame', 'deflate', deflateRawSync],
  ['br', 'br', brotliCompressSync],
  ['zstd', 'zstd', zstdCompressSync],
];
const SOURCE = Buffer.from(Array.from({ length: 1_000 }, (_, i) => `line ${i * 7919}\n`).join(''));
const FREE = 1e9;

/** The bytes in pieces of `size`. */
async function* inPieces(bytes: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function all(pieces: AsyncIterable<Buffer>): Promise<Buffer> {
  const taken: Buffer[] = [];
  for await (const piece of pieces) taken.push(piece);
  return Buffer.concat(taken);
}

async function decode(coding: ContentCoding, bytes: Buffer, size = 1000, free = FREE): Promise<Buffer> {
  return all(decodePieces(coding, inPieces(bytes, size), free));
}

for (const [name, coding, compress] of CODINGS) {
  t.test(name, async (t) => {
    const compressed = compress(SOURCE);

    t.test('comes back as it was, however it is cut', async (t) => {
      for (const size of [1, 2, 7, 1000, compressed.length - 1, compressed.length])
        t.ok((await decode(coding, compressed, size)).equals(SOURCE), `in pieces of ${size}`);
      t.equal((await decode(coding, Buffer.alloc(0))).length, 0);
    });

    t.test('is given up where little becomes too much', async (t) => {
      const bomb = compress(Buffer.alloc(20 * 1024 * 1024));
      await t.rejects(decode(coding, bomb, 1000, 100_000), { code: 'decompressed_too_large' });
      t.equal((await decode(coding, bomb)).length, 20 * 1024 * 1024, 'but not where so much is free');
      t.equal(
        (await decode(coding, compressed, 1000, 100)).length,
        SOURCE.length,
        'nor where it is ordinary',
      );
    });

    t.test('is refused when it is cut, followed by other bytes, or something else', async (t) => {
      for (const bytes of [
        compressed.subarray(0, -1),
        compressed.subarray(0, 20),
        Buffer.concat([compressed, Buffer.from('rest')]),
        Buffer.from('this is no compressed data'),
      ]) {
        for (const size of [1, 1000, compressed.length])
          await t.rejects(decode(coding, bytes, size), { code: 'corrupt_payload' });
      }
    });

    t.test('what its source throws is thrown', async (t) => {
      async function* broken() {
        yield compressed.subarray(0, 100);
        throw new Error('broken off');
      }
      await t.rejects(all(decodePieces(coding, broken(), FREE)), { message: 'broken off' });
    });

    t.test('may be left before its end', async (t) => {
      for await (const piece of decodePieces(coding, inPieces(compressed, 100), FREE)) {
        t.ok(piece.length > 0);
        break;
      }
    });
  });
}

t.test('several members of gzip, and several frames of zstd, are one body', async (t) => {
  for (const [coding, compress] of [
    ['gzip', gzipSync],
    ['zstd', zstdCompressSync],
  ] as const) {
    const frames = Buffer.concat(['one,', 'two,', 'three'].map((text) => compress(Buffer.from(text))));
    for (let size = 1; size <= frames.length; size++)
      t.equal(
        (await decode(coding, frames, size)).toString(),
        'one,two,three',
        `${coding} in pieces of ${size}`,
      );
  }
});

t.test('many frames are one body, unless they hold nothing', async (t) => {
  const line = Buffer.from(Array.from({ length: 200 }, (_, i) => `${(i * 7919) % 1e4}`).join(' '));
  const frame = zstdCompressSync(line);
  const many = Buffer.concat(Array(1500).fill(frame));
  t.equal((await decode('zstd', many)).length, 1500 * line.length);
  const empty = zstdCompressSync(Buffer.alloc(0));
  await t.rejects(decode('zstd', Buffer.concat(Array(2000).fill(empty))), { code: 'corrupt_payload' });
});

t.test('no more is asked for than is taken', async (t) => {
  let asked = 0;
  async function* endless() {
    for (;;) {
      asked++;
      yield zstdCompressSync(SOURCE);
    }
  }
  let pieces = 0;
  for await (const _piece of decodePieces('zstd', endless(), FREE)) if (++pieces === 20) break;
  t.ok(asked < 30, `${asked} for ${pieces}`);
});
