import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib';
import t from 'tap';
import { ByteBudget } from '../../src/server/byte-budget.ts';
import { type ContentCoding, decodeContent } from '../../src/server/content-decoding.ts';

const CODINGS: [name: string, coding: ContentCoding, compress: (bytes: Buffer) => Buffer][] = [
  ['gzip', 'gzip', gzipSync],
  ['deflate', 'deflate', deflateSync],
  ['deflate without its zlib frame', 'deflate', deflateRawSync],
  ['br', 'br', brotliCompressSync],
  ['zstd', 'zstd', zstdCompressSync],
];
const SOURCE = Buffer.from(Array.from({ length: 20_000 }, (_, i) => `line ${i * 7919}\n`).join(''));
const NO_LIMIT = 1e9;

const decode = (coding: ContentCoding, bytes: Buffer, limit = NO_LIMIT, budget = new ByteBudget(NO_LIMIT)) =>
  decodeContent(coding, bytes, limit, budget, (decoded) => Buffer.from(decoded));

for (const [name, coding, compress] of CODINGS) {
  t.test(name, async (t) => {
    const compressed = compress(SOURCE);

    t.test('comes back as it was, and its memory is given back', async (t) => {
      const budget = new ByteBudget(NO_LIMIT);
      t.ok((await decode(coding, compressed, NO_LIMIT, budget)).equals(SOURCE));
      t.equal(budget.used, 0);
    });

    t.test('is given up as soon as it passes its limit', async (t) => {
      const budget = new ByteBudget(NO_LIMIT);
      const bomb = compress(Buffer.alloc(50 * 1024 * 1024));
      await t.rejects(decode(coding, bomb, 100_000, budget), { code: 'decompressed_too_large' });
      t.equal(budget.used, 0);
    });

    t.test('is refused when memory is short', async (t) => {
      const budget = new ByteBudget(50_000);
      await t.rejects(decode(coding, compressed, NO_LIMIT, budget), { code: 'overloaded' });
      t.equal(budget.used, 0);
    });

    t.test('is refused when it is cut, followed by other bytes, or something else', async (t) => {
      for (const bytes of [
        compressed.subarray(0, -1),
        compressed.subarray(0, 20),
        Buffer.concat([compressed, Buffer.from('rest')]),
        Buffer.from('this is no compressed data'),
      ]) {
        await t.rejects(decode(coding, bytes), { code: 'corrupt_payload' });
      }
    });
  });
}

t.test('several members of gzip, and several frames of zstd, are one body', async (t) => {
  for (const [coding, compress] of [
    ['gzip', gzipSync],
    ['zstd', zstdCompressSync],
  ] as const) {
    const twice = Buffer.concat([compress(Buffer.from('one,')), compress(Buffer.from('two'))]);
    t.equal((await decode(coding, twice)).toString(), 'one,two', coding);
  }
});

t.test('a body of very many empty frames is refused', async (t) => {
  const empty = zstdCompressSync(Buffer.alloc(0));
  await t.rejects(decode('zstd', Buffer.concat(Array(2000).fill(empty))), { code: 'corrupt_payload' });
});
