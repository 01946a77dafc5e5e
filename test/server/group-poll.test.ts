/** Polling as a member of a group: what a page holds, where it goes on, when a wait ends, and what memory it takes. */
import { decode } from '@msgpack/msgpack';
import t from 'tap';
import { listen, openApp, rawConnection, startTestServer, type TestApp, until } from '../helpers/http-app.ts';

interface Page {
  records: { topic: string; partition: number; offset: number; value: string }[];
  generation: number;
  positions: { topic: string; partition: number; offset: number }[];
  cursor: string | null;
  errors: object[];
}

const VALUE = 'x'.repeat(1000);

async function joined(app: TestApp, more: object = {}): Promise<string> {
  const payload = { topics: ['t'], ...more };
  const answer = await app.ask({ method: 'POST', url: '/api/groups/g/members', payload });
  return `/api/groups/g/members/${answer.json().memberId}/records`;
}

const commit = ({ ask }: TestApp, url: string, { generation, positions }: Page) => {
  const memberId = url.split('/').at(-2);
  return ask({
    method: 'PUT',
    url: '/api/groups/g/offsets',
    payload: { memberId, generation, offsets: positions },
  });
};

async function poll(
  { ask }: TestApp,
  url: string,
  query: Record<string, string | number> = {},
): Promise<Page> {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) parameters.set(name, String(value));
  const answer = await ask({ url: `${url}?${parameters}` });
  if (answer.statusCode !== 200) throw new Error(answer.body);
  return answer.json();
}

/** Text values, so many in each partition. */
async function openLog(
  t: Parameters<typeof openApp>[0],
  counts: readonly number[],
  value = (i: number) => `v${i}`,
) {
  const app = await openApp(t);
  await app.engine.createTopic('t', { partitions: counts.length });
  for (const [partition, count] of counts.entries()) {
    const records = Array.from({ length: count }, (_, i) => ({ value: value(i) }));
    if (count > 0) await app.engine.append('t', records, { partition });
  }
  return app;
}

const places = ({ records }: Page) => records.map(({ partition, offset }) => `${partition}/${offset}`);

t.test('records say where they lie, as text, as what they are, and as bytes', async (t) => {
  const app = await openApp(t);
  await app.engine.createTopic('t', { partitions: 2 });
  const headers = [{ key: 'h', value: Buffer.from([255]) }];
  await app.engine.append('t', [{ key: 'k', value: '{"n":1}', headers, timestamp: 0 }], { partition: 1 });
  await app.engine.append('t', [{ key: Buffer.from([0xff]), value: Buffer.from([0xfe]) }, { value: null }], {
    partition: 0,
  });
  const url = await joined(app);
  t.match(await poll(app, url), {
    records: [
      {
        topic: 't',
        partition: 0,
        offset: 0,
        key: '/w==',
        keyEncoding: 'base64',
        value: '/g==',
        valueEncoding: 'base64',
      },
      { topic: 't', partition: 0, offset: 1, key: null, value: null, headers: [] },
      {
        topic: 't',
        partition: 1,
        offset: 0,
        timestamp: '1970-01-01T00:00:00.000Z',
        key: 'k',
        value: '{"n":1}',
        headers: [{ key: 'h', value: '/w==', encoding: 'base64' }],
      },
    ],
    positions: [
      { topic: 't', partition: 0, offset: 2 },
      { topic: 't', partition: 1, offset: 1 },
    ],
    errors: [],
  });
  t.match(await poll(app, url, { encoding: 'json' }), { records: { 2: { value: { n: 1 } } } });
  t.match(await poll(app, url, { encoding: 'base64' }), { records: { 2: { value: 'eyJuIjoxfQ==' } } });
  const packed = await app.ask({ url, headers: { accept: 'application/msgpack' } });
  t.equal(packed.headers['content-type'], 'application/msgpack');
  t.match(decode(packed.rawPayload), {
    records: [
      { topic: 't', partition: 0, offset: 0, key: new Uint8Array([0xff]), value: new Uint8Array([0xfe]) },
      { topic: 't', partition: 0, offset: 1, value: null },
      { topic: 't', partition: 1, headers: [{ key: 'h', value: new Uint8Array([0xff]) }] },
    ],
    assignment: [{ topic: 't', partitions: [0, 1] }],
    revoking: [],
    positions: { length: 2 },
    cursor: String,
    sessionTimeoutMs: 45_000,
  });
  const lines = await app.ask({ url, headers: { accept: 'application/x-ndjson' } });
  t.match(lines, { statusCode: 406, problem: { code: 'not_acceptable' } });
});

