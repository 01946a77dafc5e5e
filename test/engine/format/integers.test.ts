import fc from 'fast-check';
import t from 'tap';
import { readI64, readU64, writeI64, writeU64 } from '../../../src/engine/format/integers.ts';

const MAX = Number.MAX_SAFE_INTEGER;
const edges = [0, 1, 255, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 32 + 1, 2 ** 52, MAX - 1, MAX];

t.test('unsigned integers are laid out as BigInt would write them, and come back', async (t) => {
  const check = (value: number) => {
    const buffer = Buffer.alloc(10, 0xaa);
    writeU64(buffer, 1, value);
    return (
      buffer.readBigUInt64LE(1) === BigInt(value) &&
      readU64(buffer, 1) === value &&
      buffer[0] === 0xaa &&
      buffer[9] === 0xaa
    );
  };
  for (const value of edges) t.ok(check(value), String(value));
  fc.assert(fc.property(fc.maxSafeNat(), check));
});

t.test('signed integers are laid out as BigInt would write them, and come back', async (t) => {
  const check = (value: number) => {
    const buffer = Buffer.alloc(8);
    writeI64(buffer, 0, value);
    return buffer.readBigInt64LE(0) === BigInt(value) && readI64(buffer, 0) === value;
  };
  for (const value of edges) t.ok(check(value) && check(value === 0 ? 0 : -value), `±${value}`);
  fc.assert(fc.property(fc.maxSafeInteger(), check));
});

t.test('stored integers that are not safe read as NaN', async (t) => {
  fc.assert(
    fc.property(fc.bigInt(0n, 2n ** 64n - 1n), (value) => {
      const buffer = Buffer.alloc(8);
      buffer.writeBigUInt64LE(value);
      const signed = buffer.readBigInt64LE();
      return (
        Object.is(readU64(buffer, 0), value <= BigInt(MAX) ? Number(value) : Number.NaN) &&
        Object.is(readI64(buffer, 0), Number.isSafeInteger(Number(signed)) ? Number(signed) : Number.NaN)
      );
    }),
  );
  const buffer = Buffer.alloc(8);
  for (const value of [2n ** 53n, -(2n ** 53n), 2n ** 63n - 1n, -(2n ** 63n)]) {
    buffer.writeBigInt64LE(value);
    t.ok(Number.isNaN(readI64(buffer, 0)), String(value));
    t.ok(Number.isNaN(readU64(buffer, 0)), `${value} as unsigned`);
  }
});

t.test('what cannot be stored exactly is refused', async (t) => {
  const buffer = Buffer.alloc(8);
  for (const wrong of [0.5, Number.NaN, Number.POSITIVE_INFINITY, MAX + 1, -MAX - 1, undefined, '1', 1n]) {
    t.throws(() => writeU64(buffer, 0, wrong as number), RangeError);
    t.throws(() => writeI64(buffer, 0, wrong as number), RangeError);
  }
  t.throws(() => writeU64(buffer, 0, -1), RangeError);
});

t.test('nothing is read or written outside the buffer', async (t) => {
  const buffer = Buffer.alloc(8);
  for (const at of [1, 8, -1, 100]) {
    t.throws(() => readU64(buffer, at), RangeError);
    t.throws(() => readI64(buffer, at), RangeError);
    t.throws(() => writeU64(buffer, at, 1), RangeError);
    t.throws(() => writeI64(buffer, at, 1), RangeError);
  }
});
