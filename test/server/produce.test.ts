import { brotliCompressSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { encode } from '@msgpack/msgpack';
import t from 'tap';
import { decodeRecords } from '../../src/engine/index.ts';
import { openApp, type TestApp } from '../helpers/http-app.ts';

const TYPES = {
  json: 'application/json',
  msgpack: 'application/msgpack',
  lines: 'application/x-ndjson',
  text: 'text/plain',
  octets: 'application/octet-stream',
};

async function stored({ engine }: TestApp, topic = 't', partition = 0) {
  const records = [];
  const { highWatermark, logStartOffset } = engine.offsets(topic, partition);
  for (let offset = logStartOffset; offset < highWatermark; ) {
    const result = await engine.read(topic, partition, { offset });
    for (const record of decodeRecords(result.chunks, offset)) {
      records.push({
        ...record,
        key: record.key?.toString('latin1') ?? null,
        value: record.value?.toString('latin1') ?? null,
        headers: record.headers.map(({ key, value }) => [key, value?.toString('latin1') ?? null]),
      });
    }
    offset = result.nextOffset;
  }
  return records;
}

async function openWithTopic(t: Parameters<typeof openApp>[0], partitions = 1) {
  const opened = await openApp(t);
  await opened.engine.createTopic('t', { partitions });
  const post = (type: string, payload: string | Buffer, query = '', headers: Record<string, string> = {}) =>
    opened.ask({
      method: 'POST',
      url: `/api/topics/t/records${query}`,
      headers: { 'content-type': type, ...headers },
      payload,
    });
  return { ...opened, post };
}

t.test('JSON records carry keys, values, headers and timestamps', async (t) => {
  const opened = await openWithTopic(t);
  const records = [
    { key: 'k', value: 'héllo "w"\n\u0000', timestamp: '2026-01-02T03:04:05.678Z' },
    {
      value: null,
      headers: [
        { key: 'h', value: 'x' },
        { key: 'h', value: null },
      ],
    },
    { value: '', key: '', headers: { a: '1', b: null }, timestamp: 1_795_248_000 },
    { key: null, headers: null, timestamp: null, partition: null, value: 'defaults' },
  ];
  const answer = await opened.post(TYPES.json, JSON.stringify({ records }, null, 2));
  t.match(answer, { statusCode: 200, problem: {} });
  t.match(answer.json(), {
    acks: 'all',
    partitions: [{ partition: 0, baseOffset: 0, lastOffset: 3, count: 4, timestamp: /Z$/ }],
  });
  const utf8 = (text: string) => Buffer.from(text).toString('latin1');
  t.match(await stored(opened), [
    {
      offset: 0,
      key: 'k',
      value: utf8('héllo "w"\n\u0000'),
      timestamp: Date.parse('2026-01-02T03:04:05.678Z'),
      headers: [],
    },
    {
      offset: 1,
      key: null,
      value: null,
      headers: [
        ['h', 'x'],
        ['h', null],
      ],
    },
    {
      offset: 2,
      key: '',
      value: '',
      headers: [
        ['a', '1'],
        ['b', null],
      ],
      timestamp: 1_795_248_000_000,
    },
    { offset: 3, key: null, value: 'defaults', headers: [] },
  ]);
});

t.test('under encoding=json a value is stored as the bytes that it was written in', async (t) => {
  const opened = await openWithTopic(t);
  const values = [
    '{"n": 12345678901234567890.10, "__proto__": {"x":1}}',
    '"text"',
    '[1 ,2]',
    '1e400',
    'true',
    'null',
  ];
  await opened.post(
    TYPES.json,
    `{"records":[${values.map((value) => `{"key":"k","value":${value}}`).join()}]}`,
    '?encoding=json',
  );
  t.strictSame(
    (await stored(opened)).map(({ value }) => value),
    [...values.slice(0, -1), null],
  );
  t.equal(({} as Record<string, unknown>).x, undefined, 'no prototype was touched');
});

t.test('under encoding=base64 keys, values and header values are bytes', async (t) => {
  const opened = await openWithTopic(t);
  const bytes = Buffer.from([0, 255, 10, 128]);
  const text = bytes.toString('base64');
  const records = [
    { key: text, value: text, headers: [{ key: 'h', value: text }] },
    { value: bytes.toString('base64url') },
    { value: '' },
  ];
  t.match(await opened.post(TYPES.json, JSON.stringify({ records }), '?encoding=base64'), {
    statusCode: 200,
  });
  const raw = bytes.toString('latin1');
  t.match(await stored(opened), [
    { key: raw, value: raw, headers: [['h', raw]] },
    { value: raw },
    { value: '' },
  ]);
});

t.test('MessagePack carries bytes as they are', async (t) => {
  const opened = await openWithTopic(t);
  const bytes = Buffer.from([0, 255, 10, 128]);
  const big = Buffer.alloc(70_000, 7);
  const records = [
    { key: bytes, value: bytes, headers: [{ key: 'h', value: bytes }], timestamp: 1_795_248_000_123 },
    { key: 'text', value: 'é', headers: { a: 'b' }, timestamp: '2026-01-01' },
    { value: null, partition: 0, timestamp: 1_795_248_000_123_456_789n },
    { value: big, headers: null },
  ];
  for (const type of [TYPES.msgpack, 'application/x-msgpack', 'application/vnd.msgpack']) {
    t.match(
      await opened.post(type, Buffer.from(encode({ records }, { useBigInt64: true }))),
      { statusCode: 200 },
      type,
    );
  }
  const raw = bytes.toString('latin1');
  t.match((await stored(opened)).slice(0, 4), [
    { key: raw, value: raw, headers: [['h', raw]], timestamp: 1_795_248_000_123 },
    { key: 'text', value: 'Ã©', headers: [['a', 'b']], timestamp: Date.parse('2026-01-01') },
    { value: null, timestamp: 1_795_248_000_123 },
    { value: big.toString('latin1') },
  ]);
});

t.test('lines of JSON are stored as the bytes that they are', async (t) => {
  const opened = await openWithTopic(t);
  const lines = ['{"a": 1,  "b":"é"}', '  [1]\r', '', '   ', '12345678901234567890', '"x"'];
  t.match((await opened.post(TYPES.lines, lines.join('\n'))).json(), { partitions: [{ count: 4 }] });
  const values = (await stored(opened)).map(({ value }) => value);
  t.strictSame(values, [Buffer.from(lines[0]!).toString('latin1'), '[1]', lines[4], lines[5]]);
});

t.test('lines of text come back byte for byte', async (t) => {
  const opened = await openWithTopic(t);
  const text = Buffer.from('one\r\n\n\xff\x00two\nlast', 'latin1');
  t.match((await opened.post(`${TYPES.text}; charset=UTF-8`, text)).json(), { partitions: [{ count: 4 }] });
  t.strictSame((await stored(opened)).map(({ value }) => value).join('\n'), text.toString('latin1'));
});

t.test('an octet-stream is one value, with the key that is asked for', async (t) => {
  const opened = await openWithTopic(t);
  const bytes = Buffer.from('\x00\xff\n\n', 'latin1');
  await opened.post(TYPES.octets, bytes, '?key=a%20b');
  await opened.post(TYPES.octets, bytes);
  t.match(await stored(opened), [
    { key: 'a b', value: bytes.toString('latin1') },
    { key: null, value: bytes.toString('latin1') },
  ]);
});

t.test('a body may be compressed', async (t) => {
  const opened = await openWithTopic(t);
  const body = Buffer.from('{"value":1}\n'.repeat(100));
  const codings = { gzip: gzipSync, deflate: deflateSync, br: brotliCompressSync, zstd: zstdCompressSync };
  for (const [coding, compress] of Object.entries(codings)) {
    const answer = await opened.post(TYPES.lines, compress(body), '', { 'content-encoding': coding });
    t.match(answer.json(), { partitions: [{ count: 100 }] }, coding);
  }
  t.match(await opened.post(TYPES.lines, body, '', { 'content-encoding': 'identity' }), { statusCode: 200 });
});

t.test('records go to the partition they name, the request names, or their key has', async (t) => {
  const opened = await openWithTopic(t, 3);
  const records = [
    { value: 'own', partition: 2 },
    { value: 'request', key: 'ignored' },
  ];
  const answer = await opened.post(TYPES.json, JSON.stringify({ records }), '?partition=1');
  t.strictSame(
    answer
      .json()
      .partitions.map(({ partition }: { partition: number }) => partition)
      .sort(),
    [1, 2],
  );
  const keyed = (
    await opened.post(TYPES.json, '{"records":[{"key":"21","value":""},{"key":"21","value":""}]}')
  ).json();
  t.match(keyed.partitions, [{ partition: 1_173_551_340 % 3, count: 2 }]);
});

t.test('acks=1 and acks=0 answer sooner, and say so', async (t) => {
  const opened = await openWithTopic(t);
  t.match((await opened.post(TYPES.text, 'a', '?acks=1')).json(), {
    acks: 1,
    partitions: [{ baseOffset: 0 }],
  });
  t.match((await opened.post(TYPES.text, 'a', '?acks=0')).json(), {
    acks: 0,
    partitions: [{ baseOffset: -1, lastOffset: -1 }],
  });
  t.match((await opened.post(TYPES.text, 'a', '?acks=all')).json(), {
    acks: 'all',
    partitions: [{ baseOffset: 2 }],
  });
});

t.test('the codec of the producer is kept', async (t) => {
  const opened = await openWithTopic(t);
  const text = 'the same words again and again\n'.repeat(500);
  await opened.post(TYPES.text, text, '?compression=zstd');
  const { bytes } = await opened.engine.read('t', 0, { offset: 0 });
  t.ok(bytes < text.length / 4, `${bytes} bytes of ${text.length}`);
  t.equal((await stored(opened)).length, 500);
});