t.test('the same again until it is committed, or read on by its cursor', async (t) => {
  const app = await openLog(t, [5, 5]);
  const url = await joined(app);
  const first = await poll(app, url, { max_records: 4 });
  t.equal(first.records.length, 4);
  t.strictSame(new Set(places(await poll(app, url, { max_records: 4 }))), new Set(places(first)));
  const second = await poll(app, url, { max_records: 4, cursor: first.cursor! });
  const third = await poll(app, url, { cursor: second.cursor! });
  const all = [first, second, third].flatMap(places);
  t.equal(new Set(all).size, 10, 'nothing is left out or given twice');
  await commit(app, url, first);
  t.equal((await poll(app, url)).records.length, 6);
  await commit(app, url, third);
  t.match(await poll(app, url), { records: { length: 0 }, positions: { length: 0 }, cursor: null });
});

t.test('what a page may hold is shared out fairly, and no partition waits for ever', async (t) => {
  const app = await openLog(t, [100, 3, 100], () => VALUE);
  const url = await joined(app);
  for (let rest = 203; rest > 0; ) {
    const page = await poll(app, url, { max_bytes: 10_000 });
    const counts = [0, 1, 2].map((each) => page.records.filter(({ partition }) => partition === each).length);
    t.ok(page.records.length > 0 && page.records.length <= 10);
    if (rest > 50) t.ok(Math.abs(counts[0]! - counts[2]!) <= 2, String(counts));
    rest -= page.records.length;
    await commit(app, url, page);
  }
});

t.test('a record that is larger than its share, or than the page, comes all the same', async (t) => {
  const app = await openApp(t);
  await app.engine.createTopic('t', { partitions: 3 });
  for (const [partition, size] of [10, 50_000, 3_000].entries()) {
    const records = Array.from({ length: 5 }, () => ({ value: 'x'.repeat(size) }));
    await app.engine.append('t', records, { partition });
  }
  const url = await joined(app);
  const seen = new Set<string>();
  let polls = 0;
  for (; seen.size < 15; polls++) {
    const page = await poll(app, url, { max_bytes: 10_000 });
    t.ok(page.records.length > 0);
    const bytes = page.records.reduce((sum, { value }) => sum + value.length, 0);
    t.ok(bytes <= 10_000 || page.records.length === 1, `${bytes} bytes`);
    for (const each of places(page)) seen.add(each);
    await commit(app, url, page);
  }
  t.ok(polls < 20, `${polls} polls`);
});

t.test('a page is bounded by what is written, not by what is read', async (t) => {
  const app = await openApp(t);
  await app.engine.createTopic('t', { partitions: 2, config: { 'compression.type': 'zstd' } });
  const records = Array.from({ length: 2000 }, () => ({ value: VALUE }));
  for (const partition of [0, 1]) await app.engine.append('t', records, { partition });
  const url = await joined(app);
  const answer = await app.ask({ url: `${url}?max_bytes=100000` });
  t.ok(answer.body.length < 101_000, `${answer.body.length} bytes`);
  t.ok(answer.json().records.length > 50);
  const rest = await poll(app, url, { cursor: answer.json().cursor, max_bytes: 20_000_000 });
  t.equal(rest.records.length + answer.json().records.length, 4000);
});

t.test('a wait ends with the first record, and with other partitions to read', async (t) => {
  const app = await openLog(t, [0, 0]);
  const url = await joined(app);
  const waiting = poll(app, url, { wait_ms: 60_000 });
  await app.engine.append('t', [{ value: 'now' }], { partition: 1 });
  t.match(await waiting, { records: [{ partition: 1, value: 'now' }] });
  await commit(app, url, await poll(app, url));
  const told = poll(app, url, { wait_ms: 60_000 });
  await joined(app);
  t.match(await told, { records: [], generation: 2, revoking: [{ partitions: [1] }] });
  t.match(await poll(app, url, { wait_ms: 1 }), { records: [], revoking: [] }, 'a wait in vain');
});

t.test('a newer poll takes the place of one that waits', async (t) => {
  const app = await openLog(t, [0]);
  const url = await joined(app);
  const older = poll(app, url, { wait_ms: 60_000 });
  // Given away only once it waits; before that there is nothing to give away.
  const newer = poll(app, url, { wait_ms: 60_000 });
  t.match(await older, { records: [] });
  await app.engine.append('t', [{ value: 'v' }]);
  t.match(await newer, { records: [{ value: 'v' }] });
});

