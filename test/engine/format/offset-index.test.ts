import fc from 'fast-check';
import t from 'tap';
import { writeFileHeader } from '../../../src/engine/format/file-header.ts';
import { OffsetIndex, type OffsetIndexEntry } from '../../../src/engine/format/offset-index.ts';

const BASE = 2 ** 40;

const entriesOf = (index: OffsetIndex) => Array.from({ length: index.entries }, (_, i) => index.entry(i));

/** Entries of an index as some log may have made them. */
const someEntries = fc
  .array(fc.tuple(fc.integer({ min: 1, max: 90 }), fc.integer({ min: 1, max: 9000 })), { maxLength: 60 })
  .map((steps) => {
    const entries: OffsetIndexEntry[] = [];
    let offset = BASE - 1;
    let position = 63;
    for (const [offsets, bytes] of steps) {
      offset += offsets;
      position += bytes;
      entries.push({ offset, position });
    }
    return entries;
  });

function indexOf(entries: OffsetIndexEntry[]): OffsetIndex {
  const index = OffsetIndex.empty(BASE);
  for (const { offset, position } of entries) index.append(offset, position);
  return index;
}

/** A file with some bytes set and the checksum made good again. */
function rewritten(change: (bytes: Buffer) => unknown, version = 1): Buffer {
  const index = indexOf([
    { offset: BASE, position: 64 },
    { offset: BASE + 9, position: 5000 },
  ]);
  const [bytes] = index.encode(BASE + 20, 9000);
  change(bytes!);
  writeFileHeader(bytes!, { magic: 'SLOI', version, name: '' });
  return bytes!;
}

t.test('a lookup gives the last entry at or before the offset', async (t) => {
  fc.assert(
    fc.property(someEntries, fc.integer({ min: -5, max: 3000 }), (entries, relative) => {
      const index = indexOf(entries);
      t.same(
        index.lookup(BASE + relative),
        entries.findLast(({ offset }) => offset <= BASE + relative),
      );
      for (const entry of entries) t.same(index.lookup(entry.offset), entry);
    }),
    { numRuns: 40 },
  );
});

t.test('files come back', async (t) => {
  fc.assert(
    fc.property(someEntries, (entries) => {
      const [bytes] = indexOf(entries).encode(BASE + 10_000, 1_000_000);
      const stored = OffsetIndex.decode(bytes!, BASE)!;
      t.same(entriesOf(stored.index), entries);
      t.equal(stored.coveredEndOffset, BASE + 10_000);
      t.equal(stored.coveredEndPosition, 1_000_000);
      t.equal(stored.index.sizeInBytes, entries.length * 8);
    }),
    { numRuns: 40 },
  );
});

t.test('a file is laid out as docs/format.md says', async (t) => {
  const bytes = rewritten(() => {});
  t.equal(bytes.toString('latin1', 0, 4), 'SLOI');
  t.equal(bytes.readBigUInt64LE(16), BigInt(BASE));
  t.equal(bytes.readBigUInt64LE(24), BigInt(BASE + 20));
  t.equal(bytes.readBigUInt64LE(32), 9000n);
  t.equal(bytes.readUInt32LE(40), 2);
  t.equal(bytes.readUInt32LE(44), 0);
  t.same(
    [48, 52, 56, 60].map((at) => bytes.readUInt32LE(at)),
    [0, 64, 9, 5000],
  );
  t.equal(bytes.length, 64);
});

t.test('an index that was read grows on', async (t) => {
  const { index } = OffsetIndex.decode(
    rewritten(() => {}),
    BASE,
  )!;
  index.append(BASE + 30, 9500);
  t.same(index.lookup(BASE + 99), { offset: BASE + 30, position: 9500 });
  t.equal(index.entries, 3);
});

t.test('entries at or after the covered end are not written', async (t) => {
  const index = indexOf([10, 20, 30].map((n) => ({ offset: BASE + n, position: 100 * n })));
  for (const [end, expected] of [
    [BASE + 10, 0],
    [BASE + 11, 1],
    [BASE + 30, 2],
    [BASE + 31, 3],
  ] as const) {
    t.equal(OffsetIndex.decode(index.encode(end, 3001)[0]!, BASE)?.index.entries, expected, `${end - BASE}`);
  }
});

