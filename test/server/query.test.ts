/** The routes that look for log events: what they take, what they give, page by page, as lines, counted, explained, and followed. */
import type { AddressInfo } from 'node:net';
import t, { type Test } from 'tap';
import { openApp, type TestApp } from '../helpers/http-app.ts';

const AT = Date.parse('2026-11-21T08:00:00Z');
const iso = (offsetMs: number) => new Date(AT + offsetMs).toISOString();

const EVENTS = [
  { timestamp: iso(0), level: 'INFO', source: 'web', message: 'ready' },
  {
    timestamp: iso(1000),
    level: 'ERROR',
    source: 'payment',
    message: 'connection refused',
    metadata: { userId: 42 },
  },
  { timestamp: iso(2000), level: 'WARN', source: 'payment', message: 'retrying', metadata: { userId: 7 } },
  { timestamp: iso(3000), level: 'ERROR', source: 'auth', message: 'Connection REFUSED by 10.0.0.1' },
];

async function openWithEvents(t: Test, events: readonly object[] = EVENTS): Promise<TestApp> {
  const opened = await openApp(t, { 'logs.partitions': 4 });
  const payload = events.map((event) => `${JSON.stringify(event)}\n`).join('');
  const headers = { 'content-type': 'application/x-ndjson' };
  const { statusCode } = await opened.ask({ method: 'POST', url: '/api/logs/batch', payload, headers });
  t.equal(statusCode, 200);
  return opened;
}

interface Page {
  logs: Record<string, unknown>[];
  nextCursor?: string;
  complete: boolean;
  reason?: string;
  page?: number;
  size?: number;
  tookMs: number;
}

async function ask({ ask }: TestApp, url: string): Promise<Page> {
  const { statusCode, body } = await ask({ url: `/api/query/${url}` });
  if (statusCode !== 200) throw new Error(`${statusCode} ${body}`);
  return JSON.parse(body);
}

const messages = ({ logs }: Page) => logs.map(({ message }) => message);

t.test('events are given as they came, with time, partition and offset filled in', async (t) => {
  const opened = await openWithEvents(t, [
    { timestamp: iso(0), source: 'a', message: 'm', odd: [1, { x: null }] },
    { source: 'a', '@timestamp': AT + 1, serviceName: 'b' },
    { source: 'a', ts: iso(2), partition: 'mine', offset: 'mine' },
  ]);
  const { logs, complete, tookMs } = await ask(opened, 'logs?order=asc');
  const { partition } = logs[0]!;
  t.strictSame(logs, [
    { timestamp: iso(0), source: 'a', message: 'm', odd: [1, { x: null }], partition, offset: 0 },
    { source: 'a', '@timestamp': AT + 1, serviceName: 'b', timestamp: iso(1), partition, offset: 1 },
    { source: 'a', ts: iso(2), partition: 'mine', offset: 'mine', timestamp: iso(2) },
  ]);
  t.ok(complete);
  t.ok(tookMs >= 0);
});

t.test('what is no event is given as a message', async (t) => {
  const opened = await openApp(t);
  await opened.fill('plain', ['ERROR: disk full', '{"a":1}', '{}', '{\n "b": 2\n}', 'plain'], 1);
  await opened.engine.append('plain', [{ value: Buffer.from([0xff, 0x41]) }]);
  const { logs } = await ask(opened, 'logs?topic=plain&order=asc');
  const timestamps = logs.map(({ timestamp }) => timestamp);
  t.strictSame(
    logs.map(({ timestamp, ...rest }) => rest),
    [
      { level: 'ERROR', message: 'ERROR: disk full', partition: 0, offset: 0 },
      { a: 1, partition: 0, offset: 1 },
      { partition: 0, offset: 2 },
      { b: 2, partition: 0, offset: 3 },
      { message: 'plain', partition: 0, offset: 4 },
      { message: '/0E=', messageEncoding: 'base64', partition: 0, offset: 5 },
    ],
  );
  t.ok(timestamps.every((timestamp) => !Number.isNaN(Date.parse(String(timestamp)))));
});

t.test('filters, orders and text', async (t) => {
  const opened = await openWithEvents(t);
  const cases: [url: string, messages: string[]][] = [
    ['logs', ['Connection REFUSED by 10.0.0.1', 'retrying', 'connection refused', 'ready']],
    ['logs?order=asc&limit=2', ['ready', 'connection refused']],
    [`logs?startTime=${iso(1000)}&endTime=${iso(3000)}`, ['retrying', 'connection refused']],
    [`logs?startTime=${AT + 3000}`, ['Connection REFUSED by 10.0.0.1']],
    ['logs?source=payment', ['retrying', 'connection refused']],
    ['logs?source=pay*,web', ['retrying', 'connection refused', 'ready']],
    ['logs?level=error', ['Connection REFUSED by 10.0.0.1', 'connection refused']],
    ['logs?level=warning,info', ['retrying', 'ready']],
    ['logs?source=payment&level=ERROR', ['connection refused']],
    ['logs?q=refused', ['Connection REFUSED by 10.0.0.1', 'connection refused']],
    ['logs?q=refused%20-10.0.0.1', ['connection refused']],
    ['logs?q=metadata.userId:42', ['connection refused']],
    ['logs?q=nothing', []],
    ['search?query=%22connection%20refused%22&source=auth', ['Connection REFUSED by 10.0.0.1']],
    ['search?query=level:WARN', ['retrying']],
  ];
  for (const [url, expected] of cases) t.strictSame(messages(await ask(opened, url)), expected, url);
});