t.test('a wait ends when the server stops, and when the client goes', async (t) => {
  const app = await openLog(t, [0]);
  const url = await joined(app);
  const { port } = await listen(app);
  const { socket, closed } = rawConnection(port);
  socket.write(`GET ${url}?wait_ms=60000 HTTP/1.1\r\nhost: x\r\n\r\n`);
  const idle = async () => (await app.ask({ url: '/api/groups/g' })).json().members[0].idleMs;
  await until(async () => (await idle()) === 0);
  socket.destroy();
  await closed;
  await until(async () => (await idle()) > 0);
  const waiting = poll(app, url, { wait_ms: 60_000 });
  await until(async () => (await idle()) === 0);
  app.lifecycle.stop();
  t.match(await waiting, { records: [] });
});

t.test('a server that stops answers polls that wait, and closes the log cleanly', async (t) => {
  const server = await startTestServer(t);
  await server.ready;
  const request = async (method: string, path: string, body?: object) => {
    const headers = { 'content-type': 'application/json' };
    return fetch(`${server.url}${path}`, { method, headers, body: body && JSON.stringify(body) });
  };
  await request('PUT', '/api/topics/t');
  const joined = await request('POST', '/api/groups/g/members', { topics: ['t'] });
  const { memberId } = (await joined.json()) as { memberId: string };
  const path = `/api/groups/g/members/${memberId}/records`;
  await request('GET', path);
  const waiting = request('GET', `${path}?wait_ms=60000`);
  await until(async () => {
    const group = (await (await request('GET', '/api/groups/g')).json()) as { members: { idleMs: number }[] };
    return group.members[0]!.idleMs === 0;
  });
  const end = server.stop();
  t.match(await (await waiting).json(), { records: [], memberId });
  t.match(await end, { reason: 'stopped', clean: true });
});

t.test('a poll that waits takes nothing from the budget, one that is answered gives it back', async (t) => {
  const app = await openApp(t, { 'http.max.in.flight.bytes': 2_000_000 });
  await app.engine.createTopic('t', { partitions: 8 });
  const urls: string[] = [];
  for (let i = 0; i < 8; i++) urls.push(await joined(app));
  for (let i = 0; i < 3; i++) for (const url of urls) await poll(app, url);
  const waiting = urls.map((url) => poll(app, url, { wait_ms: 60_000, max_bytes: 1_000_000 }));
  await until(async () => {
    const { members } = (await app.ask({ url: '/api/groups/g' })).json();
    return members.every(({ idleMs }: { idleMs: number }) => idleMs === 0);
  });
  t.match((await app.ask({ url: '/metrics' })).body, /^seglog_http_body_bytes 0$/m);
  for (let partition = 0; partition < 8; partition++) {
    await app.engine.append('t', [{ value: 'v' }], { partition });
    await Promise.race(waiting);
  }
  t.ok((await Promise.all(waiting)).every(({ records }) => records.length === 1));
  t.match((await app.ask({ url: '/metrics' })).body, /^seglog_http_body_bytes 0$/m);
});

t.test('a damaged partition is told of, and the others are given', async (t) => {
  const app = await openLog(t, [3, 3]);
  const { SeglogError } = await import('../../src/engine/index.ts');
  const url = await joined(app);
  const details = { topic: 't', partition: 0, firstOffset: 0, endOffset: 2 };
  app.lifecycle.opened(
    Object.assign(Object.create(app.engine), {
      offsets: app.engine.offsets.bind(app.engine),
      read(topic: string, partition: number, options: { offset: number }) {
        if (partition === 0) throw new SeglogError('CORRUPT_MESSAGE', 'offsets 0 to 2 are damaged', details);
        return app.engine.read(topic, partition, options);
      },
    }),
    app.lifecycle.groups,
  );
  const page = await poll(app, url);
  t.match(page, {
    records: [{ partition: 1 }, { partition: 1 }, { partition: 1 }],
    errors: [{ topic: 't', partition: 0, error: { code: 'corrupt_data', status: 500, nextOffset: 2 } }],
    positions: [{ partition: 1, offset: 3 }],
  });
  const rest = await app.ask({ url: `${url}?cursor=${page.cursor}` });
  t.match(
    rest,
    { statusCode: 500, problem: { code: 'corrupt_data', partition: 0 } },
    'where nothing else is left',
  );
});
