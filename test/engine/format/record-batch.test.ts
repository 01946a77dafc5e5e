import fc from 'fast-check';
import t from 'tap';
import { TOPIC_SETTINGS } from '../../../src/engine/common/settings.ts';
import { checksumInto } from '../../../src/engine/format/checksum.ts';
import { writeU64 } from '../../../src/engine/format/integers.ts';
import {
  BATCH_HEADER_BYTES,
  BATCH_MAGIC,
  batchAttributes,
  batchBaseOffset,
  batchBaseSequence,
  batchBaseTimestamp,
  batchCodec,
  batchDurableFloor,
  batchLastOffset,
  batchLastOffsetDelta,
  batchMaxTimestamp,
  batchNextOffset,
  batchProducerEpoch,
  batchProducerId,
  batchRecordCount,
  batchSize,
  batchUncompressedBytes,
  checkBatch,
  findBatch,
  MAX_BATCH_BYTES,
  stampBatch,
} from '../../../src/engine/format/record-batch.ts';
import { RecordBatchBuilder } from '../../../src/engine/format/record-batch-builder.ts';

const MAX = Number.MAX_SAFE_INTEGER;
const T = 1_763_700_000_000;

function stamped(baseOffset: number, floor: number, values: string[]): Buffer {
  const builder = new RecordBatchBuilder();
  for (const [i, value] of values.entries()) builder.add(T + i, null, value);
  const { bytes } = builder.finish('none');
  stampBatch(bytes, baseOffset, floor);
  return bytes;
}

/** A stamped batch with some bytes set and the checksum made good again: a writer's mistake, not damage. */
function rewritten(change: (bytes: Buffer) => void): Buffer {
  const bytes = stamped(1000, 900, ['one', 'two', 'three']);
  change(bytes);
  checksumInto(bytes.subarray(16), bytes, 8);
  return bytes;
}

t.test('the header is laid out as docs/format.md says', async (t) => {
  const builder = new RecordBatchBuilder();
  builder.add(T + 5, 'k', 'value');
  builder.add(T + 9, null, null);
  const { bytes } = builder.finish('none');
  stampBatch(bytes, 2 ** 40 + 7, 2 ** 40);
  t.equal(bytes.readUInt32LE(0), bytes.length - 4, 'length');
  t.equal(bytes.toString('hex', 4, 8), 'f5534201', 'magic');
  t.equal(bytes.readUInt32LE(4), BATCH_MAGIC);
  t.equal(bytes.readBigUInt64LE(16), 2n ** 40n + 7n, 'base offset');
  t.equal(bytes.readUInt32LE(24), 1, 'last offset delta');
  t.equal(bytes.readUInt32LE(28), 2, 'record count');
  t.equal(bytes.readBigInt64LE(32), BigInt(T + 5), 'base timestamp');
  t.equal(bytes.readBigInt64LE(40), BigInt(T + 9), 'max timestamp');
  t.equal(bytes.readBigUInt64LE(48), 2n ** 40n, 'durable floor');
  t.equal(bytes.readBigInt64LE(56), -1n, 'producer id');
  t.equal(bytes.readInt32LE(64), -1, 'base sequence');
  t.equal(bytes.readInt16LE(68), -1, 'producer epoch');
  t.equal(bytes.readUInt16LE(70), 0, 'attributes');
  t.equal(bytes.readUInt32LE(72), bytes.length - BATCH_HEADER_BYTES, 'length of the records');
  t.equal(bytes.readUInt32LE(76), 0, 'delete horizon');
  const sum = Buffer.alloc(8);
  checksumInto(bytes.subarray(16), sum, 0);
  t.same(bytes.subarray(8, 16), sum, 'checksum of byte 16 to the end');
});

