import fc from 'fast-check';
import t from 'tap';
import { isSeglogError } from '../../../src/engine/common/errors.ts';
import type { CompressionType } from '../../../src/engine/common/types.ts';
import { batchSize, stampBatch } from '../../../src/engine/format/record-batch.ts';
import { RecordBatchBuilder } from '../../../src/engine/format/record-batch-builder.ts';
import {
  decodeHeaders,
  decodeRecords,
  visitRecords,
} from '../../../src/engine/format/record-batch-reader.ts';

const T = 1_763_700_000_000;

function batch(baseOffset: number, values: (string | null)[], compression: CompressionType = 'none'): Buffer {
  const builder = new RecordBatchBuilder();
  for (const [i, value] of values.entries()) {
    builder.add(T + i, `key ${i}`, value, [{ key: 'index', value: String(i) }]);
  }
  const { bytes } = builder.finish(compression);
  stampBatch(bytes, baseOffset, 0);
  return bytes;
}

const words = (count: number) => Array.from({ length: count }, (_, i) => `value ${i} ${'.'.repeat(40)}`);

function visited(chunk: Buffer, fromOffset: number): number[] {
  const offsets: number[] = [];
  visitRecords(chunk, fromOffset, (offset) => void offsets.push(offset));
  return offsets;
}

t.test('positions lead to the bytes of each record', async (t) => {
  for (const codec of ['none', 'zstd'] as const) {
    const seen: unknown[] = [];
    visitRecords(
      batch(40, ['first', null, '', ...words(50)], codec),
      0,
      (offset, timestamp, chunk, keyStart, keyEnd, valueStart, valueEnd, headersStart) => {
        const key = chunk.toString('utf8', keyStart, keyEnd);
        const value = valueStart < 0 ? null : chunk.toString('utf8', valueStart, valueEnd);
        const headers = decodeHeaders(chunk, headersStart).map((header) => [
          header.key,
          String(header.value),
        ]);
        seen.push([offset, timestamp, key, value, headers]);
        return offset < 42;
      },
    );
    t.same(seen, [
      [40, T, 'key 0', 'first', [['index', '0']]],
      [41, T + 1, 'key 1', null, [['index', '1']]],
      [42, T + 2, 'key 2', '', [['index', '2']]],
    ]);
  }
});

t.test('a null key or value has no positions, an empty one does', async (t) => {
  const builder = new RecordBatchBuilder();
  builder.add(T, null, null);
  builder.add(T, '', '');
  const seen: number[][] = [];
  visitRecords(builder.finish('none').bytes, 0, (_o, _t, _c, keyStart, keyEnd, valueStart, valueEnd) => {
    seen.push([keyStart, keyEnd, valueStart, valueEnd]);
  });
  t.same(seen[0], [-1, -1, -1, -1]);
  t.ok(seen[1]!.every((position) => position > 0));
  t.equal(seen[1]![0], seen[1]![1]);
});

t.test('visiting begins at the offset asked for, across batches and codecs', async (t) => {
  const chunk = Buffer.concat([
    batch(100, words(5)),
    batch(105, words(5), 'lz4'),
    batch(200, words(3), 'gzip'),
  ]);
  t.same(visited(chunk, 0).length, 13);
  t.same(visited(chunk, 104), [104, 105, 106, 107, 108, 109, 200, 201, 202]);
  t.same(visited(chunk, 110), [200, 201, 202]);
  t.same(visited(chunk, 202), [202]);
  t.same(visited(chunk, 203), []);
  t.same(visited(Buffer.alloc(0), 0), []);
});

t.test('batches before the offset asked for are not decoded', async (t) => {
  const old = batch(100, words(5), 'zstd');
  old.fill(0xff, 80);
  t.same(visited(Buffer.concat([old, batch(105, ['new'])]), 105), [105]);
});

t.test('the visitor’s false stops the visit, and is told', async (t) => {
  const chunk = Buffer.concat([batch(0, words(3)), batch(3, words(3))]);
  const offsets: number[] = [];
  const stopAt = (last: number) =>
    visitRecords(chunk, 1, (offset) => {
      offsets.push(offset);
      return offset !== last;
    });
  t.equal(stopAt(2), false);
  t.same(offsets, [1, 2]);
  t.equal(stopAt(99), true);
});

t.test('records are decoded over all chunks, up to a count', async (t) => {
  const chunks = [batch(10, words(4)), batch(14, words(4), 'snappy')];
  t.same(
    decodeRecords(chunks, 12).map(({ offset }) => offset),
    [12, 13, 14, 15, 16, 17],
  );
  t.same(
    decodeRecords(chunks, 12, 3).map(({ offset }) => offset),
    [12, 13, 14],
  );
  t.same(decodeRecords(chunks, 12, 0), []);
  t.same(decodeRecords([], 0), []);
});

t.test('offsets that compaction removed are passed over', async (t) => {
  const bytes = batch(50, ['a', 'b', 'c']);
  bytes.writeUInt32LE(9, 24); // last offset delta
  bytes[80 + 3] = 2 << 1; // offset delta of the first record
  bytes[80 + 3 + 1 + bytes[80]! / 2] = 5 << 1;
  bytes[80 + 3 + 2 * (1 + bytes[80]! / 2)] = 9 << 1;
  t.same(visited(bytes, 0), [52, 55, 59]);
  t.same(visited(bytes, 53), [55, 59]);
});

