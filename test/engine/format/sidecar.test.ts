import fc from 'fast-check';
import t from 'tap';
import { writeFileHeader } from '../../../src/engine/format/file-header.ts';
import { decodeSidecar, encodeLargeSidecar, encodeSidecar } from '../../../src/engine/format/sidecar.ts';

/** A sidecar with this body, whatever it is, and a good checksum. */
function withBody(body: Uint8Array, version = 1): Buffer {
  const bytes = Buffer.concat([Buffer.alloc(16), body]);
  writeFileHeader(bytes, { magic: 'SLCP', version, name: '' });
  return bytes;
}

t.test('bodies come back', async (t) => {
  const body = fc.dictionary(
    fc.string(),
    fc.oneof(
      fc.maxSafeInteger(),
      fc.string(),
      fc.boolean(),
      fc.constant(null),
      fc.array(fc.maxSafeInteger()),
    ),
  );
  for (const kind of ['summary', 'checkpoint', 'clean'] as const) {
    fc.assert(
      fc.property(body, (given) => {
        fc.pre(!Object.hasOwn(given, '__proto__'));
        t.same(decodeSidecar(kind, encodeSidecar(kind, given)), given);
      }),
      { numRuns: 20 },
    );
  }
});

t.test('two sidecars at once do not share memory', async (t) => {
  const first = encodeSidecar('clean', { a: 1 });
  const second = encodeSidecar('clean', { b: 2 });
  t.same(decodeSidecar('clean', first), { a: 1 });
  t.same(decodeSidecar('clean', second), { b: 2 });
});

t.test('one kind is not taken for another', async (t) => {
  const bytes = encodeSidecar('summary', { a: 1 });
  t.equal(bytes.toString('latin1', 0, 4), 'SLSU');
  t.equal(decodeSidecar('checkpoint', bytes), undefined);
  t.equal(decodeSidecar('clean', bytes), undefined);
});

t.test('a newer version is refused', async (t) => {
  t.throws(() => decodeSidecar('checkpoint', withBody(Buffer.from([1]), 2)), {
    code: 'UNSUPPORTED_VERSION',
    message: /a checkpoint/,
  });
});

t.test('every changed bit and every truncation is noticed', async (t) => {
  const bytes = encodeSidecar('checkpoint', { recoveryPoint: 77, name: 'text' });
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    bytes[bit >> 3]! ^= 1 << (bit & 7);
    if (decodeSidecar('checkpoint', bytes) !== undefined) t.fail(`bit ${bit}`);
    bytes[bit >> 3]! ^= 1 << (bit & 7);
  }
  for (let end = 0; end < bytes.length; end++) {
    if (decodeSidecar('checkpoint', Buffer.from(bytes.subarray(0, end))) !== undefined)
      t.fail(`cut to ${end}`);
  }
});

t.test('a body that is no msgpack value is damage, whatever it claims', async (t) => {
  const cases: [string, string][] = [
    ['nothing', ''],
    ['two values', '0101'],
    ['text of 4 GiB', 'dbffffffff61'],
    ['bytes of 4 GiB', 'c6ffffffff61'],
    ['an array of 4 billion', 'ddffffffff01'],
    ['an array of 16 million', 'dd0100000001'],
    ['a map of 4 billion', 'dfffffffff0101'],
    ['an extension of 4 GiB', 'c9ffffffff0101'],
    ['a byte that means nothing', 'c1'],
    ['a map with the key __proto__', '81a95f5f70726f746f5f5f01'],
  ];
  const before = process.resourceUsage().maxRSS;
  for (const [name, hex] of cases) {
    t.equal(decodeSidecar('checkpoint', withBody(Buffer.from(hex, 'hex'))), undefined, name);
  }
  t.equal(decodeSidecar('checkpoint', withBody(Buffer.alloc(100_000, 0x91))), undefined, 'arrays in arrays');
  t.ok(process.resourceUsage().maxRSS - before < 64 * 1024);
});

t.test('any body gives a value or undefined', async () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (body) => {
      decodeSidecar('checkpoint', withBody(body));
    }),
    { numRuns: 500, seed: 3 },
  );
});

t.test('a large one is made in pieces, of the same bytes, and never for long at a time', async (t) => {
  const MIB = 1024 * 1024;
  const small = { topicId: 'ab'.repeat(16), partition: 3, offset: 2 ** 40 };
  for (const length of [0, 255, 256, 65_535, 65_536, 9 * MIB]) {
    const large = { producers: Buffer.alloc(length, 7), keys: Buffer.alloc(length, 'x') };
    let pauses = 0;
    const pieces = await encodeLargeSidecar('producers', small, large, async () => void pauses++);
    t.ok(Buffer.concat(pieces).equals(encodeSidecar('producers', { ...small, ...large })), `${length}`);
    t.equal(pauses, length > MIB ? 4 : 0);
    t.equal(pieces.includes(large.keys), true, 'nothing large is copied');
  }
});