t.test('every changed bit and every truncation of a file is noticed', async (t) => {
  const bytes = rewritten(() => {});
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    bytes[bit >> 3]! ^= 1 << (bit & 7);
    if (OffsetIndex.decode(bytes, BASE) !== undefined) t.fail(`bit ${bit}`);
    bytes[bit >> 3]! ^= 1 << (bit & 7);
  }
  for (let end = 0; end < bytes.length; end++) {
    if (OffsetIndex.decode(Buffer.from(bytes.subarray(0, end)), BASE) !== undefined) t.fail(`cut to ${end}`);
  }
  t.ok(OffsetIndex.decode(bytes, BASE));
});

t.test('what contradicts itself is no index, though its checksum is right', async (t) => {
  const cases: [string, (b: Buffer) => unknown][] = [
    ['another segment', (b) => b.writeBigUInt64LE(1n, 16)],
    ['a covered end that is no safe integer', (b) => b.writeBigUInt64LE(2n ** 53n, 24)],
    ['a covered position that is no safe integer', (b) => b.writeBigUInt64LE(2n ** 63n, 32)],
    ['a covered end before the segment', (b) => b.writeBigUInt64LE(BigInt(BASE - 1), 24)],
    ['a covered end before an entry', (b) => b.writeBigUInt64LE(BigInt(BASE + 9), 24)],
    ['a covered position before an entry', (b) => b.writeBigUInt64LE(5000n, 32)],
    ['4 billion entries', (b) => b.writeUInt32LE(2 ** 32 - 1, 40)],
    ['fewer entries', (b) => b.writeUInt32LE(1, 40)],
    ['an offset twice', (b) => b.writeUInt32LE(0, 56)],
    ['a position twice', (b) => b.writeUInt32LE(64, 60)],
  ];
  for (const [name, change] of cases) t.equal(OffsetIndex.decode(rewritten(change), BASE), undefined, name);
  t.throws(
    () =>
      OffsetIndex.decode(
        rewritten(() => {}, 2),
        BASE,
      ),
    { code: 'UNSUPPORTED_VERSION' },
  );
  const short = Buffer.alloc(20);
  writeFileHeader(short, { magic: 'SLOI', version: 1, name: '' });
  t.equal(OffsetIndex.decode(short, BASE), undefined, 'a file of 20 bytes');
});

t.test('any content with a right checksum gives an index or none', async () => {
  const change = fc.tuple(fc.nat(), fc.nat(255));
  fc.assert(
    fc.property(fc.array(change, { maxLength: 4 }), fc.option(fc.nat(), { freq: 3 }), (changes, cut) => {
      const bytes = rewritten(() => {});
      for (const [at, byte] of changes) bytes[at % bytes.length] = byte;
      const kept = Buffer.from(bytes.subarray(0, cut === null ? bytes.length : 16 + (cut % bytes.length)));
      writeFileHeader(kept, { magic: 'SLOI', version: 1, name: '' });
      const stored = OffsetIndex.decode(kept, BASE);
      return stored === undefined || stored.index.entries <= kept.length;
    }),
    { numRuns: 1000, seed: 5 },
  );
});

t.test('what does not fit into 32 bits is left out, what is out of order is our own mistake', async (t) => {
  const index = indexOf([{ offset: BASE + 5, position: 500 }]);
  index.append(BASE + 2 ** 32, 1000);
  index.append(BASE + 6, 2 ** 32);
  t.equal(index.entries, 1);
  for (const [offset, position] of [
    [BASE + 5, 600],
    [BASE + 6, 500],
    [BASE - 1, 600],
  ] as const) {
    t.throws(() => index.append(offset, position), { code: 'ERR_ASSERTION' });
  }
  t.throws(() => index.entry(1), { code: 'ERR_ASSERTION' });
});
