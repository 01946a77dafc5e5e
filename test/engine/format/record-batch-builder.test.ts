import fc from 'fast-check';
import t from 'tap';
import type { BytesLike, CompressionType, ProduceHeader } from '../../../src/engine/common/types.ts';
import {
  batchBaseTimestamp,
  batchCodec,
  batchMaxTimestamp,
  batchRecordCount,
  batchUncompressedBytes,
  checkBatch,
  stampBatch,
} from '../../../src/engine/format/record-batch.ts';
import { RecordBatchBuilder } from '../../../src/engine/format/record-batch-builder.ts';
import { decodeRecords } from '../../../src/engine/format/record-batch-reader.ts';

const T = 1_763_700_000_000;
const CODECS: CompressionType[] = ['none', 'gzip', 'snappy', 'lz4', 'zstd'];

interface Given {
  timestamp: number;
  key: BytesLike | null;
  value: BytesLike | null;
  headers: ProduceHeader[];
}

const bytesLike = fc.oneof(
  fc.uint8Array({ maxLength: 40 }),
  fc.uint8Array({ minLength: 120, maxLength: 140 }).map((bytes) => Buffer.from(bytes)),
  fc.string({ maxLength: 40, unit: 'binary' }),
  fc.string({ minLength: 60, maxLength: 70, unit: 'grapheme' }),
);
const nullable = fc.option(bytesLike, { freq: 4 });
const record: fc.Arbitrary<Given> = fc.record({
  timestamp: fc.oneof(
    fc.integer({ min: T - 1000, max: T + 100_000 }),
    fc.integer({ min: -(2 ** 51), max: 2 ** 51 }),
  ),
  key: nullable,
  value: nullable,
  headers: fc.array(fc.record({ key: fc.string({ maxLength: 9 }), value: nullable }), { maxLength: 3 }),
});

const stored = (bytes: BytesLike | null) => (bytes === null ? null : Buffer.from(bytes as string));
const expected = (given: Given[], baseOffset: number) =>
  given.map(({ timestamp, key, value, headers }, i) => ({
    offset: baseOffset + i,
    timestamp,
    key: stored(key),
    value: stored(value),
    headers: headers.map((header) => ({ key: header.key, value: stored(header.value) })),
  }));

function build(given: Given[], compression: CompressionType, capacityHint?: number) {
  const builder = new RecordBatchBuilder(capacityHint);
  for (const { timestamp, key, value, headers } of given) builder.add(timestamp, key, value, headers);
  return builder.finish(compression);
}

t.test('a record is laid out as in Kafka’s record format 2', async (t) => {
  const builder = new RecordBatchBuilder();
  builder.add(T, 'key', 'value', [{ key: 'h', value: Buffer.from([7]) }]);
  builder.add(T + 64, null, '', [{ key: 'n', value: null }]);
  const { bytes } = builder.finish('none');
  const first = '24 00 00 00 06 6b6579 0a 76616c7565 02 02 68 02 07'.replaceAll(' ', '');
  const second = '14 00 8001 02 01 00 02 02 6e 01'.replaceAll(' ', '');
  t.equal(bytes.toString('hex', 80), first + second);
});

t.test('what was added comes back, for every codec and any hint', async (t) => {
  for (const codec of CODECS) {
    fc.assert(
      fc.property(fc.array(record, { minLength: 1, maxLength: 12 }), fc.nat(2000), (given, hint) => {
        const batch = build(given, codec, hint);
        stampBatch(batch.bytes, 5000, 4000);
        const timestamps = given.map(({ timestamp }) => timestamp);
        return (
          checkBatch(batch.bytes, 0, batch.bytes.length) === null &&
          batch.recordCount === given.length &&
          batch.baseTimestamp === Math.min(...timestamps) &&
          batch.maxTimestamp === Math.max(...timestamps) &&
          batchRecordCount(batch.bytes, 0) === given.length &&
          batchBaseTimestamp(batch.bytes, 0) === batch.baseTimestamp &&
          batchMaxTimestamp(batch.bytes, 0) === batch.maxTimestamp &&
          Buffer.compare(encode(decodeRecords([batch.bytes], 0)), encode(expected(given, 5000))) === 0
        );
      }),
      { numRuns: 60 },
    );
    t.pass(codec);
  }
});

