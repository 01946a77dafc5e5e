/** Reading over HTTP and by command line where compaction has taken records out: from any offset, in every form. */
import { decode } from '@msgpack/msgpack';
import t from 'tap';
import { runCli } from '../helpers/cli.ts';
import { listen, openApp, until } from '../helpers/http-app.ts';
import { replaceSealed, sealedOf, watchedPartition } from '../helpers/rewriting.ts';

const NOW = Date.UTC(2026, 0, 1);
const COUNT = 60;
const RECORDS = '/api/topics/t/partitions/0/records';

const opened = await openApp(t);
const { engine, ask } = opened;
await engine.createTopic('t', {
  partitions: 2,
  config: { 'segment.bytes': 4096, 'index.interval.bytes': 256 },
});
for (let n = 0; n < COUNT; n += 3) {
  const records = [n, n + 1, n + 2].map((offset) => ({
    key: `${offset % 4}`,
    value: `${offset}`.padEnd(400, '.'),
    timestamp: NOW + offset * 1000,
  }));
  await engine.append('t', records, { partition: 0 });
}
await engine.append('t', [{ value: 'other', timestamp: NOW + 30_500 }], { partition: 1 });
const sealed = await until(async () => {
  const watched = await watchedPartition(engine, 't');
  return watched !== undefined && sealedOf(watched.partition).length > 4;
}).then(async () => sealedOf((await watchedPartition(engine, 't'))!.partition));
// Two of one codec, one of none; one of which nothing is left; and the rest as it was.
const keep = ({ offset }: { offset: number }) => offset % 6 === 5;
const bounds = sealed.map(({ endOffset }) => endOffset);
const replaced = [
  await replaceSealed(engine, 't', { keep, batchRecords: 2 }, 0, 2),
  await replaceSealed(engine, 't', { keep, batchRecords: 2, compression: 'zstd' }, 1, 2),
  await replaceSealed(engine, 't', { keep: () => false }, 2, 3),
];
const kept = Array.from({ length: COUNT }, (_, offset) => offset).filter(
  (offset) => offset >= bounds[3]! || (offset < bounds[2]! && keep({ offset })),
);
const from = (offset: number) => kept.filter((each) => each >= offset);

t.test('segments were replaced', async (t) => {
  t.same(replaced, ['replaced', 'replaced', 'replaced']);
  t.ok(kept.length < COUNT / 2 && bounds[3]! < COUNT);
});

interface Page {
  records: { offset: number; timestamp: string; value: string | Uint8Array }[];
  nextOffset: number;
  highWatermark: number;
}

async function page(query: string, accept: string): Promise<Page> {
  const answer = await opened.app.inject({ url: `${RECORDS}?${query}`, headers: { accept } });
  t.equal(answer.statusCode, 200, `${query}: ${answer.body.slice(0, 200)}`);
  return accept.endsWith('json') ? answer.json() : (decode(answer.rawPayload) as Page);
}

const offsetsOf = ({ records }: Pick<Page, 'records'>) => records.map(({ offset }) => offset);
const lines = (body: string): Page['records'] =>
  body
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line));

for (const accept of ['application/json', 'application/msgpack']) {
  for (const [name, limit] of [
    ['one record at a time', '&max_records=1'],
    ['small', '&max_bytes=700'],
    ['large', ''],
  ]) {
    t.test(`${name} pages of ${accept}, from every offset`, async (t) => {
      for (let offset = 0; offset <= COUNT; offset++) {
        const found: number[] = [];
        for (let next = offset; ; ) {
          const { records, nextOffset, highWatermark } = await page(`offset=${next}${limit}`, accept);
          t.equal(highWatermark, COUNT);
          for (const record of records) {
            t.equal(Number.parseInt(Buffer.from(record.value).toString(), 10), record.offset);
            t.equal(Date.parse(record.timestamp), NOW + record.offset * 1000);
          }
          found.push(...offsetsOf({ records }));
          if (nextOffset === COUNT) break;
          t.ok(records.length > 0 && nextOffset > next, `a page from ${next} is not empty`);
          next = nextOffset;
        }
        t.same(found, from(offset), `from ${offset}`);
      }
    });
  }
}