t.test('accessors read a header anywhere in a buffer', async (t) => {
  const batch = stamped(2 ** 45, 77, ['a', 'b', 'c']);
  const buffer = Buffer.concat([Buffer.alloc(13, 0xcc), batch, Buffer.alloc(9, 0xcc)]);
  t.equal(batchSize(buffer, 13), batch.length);
  t.equal(batchBaseOffset(buffer, 13), 2 ** 45);
  t.equal(batchLastOffsetDelta(buffer, 13), 2);
  t.equal(batchLastOffset(buffer, 13), 2 ** 45 + 2);
  t.equal(batchNextOffset(buffer, 13), 2 ** 45 + 3);
  t.equal(batchRecordCount(buffer, 13), 3);
  t.equal(batchBaseTimestamp(buffer, 13), T);
  t.equal(batchMaxTimestamp(buffer, 13), T + 2);
  t.equal(batchDurableFloor(buffer, 13), 77);
  t.equal(batchProducerId(buffer, 13), -1);
  t.equal(batchBaseSequence(buffer, 13), -1);
  t.equal(batchProducerEpoch(buffer, 13), -1);
  t.equal(batchAttributes(buffer, 13), 0);
  t.equal(batchCodec(buffer, 13), 'none');
  t.equal(batchUncompressedBytes(buffer, 13), batch.length - BATCH_HEADER_BYTES);
});

t.test('an unknown codec is named as such', async (t) => {
  const batch = stamped(0, 0, ['a']);
  batch.writeUInt16LE(6, 70);
  t.throws(() => batchCodec(batch, 0), { code: 'UNSUPPORTED_COMPRESSION_TYPE', details: { codec: 6 } });
});

t.test('a good batch passes its check wherever it lies', async (t) => {
  const batch = stamped(5, 5, ['a', 'b']);
  t.equal(checkBatch(batch, 0, batch.length), null);
  const buffer = Buffer.concat([Buffer.alloc(3), batch, batch]);
  t.equal(checkBatch(buffer, 3, 3 + batch.length), null);
  t.equal(checkBatch(buffer, 3 + batch.length, buffer.length), null);
  t.equal(checkBatch(buffer, 3, buffer.length + 100), null, 'an end past the buffer is the buffer’s end');
});

t.test('every truncation of a batch is noticed as such', async (t) => {
  const batch = stamped(5, 5, ['some text', 'more text']);
  for (let end = 0; end < batch.length; end++) {
    if (checkBatch(batch, 0, end) !== 'truncated') t.fail(`cut to ${end} bytes by the range`);
    if (checkBatch(batch.subarray(0, end), 0, batch.length) !== 'truncated') t.fail(`cut to ${end} bytes`);
  }
  t.equal(checkBatch(batch, batch.length, batch.length), 'truncated', 'nothing is left');
});

t.test('every changed bit of a batch is noticed', async (t) => {
  const batch = stamped(123, 45, ['some text', 'more text']);
  const faults = new Set<string | null>();
  for (let bit = 0; bit < batch.length * 8; bit++) {
    batch[bit >> 3]! ^= 1 << (bit & 7);
    const fault = checkBatch(batch, 0, batch.length);
    faults.add(fault);
    if (fault === null) t.fail(`bit ${bit}`);
    batch[bit >> 3]! ^= 1 << (bit & 7);
  }
  t.same([...faults].sort(), ['checksum', 'length', 'magic', 'truncated']);
});

t.test('lengths that no batch has are refused before anything is read', async (t) => {
  const batch = stamped(0, 0, ['a']);
  for (const length of [0, 75, MAX_BATCH_BYTES - 3, 2 ** 32 - 1]) {
    batch.writeUInt32LE(length, 0);
    t.equal(checkBatch(batch, 0, batch.length), 'length', String(length));
  }
  batch.writeUInt32LE(MAX_BATCH_BYTES - 4, 0);
  t.equal(checkBatch(batch, 0, batch.length), 'truncated');
  t.ok(TOPIC_SETTINGS['max.message.bytes'].max <= MAX_BATCH_BYTES, 'no topic takes what the format refuses');
});

