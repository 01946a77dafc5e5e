import { decode } from '@msgpack/msgpack';
import t from 'tap';
import { listen, openApp, until } from '../helpers/http-app.ts';

const URL_OF = (partition = 0, topic = 't') => `/api/topics/${topic}/partitions/${partition}/records`;
const BASE = Date.parse('2026-01-01T00:00:00Z');

interface Page {
  records: { offset: number; value: string; timestamp: string }[];
  nextOffset: number;
  highWatermark: number;
}

/** A topic with ten records, an hour apart, in batches of two. */
async function openWithRecords(t: Parameters<typeof openApp>[0], settings = {}) {
  const opened = await openApp(t, settings);
  await opened.engine.createTopic('t');
  for (let i = 0; i < 10; i += 2) {
    const record = (n: number) => ({ key: `k${n}`, value: `v${n}`, timestamp: BASE + n * 3_600_000 });
    await opened.engine.append('t', [record(i), record(i + 1)]);
  }
  const page = async (query: string): Promise<Page> =>
    (await opened.ask({ url: `${URL_OF()}?${query}` })).json();
  return { ...opened, page };
}

t.test('a page is a range of offsets, times, or the last ones', async (t) => {
  const { page } = await openWithRecords(t);
  const cases: [query: string, offsets: number[], nextOffset: number][] = [
    ['', [0, 1, 2, 3, 4, 5, 6, 7, 8, 9], 10],
    ['offset=7', [7, 8, 9], 10],
    ['offset=10', [], 10],
    ['tail=3', [7, 8, 9], 10],
    ['tail=0', [], 10],
    ['tail=99', [0, 1, 2, 3, 4, 5, 6, 7, 8, 9], 10],
    ['timestamp=2026-01-01T08:00:00Z', [8, 9], 10],
    ['timestamp=2026-01-01T07:30', [8, 9], 10],
    ['timestamp=1767254400', [8, 9], 10],
    ['timestamp=2030-01-01', [], 10],
    ['offset=3&until_offset=5', [3, 4], 5],
    ['offset=3&until_offset=3', [], 3],
    ['offset=8&until_timestamp=2026-01-01T09:00:00Z', [8], 9],
    ['until_timestamp=2026-01-01T02:00:00Z&until_offset=1', [0], 1],
    ['offset=1&max_records=3', [1, 2, 3], 4],
    ['offset=1&max_bytes=1', [1], 2],
    ['offset=1&until_offset=99', [1, 2, 3, 4, 5, 6, 7, 8, 9], 10],
  ];
  for (const [query, offsets, nextOffset] of cases) {
    const { records, ...rest } = await page(query);
    t.strictSame(
      records.map(({ offset }) => offset),
      offsets,
      query,
    );
    t.strictSame(rest, { nextOffset, highWatermark: 10 }, query);
  }
});

t.test('max_bytes bounds the answer, and pages join without a gap', async (t) => {
  const { page, ask } = await openWithRecords(t);
  const seen: number[] = [];
  for (let offset = 0; offset < 10; ) {
    const answer = await ask({ url: `${URL_OF()}?offset=${offset}&max_bytes=300` });
    t.ok(answer.rawPayload.length < 400, `${answer.rawPayload.length} bytes`);
    const { records, nextOffset } = answer.json() as Page;
    seen.push(...records.map((record) => record.offset));
    offset = nextOffset;
  }
  t.strictSame(seen, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  t.equal((await page('max_bytes=99999999999')).records.length, 10, 'more than the cap counts as the cap');
});

t.test('each format has the same records', async (t) => {
  const { ask } = await openWithRecords(t);
  const asked = (accept: string) => ask({ url: `${URL_OF()}?offset=8`, headers: { accept } });
  const json = (await asked('application/json')).json();
  t.strictSame(json.records, [
    { offset: 8, timestamp: '2026-01-01T08:00:00.000Z', key: 'k8', value: 'v8', headers: [] },
    { offset: 9, timestamp: '2026-01-01T09:00:00.000Z', key: 'k9', value: 'v9', headers: [] },
  ]);
  const lines = await asked('application/x-ndjson');
  t.match(lines.headers, { 'content-type': 'application/x-ndjson', 'x-seglog-high-watermark': '10' });
  t.strictSame(
    lines.body
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line)),
    json.records,
  );
  const packed = await asked('application/msgpack');
  t.equal(packed.headers['content-type'], 'application/msgpack');
  t.match(decode(packed.rawPayload), {
    records: [
      {
        offset: 8,
        timestamp: '2026-01-01T08:00:00.000Z',
        key: Buffer.from('k8'),
        value: Buffer.from('v8'),
        headers: [],
      },
      {},
    ],
    nextOffset: 10,
    highWatermark: 10,
  });
});