t.test('lines, from every offset and up to every one', async (t) => {
  const headers = { accept: 'application/x-ndjson' };
  for (let offset = 0; offset <= COUNT; offset++) {
    const all = await ask({ url: `${RECORDS}?offset=${offset}`, headers });
    t.same(offsetsOf({ records: lines(all.body) }), from(offset), `from ${offset}`);
    const before = await ask({ url: `${RECORDS}?until_offset=${offset}`, headers });
    t.same(
      offsetsOf({ records: lines(before.body) }),
      kept.filter((each) => each < offset),
      `until ${offset}`,
    );
    const { records, nextOffset } = await page(`until_offset=${offset}`, 'application/json');
    t.same([offsetsOf({ records }), nextOffset], [kept.filter((each) => each < offset), offset]);
    const tail = await page(`tail=${COUNT - offset}`, 'application/json');
    t.same(offsetsOf(tail), from(offset), `the last ${COUNT - offset} offsets`);
  }
});

t.test('a time leads to the first record that is left', async (t) => {
  for (let second = 0; second < COUNT; second++) {
    const timestamp = NOW + second * 1000 - 500;
    t.same(offsetsOf(await page(`timestamp=${timestamp}`, 'application/json')), from(second), `${second}`);
  }
});

t.test('all partitions merged, in pages and as lines', async (t) => {
  const expected = [
    ...kept.map((offset) => ({ partition: 0, offset, time: NOW + offset * 1000 })),
    { partition: 1, offset: 0, time: NOW + 30_500 },
  ].sort((a, b) => a.time - b.time);
  const places = (records: readonly { partition: number; offset: number }[]) =>
    records.map(({ partition, offset }) => `${partition}/${offset}`);
  for (const [second, limit] of [
    [0, 1],
    [7, 2],
    [20, 5],
  ] as const) {
    const found: { partition: number; offset: number }[] = [];
    const range = `from=${NOW + second * 1000}&max_records=${limit}`;
    for (let cursor: string | null = ''; cursor !== null; ) {
      const query: string = cursor === '' ? range : `${range}&cursor=${cursor}`;
      const { records, nextCursor } = (await ask({ url: `/api/topics/t/records?${query}` })).json();
      found.push(...records);
      cursor = nextCursor;
    }
    const wanted = expected.filter(({ time }) => time >= NOW + second * 1000);
    t.same(places(found), places(wanted), `from second ${second}`);
    const all = await ask({
      url: `/api/topics/t/records?from=${NOW + second * 1000}`,
      headers: { accept: 'application/x-ndjson' },
    });
    t.same(places(lines(all.body) as never), places(wanted));
  }
});

t.test('an event stream and the command line', async (t) => {
  const { url } = await listen(opened);
  for (const offset of [0, 6, bounds[2]! + 1]) {
    const controller = new AbortController();
    const headers = { accept: 'text/event-stream', 'last-event-id': String(offset) };
    const { body } = await fetch(`${url}${RECORDS}`, { headers, signal: controller.signal });
    let text = '';
    for await (const piece of body!) {
      text += Buffer.from(piece).toString();
      if (text.includes(`id: ${COUNT - 1}\n`)) break;
    }
    controller.abort();
    t.same(
      [...text.matchAll(/^id: (\d+)$/gm)].map(([, id]) => Number(id)),
      from(offset + 1),
      `behind ${offset}`,
    );
    const args = ['consume', 't', '-p', '0', '-o', String(offset), '-e', '-f', '%o\n'];
    const consumed = async (...more: string[]) => {
      const { code, stdout, stderr } = await runCli([...args, ...more], { env: { SEGLOG_SERVER: url } });
      t.equal(code, 0, stderr);
      return String(stdout).split('\n').filter(Boolean).map(Number);
    };
    t.same(await consumed(), from(offset));
    t.same(await consumed('-c', '2'), from(offset).slice(0, 2));
  }
});
