import { decode } from '@msgpack/msgpack';
import fc from 'fast-check';
import t from 'tap';
import { listen, openApp } from '../helpers/http-app.ts';

interface MergedRecord {
  partition: number;
  offset: number;
  timestamp: string;
  value: string;
}

const BASE = Date.parse('2026-01-01T00:00:00Z');
const iso = (ms: number) => new Date(BASE + ms).toISOString();
const URL_PATH = '/api/topics/t/records';

/** A topic whose partitions hold records with these timestamps (ms after BASE), in this order. */
async function openWith(t: Parameters<typeof openApp>[0], partitions: number[][]) {
  const opened = await openApp(t);
  await opened.engine.createTopic('t', { partitions: partitions.length });
  for (const [partition, times] of partitions.entries()) {
    for (const ms of times)
      await opened.engine.append('t', [{ value: `${partition}@${ms}`, timestamp: BASE + ms }], { partition });
  }
  const lines = async (query = '') => {
    const answer = await opened.ask({
      url: `${URL_PATH}?${query}`,
      headers: { accept: 'application/x-ndjson' },
    });
    return answer.body
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as MergedRecord);
  };
  const page = async (query = '') =>
    (await opened.ask({ url: `${URL_PATH}?${query}` })).json() as {
      records: MergedRecord[];
      nextCursor: string | null;
    };
  return { ...opened, lines, page };
}

/** The order that is promised: by running maximum of the timestamps, then partition, then offset. */
function expectedOrder(
  partitions: readonly number[][],
  from = Number.NEGATIVE_INFINITY,
  until = Number.POSITIVE_INFINITY,
) {
  const all = partitions.flatMap((times, partition) => {
    const firstAtLeast = (ms: number) => times.findIndex((time) => time >= ms);
    const start = from === Number.NEGATIVE_INFINITY ? 0 : firstAtLeast(from);
    const end = firstAtLeast(until);
    const range = start < 0 ? [] : times.slice(start, end < 0 ? times.length : end);
    let max = Number.NEGATIVE_INFINITY;
    return range.map((ms, i) => {
      max = Math.max(max, ms);
      return { max, partition, offset: start + i };
    });
  });
  all.sort((a, b) => a.max - b.max || a.partition - b.partition || a.offset - b.offset);
  return all.map(({ partition, offset }) => `${partition}:${offset}`);
}

const places = (records: readonly MergedRecord[]) =>
  records.map(({ partition, offset }) => `${partition}:${offset}`);

t.test('partitions are merged by time, and late records stay where they lie', async (t) => {
  const { lines } = await openWith(t, [[0, 30, 10, 60], [20, 25, 70], []]);
  t.strictSame(
    (await lines()).map(({ value }) => value),
    ['0@0', '1@20', '1@25', '0@30', '0@10', '0@60', '1@70'],
  );
  t.strictSame(
    (await lines(`from=${iso(25)}&until=${iso(60)}`)).map(({ value }) => value),
    ['1@25', '0@30', '0@10'],
  );
  t.strictSame(await lines(`from=${iso(100)}`), []);
  t.match(await lines(`until=${iso(20)}`), [
    { partition: 0, offset: 0, timestamp: iso(0), key: null, headers: [] },
  ]);
});

t.test('a page ends with a cursor that goes on right there, in each format', async (t) => {
  const partitions = [
    [0, 30, 10, 60, 60],
    [20, 25, 60, 70],
    [60, 5],
  ];
  const { page, ask } = await openWith(t, partitions);
  for (const limit of ['max_records=1', 'max_records=3', 'max_bytes=1', 'max_bytes=260']) {
    const seen: MergedRecord[] = [];
    let cursor: string | null = '';
    while (cursor !== null) {
      const answer: Awaited<ReturnType<typeof page>> = await page(
        `${limit}${cursor === '' ? '' : `&cursor=${cursor}`}`,
      );
      seen.push(...answer.records);
      cursor = answer.nextCursor;
    }
    t.strictSame(places(seen), expectedOrder(partitions), limit);
  }
  const packed = decode(
    (await ask({ url: `${URL_PATH}?max_records=2`, headers: { accept: 'application/msgpack' } })).rawPayload,
  );
  t.match(packed, { records: [{ partition: 0, value: Buffer.from('0@0') }, {}], nextCursor: /^[\w-]+$/ });
});

