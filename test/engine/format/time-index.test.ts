import fc from 'fast-check';
import t from 'tap';
import { writeFileHeader } from '../../../src/engine/format/file-header.ts';
import { TimeIndex, type TimeIndexEntry } from '../../../src/engine/format/time-index.ts';

const BASE = 2 ** 40;
const T = 1_763_700_000_000;

const entriesOf = (index: TimeIndex) => Array.from({ length: index.entries }, (_, i) => index.entry(i));

function rewritten(change: (bytes: Buffer) => unknown, version = 1): Buffer {
  const index = TimeIndex.empty(BASE);
  index.append(T, BASE + 4);
  index.append(T + 1000, BASE + 9);
  const [bytes] = index.encode(BASE + 20, 9000);
  change(bytes!);
  writeFileHeader(bytes!, { magic: 'SLTI', version, name: '' });
  return bytes!;
}

t.test(
  'no record before the offset of a lookup has that timestamp, in whatever order records come',
  async (t) => {
    const records = fc.array(
      fc.record({ timestamp: fc.integer({ min: -50, max: 200 }), indexed: fc.boolean() }),
    );
    fc.assert(
      fc.property(records, fc.integer({ min: -60, max: 210 }), (given, wanted) => {
        const index = TimeIndex.empty(BASE);
        let max = Number.NEGATIVE_INFINITY;
        for (const [i, { timestamp, indexed }] of given.entries()) {
          max = Math.max(max, timestamp);
          if (indexed) index.append(max, BASE + i);
        }
        const first = given.findIndex(({ timestamp }) => timestamp >= wanted);
        const from = index.lookup(wanted);
        return from >= BASE && from <= BASE + (first < 0 ? given.length : first);
      }),
    );
    const index = TimeIndex.decode(
      rewritten(() => {}),
      BASE,
    )!.index;
    t.equal(index.lookup(T - 1), BASE);
    t.equal(index.lookup(T), BASE, 'the timestamp may occur before the entry');
    t.equal(index.lookup(T + 1), BASE + 5);
    t.equal(index.lookup(T + 1000), BASE + 5);
    t.equal(index.lookup(T + 1001), BASE + 10);
  },
);

t.test('entries are made only while the maximum grows', async (t) => {
  const index = TimeIndex.empty(BASE);
  for (const [timestamp, relative] of [
    [5, 0],
    [5, 1],
    [4, 2],
    [6, 3],
    [6, 4],
  ] as const) {
    index.append(timestamp, BASE + relative);
  }
  t.same(entriesOf(index), [
    { timestamp: 5, offset: BASE },
    { timestamp: 6, offset: BASE + 3 },
  ]);
});

t.test('files come back', async (t) => {
  const steps = fc.array(fc.tuple(fc.integer({ min: 1, max: 2 ** 40 }), fc.integer({ min: 1, max: 99 })), {
    maxLength: 60,
  });
  fc.assert(
    fc.property(steps, fc.integer({ min: -(2 ** 50), max: 2 ** 50 }), (given, start) => {
      const index = TimeIndex.empty(BASE);
      const entries: TimeIndexEntry[] = [];
      let timestamp = start;
      let offset = BASE - 1;
      for (const [ms, offsets] of given) {
        timestamp += ms;
        offset += offsets;
        entries.push({ timestamp, offset });
        index.append(timestamp, offset);
      }
      const stored = TimeIndex.decode(index.encode(BASE + 10_000, 1_000_000)[0]!, BASE)!;
      t.same(entriesOf(stored.index), entries);
      t.equal(stored.coveredEndOffset, BASE + 10_000);
      t.equal(stored.coveredEndPosition, 1_000_000);
      t.equal(stored.index.sizeInBytes, entries.length * 12);
    }),
    { numRuns: 40 },
  );
});

t.test('a file is laid out as docs/format.md says', async (t) => {
  const bytes = rewritten(() => {});
  t.equal(bytes.toString('latin1', 0, 4), 'SLTI');
  t.equal(bytes.readBigUInt64LE(16), BigInt(BASE));
  t.equal(bytes.readBigUInt64LE(24), BigInt(BASE + 20));
  t.equal(bytes.readBigUInt64LE(32), 9000n);
  t.equal(bytes.readUInt32LE(40), 2);
  t.equal(bytes.readBigInt64LE(48), BigInt(T));
  t.equal(bytes.readUInt32LE(56), 4);
  t.equal(bytes.readBigInt64LE(60), BigInt(T + 1000));
  t.equal(bytes.readUInt32LE(68), 9);
  t.equal(bytes.length, 72);
});

