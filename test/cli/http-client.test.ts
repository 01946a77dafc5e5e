import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import t from 'tap';
import { HttpClient } from '../../src/cli/http-client.ts';
import { FakeDaemon, sendProblem } from '../helpers/fake-daemon.ts';

const daemon = await FakeDaemon.start();
t.teardown(() => daemon.stop());
t.afterEach(() => {
  daemon.intercept = () => false;
});

t.test('the flag counts before the environment, and that before the default', async (t) => {
  t.equal(new HttpClient('http://a:1/', { SEGLOG_SERVER: 'http://b:2' }).server, 'http://a:1');
  t.equal(new HttpClient(undefined, { SEGLOG_SERVER: 'http://b:2' }).server, 'http://b:2');
  t.equal(new HttpClient(undefined, { SEGLOG_SERVER: '' }).server, 'http://127.0.0.1:7070');
  for (const server of ['localhost:7070', 'ftp://x', 'nonsense']) {
    t.throws(() => new HttpClient(server), { name: 'UsageError', message: /--server takes a URL/ }, server);
  }
});

t.test('a path before the interface is kept, and queries are encoded', async (t) => {
  daemon.intercept = (request, response) => {
    response.end(
      JSON.stringify({ path: request.path, q: request.query.get('q'), none: request.query.has('none') }),
    );
    return true;
  };
  const client = new HttpClient(`${daemon.url}/behind/a/proxy/`);
  t.same(await client.json('GET', '/api/topics', { query: { q: 'a b&c', none: undefined } }), {
    path: '/behind/a/proxy/api/topics',
    q: 'a b&c',
    none: false,
  });
});

t.test('a connection is used again', async (t) => {
  const client = new HttpClient(daemon.url);
  const connections = new Set<unknown>();
  daemon.intercept = (_request, response) => {
    connections.add(response.socket);
    return false;
  };
  for (let i = 0; i < 5; i++) await client.json('GET', '/api/topics');
  t.equal(connections.size, 1);
  await client.close();
});

t.test('a refused connection says how to start a daemon', async (t) => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  await t.rejects(new HttpClient(`http://127.0.0.1:${port}`).json('GET', '/'), {
    name: 'UnreachableError',
    message: `no seglog daemon answers at http://127.0.0.1:${port}: start one with \`seglog serve\`, or give --server`,
  });
});

t.test('a problem document becomes an error with its detail, code and patience', async (t) => {
  daemon.intercept = (_request, response) =>
    sendProblem(response, 507, 'storage_full', 'no space left', { 'retry-after': '3' });
  await t.rejects(new HttpClient(daemon.url).json('GET', '/'), {
    name: 'ServerError',
    status: 507,
    code: 'storage_full',
    message: 'no space left',
    retryAfterMs: 3000,
    refusedForNow: true,
  });
  daemon.intercept = (_request, response) => {
    response.writeHead(502).end('<html>');
    return true;
  };
  await t.rejects(new HttpClient(daemon.url).json('GET', '/'), {
    message: 'the answer was HTTP status 502 without a word: does --server name a seglog daemon?',
    refusedForNow: false,
  });
});

t.test('a path that the daemon does not have is a matter of --server', async (t) => {
  daemon.intercept = (_request, response) => sendProblem(response, 404, 'not_found', 'no such route');
  await t.rejects(new HttpClient(`${daemon.url}/foo`).json('GET', '/api/topics'), {
    status: 404,
    code: 'not_found',
    message: `the daemon has nothing at ${daemon.url}/foo and below: give its URL without a path by --server`,
  });
});

t.test('something else that listens there is called that', async (t) => {
  daemon.intercept = (_request, response) => {
    response.end('<html>hello</html>');
    return true;
  };
  await t.rejects(new HttpClient(daemon.url).json('GET', '/'), /is no seglog daemon/);
  const other = createServer((socket) => void socket.end('SSH-2.0-OpenSSH\r\n')).listen(0, '127.0.0.1');
  await once(other, 'listening');
  const url = `http://127.0.0.1:${(other.address() as AddressInfo).port}`;
  await t.rejects(new HttpClient(url).json('GET', '/'), /does not speak HTTP/);
  const secure = daemon.url.replace('http:', 'https:');
  await t.rejects(new HttpClient(secure).json('GET', '/'), {
    name: 'Error',
    message: `what answers at ${secure} does not speak TLS: give a URL that begins with http:// by --server`,
  });
  other.close();
});

t.test('a connection that breaks off under a request is told apart from one that was refused', async (t) => {
  daemon.intercept = (_request, response) => {
    response.destroy();
    return true;
  };
  await t.rejects(new HttpClient(daemon.url).json('GET', '/'), {
    name: 'ConnectionLostError',
    message: /broke off/,
  });
});

t.test('waiting ends with its time, or with its signal', async (t) => {
  daemon.intercept = () => true;
  const client = new HttpClient(daemon.url);
  await t.rejects(client.json('GET', '/', { timeoutMs: 20 }), { message: /no answer from .* within 20 ms/ });
  const controller = new AbortController();
  const waiting = client.json('GET', '/', { signal: controller.signal });
  controller.abort();
  await t.rejects(waiting, { name: 'AbortError' });
});
