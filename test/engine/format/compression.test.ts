import { randomBytes } from 'node:crypto';
import { constants, gzipSync, zstdCompressSync } from 'node:zlib';
import fc from 'fast-check';
import t from 'tap';
import { isSeglogError } from '../../../src/engine/common/errors.ts';
import { type Codec, compress, decompress } from '../../../src/engine/format/compression.ts';

const CODECS: Codec[] = ['gzip', 'snappy', 'lz4', 'zstd'];
const LINE = '192.168.4.17 - - [12/Nov/2026:10:11:12 +0000] "GET /health HTTP/1.1" 200 17 "-" "probe/1.0"\n';

for (const codec of CODECS) {
  t.test(`${codec}: what was compressed comes back`, async (t) => {
    const inputs: [string, Buffer][] = [
      ['nothing', Buffer.alloc(0)],
      ['one byte', Buffer.from('x')],
      ['text', Buffer.from(LINE.repeat(500))],
      ['noise', randomBytes(70_000)],
      ['64 KiB to the byte', Buffer.alloc(65_536, LINE)],
      ['3 MiB of one line', Buffer.alloc(3 << 20, LINE)],
      ['5 MiB of zeros', Buffer.alloc(5 << 20)],
    ];
    for (const [name, input] of inputs) {
      const output = decompress(codec, compress(codec, input), input.length);
      t.ok(output.equals(input), name);
    }
    const input = Buffer.from(LINE.repeat(100));
    t.ok(compress(codec, input).length < input.length / 5, 'text becomes smaller');
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        const given = Buffer.from(bytes);
        return decompress(codec, compress(codec, given), given.length).equals(given);
      }),
    );
  });

  t.test(`${codec}: output of another length than announced is corrupt`, async (t) => {
    const input = Buffer.from(LINE.repeat(50));
    const bytes = compress(codec, input);
    for (const wrong of [0, 1, input.length - 1, input.length + 1, 2 ** 29, 2 ** 32 - 1]) {
      t.throws(
        () => decompress(codec, bytes, wrong),
        { code: 'CORRUPT_MESSAGE', details: { codec } },
        `${wrong}`,
      );
    }
  });

  t.test(`${codec}: bytes that another wrote are decompressed or CORRUPT_MESSAGE`, async () => {
    const input = Buffer.from(LINE.repeat(20));
    const good = compress(codec, input);
    const survives = (bytes: Buffer, expected: number) => {
      try {
        return decompress(codec, bytes, expected).length === expected;
      } catch (error) {
        return isSeglogError(error, 'CORRUPT_MESSAGE');
      }
    };
    fc.assert(
      fc.property(fc.nat(good.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
        const bytes = Buffer.from(good);
        bytes[at]! ^= change;
        return survives(bytes, input.length) && survives(good.subarray(0, at), input.length);
      }),
      { numRuns: 300, seed: 7 },
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), fc.nat(100), (bytes, expected) =>
        survives(Buffer.from(bytes), expected),
      ),
      { numRuns: 300, seed: 7 },
    );
  });
}

/** Small inputs that become 256 MiB of zeros; made piece by piece, so that making them takes no memory either. */
function bomb(codec: Codec): Buffer {
  const megabyte = Buffer.alloc(1 << 20);
  switch (codec) {
    case 'gzip':
    case 'zstd': // members and frames one after the other are one stream
      return Buffer.concat(Array.from({ length: 256 }, () => compress(codec, megabyte)));
    case 'snappy': {
      const length = Buffer.from('8080808001', 'hex');
      const literal = Buffer.from([0, 0]);
      const copies = Buffer.alloc(3 * ((1 << 28) / 64), Buffer.from('fe0100', 'hex'));
      return Buffer.concat([length, literal, copies]);
    }
    case 'lz4': {
      const frame = compress('lz4', Buffer.alloc(4 << 20));
      const blocks = Array.from({ length: 64 }, () => frame.subarray(7, -4));
      return Buffer.concat([frame.subarray(0, 7), ...blocks, Buffer.alloc(4)]);
    }
  }
}

for (const codec of CODECS) {
  t.test(`${codec}: a small input that becomes much, or is said to, costs little memory`, async (t) => {
    const bytes = bomb(codec);
    decompress(codec, compress(codec, bytes), bytes.length); // loads what is loaded once
    const before = process.resourceUsage().maxRSS;
    t.throws(
      () => decompress(codec, bytes, 100),
      { code: 'CORRUPT_MESSAGE' },
      'it becomes more than announced',
    );
    const few = bytes.subarray(0, 100);
    t.throws(
      () => decompress(codec, few, 2 ** 29),
      { code: 'CORRUPT_MESSAGE' },
      'more is announced than is there',
    );
    const grown = process.resourceUsage().maxRSS - before;
    t.ok(grown < 16 * 1024, `the process’s peak memory grew by ${grown} KiB`);
  });
}

t.test('other encoders’ choices are understood', async (t) => {
  const input = Buffer.from(LINE.repeat(1000));
  t.ok(decompress('gzip', gzipSync(input, { level: 9 }), input.length).equals(input), 'gzip 9');
  const zstd = zstdCompressSync(input, {
    params: { [constants.ZSTD_c_compressionLevel]: 9, [constants.ZSTD_c_checksumFlag]: 1 },
  });
  t.ok(decompress('zstd', zstd, input.length).equals(input), 'zstd 9 with checksum and no size');
});

t.test('frames of the lz4 tool are understood, whatever their options', async (t) => {
  const text = Buffer.from(
    'connection refused, connection refused, connection refused, connection refused\n',
  );
  const block = '1f000000ff05636f6e6e656374696f6e20726566757365642c2014002350757365640a';
  const frames: [string, string][] = [
    ['content checksum', `04224d186440a7${block}00000000b8f8fa6d`],
    ['content size and block checksums', `04224d187c404f0000000000000090${block}0e45cf5900000000b8f8fa6d`],
    ['no checksum', `04224d18604082${block}00000000`],
  ];
  for (const [name, hex] of frames) {
    const frame = Buffer.from(hex, 'hex');
    t.ok(decompress('lz4', frame, text.length).equals(text), name);
    t.throws(() => decompress('lz4', Buffer.concat([frame, frame]), text.length), {
      code: 'CORRUPT_MESSAGE',
    });
  }
});

t.test('a zstd window that is larger than decoders must grant is refused', async (t) => {
  const frame = Buffer.from('28b52ffd0088010000', 'hex'); // no size, window of 2^27 bytes, one empty last block
  t.throws(() => decompress('zstd', frame, 0), { code: 'CORRUPT_MESSAGE' });
});
