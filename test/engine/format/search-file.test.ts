import t from 'tap';
import { writeFileHeader } from '../../../src/engine/format/file-header.ts';
import {
  decodeSearchHead,
  encodeSearchFile,
  isSearchPart,
  SEARCH_PREAMBLE_BYTES,
  type SearchFileHead,
  searchFileBytes,
  searchHeadBytes,
} from '../../../src/engine/format/search-file.ts';

const IDENTITY = {
  topicId: '0123456789abcdef0123456789abcdef',
  partition: 7,
  baseOffset: 1000,
  endOffset: 2000,
  bytes: 2 ** 33,
  createdAt: 1_763_700_000_000,
};
const PARTS = [Buffer.from('first'), Buffer.alloc(0), Buffer.alloc(5000, 3)];

const file = () => Buffer.concat(encodeSearchFile(IDENTITY, PARTS));
const headOf = (bytes: Buffer) => decodeSearchHead(bytes.subarray(0, searchHeadBytes(bytes)));
const partOf = (bytes: Buffer, head: SearchFileHead, i: number) => {
  const { position, length } = head.parts[i]!;
  return bytes.subarray(position, position + length);
};

t.test('what was written comes back', async (t) => {
  const bytes = file();
  const head = headOf(bytes) as SearchFileHead;
  t.same(head.identity, IDENTITY);
  t.equal(searchFileBytes(head), bytes.length);
  for (const [i, part] of PARTS.entries()) {
    t.same(partOf(bytes, head, i), part);
    t.ok(isSearchPart(head, head.parts[i]!, partOf(bytes, head, i)));
  }
  t.notOk(isSearchPart(head, head.parts[0]!, Buffer.from('firsT')));
  t.notOk(isSearchPart(head, head.parts[0]!, Buffer.from('firs')));
});

t.test('every changed bit is noticed, in the head or in the part that it is in', async (t) => {
  const bytes = file();
  const good = headOf(bytes) as SearchFileHead;
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    bytes[bit >> 3]! ^= 1 << (bit & 7);
    const headBytes = searchHeadBytes(bytes);
    const isHead = bit >> 3 < good.bytes.length;
    const noticed = isHead
      ? headBytes === undefined || headBytes > bytes.length || typeof headOf(bytes) === 'string'
      : good.parts.some((part, i) => !isSearchPart(good, part, partOf(bytes, good, i)));
    if (!noticed) t.fail(`bit ${bit}`);
    bytes[bit >> 3]! ^= 1 << (bit & 7);
  }
  t.equal(searchHeadBytes(bytes.subarray(0, SEARCH_PREAMBLE_BYTES - 1)), undefined);
  t.equal(decodeSearchHead(bytes.subarray(0, good.bytes.length - 1)), 'checksum');
});

t.test('a newer version is refused', async (t) => {
  const [head] = encodeSearchFile(IDENTITY, []);
  writeFileHeader(head as Buffer, { magic: 'SLSX', version: 2, name: '' });
  t.throws(() => decodeSearchHead(head as Buffer), {
    code: 'UNSUPPORTED_VERSION',
    message: /a search index/,
  });
});

t.test('numbers that are none are damage', async (t) => {
  for (const at of [40, 48, 56, 64]) {
    const [head] = encodeSearchFile(IDENTITY, []) as Buffer[];
    head!.fill(0xff, at, at + 8);
    writeFileHeader(head!, { magic: 'SLSX', version: 1, name: '' });
    t.equal(decodeSearchHead(head!), 'fields');
  }
});