t.test('a value that does not fit the encoding says so', async (t) => {
  const { ask, engine } = await openApp(t);
  await engine.createTopic('t');
  await engine.append('t', [
    { value: Buffer.from([0xff]) },
    { value: '{"a":1}', key: Buffer.from([0xfe]) },
    { value: 'no json' },
  ]);
  const records = async (encoding: string) =>
    (await ask({ url: `${URL_OF()}?encoding=${encoding}` })).json().records;
  t.match(await records('text'), [
    { value: '/w==', valueEncoding: 'base64' },
    { value: '{"a":1}', key: '/g==', keyEncoding: 'base64' },
    { value: 'no json' },
  ]);
  t.match(await records('json'), [
    { value: '/w==', valueEncoding: 'base64' },
    { value: { a: 1 }, valueEncoding: undefined },
    { value: 'no json', valueEncoding: 'text' },
  ]);
  t.match(await records('base64'), [
    { value: '/w==', valueEncoding: undefined },
    { value: 'eyJhIjoxfQ==' },
    { value: 'bm8ganNvbg==' },
  ]);
});

t.test('large ranges come back whole, as lines and as pages', async (t) => {
  const { ask, engine } = await openApp(t);
  await engine.createTopic('t');
  const count = 20_000;
  const value = (i: number) => `record ${i} ${'é"\\'.repeat(i % 40)}`;
  for (let i = 0; i < count; i += 1000) {
    await engine.append(
      't',
      Array.from({ length: 1000 }, (_, n) => ({ value: value(i + n) })),
      { compression: i % 2000 === 0 ? 'zstd' : 'none' },
    );
  }
  const lines = (await ask({ url: URL_OF(), headers: { accept: 'application/x-ndjson' } })).body
    .trimEnd()
    .split('\n');
  t.equal(lines.length, count);
  t.ok(lines.every((line, i) => JSON.parse(line).offset === i && JSON.parse(line).value === value(i)));
  let seen = 0;
  for (let offset = 0; offset < count; ) {
    const { records, nextOffset } = (await ask({ url: `${URL_OF()}?offset=${offset}` })).json() as Page;
    for (const record of records) if (record.value !== value(seen++)) t.fail(`record ${record.offset}`);
    offset = nextOffset;
  }
  t.equal(seen, count);
  const some = await ask({
    url: `${URL_OF()}?offset=1&max_records=5000&max_bytes=9000000`,
    headers: { accept: 'application/x-ndjson' },
  });
  t.equal(some.body.trimEnd().split('\n').length, 5000);
  const capped = await ask({
    url: `${URL_OF()}?max_bytes=700000`,
    headers: { accept: 'application/x-ndjson' },
  });
  t.ok(
    capped.rawPayload.length <= 700_000 && capped.rawPayload.length > 690_000,
    `${capped.rawPayload.length} bytes`,
  );
});

