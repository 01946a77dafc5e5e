import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import t from 'tap';
import { writeFileHeader } from '../../../src/engine/format/file-header.ts';
import {
  decodeSegmentHeader,
  encodeSegmentHeader,
  SEGMENT_HEADER_BYTES,
} from '../../../src/engine/format/segment-header.ts';

const header = {
  topicId: '00112233445566778899aabbccddeeff',
  partition: 255,
  baseOffset: 2 ** 40 + 1,
  createdAt: 1_763_700_000_000,
};

t.test('the header is laid out as docs/format.md says', async (t) => {
  const bytes = encodeSegmentHeader(header);
  t.equal(bytes.length, SEGMENT_HEADER_BYTES);
  t.equal(bytes.toString('latin1', 0, 4), 'SLSG');
  t.equal(bytes.readUInt32LE(4), 1, 'version 1, nothing reserved set');
  t.equal(bytes.toString('hex', 16, 32), header.topicId);
  t.equal(bytes.readUInt32LE(32), 255);
  t.equal(bytes.readUInt32LE(36), 0);
  t.equal(bytes.readBigUInt64LE(40), 2n ** 40n + 1n);
  t.equal(bytes.readBigUInt64LE(48), 1_763_700_000_000n);
  t.equal(bytes.readBigUInt64LE(56), 0n);
});

t.test('headers come back, with or without batches behind them', async (t) => {
  const any = fc.record({
    topicId: fc.uint8Array({ minLength: 16, maxLength: 16 }).map((id) => Buffer.from(id).toString('hex')),
    partition: fc.nat(99_999),
    baseOffset: fc.maxSafeNat(),
    createdAt: fc.maxSafeNat(),
  });
  fc.assert(
    fc.property(any, (given) => {
      t.same(decodeSegmentHeader(encodeSegmentHeader(given)), given);
      t.same(decodeSegmentHeader(Buffer.concat([encodeSegmentHeader(given), randomBytes(9)])), given);
    }),
    { numRuns: 20 },
  );
});

t.test('every changed bit and every truncation is noticed', async (t) => {
  const bytes = encodeSegmentHeader(header);
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    bytes[bit >> 3]! ^= 1 << (bit & 7);
    const fault = decodeSegmentHeader(bytes);
    if (fault !== (bit < 32 ? 'magic' : 'checksum')) t.fail(`bit ${bit}: ${fault}`);
    bytes[bit >> 3]! ^= 1 << (bit & 7);
  }
  for (let end = 0; end < bytes.length; end++)
    t.equal(decodeSegmentHeader(bytes.subarray(0, end)), 'truncated');
  t.equal(decodeSegmentHeader(Buffer.alloc(SEGMENT_HEADER_BYTES)), 'magic', 'a file of zeros');
});

t.test('unsafe integers and a newer version are refused', async (t) => {
  const remade = (change: (bytes: Buffer) => void, version = 1) => {
    const bytes = encodeSegmentHeader(header);
    change(bytes);
    writeFileHeader(bytes, { magic: 'SLSG', version, name: '' });
    return bytes;
  };
  t.equal(decodeSegmentHeader(remade((bytes) => bytes.writeBigUInt64LE(2n ** 53n, 40))), 'fields');
  t.equal(decodeSegmentHeader(remade((bytes) => bytes.writeBigUInt64LE(2n ** 53n, 48))), 'fields');
  t.throws(() => decodeSegmentHeader(remade(() => {}, 2)), {
    code: 'UNSUPPORTED_VERSION',
    message: /a segment/,
  });
});

t.test('any content with a right checksum gives a header or a fault', async () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 48, maxLength: 48 }), (content) => {
      const bytes = Buffer.concat([Buffer.alloc(16), content]);
      writeFileHeader(bytes, { magic: 'SLSG', version: 1, name: '' });
      const decoded = decodeSegmentHeader(bytes);
      return typeof decoded === 'string' ? decoded === 'fields' : Number.isSafeInteger(decoded.baseOffset);
    }),
    { numRuns: 500, seed: 5 },
  );
});

t.test('a header that could not be read back is not written', async (t) => {
  t.throws(() => encodeSegmentHeader({ ...header, topicId: 'short' }), { code: 'ERR_ASSERTION' });
  t.throws(() => encodeSegmentHeader({ ...header, partition: -1 }), RangeError);
  t.throws(() => encodeSegmentHeader({ ...header, baseOffset: 2 ** 53 }), RangeError);
});