const encode = (value: unknown) => Buffer.from(JSON.stringify(value));

t.test('long text and long bytes are stored whole', async (t) => {
  const texts = [
    'a'.repeat(100_000),
    'é'.repeat(50_000),
    '漢字'.repeat(9_999),
    '😀'.repeat(4_000),
    '\u0000x',
  ];
  const records = texts.flatMap((text) => [
    { timestamp: T, key: text, value: Buffer.from(text), headers: [] },
    { timestamp: T, key: Buffer.from(text).subarray(1), value: text, headers: [{ key: text, value: text }] },
  ]);
  const { bytes } = build(records, 'none');
  t.ok(encode(decodeRecords([bytes], 0)).equals(encode(expected(records, 0))));
});

t.test('the base timestamp is the smallest, wherever it comes', async (t) => {
  for (const order of [[5, 3, 9, 3, 0], [9, 8, 7], [1], [0, 2 ** 40], [2 ** 40, 0, -(2 ** 52)]]) {
    const given = order.map((ms) => ({ timestamp: ms, key: null, value: String(ms), headers: [] }));
    const batch = build(given, 'none');
    t.equal(batch.baseTimestamp, Math.min(...order));
    t.equal(batchBaseTimestamp(batch.bytes, 0), Math.min(...order));
    t.equal(batchMaxTimestamp(batch.bytes, 0), Math.max(...order));
    t.same(
      decodeRecords([batch.bytes], 0).map(({ timestamp }) => timestamp),
      order,
    );
  }
});

t.test('bytes and recordCount say how far a builder is', async (t) => {
  const builder = new RecordBatchBuilder();
  t.equal(builder.bytes, 80);
  t.equal(builder.recordCount, 0);
  builder.add(T, null, 'x'.repeat(100));
  builder.add(T, null, 'y');
  t.equal(builder.recordCount, 2);
  const announced = builder.bytes;
  t.equal(builder.finish('none').bytes.length, announced);
});

t.test('records that compression would not make smaller are stored as they are', async (t) => {
  for (const codec of CODECS) {
    const { bytes } = build([{ timestamp: T, key: null, value: 'short', headers: [] }], codec);
    t.equal(batchCodec(bytes, 0), 'none', codec);
    const long = build([{ timestamp: T, key: null, value: 'long '.repeat(1000), headers: [] }], codec).bytes;
    t.equal(batchCodec(long, 0), codec);
    t.ok(codec === 'none' || long.length < 1000, `${codec}: ${long.length} bytes`);
    t.ok(batchUncompressedBytes(long, 0) > 5000);
  }
});

t.test('what cannot be stored is refused, and the builder is as before', async (t) => {
  const builder = new RecordBatchBuilder();
  builder.add(T, null, 'good');
  const before = builder.bytes;
  const cases: [string, () => void][] = [
    ['a fraction of a millisecond', () => builder.add(T + 0.5, null, 'x')],
    ['no timestamp', () => builder.add(undefined as never, null, 'x')],
    ['an unsafe timestamp', () => builder.add(2 ** 53, null, 'x')],
    ['timestamps that lie too far apart', () => builder.add(-Number.MAX_SAFE_INTEGER, null, 'x')],
    ['a number as value', () => builder.add(T, null, 7 as never)],
    ['no value', () => builder.add(T, null, undefined as never)],
    ['an object as key', () => builder.add(T, {} as never, 'x')],
    ['half a surrogate pair', () => builder.add(T, null, 'x\ud83d')],
    ['half a surrogate pair in a header', () => builder.add(T, null, 'x', [{ key: '\ude00', value: null }])],
    ['a header without a key', () => builder.add(T, null, 'x', [{ value: 'v' } as never])],
    ['a number as a header’s value', () => builder.add(T, null, 'x', [{ key: 'k', value: 7 as never }])],
  ];
  for (const [name, add] of cases) {
    t.throws(add, { code: 'INVALID_RECORD' }, name);
    t.equal(builder.bytes, before);
    t.equal(builder.recordCount, 1);
  }
  builder.add(T, null, 'also good');
  t.same(
    decodeRecords([builder.finish('none').bytes], 0).map(({ value }) => String(value)),
    ['good', 'also good'],
  );
});

