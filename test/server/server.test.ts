import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import t from 'tap';
import { nodeFileSystem } from '../../src/engine/index.ts';
import { loadConfig, startServer } from '../../src/server/index.ts';
import { failingSyncs } from '../helpers/failing-syncs.ts';
import { rawConnection, startTestServer, until } from '../helpers/http-app.ts';
import { verifyNow } from '../helpers/verify-after.ts';

const portOf = (url: string) => Number(new URL(url).port);
const put = (url: string, topic = 't') => fetch(`${url}/api/topics/${topic}`, { method: 'PUT' });
const post = (url: string, body: string) =>
  fetch(`${url}/api/topics/t/records`, { method: 'POST', headers: { 'content-type': 'text/plain' }, body });

t.test('a server serves, stops cleanly, and serves the same again', async (t) => {
  const data = t.testdir();
  const first = await startTestServer(t, { data });
  await first.ready;
  t.equal((await put(first.url)).status, 201);
  t.equal((await post(first.url, 'a\nb')).status, 200);
  t.strictSame(await first.stop(), { reason: 'stopped', clean: true, detail: null });
  t.strictSame(await first.finished, { reason: 'stopped', clean: true, detail: null });
  await t.rejects(fetch(`${first.url}/livez`), 'it listens no more');
  t.ok(existsSync(join(data, 'clean-shutdown')), 'the clean marker is written');

  const second = await startTestServer(t, { data });
  await second.ready;
  const page = await (await fetch(`${second.url}/api/topics/t/partitions/0/records`)).json();
  t.match(page, { records: [{ value: 'a' }, { value: 'b' }] });
  await second.stop();
  await verifyNow(data);
});

t.test('while the log is recovered it answers not_ready, then serves', async (t) => {
  const real = nodeFileSystem;
  let proceed = () => {};
  const held = new Promise<void>((resolve) => {
    proceed = resolve;
  });
  const fileSystem = Object.assign(Object.create(real), {
    async list(path: string) {
      await held;
      return real.list(path);
    },
  });
  const server = await startTestServer(t, {}, { engine: { fileSystem } });
  t.match(await (await fetch(`${server.url}/livez`)).json(), { status: 'alive', phase: 'starting' });
  for (const path of ['/readyz', '/health', '/metrics', '/api/topics', '/api/topics/t']) {
    const answer = await fetch(server.url + path);
    t.match([answer.status, await answer.json()], [503, { code: 'not_ready', phase: 'starting' }], path);
    t.equal(answer.headers.get('retry-after'), '1');
  }
  proceed();
  await server.ready;
  t.equal((await fetch(`${server.url}/readyz`)).status, 200);
});

t.test('a stop finishes what is in flight and refuses what is new', async (t) => {
  const server = await startTestServer(t);
  await server.ready;
  await put(server.url);
  const slow = rawConnection(portOf(server.url));
  const idle = rawConnection(portOf(server.url));
  slow.socket.write(
    'POST /api/topics/t/records HTTP/1.1\r\nhost: x\r\ncontent-type: text/plain\r\ncontent-length: 8\r\n\r\nhalf',
  );
  const poll = fetch(`${server.url}/api/topics/t/partitions/0/records?wait_ms=60000`);
  idle.socket.write('GET /livez HTTP/1.1\r\nhost: x\r\n\r\n');
  await until(() => idle.received().includes('alive'));
  await until(async () =>
    /seglog_http_body_bytes 4\n/.test(await (await fetch(`${server.url}/metrics`)).text()),
  );

  const stopped = server.stop();
  t.match(await (await poll).json(), { records: [], nextOffset: 0 }, 'the long poll is answered');
  idle.socket.write('GET /api/topics HTTP/1.1\r\nhost: x\r\n\r\n');
  t.match(
    await idle.closed,
    /HTTP\/1\.1 503 [\s\S]*connection: close[\s\S]*"phase":"stopping"/i,
    'a new request is refused',
  );
  slow.socket.write('full');
  t.match(await slow.closed, /HTTP\/1\.1 200 OK[\s\S]*"count":1/, 'the request in flight is finished');
  t.strictSame(await stopped, { reason: 'stopped', clean: true, detail: null });
});

