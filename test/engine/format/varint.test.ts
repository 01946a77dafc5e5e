import fc from 'fast-check';
import t from 'tap';
import { isSeglogError } from '../../../src/engine/common/errors.ts';
import {
  ByteCursor,
  readVarint,
  readVarlong,
  varintSize,
  varlongSize,
  writeVarint,
  writeVarlong,
} from '../../../src/engine/format/varint.ts';

const MAX = Number.MAX_SAFE_INTEGER;

/** The encoding by its definition: zigzag of 64 bits, seven bits a byte. */
function reference(value: number): Buffer {
  let rest = value >= 0 ? BigInt(value) * 2n : BigInt(value) * -2n - 1n;
  const bytes: number[] = [];
  while (rest >= 128n) {
    bytes.push(Number(rest & 127n) | 128);
    rest >>= 7n;
  }
  bytes.push(Number(rest));
  return Buffer.from(bytes);
}

function encoded(write: typeof writeVarint, value: number): Buffer {
  const buffer = Buffer.alloc(16, 0xee);
  return buffer.subarray(2, write(buffer, 2, value));
}

t.test('Kafka’s published encodings', async (t) => {
  const cases: [number, string][] = [
    [0, '00'],
    [-1, '01'],
    [1, '02'],
    [63, '7e'],
    [-64, '7f'],
    [64, '8001'],
    [-65, '8101'],
    [8191, 'fe7f'],
    [-8192, 'ff7f'],
    [8192, '808001'],
    [-8193, '818001'],
    [1048575, 'feff7f'],
    [134217727, 'feffff7f'],
    [-134217728, 'ffffff7f'],
    [134217728, '8080808001'],
    [2147483647, 'feffffff0f'],
    [-2147483648, 'ffffffff0f'],
  ];
  for (const [value, hex] of cases) {
    t.equal(encoded(writeVarint, value).toString('hex'), hex, `varint ${value}`);
    t.equal(encoded(writeVarlong, value).toString('hex'), hex, `varlong ${value}`);
  }
});

t.test('varints round trip, with the size announced', async (t) => {
  const check = (value: number) => {
    const bytes = encoded(writeVarint, value);
    const cursor = new ByteCursor(bytes);
    return (
      bytes.equals(reference(value)) &&
      varintSize(value) === bytes.length &&
      readVarint(cursor) === value &&
      cursor.at === bytes.length
    );
  };
  fc.assert(fc.property(fc.oneof(fc.integer(), fc.integer({ min: -20000, max: 20000 })), check));
  for (let bit = 0; bit < 31; bit++) {
    for (const value of [2 ** bit - 1, 2 ** bit, -(2 ** bit), -(2 ** bit) - 1])
      t.ok(check(value), `${value}`);
  }
});

t.test('varlongs round trip over all safe integers, with the size announced', async (t) => {
  const check = (value: number) => {
    const bytes = encoded(writeVarlong, value);
    const cursor = new ByteCursor(bytes);
    return (
      bytes.equals(reference(value)) &&
      varlongSize(value) === bytes.length &&
      readVarlong(cursor) === value &&
      cursor.at === bytes.length
    );
  };
  fc.assert(fc.property(fc.oneof(fc.maxSafeInteger(), fc.integer({ min: -20000, max: 20000 })), check));
  for (let bit = 0; bit < 53; bit++) {
    for (const value of [2 ** bit - 1, 2 ** bit, -(2 ** bit), -(2 ** bit - 1)])
      t.ok(check(value + 0), `${value}`);
  }
  t.ok(check(MAX) && check(-MAX));
});

t.test('malformed integers are CORRUPT_MESSAGE and leave the cursor where it was', async (t) => {
  const cases: [string, typeof readVarint, string][] = [
    ['nothing', readVarint, ''],
    ['cut after the first byte', readVarint, '80'],
    ['cut before the last byte', readVarint, 'ffffffff'],
    ['33 bits', readVarint, 'ffffffff1f'],
    ['six bytes', readVarint, '808080808000'],
    ['nothing', readVarlong, ''],
    ['cut before the last byte', readVarlong, 'ffffffffffffff'],
    ['2^53', readVarlong, '8080808080808020'],
    ['-2^53', readVarlong, 'ffffffffffffff1f'],
    ['64 bits', readVarlong, 'ffffffffffffffffff01'],
    ['eleven bytes', readVarlong, '8080808080808080808000'],
  ];
  for (const [name, read, hex] of cases) {
    const cursor = new ByteCursor(Buffer.from(`00${hex}`, 'hex'), 1);
    t.throws(() => read(cursor), { code: 'CORRUPT_MESSAGE' }, `${read.name}: ${name}`);
    t.equal(cursor.at, 1);
  }
});

t.test('nothing is read past the cursor’s end', async (t) => {
  const bytes = Buffer.from('80018001', 'hex');
  t.throws(() => readVarint(new ByteCursor(bytes, 0, 1)), { code: 'CORRUPT_MESSAGE' });
  t.throws(() => readVarlong(new ByteCursor(bytes, 2, 2)), { code: 'CORRUPT_MESSAGE' });
  t.throws(() => readVarint(new ByteCursor(bytes, 4)), { code: 'CORRUPT_MESSAGE' });
});

t.test('any bytes give an integer or CORRUPT_MESSAGE', async () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 12 }), (bytes) => {
      for (const read of [readVarint, readVarlong]) {
        try {
          if (!Number.isSafeInteger(read(new ByteCursor(Buffer.from(bytes))))) return false;
        } catch (error) {
          if (!isSeglogError(error, 'CORRUPT_MESSAGE')) return false;
        }
      }
      return true;
    }),
  );
});