t.test('a long poll waits for the next record, or for its time', async (t) => {
  const { engine, ask } = await openWithRecords(t);
  // The engine's timers keep no process alive, and here no socket does.
  const keepAlive = setInterval(() => {}, 1000);
  t.teardown(() => clearInterval(keepAlive));
  const waiting = ask({ url: `${URL_OF()}?offset=10&wait_ms=30000` });
  await engine.append('t', [{ value: 'new' }]);
  t.match((await waiting).json(), {
    records: [{ offset: 10, value: 'new' }],
    nextOffset: 11,
    highWatermark: 11,
  });
  t.match((await ask({ url: `${URL_OF()}?offset=11&wait_ms=20` })).json(), { records: [], nextOffset: 11 });
  const lines = ask({
    url: `${URL_OF()}?offset=11&wait_ms=30000`,
    headers: { accept: 'application/x-ndjson' },
  });
  await engine.append('t', [{ value: 'newer' }]);
  t.match(JSON.parse((await lines).body), { offset: 11, value: 'newer' });
});

t.test('a long poll is answered at once when the server stops', async (t) => {
  const { lifecycle, ask } = await openWithRecords(t);
  const waiting = ask({ url: `${URL_OF()}?offset=10&wait_ms=30000` });
  await until(() => lifecycle.phase === 'running');
  setImmediate(() => lifecycle.stop());
  t.match((await waiting).json(), { records: [], nextOffset: 10 });
});

t.test('HEAD answers as GET does, without a body', async (t) => {
  const { ask } = await openWithRecords(t);
  for (const accept of [
    'application/json',
    'application/x-ndjson',
    'application/msgpack',
    'text/event-stream',
  ]) {
    const answer = await ask({ method: 'HEAD', url: URL_OF(), headers: { accept } });
    t.match(answer, { statusCode: 200, body: '' }, accept);
    t.match(answer.headers['content-type'], accept);
  }
});

t.test('damage is told with its range and where to go on; what is intact is given', async (t) => {
  const opened = await openWithRecords(t);
  const { engine, ask, page } = opened;
  const corrupt = Object.assign(Object.create(engine), {
    offsets: engine.offsets.bind(engine),
    async read(topic: string, partition: number, options: { offset: number }) {
      const result = await engine.read(topic, partition, options);
      if (options.offset >= 4 && options.offset < 6) {
        const { SeglogError } = await import('../../src/engine/index.ts');
        const range = {
          topic,
          partition,
          firstOffset: 4,
          endOffset: 6,
          segment: 0,
          startPosition: 1,
          endPosition: 2,
        };
        throw new SeglogError('CORRUPT_MESSAGE', 'offsets 4 to 6 in /var/data/t/0.log are damaged', range);
      }
      if (options.offset >= 4) return result;
      // From memory each batch is a chunk of its own, from the file they are one.
      const chunk = Buffer.concat(result.chunks);
      return { ...result, chunks: [chunk.subarray(0, firstTwoBatches(chunk))], nextOffset: 4 };
    },
  });
  opened.lifecycle.opened(corrupt, opened.lifecycle.groups);
  t.match(await page(''), { records: { length: 4 }, nextOffset: 4 }, 'the page ends before the damage');
  const problem = {
    code: 'corrupt_data',
    status: 500,
    firstOffset: 4,
    endOffset: 6,
    nextOffset: 6,
    detail: 'offsets 4 to 6 in (a file) are damaged',
  };
  t.match(await ask({ url: `${URL_OF()}?offset=4` }), { statusCode: 500, problem });
  t.match(await page('offset=6'), { records: { length: 4 }, nextOffset: 10 }, 'reading goes on behind it');
  const { url } = await listen(opened);
  const broken = await fetch(url + URL_OF(), { headers: { accept: 'application/x-ndjson' } });
  let text = '';
  await t.rejects(async () => {
    for await (const piece of broken.body!) text += Buffer.from(piece).toString();
  }, 'the stream is broken off');
  const lines = text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  t.equal(lines.length, 5);
  t.match(lines.at(-1), { error: problem }, 'its last line says why');
});

function firstTwoBatches(chunk: Buffer): number {
  const first = chunk.readUInt32LE(0) + 4;
  return first + chunk.readUInt32LE(first) + 4;
}
