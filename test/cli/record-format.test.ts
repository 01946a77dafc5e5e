import t from 'tap';
import { type ConsumedRecord, compileFormat, unescapeBytes } from '../../src/cli/record-format.ts';

const record: ConsumedRecord = {
  topic: 'access',
  partition: 3,
  offset: 42,
  timestamp: 1795248000123,
  key: Buffer.from('user'),
  value: Buffer.from([0xff, 0x00, 0x0a]),
  headers: [
    { key: 'a', value: Buffer.from('1') },
    { key: 'b', value: null },
  ],
};
const empty: ConsumedRecord = { ...record, key: null, value: null, headers: [] };

function format(text: string, of = record, nullMarker?: string): Buffer {
  const output: Uint8Array[] = [];
  compileFormat(text, nullMarker)(of, output);
  return Buffer.concat(output);
}

t.test('each field', async (t) => {
  for (const [text, expected] of [
    ['%k', 'user'],
    ['%K', '4'],
    ['%S', '3'],
    ['%t/%p/%o', 'access/3/42'],
    ['%T', '1795248000123'],
    ['%h', 'a=1,b='],
    ['100%%\\n', '100%\n'],
    ['\\t\\r\\\\\\x41', '\t\r\\A'],
    ['é%k', 'éuser'],
  ] as const) {
    t.equal(format(text).toString(), expected, text);
  }
});

t.test('values are bytes, not text', async (t) => {
  t.same(format('%s'), Buffer.from([0xff, 0x00, 0x0a]));
  t.same(format('%R%s\\0'), Buffer.from([0, 0, 0, 3, 0xff, 0x00, 0x0a, 0]));
});

t.test('null keys and values', async (t) => {
  t.equal(format('[%k|%s|%K|%S|%h]', empty).toString(), '[||-1|-1|]');
  t.equal(
    format('%k %s %h', { ...empty, headers: [{ key: 'x', value: null }] }, 'NULL').toString(),
    'NULL NULL x=NULL',
  );
  t.same(format('%R', empty), Buffer.from([0xff, 0xff, 0xff, 0xff]));
});

t.test('what is no format is refused with what is one', async (t) => {
  t.throws(() => compileFormat('%z'), { name: 'UsageError', message: /%z is none of %s %S/ });
  t.throws(() => compileFormat('50%'), { name: 'UsageError' });
  t.throws(() => compileFormat('\\q'), { name: 'UsageError', message: /\\q is none of/ });
});

t.test('escapes in a separator', async (t) => {
  t.same(unescapeBytes('\\t'), Buffer.from('\t'));
  t.same(unescapeBytes('::'), Buffer.from('::'));
  t.same(unescapeBytes('\\xff'), Buffer.from([0xff]));
});