t.test('a stream that a limit ends says where to go on, in a trailer', async (t) => {
  const opened = await openWith(t, [[0, 10, 20], [5]]);
  await listen(opened);
  const { url } = { url: `http://127.0.0.1:${(opened.app.server.address() as { port: number }).port}` };
  const { default: http } = await import('node:http');
  const cut = await new Promise<{ body: string; trailers: NodeJS.Dict<string> }>((resolve, reject) => {
    http
      .get(`${url}${URL_PATH}?max_records=2`, { headers: { accept: 'application/x-ndjson' } }, (response) => {
        let body = '';
        response.setEncoding('utf8').on('data', (text) => {
          body += text;
        });
        response.on('end', () => resolve({ body, trailers: response.trailers }));
      })
      .on('error', reject);
  });
  t.equal(cut.body.trimEnd().split('\n').length, 2);
  const rest = await opened.lines(`cursor=${cut.trailers['x-seglog-next-cursor']}`);
  t.strictSame(
    rest.map(({ value }) => value),
    ['0@10', '0@20'],
  );
});

t.test('any timestamps, any range, any page size: the order is the promised one', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(fc.nat(50), { maxLength: 12 }), { minLength: 1, maxLength: 4 }),
      fc.option(fc.nat(60), { nil: undefined }),
      fc.option(fc.nat(60), { nil: undefined }),
      fc.integer({ min: 1, max: 5 }),
      async (partitions, from, end, pageSize) => {
        // An end before the beginning is refused.
        const until = end === undefined ? undefined : Math.max(end, from ?? 0);
        const closers: (() => unknown)[] = [];
        const directory = t.testdir();
        const scope = {
          testdir: () => directory,
          teardown: (close: () => unknown) => void closers.push(close),
        };
        const { lines, page } = await openWith(scope, partitions);
        try {
          const range = [
            from === undefined ? '' : `from=${iso(from)}`,
            until === undefined ? '' : `until=${iso(until)}`,
          ].join('&');
          const expected = expectedOrder(partitions, from, until);
          t.strictSame(places(await lines(range)), expected);
          const seen: MergedRecord[] = [];
          for (let cursor: string | null = ''; cursor !== null; ) {
            const answer: Awaited<ReturnType<typeof page>> = await page(
              `${range}&max_records=${pageSize}${cursor === '' ? '' : `&cursor=${cursor}`}`,
            );
            seen.push(...answer.records);
            cursor = answer.nextCursor;
          }
          t.strictSame(places(seen), expected);
        } finally {
          for (const close of closers) await close();
        }
      },
    ),
    { numRuns: 25 },
  );
});

t.test('long partitions are merged piece by piece', async (t) => {
  const { engine, ask } = await openApp(t);
  await engine.createTopic('t', { partitions: 3 });
  for (let batch = 0; batch < 60; batch++) {
    const partition = batch % 3;
    const records = Array.from({ length: 300 }, (_, i) => ({
      value: 'x'.repeat(100),
      timestamp: BASE + (batch * 300 + i) * 10,
    }));
    await engine.append('t', records, { partition });
  }
  const body = (await ask({ url: URL_PATH, headers: { accept: 'application/x-ndjson' } })).body;
  const times = body
    .trimEnd()
    .split('\n')
    .map((line) => Date.parse(JSON.parse(line).timestamp));
  t.equal(times.length, 18_000);
  t.ok(times.every((time, i) => time === BASE + i * 10));
});

t.test('a cursor is good for its topic only', async (t) => {
  const { page, ask, engine } = await openWith(t, [[0, 1]]);
  const { nextCursor } = await page('max_records=1');
  for (const cursor of [
    '',
    'x',
    'AAAA',
    Buffer.from('1 abc 1 1').toString('base64url'),
    Buffer.from(`1 ab ${'9'.repeat(16)} 1 1`).toString('base64url'),
  ]) {
    t.match(
      await ask({ url: `${URL_PATH}?cursor=${cursor}` }),
      { statusCode: 400, problem: { code: 'invalid_cursor' } },
      cursor,
    );
  }
  await engine.deleteTopic('t');
  await engine.createTopic('t');
  t.match(await ask({ url: `${URL_PATH}?cursor=${nextCursor}` }), {
    problem: { code: 'invalid_cursor', detail: /another topic/ },
  });
});

t.test('HEAD answers with the headers', async (t) => {
  const { ask } = await openWith(t, [[0]]);
  t.match(await ask({ method: 'HEAD', url: URL_PATH, headers: { accept: 'application/x-ndjson' } }), {
    statusCode: 200,
    body: '',
  });
});
