import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { xxhash3 } from 'hash-wasm';
import t from 'tap';
import addons from 'xxhash-addon';
import { checksumInto, checksumMatches } from '../../../src/engine/format/checksum.ts';

const hexOf = (bytes: Uint8Array) => {
  const target = Buffer.alloc(8);
  checksumInto(bytes, target, 0);
  return target.readBigUInt64LE(0).toString(16).padStart(16, '0');
};

// From the sanity checks of xxHash 0.8 (seed 0); the byte sequence is the one its generator makes.
function sanityBytes(length: number): Buffer {
  const bytes = Buffer.alloc(length);
  let state = 2654435761n;
  for (let i = 0; i < length; i++) {
    bytes[i] = Number(state >> 56n);
    state = (state * 11400714785074694797n) & 0xffffffffffffffffn;
  }
  return bytes;
}

t.test('checksums are XXH3-64 as published, stored little-endian', async (t) => {
  const published: [number, string][] = [
    [0, '2d06800538d394c2'],
    [1, 'c44bdff4074eecdb'],
    [6, '27b56a84cd2d7325'],
    [12, 'a713daf0dfbb77e7'],
    [24, 'a3fe70bf9d3510eb'],
    [48, '397da259ecba1f11'],
    [80, 'bcdefbbb2c47c90a'],
    [195, 'cd94217ee362ec3a'],
    [403, 'cdeb804d65c6dea4'],
    [512, '617e49599013cb6b'],
    [2048, 'dd59e2c3a5f038e0'],
  ];
  for (const [length, expected] of published)
    t.equal(hexOf(sanityBytes(length)), expected, `${length} bytes`);
});

t.test('both packages that compute it agree, whatever the size', async (t) => {
  for (const length of [1, 16, 17, 128, 129, 240, 241, 1023, 1024, 1025, 4095, 4096, 4097, 70_000]) {
    const bytes = sanityBytes(length);
    const addon = Buffer.from(addons.XXHash3.hash(bytes)).toString('hex');
    t.equal(await xxhash3(bytes), addon, `${length} bytes`);
    t.equal(hexOf(bytes), addon, `${length} bytes, through here`);
  }
});

t.test('a stored checksum matches its bytes and no others', async (t) => {
  const bytes = Buffer.from('connection refused');
  const stored = Buffer.alloc(20, 0xff);
  checksumInto(bytes, stored, 5);
  t.ok(checksumMatches(bytes, stored, 5));
  t.equal(stored[4], 0xff);
  t.equal(stored[13], 0xff);
  for (let i = 5; i < 13; i++) {
    stored[i]! ^= 1;
    t.notOk(checksumMatches(bytes, stored, 5), `byte ${i} of the checksum changed`);
    stored[i]! ^= 1;
  }
  bytes[0]! ^= 0x80;
  t.notOk(checksumMatches(bytes, stored, 5), 'a byte of the content changed');
});

t.test('a view of part of a buffer is hashed from its own start', async (t) => {
  const bytes = Buffer.from('xxabcxx');
  t.equal(hexOf(bytes.subarray(2, 5)), hexOf(Buffer.from('abc')));
  t.equal(hexOf(new Uint8Array(bytes.buffer, bytes.byteOffset + 2, 3)), hexOf(Buffer.from('abc')));
});

t.test('what is not bytes is refused before it reaches the addon', async (t) => {
  const target = Buffer.alloc(8);
  for (const wrong of ['text', 7, null, undefined, {}, [1], new ArrayBuffer(8), new Uint16Array(4)]) {
    t.throws(() => checksumInto(wrong as never, target, 0), TypeError);
    t.throws(() => checksumMatches(wrong as never, target, 0), TypeError);
  }
  t.throws(() => checksumInto(target, target, 1), RangeError);
  t.throws(() => checksumMatches(target, target, -1), RangeError);
});

t.test('the addon loads in a worker thread too', async (t) => {
  const url = new URL('../../../src/engine/format/checksum.ts', import.meta.url);
  const worker = new Worker(
    `import(${JSON.stringify(url.href)}).then(({ checksumInto }) => {
      const target = Buffer.alloc(8);
      checksumInto(Buffer.from('abc'), target, 0);
      require('node:worker_threads').parentPort.postMessage(target.readBigUInt64LE(0).toString(16));
    })`,
    { eval: true },
  );
  const [answer] = await once(worker, 'message');
  t.equal(answer, hexOf(Buffer.from('abc')));
  await worker.terminate();
});
