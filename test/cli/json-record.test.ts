import * as fc from 'fast-check';
import t from 'tap';
import { recordFromJson, recordToJson } from '../../src/cli/json-record.ts';

const bytes = fc.oneof(
  fc.constant(null),
  fc.string().map((text) => Buffer.from(text)),
  fc.uint8Array().map((each) => Buffer.from(each)),
);
const plain = (value: Uint8Array | null | undefined) =>
  value == null ? null : Buffer.from(value).toString('hex');

t.test('what consume prints, produce reads as the same record', async (t) => {
  const records = fc.record({
    topic: fc.constant('t'),
    partition: fc.nat(100),
    offset: fc.nat(),
    timestamp: fc.integer({ min: 0, max: 4e12 }),
    key: bytes,
    value: bytes,
    headers: fc.array(fc.record({ key: fc.string(), value: bytes })),
  });
  fc.assert(
    fc.property(records, (record) => {
      const read = recordFromJson(Buffer.from(recordToJson(record)));
      t.equal(plain(read.key), plain(record.key));
      t.equal(plain(read.value), plain(record.value));
      t.equal(Date.parse(read.timestamp as string), record.timestamp);
      t.equal(read.partition, record.partition);
      t.same(
        read.headers!.map((each) => [each.key, plain(each.value)]),
        record.headers.map((each) => [each.key, plain(each.value)]),
      );
    }),
    { numRuns: 50 },
  );
});

t.test('text is given as text, other bytes as base64', async (t) => {
  const common = { topic: 't', partition: 0, offset: 7, timestamp: 0, headers: [] };
  t.same(JSON.parse(recordToJson({ ...common, key: null, value: Buffer.from('ä') })), {
    topic: 't',
    partition: 0,
    offset: 7,
    timestamp: '1970-01-01T00:00:00.000Z',
    key: null,
    value: 'ä',
    headers: [],
  });
  t.match(JSON.parse(recordToJson({ ...common, key: Buffer.from('k'), value: Buffer.from([0xff]) })), {
    key: 'k',
    value: '/w==',
    valueEncoding: 'base64',
  });
});

t.test('what marks the encoding of a file is passed over', async (t) => {
  t.equal(plain(recordFromJson(Buffer.from('\ufeff{"value":"x"}')).value), '78');
});

t.test('a value that is JSON is stored as its text, and headers may be a map', async (t) => {
  const record = recordFromJson(Buffer.from('{"value":{"a":[1]},"headers":{"h":"1"},"timestamp":5}'));
  t.equal(Buffer.from(record.value!).toString(), '{"a":[1]}');
  t.match(record.headers, [{ key: 'h' }]);
  t.equal(record.timestamp, 5);
  t.equal(record.key, undefined);
});

t.test('numbers in JSON keep the digits that they are written with', async (t) => {
  const exact = '{"id":12345678901234567890,"ratio":1.0,"list":[1E5,-0]}';
  const record = recordFromJson(
    Buffer.from(`{"value":${exact},"key":10.50,"headers":[{"key":"h","value":1e400}],"partition":3}`),
  );
  const text = (bytes: Uint8Array | null | undefined) => Buffer.from(bytes!).toString();
  t.equal(text(record.value), exact);
  t.equal(text(record.key), '10.50');
  t.equal(text(record.headers![0]!.value), '1e400');
  t.equal(record.partition, 3);
});

t.test('what is no record is refused with the reason', async (t) => {
  for (const [line, reason] of [
    ['{"value":', /not valid JSON/],
    ['[1]', /no JSON object/],
    ['"text"', /no JSON object/],
    ['{"key":"a"}', /no value/],
    ['{"value":"a","vlaue":1}', /unknown field "vlaue"/],
    ['{"value":"a","valueEncoding":"hex"}', /valueEncoding/],
    ['{"value":"!!","valueEncoding":"base64"}', /its value is not valid base64/],
    ['{"value":"a","key":"\\ud800"}', /its key has half a surrogate pair/],
    ['{"value":"a","headers":[1]}', /headers/],
    ['{"value":"a","timestamp":true}', /timestamp/],
    ['{"value":"a","partition":-1}', /partition/],
  ] as const) {
    t.throws(() => recordFromJson(Buffer.from(line)), reason, line);
  }
  t.throws(
    () => recordFromJson(Buffer.from([0x22, 0xff, 0x22])),
    /not valid JSON/,
    'bytes that are no UTF-8',
  );
});