t.test('a stop cuts off what does not finish within its deadline, and still closes the log', async (t) => {
  const server = await startTestServer(t, { 'shutdown.timeout.ms': 1_000 });
  await server.ready;
  await put(server.url);
  const stuck = rawConnection(portOf(server.url));
  stuck.socket.write(
    'POST /api/topics/t/records HTTP/1.1\r\nhost: x\r\ncontent-type: text/plain\r\ncontent-length: 8\r\n\r\nhalf',
  );
  await until(async () =>
    /seglog_http_body_bytes 4\n/.test(await (await fetch(`${server.url}/metrics`)).text()),
  );
  t.match(await server.stop(), {
    reason: 'stopped',
    clean: true,
    detail: 'requests that did not finish in time and were cut off: 1',
  });
  await stuck.closed;
});

t.test('a request that crosses the stop on its way is refused in words', async (t) => {
  const server = await startTestServer(t);
  await server.ready;
  const { socket, closed } = rawConnection(portOf(server.url));
  const request = 'PUT /api/topics/t HTTP/1.1\r\nhost: x\r\n\r\n';
  socket.write(request);
  await once(socket, 'data');
  const stopped = server.stop();
  socket.write(request);
  const answers = await closed;
  t.match(answers, /^HTTP\/1\.1 201 .*HTTP\/1\.1 503 .*\r\nconnection: close\r\n.*"code":"not_ready"/s);
  t.match(await stopped, { reason: 'stopped', clean: true });
});

t.test('a directory that is in use is told, and the server ends', async (t) => {
  const data = t.testdir();
  const first = await startTestServer(t, { data });
  await first.ready;
  const second = await startTestServer(t, { data });
  await t.rejects(second.ready, { code: 'DIRECTORY_LOCKED' });
  t.match(await second.finished, { reason: 'open_failure', detail: String });
  t.equal((await fetch(`${first.url}/readyz`)).status, 200, 'the first goes on');
  await first.stop();
  await verifyNow(data);
});

t.test('an address in use is told before the directory is touched', async (t) => {
  const other = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => other.once('listening', resolve));
  t.teardown(() => other.close());
  const data = join(t.testdir(), 'data');
  const config = loadConfig({
    flags: { data, listen: `127.0.0.1:${(other.address() as AddressInfo).port}` },
  });
  await t.rejects(startServer(config), { code: 'EADDRINUSE' });
  t.notOk(existsSync(data));
});

t.test('after a failed sync the outcome is unknown, and the server ends by itself', async (t) => {
  const state = { fail: false };
  const server = await startTestServer(t, {}, { engine: { fileSystem: failingSyncs(state) } });
  await server.ready;
  await put(server.url);
  state.fail = true;
  const answer = await post(server.url, 'x');
  t.match([answer.status, await answer.json()], [503, { code: 'outcome_unknown' }]);
  t.match(await server.finished, { reason: 'storage_failure', detail: /sync to disk failed/ });
});

t.test('with storage.failure=stay it goes on serving reads, not ready', async (t) => {
  const state = { fail: false };
  const server = await startTestServer(
    t,
    { 'storage.failure': 'stay' },
    { engine: { fileSystem: failingSyncs(state) } },
  );
  await server.ready;
  await put(server.url);
  t.equal((await post(server.url, 'a')).status, 200);
  state.fail = true;
  t.match(await (await post(server.url, 'x')).json(), { code: 'outcome_unknown' });
  t.match(await (await post(server.url, 'y')).json(), { code: 'storage_failed', status: 503 });
  t.match(await (await fetch(`${server.url}/readyz`)).json(), { code: 'not_ready', reasons: Array });
  t.match(await (await fetch(`${server.url}/api/topics/t/partitions/0/records`)).json(), {
    records: [{ value: 'a' }],
  });
});