t.test('an index that was read grows on', async (t) => {
  const { index } = TimeIndex.decode(
    rewritten(() => {}),
    BASE,
  )!;
  index.append(T + 2000, BASE + 30);
  t.equal(index.lookup(T + 3000), BASE + 31);
  t.equal(index.entries, 3);
});

t.test('entries at or after the covered end are not written', async (t) => {
  const index = TimeIndex.empty(BASE);
  for (const n of [10, 20, 30]) index.append(T + n, BASE + n);
  for (const [end, expected] of [
    [BASE + 10, 0],
    [BASE + 11, 1],
    [BASE + 30, 2],
    [BASE + 31, 3],
  ] as const) {
    t.equal(TimeIndex.decode(index.encode(end, 3001)[0]!, BASE)?.index.entries, expected, `${end - BASE}`);
  }
});

t.test('every changed bit and every truncation of a file is noticed', async (t) => {
  const bytes = rewritten(() => {});
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    bytes[bit >> 3]! ^= 1 << (bit & 7);
    if (TimeIndex.decode(bytes, BASE) !== undefined) t.fail(`bit ${bit}`);
    bytes[bit >> 3]! ^= 1 << (bit & 7);
  }
  for (let end = 0; end < bytes.length; end++) {
    if (TimeIndex.decode(Buffer.from(bytes.subarray(0, end)), BASE) !== undefined) t.fail(`cut to ${end}`);
  }
  t.ok(TimeIndex.decode(bytes, BASE));
});

t.test('what contradicts itself is no index, though its checksum is right', async (t) => {
  const cases: [string, (b: Buffer) => unknown][] = [
    ['another segment', (b) => b.writeBigUInt64LE(1n, 16)],
    ['a covered end that is no safe integer', (b) => b.writeBigUInt64LE(2n ** 53n, 24)],
    ['a covered position that is no safe integer', (b) => b.writeBigUInt64LE(2n ** 63n, 32)],
    ['a covered end before the segment', (b) => b.writeBigUInt64LE(BigInt(BASE - 1), 24)],
    ['a covered end before an entry', (b) => b.writeBigUInt64LE(BigInt(BASE + 9), 24)],
    ['4 billion entries', (b) => b.writeUInt32LE(2 ** 32 - 1, 40)],
    ['fewer entries', (b) => b.writeUInt32LE(1, 40)],
    ['a timestamp twice', (b) => b.writeBigInt64LE(BigInt(T), 60)],
    ['a timestamp that is no safe integer', (b) => b.writeBigInt64LE(2n ** 53n, 60)],
    ['an offset twice', (b) => b.writeUInt32LE(4, 68)],
  ];
  for (const [name, change] of cases) t.equal(TimeIndex.decode(rewritten(change), BASE), undefined, name);
  t.throws(
    () =>
      TimeIndex.decode(
        rewritten(() => {}, 2),
        BASE,
      ),
    { code: 'UNSUPPORTED_VERSION' },
  );
  const short = Buffer.alloc(20);
  writeFileHeader(short, { magic: 'SLTI', version: 1, name: '' });
  t.equal(TimeIndex.decode(short, BASE), undefined, 'a file of 20 bytes');
});

t.test('any content with a right checksum gives an index or none', async () => {
  const change = fc.tuple(fc.nat(), fc.nat(255));
  fc.assert(
    fc.property(fc.array(change, { maxLength: 4 }), fc.option(fc.nat(), { freq: 3 }), (changes, cut) => {
      const bytes = rewritten(() => {});
      for (const [at, byte] of changes) bytes[at % bytes.length] = byte;
      const kept = Buffer.from(bytes.subarray(0, cut === null ? bytes.length : 16 + (cut % bytes.length)));
      writeFileHeader(kept, { magic: 'SLTI', version: 1, name: '' });
      const stored = TimeIndex.decode(kept, BASE);
      return stored === undefined || stored.index.entries <= kept.length;
    }),
    { numRuns: 1000, seed: 5 },
  );
});

t.test('what does not fit into 32 bits is left out, what is out of order is our own mistake', async (t) => {
  const index = TimeIndex.empty(BASE);
  index.append(T, BASE + 5);
  index.append(T + 1, BASE + 2 ** 32);
  t.equal(index.entries, 1);
  t.throws(() => index.append(T + 1, BASE + 5), { code: 'ERR_ASSERTION' });
  t.throws(() => index.append(T + 1, BASE - 1), { code: 'ERR_ASSERTION' });
  t.throws(() => index.append(Number.NaN, BASE + 6), { code: 'ERR_ASSERTION' });
  t.throws(() => index.entry(1), { code: 'ERR_ASSERTION' });
});
