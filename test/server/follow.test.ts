import t from 'tap';
import type { Logger } from '../../src/engine/index.ts';
import { listen, openApp, until } from '../helpers/http-app.ts';

/** Opens an event stream and collects what comes. */
async function follow(url: string, headers: Record<string, string> = {}) {
  const controller = new AbortController();
  const response = await fetch(url, {
    headers: { accept: 'text/event-stream', ...headers },
    signal: controller.signal,
  });
  const stream = { response, text: '', ended: false, failed: false, close: () => controller.abort() };
  void (async () => {
    try {
      for await (const piece of response.body!) stream.text += Buffer.from(piece).toString();
      stream.ended = true;
    } catch {
      stream.failed = true;
    }
  })();
  return stream;
}

const events = (text: string) =>
  [...text.matchAll(/^id: (\d+)\ndata: (.*)\n\n/gm)].map(([, id, data]) => ({
    id: Number(id),
    value: JSON.parse(data!).value,
  }));

async function openWithRecords(t: Parameters<typeof openApp>[0], settings = {}, logger?: Logger) {
  const opened = await openApp(t, settings, {}, logger);
  await opened.fill('t', ['a', 'b', 'c']);
  const { url } = await listen(opened);
  return { ...opened, url: `${url}/api/topics/t/partitions/0/records` };
}

t.test('a stream follows the partition from its end, and from where it is asked to', async (t) => {
  const { engine, url } = await openWithRecords(t);
  const tail = await follow(url);
  const all = await follow(`${url}?offset=0`);
  t.match(tail.response.headers.get('content-type'), 'text/event-stream');
  await until(() => events(all.text).length === 3);
  t.equal(tail.text, ': heartbeat\n\n', 'a comment says that the stream is open');
  await engine.append('t', [{ value: 'd' }, { value: 'line\nend' }]);
  await until(() => events(tail.text).length === 2 && events(all.text).length === 5);
  t.strictSame(events(tail.text), [
    { id: 3, value: 'd' },
    { id: 4, value: 'line\nend' },
  ]);
  t.strictSame(
    events(all.text).map(({ id }) => id),
    [0, 1, 2, 3, 4],
  );
  tail.close();
  all.close();
});

t.test('a client that comes back goes on behind the last event that it saw', async (t) => {
  const { url } = await openWithRecords(t);
  const resumed = await follow(`${url}?offset=0`, { 'last-event-id': '1' });
  await until(() => events(resumed.text).length === 1);
  t.strictSame(events(resumed.text), [{ id: 2, value: 'c' }]);
  resumed.close();
  for (const id of ['-1', 'x', '99999999999999999']) {
    const refused = await fetch(url, { headers: { accept: 'text/event-stream', 'last-event-id': id } });
    t.match([refused.status, ((await refused.json()) as { code: string }).code], [400, 'invalid_offset'], id);
  }
  const beyond = await fetch(url, { headers: { accept: 'text/event-stream', 'last-event-id': '7' } });
  t.match([beyond.status, await beyond.json()], [416, { code: 'offset_out_of_range', highWatermark: 3 }]);
});

t.test('an idle stream has a heartbeat', async (t) => {
  const { url } = await openWithRecords(t, { 'http.sse.heartbeat.ms': 10 });
  const idle = await follow(url);
  await until(() => idle.text.split(': heartbeat\n\n').length > 3);
  idle.close();
});

t.test('a stream ends at its limits, when the server stops, and with the topic', async (t) => {
  const logged: unknown[] = [];
  const log = (...line: unknown[]) => void logged.push(line);
  const logger = { debug() {}, info: log, warn: log, error: log };
  const { lifecycle, engine, url } = await openWithRecords(t, {}, logger);
  const two = await follow(`${url}?offset=0&max_records=2`);
  await until(() => two.ended);
  t.strictSame(
    events(two.text).map(({ id }) => id),
    [0, 1],
  );
  const bounded = await follow(`${url}?offset=1&until_offset=2`);
  await until(() => bounded.ended);
  t.strictSame(
    events(bounded.text).map(({ id }) => id),
    [1],
  );

  await engine.createTopic('gone');
  const orphan = await follow(url.replace('/t/', '/gone/'));
  const open = await follow(url);
  await engine.deleteTopic('gone');
  await until(() => orphan.failed || orphan.ended);
  t.match(orphan.text, /event: error\ndata: {"code":"unknown_topic"/);
  t.ok(orphan.failed, 'the connection breaks, so that nobody takes it for an orderly end');
  t.same(logged, [], 'it is no fault of the server');

  lifecycle.stop();
  await until(() => open.ended);
});

t.test('a client that leaves is noticed', async (t) => {
  const { app, url } = await openWithRecords(t);
  const connections = () =>
    new Promise<number>((resolve) => app.server.getConnections((_error, count) => resolve(count)));
  const stream = await follow(url);
  t.equal(await connections(), 1);
  stream.close();
  await until(async () => (await connections()) === 0);
});
