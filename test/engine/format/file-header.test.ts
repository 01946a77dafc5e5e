import t from 'tap';
import { checkFileHeader, type FileFormat, writeFileHeader } from '../../../src/engine/format/file-header.ts';

const FORMAT: FileFormat = { magic: 'TEST', version: 3, name: 'a test file' };

function file(format = FORMAT): Buffer {
  const bytes = Buffer.alloc(16 + 9, 'content');
  writeFileHeader(bytes, format);
  return bytes;
}

t.test('a file as written is whole, and checking leaves it as it was', async (t) => {
  const bytes = file();
  const copy = Buffer.from(bytes);
  t.equal(checkFileHeader(bytes, FORMAT), null);
  t.ok(bytes.equals(copy));
  t.equal(bytes.toString('latin1', 0, 4), 'TEST');
  t.equal(bytes.readUInt16LE(4), 3);
});

t.test('an older version is whole too', async (t) => {
  t.equal(checkFileHeader(file({ ...FORMAT, version: 1 }), FORMAT), null);
});

t.test('a newer version is refused, with what to do', async (t) => {
  const error = {
    code: 'UNSUPPORTED_VERSION',
    details: { version: 4, supported: 3 },
    message: /a test file.*release/,
  };
  t.throws(() => checkFileHeader(file({ ...FORMAT, version: 4 }), FORMAT), error);
});

t.test('every changed bit and every truncation is damage, in the version too', async (t) => {
  const bytes = file();
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    bytes[bit >> 3]! ^= 1 << (bit & 7);
    const fault = checkFileHeader(bytes, FORMAT);
    if (fault !== (bit < 32 ? 'magic' : 'checksum')) t.fail(`bit ${bit}: ${fault}`);
    bytes[bit >> 3]! ^= 1 << (bit & 7);
  }
  for (let end = 0; end < bytes.length; end++) {
    const fault = checkFileHeader(Buffer.from(bytes.subarray(0, end)), FORMAT);
    if (fault !== (end < 16 ? 'truncated' : 'checksum')) t.fail(`cut to ${end} bytes: ${fault}`);
  }
});

t.test('fields that no version has are refused though the checksum is right', async (t) => {
  t.equal(checkFileHeader(file({ ...FORMAT, version: 0 }), FORMAT), 'fields');
});

t.test('another kind of file, zeros and nothing are told apart from this kind', async (t) => {
  t.equal(checkFileHeader(file({ ...FORMAT, magic: 'ELSE' }), FORMAT), 'magic');
  t.equal(checkFileHeader(Buffer.alloc(100), FORMAT), 'magic');
  t.equal(checkFileHeader(Buffer.alloc(0), FORMAT), 'truncated');
});