t.test('a header that contradicts itself is refused though its checksum is right', async (t) => {
  const cases: [string, (bytes: Buffer) => void][] = [
    ['base offset no safe integer', (b) => b.writeBigUInt64LE(2n ** 53n, 16)],
    ['last offset no safe integer', (b) => writeU64(b, 16, MAX - 1)],
    ['next offset no safe integer', (b) => writeU64(b, 16, MAX - 2)],
    ['last offset delta over 2^31', (b) => b.writeUInt32LE(2 ** 31, 24)],
    ['more records than offsets', (b) => b.writeUInt32LE(1, 24)],
    ['more records than bytes', (b) => b.fill(0xff, 24, 27).fill(0xff, 28, 31)],
    ['bytes without records', (b) => b.writeUInt32LE(0, 28)],
    ['base timestamp no safe integer', (b) => b.writeBigInt64LE(-(2n ** 53n), 32)],
    ['max timestamp no safe integer', (b) => b.writeBigInt64LE(2n ** 62n, 40)],
    ['max timestamp before base timestamp', (b) => b.writeBigInt64LE(BigInt(T - 1), 40)],
    ['floor above the base offset', (b) => writeU64(b, 48, 1001)],
    ['floor no safe integer', (b) => b.writeBigUInt64LE(2n ** 60n, 48)],
    ['producer id below -1', (b) => b.writeBigInt64LE(-2n, 56)],
    ['unknown codec', (b) => b.writeUInt16LE(5, 70)],
    ['unknown attribute', (b) => b.writeUInt16LE(1 << 6, 70)],
    ['uncompressed length of uncompressed records', (b) => b.writeUInt32LE(b.length - 79, 72)],
    [
      'more decompressed than any batch has',
      (b) => b.writeUInt32LE(b.writeUInt16LE(4, 70) && MAX_BATCH_BYTES, 72),
    ],
  ];
  for (const [name, change] of cases) {
    const bytes = rewritten(change);
    t.equal(checkBatch(bytes, 0, bytes.length), 'fields', name);
  }
});

t.test('what later versions of a log may hold passes', async (t) => {
  const cases: [string, (bytes: Buffer) => void][] = [
    ['fewer records than offsets, as compaction leaves them', (b) => b.writeUInt32LE(2_000_000, 24)],
    [
      'a producer, a transaction, a control batch',
      (b) => b.writeUInt16LE(0b111000, b.writeBigInt64LE(7n, 56) + 6),
    ],
    ['the largest offset', (b) => writeU64(b, 16, MAX - 3)],
    ['timestamps before 1970', (b) => b.writeBigInt64LE(-1n, 32)],
  ];
  for (const [name, change] of cases) {
    const bytes = rewritten(change);
    t.equal(checkBatch(bytes, 0, bytes.length), null, name);
  }
});

t.test('stamping refuses offsets that are no safe integers', async (t) => {
  const batch = stamped(0, 0, ['a']);
  for (const wrong of [-1, 0.5, Number.NaN, MAX + 1]) {
    t.throws(() => stampBatch(batch, wrong, 0), RangeError);
    t.throws(() => stampBatch(batch, 0, wrong), RangeError);
  }
});

t.test('a batch is found behind damage, within the range that is asked for', async (t) => {
  const first = stamped(10, 0, ['first']);
  const second = stamped(11, 10, ['second']);
  const noise = Buffer.from([0xf5, 0x53, 0x42, 0x01, 0xf5, 0x53, 0x42, 0x01, 0x00]);
  const buffer = Buffer.concat([noise, first, noise, noise, second, noise]);
  const firstAt = noise.length;
  const secondAt = firstAt + first.length + 2 * noise.length;
  const secondEnd = secondAt + second.length;
  t.equal(findBatch(buffer, 0, buffer.length), firstAt);
  t.equal(findBatch(buffer, firstAt, buffer.length), firstAt);
  t.equal(findBatch(buffer, firstAt + 1, buffer.length), secondAt);
  t.equal(findBatch(buffer, secondAt + 1, buffer.length), -1);
  t.equal(findBatch(buffer, firstAt + 1, secondEnd), secondAt);
  t.equal(findBatch(buffer, firstAt + 1, secondEnd - 1), -1, 'it passes the end');
  t.equal(findBatch(buffer, 0, buffer.length + 99), firstAt);
  buffer[firstAt + 30]! ^= 1;
  t.equal(findBatch(buffer, 0, buffer.length), secondAt, 'a bad one is passed over');
  t.equal(findBatch(Buffer.alloc(0), 0, 0), -1);
});

t.test('finding agrees with trying each position', async () => {
  const batch = stamped(1, 0, ['x']);
  const piece = fc.oneof(
    fc.uint8Array({ maxLength: 20 }),
    fc.constant(batch),
    fc.constant(batch.subarray(0, 50)),
    fc.constant(batch.subarray(4, 8)),
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 8 }), fc.nat(100), (pieces, from) => {
      const buffer = Buffer.concat(pieces);
      let expected = -1;
      for (let at = from; at < buffer.length && expected < 0; at++) {
        if (checkBatch(buffer, at, buffer.length) === null) expected = at;
      }
      return findBatch(buffer, from, buffer.length) === expected;
    }),
  );
});