t.test('a batch larger than the format allows is refused before memory is taken', async (t) => {
  const builder = new RecordBatchBuilder();
  const huge = Object.create(Uint8Array.prototype, { length: { value: 2 ** 29 } });
  t.throws(() => builder.add(T, null, huge), { code: 'MESSAGE_TOO_LARGE', details: { limit: 2 ** 29 } });
  t.equal(builder.recordCount, 0);
});

t.test('builders that work at the same time, and after each other, share no memory', async (t) => {
  const finished: { bytes: Buffer; expected: string[] }[] = [];
  for (let round = 0; round < 12; round++) {
    const builders = Array.from({ length: 3 }, () => new RecordBatchBuilder());
    const values: string[][] = builders.map(() => []);
    for (let i = 0; i < 30 * round; i++) {
      for (const [b, builder] of builders.entries()) {
        const value = `${round} ${b} ${i} `.repeat(50 * (b + 1));
        values[b]!.push(value);
        builder.add(T + ((i * 7) % 13), null, value);
      }
    }
    for (const [b, builder] of builders.entries()) {
      if (round > 0)
        finished.push({ bytes: builder.finish(b === 2 ? 'zstd' : 'none').bytes, expected: values[b]! });
    }
  }
  for (const { bytes, expected } of finished) {
    const values = decodeRecords([bytes], 0).map(({ value }) => String(value));
    if (values.join() !== expected.join()) t.fail(`a batch of ${expected.length} records was overwritten`);
  }
  t.equal(finished.length, 33);
});

t.test('a hint that is far too large keeps no memory', async (t) => {
  const { bytes } = build([{ timestamp: T, key: null, value: 'small', headers: [] }], 'none', 10 << 20);
  t.ok(bytes.buffer.byteLength < 1 << 20);
});

t.test('a batch without records is the caller’s mistake', async (t) => {
  t.throws(() => new RecordBatchBuilder().finish('none'), { code: 'ERR_ASSERTION' });
});

t.test('slices of the same bytes make the batch that their copies make', async (t) => {
  const part = fc.tuple(
    fc.integer({ min: T - 1000, max: T + 100_000 }),
    fc.uint8Array({ maxLength: 40 }),
    fc.oneof(fc.uint8Array({ maxLength: 20 }), fc.uint8Array({ minLength: 120, maxLength: 140 })),
  );
  fc.assert(
    fc.property(fc.array(part, { minLength: 1, maxLength: 20 }), (parts) => {
      const bytes = Buffer.concat(parts.flatMap(([, key, value]) => [Buffer.from('..'), value, key]));
      const [plain, sliced] = [new RecordBatchBuilder(), new RecordBatchBuilder()];
      let at = 0;
      for (const [timestamp, key, value] of parts) {
        plain.add(timestamp, key, value);
        const valueStart = at + 2;
        const keyStart = valueStart + value.length;
        at = keyStart + key.length;
        sliced.addSlices(timestamp, bytes, keyStart, at, valueStart, keyStart);
      }
      return plain.finish('none').bytes.equals(sliced.finish('none').bytes);
    }),
  );
  t.pass('all of them');
});