t.test('the same in JSON', async (t) => {
  const opened = await openWithEvents(t);
  const post = async (payload: object) => {
    const { body, statusCode } = await opened.ask({ method: 'POST', url: '/api/query/logs', payload });
    t.equal(statusCode, 200, body);
    return messages(JSON.parse(body));
  };
  t.strictSame(await post({}), ['Connection REFUSED by 10.0.0.1', 'retrying', 'connection refused', 'ready']);
  t.strictSame(await post({ level: ['ERROR', 'WARN'], source: 'payment', order: 'asc' }), [
    'connection refused',
    'retrying',
  ]);
  t.strictSame(await post({ startTime: AT + 1000, endTime: iso(2000), limit: 5, q: 'refused' }), [
    'connection refused',
  ]);
});

t.test('pages by cursor neither repeat nor skip while events come', async (t) => {
  const opened = await openWithEvents(t);
  const seen: unknown[] = [];
  let url = 'logs?limit=1';
  for (let pages = 0; pages < 10; pages++) {
    const page = await ask(opened, url);
    seen.push(...messages(page));
    if (page.nextCursor === undefined) break;
    url = `logs?limit=1&cursor=${page.nextCursor}`;
    const payload = { source: 'late', timestamp: iso(4000 + pages), message: `late ${pages}` };
    await opened.ask({ method: 'POST', url: '/api/logs/ingest', payload });
  }
  t.strictSame(seen, ['Connection REFUSED by 10.0.0.1', 'retrying', 'connection refused', 'ready']);
});

t.test('pages by number', async (t) => {
  const opened = await openWithEvents(t);
  const second = await ask(opened, 'logs?page=2&size=3');
  t.strictSame(messages(second), ['ready']);
  t.match(second, { page: 2, size: 3 });
  t.strictSame(messages(await ask(opened, 'logs?page=9&size=3')), []);
});

t.test('events as lines', async (t) => {
  const opened = await openWithEvents(t);
  const headers = { accept: 'application/x-ndjson' };
  const all = await opened.ask({ url: '/api/query/logs?order=asc', headers });
  t.equal(all.headers['content-type'], 'application/x-ndjson');
  const lines = all.body
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  t.strictSame(
    lines.map(({ message }) => message),
    EVENTS.map(({ message }) => message),
  );
  const some = await opened.ask({ url: '/api/query/logs?limit=1', headers });
  t.type(
    (some as unknown as { trailers: Record<string, string> }).trailers['x-seglog-next-cursor'],
    'string',
  );
});

t.test('before the first event there are none, but of a topic that is named', async (t) => {
  const opened = await openApp(t);
  t.strictSame(await ask(opened, 'logs').then(({ logs, complete }) => ({ logs, complete })), {
    logs: [],
    complete: true,
  });
  t.match(await ask(opened, 'stats'), { total: 0, byLevel: {}, histogram: [] });
  t.equal((await opened.ask({ url: '/api/query/logs?topic=none' })).problem.code, 'unknown_topic');
});

t.test('what makes no sense is told', async (t) => {
  const opened = await openWithEvents(t);
  const cursor = (await ask(opened, 'logs?limit=1')).nextCursor;
  const cases: [url: string, code: string, position?: number][] = [
    ['logs?q=a%20(b', 'invalid_query', 2],
    ['logs?q=%2F(%2F', 'invalid_query', 0],
    ['search?query=OR', 'invalid_query', 0],
    ['tail?q=%22', 'invalid_query', 0],
    ['logs?cursor=abc', 'invalid_cursor'],
    [`logs?cursor=${cursor}&q=x`, 'invalid_cursor'],
    [`logs?cursor=${cursor}&page=1`, 'invalid_parameter'],
    ['logs?limit=0', 'invalid_parameter'],
    ['logs?page=0', 'invalid_parameter'],
    ['logs?order=up', 'invalid_parameter'],
    ['logs?since=1h', 'invalid_parameter'],
    ['logs?startTime=yesterday', 'invalid_timestamp'],
    ['logs?topic=..', 'invalid_topic'],
    ['stats?interval=1', 'invalid_parameter'],
    ['stats?interval=often', 'invalid_parameter'],
  ];
  for (const [url, code, position] of cases) {
    const { problem, statusCode } = await opened.ask({ url: `/api/query/${url}` });
    t.strictSame([statusCode, problem.code, problem.position], [400, code, position], url);
  }
  const body = await opened.ask({ method: 'POST', url: '/api/query/logs', payload: { q: 1, since: 2 } });
  t.equal(body.problem.code, 'invalid_request');
});