t.test('malformed records are CORRUPT_MESSAGE', async (t) => {
  const good = batch(0, ['aaaa', 'bbbb', 'cccc']);
  const size = 1 + good[80]! / 2;
  const cases: [string, (b: Buffer) => void][] = [
    ['a length beyond the batch', (b) => (b[80 + 2 * size] = 0x7e)],
    ['a negative length', (b) => (b[80] = 0x01)],
    ['a length too short for the fields', (b) => (b[80]! -= 2)],
    ['a length too long for the fields', (b) => (b[80]! += 2)],
    ['a length of zero', (b) => (b[80] = 0)],
    ['an offset twice', (b) => (b[80 + size + 3] = 0)],
    ['an offset beyond the last', (b) => (b[80 + 2 * size + 3] = 6)],
    ['a negative offset', (b) => (b[80 + 3] = 1)],
    ['a key beyond the record', (b) => (b[80 + 4] = 0x7e)],
    ['a key of length -2', (b) => (b[80 + 4] = 0x03)],
    ['a header without a key', (b) => (b[80 + size - 8] = 0x01)],
    ['a negative count of headers', (b) => (b[80 + size - 9] = 0x01)],
    ['more headers than there are', (b) => (b[80 + size - 9] = 0x04)],
    ['more records than there are', (b) => b.writeUInt32LE(4, 28)],
    ['fewer records than there are', (b) => b.writeUInt32LE(2, 28)],
    ['an unsafe base offset', (b) => b.writeBigUInt64LE(2n ** 60n, 16)],
    ['an unsafe base timestamp', (b) => b.writeBigInt64LE(2n ** 60n, 32)],
    ['an unsafe timestamp', (b) => b.writeBigInt64LE(2n ** 53n - 1n, 32)],
  ];
  for (const [name, change] of cases) {
    const bytes = Buffer.from(good);
    change(bytes);
    t.throws(() => visited(bytes, 0), { name: 'SeglogError', code: 'CORRUPT_MESSAGE' }, name);
  }
});

t.test('bytes that are no whole batch are CORRUPT_MESSAGE, after the batches before', async (t) => {
  const chunk = Buffer.concat([batch(0, ['a']), batch(1, ['b'])]);
  const first = batchSize(chunk, 0);
  const seen: number[] = [];
  const visit = (bytes: Buffer) => visitRecords(bytes, 0, (offset) => void seen.push(offset));
  t.throws(() => visit(chunk.subarray(0, -1)), { code: 'CORRUPT_MESSAGE', details: { position: first } });
  t.same(seen, [0]);
  t.throws(() => visit(chunk.subarray(0, first + 3)), { code: 'CORRUPT_MESSAGE' });
  t.throws(() => visit(Buffer.alloc(100)), { code: 'CORRUPT_MESSAGE', details: { position: 0 } });
  t.throws(() => visit(Buffer.alloc(100, 0xff)), { code: 'CORRUPT_MESSAGE' });
});

t.test('a header that claims 4 GiB, or 512 MiB, costs no memory', async (t) => {
  for (const codec of ['gzip', 'snappy', 'lz4', 'zstd'] as const) {
    for (const claim of [2 ** 32 - 1, 2 ** 29]) {
      const bytes = batch(0, words(20), codec);
      bytes.writeUInt32LE(claim, 72);
      const before = process.resourceUsage().maxRSS;
      t.throws(() => visited(bytes, 0), { code: 'CORRUPT_MESSAGE' }, `${codec} ${claim}`);
      t.ok(process.resourceUsage().maxRSS - before < 16 * 1024);
    }
  }
  const counts = batch(0, ['a']);
  counts.writeUInt32LE(2 ** 32 - 1, 28);
  t.throws(() => decodeRecords([counts], 0), { code: 'CORRUPT_MESSAGE' }, 'records');
});

t.test('any change of any batch gives records or CORRUPT_MESSAGE, and no other error', async () => {
  const batches = (['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const).map((codec) =>
    batch(7, words(8), codec),
  );
  const survives = (bytes: Buffer) => {
    try {
      for (const record of decodeRecords([bytes], 0)) {
        if (!Number.isSafeInteger(record.offset) || !Number.isSafeInteger(record.timestamp)) return false;
      }
      return true;
    } catch (error) {
      return isSeglogError(error, 'CORRUPT_MESSAGE', 'UNSUPPORTED_COMPRESSION_TYPE');
    }
  };
  fc.assert(
    fc.property(
      fc.constantFrom(...batches),
      fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 }),
      fc.option(fc.nat()),
      (good, changes, cut) => {
        const bytes = Buffer.from(good);
        for (const [at, byte] of changes) bytes[at % bytes.length] = byte;
        return survives(cut === null ? bytes : bytes.subarray(0, cut % bytes.length));
      },
    ),
    { numRuns: 2000, seed: 11 },
  );
});