t.test('statistics', async (t) => {
  const opened = await openWithEvents(t);
  const { statusCode, body } = await opened.ask({
    url: `/api/query/stats?startTime=${iso(0)}&endTime=${iso(4000)}&interval=2s&fields=metadata.userId&top=1`,
  });
  t.equal(statusCode, 200, body);
  const { tookMs, ...rest } = JSON.parse(body);
  t.strictSame(rest, {
    startTime: iso(0),
    endTime: iso(4000),
    total: 4,
    firstSeen: iso(0),
    lastSeen: iso(3000),
    byLevel: { ERROR: 2, INFO: 1, WARN: 1 },
    bySource: { payment: 2, auth: 1, web: 1 },
    byField: { 'metadata.userId': { 7: 1, 42: 1, '': 2 } },
    topSources: [{ source: 'payment', count: 2, firstSeen: iso(1000), lastSeen: iso(2000) }],
    intervalMs: 2000,
    histogram: [
      { time: iso(0), count: 2, byLevel: { INFO: 1, ERROR: 1 } },
      { time: iso(2000), count: 2, byLevel: { WARN: 1, ERROR: 1 } },
    ],
    complete: true,
  });
  t.type(tookMs, 'number');
  const recent = await ask(opened, 'stats?hoursBack=1&q=level:ERROR');
  t.match(recent, { intervalMs: 300_000 });
});

t.test('a query explained', async (t) => {
  const opened = await openWithEvents(t);
  const { statusCode, body } = await opened.ask({
    method: 'POST',
    url: '/api/query/explain',
    payload: { source: 'payment', q: 'refused', limit: 10 },
  });
  t.equal(statusCode, 200, body);
  const plan = JSON.parse(body);
  t.equal(plan.query, '"refused" source:"payment"');
  t.equal(plan.matches, 1);
  t.equal(plan.partitions.total, 4);
  t.ok(plan.bytesRead > 0 && plan.complete);
});

t.test('events are followed as they come, and again from where a client was', async (t) => {
  const opened = await openWithEvents(t);
  await opened.app.listen({ port: 0 });
  const { port } = opened.app.server.address() as AddressInfo;
  const ingest = (message: string, source = 'payment') =>
    opened.ask({ method: 'POST', url: '/api/logs/ingest', payload: { source, message } });

  const first = await follow(t, `http://127.0.0.1:${port}/api/query/tail?source=payment`);
  await ingest('one');
  await ingest('other', 'web');
  await ingest('two');
  const seen = [await first.next(), await first.next()];
  t.strictSame(
    seen.map(({ data }) => data.message),
    ['one', 'two'],
  );
  t.type(seen[0]!.data.offset, 'number');
  first.close();

  await ingest('three');
  const again = await follow(t, `http://127.0.0.1:${port}/api/query/tail?source=payment`, {
    'last-event-id': seen[0]!.id,
  });
  t.strictSame([(await again.next()).data.message, (await again.next()).data.message], ['two', 'three']);
  again.close();

  const page = await opened.ask({ url: '/api/query/tail', headers: { accept: 'application/json' } });
  t.match(page, { statusCode: 406, problem: { code: 'not_acceptable' } });
  const bad = await opened.ask({ url: '/api/query/tail', headers: { 'last-event-id': 'nonsense' } });
  t.equal(bad.problem.code, 'invalid_cursor');
});

interface SentEvent {
  id: string;
  data: Record<string, unknown>;
}

/** Resolves once the stream is open. */
async function follow(
  t: { teardown(close: () => void): void },
  url: string,
  headers: Record<string, string> = {},
) {
  const abort = new AbortController();
  t.teardown(() => abort.abort());
  const { body } = await fetch(url, { headers, signal: abort.signal });
  const reader = body!.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  const read = async (end: string) => {
    while (!text.includes(end)) {
      const { value, done } = await reader.read();
      if (done) throw new Error(`the stream ended after ${text}`);
      text += value;
    }
    const piece = text.slice(0, text.indexOf(end));
    text = text.slice(piece.length + end.length);
    return piece;
  };
  t.teardown(() => reader.cancel().catch(() => {}));
  await read(': heartbeat\n\n');
  return {
    async next(): Promise<SentEvent> {
      const piece = await read('\n\n');
      if (piece.startsWith(':')) return this.next();
      const [id, data] = piece.split('\n');
      return { id: id!.slice('id: '.length), data: JSON.parse(data!.slice('data: '.length)) };
    },
    close: () => abort.abort(),
  };
}
