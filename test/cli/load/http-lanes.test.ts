import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import t, { type Test } from 'tap';
import { HttpLanes, type LaneAnswer, type LaneRequest } from '../../../src/cli/load/http-lanes.ts';

async function open(t: Test, listener: RequestListener, { lanes = 1, timeoutMs = 10_000, path = '' } = {}) {
  const server = createServer(listener);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const http = new HttpLanes(new URL(`http://127.0.0.1:${port}${path}`), lanes, timeoutMs);
  t.teardown(async () => {
    await http.close();
    server.closeAllConnections();
    server.close();
  });
  const send = (request: LaneRequest, lane = 0) =>
    new Promise<LaneAnswer>((resolve) => http.send(lane, request, resolve));
  return { http, send, server };
}

const GET: LaneRequest = { method: 'GET', path: '/x?y=1' };

t.test('a request goes out whole, and the answer is counted', async (t) => {
  const seen: unknown[] = [];
  const { send } = await open(
    t,
    async (request, response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk);
      seen.push([
        request.method,
        request.url,
        request.headers['content-type'],
        Buffer.concat(chunks).toString(),
      ]);
      response.end('answer');
    },
    { path: '/below/' },
  );
  const body = Buffer.from('[1]');
  t.same(await send({ method: 'POST', path: '/x', body, contentType: 'application/json' }), {
    error: undefined,
    givenUp: false,
    bytes: 6,
    end: '',
  });
  await send(GET);
  t.same(seen, [
    ['POST', '/below/x', 'application/json', '[1]'],
    ['GET', '/below/x?y=1', undefined, ''],
  ]);
});

t.test('a lane keeps its connection, and each lane has one', async (t) => {
  const ports = new Set<number>();
  const { send } = await open(
    t,
    (request, response) => {
      ports.add(request.socket.remotePort!);
      response.end();
    },
    { lanes: 3 },
  );
  for (let i = 0; i < 5; i++) await Promise.all([0, 1, 2].map((lane) => send(GET, lane)));
  t.equal(ports.size, 3);
});

t.test('the end of a long answer', async (t) => {
  const { send } = await open(t, (_request, response) => {
    response.write('x'.repeat(100_000));
    setImmediate(() => response.end(`${'y'.repeat(300)}{"nextOffset":7}`));
  });
  const { end, bytes } = await send({ ...GET, keepEnd: true });
  t.match(end, /^y+\{"nextOffset":7\}$/);
  t.equal(end.length, 256);
  t.equal(bytes, 100_316);
});

t.test('refusals are told apart by their code, or else by their status', async (t) => {
  const answers: [number, string][] = [
    [503, '{"code":"overloaded","title":"…"}'],
    [502, '<h1>Bad gateway</h1>'],
    [301, ''],
  ];
  const { send } = await open(t, (_request, response) => {
    const [status, body] = answers.shift()!;
    response.writeHead(status).end(body);
  });
  t.match(await send(GET), { error: '503 overloaded', givenUp: false });
  t.match(await send(GET), { error: 'status 502', givenUp: false });
  t.match(await send(GET), { error: 'status 301', givenUp: false });
});

t.test('an answer that does not come in time is given up, and the lane goes on', async (t) => {
  let held = 0;
  const { send } = await open(
    t,
    (_request, response) => {
      // One never begins, one never ends.
      if (held++ === 0) return;
      if (held === 2) response.write('…');
      else response.end();
    },
    { timeoutMs: 100 },
  );
  t.match(await send(GET), { error: 'timeout', givenUp: true });
  t.match(await send(GET), { error: 'timeout', givenUp: true });
  t.match(await send(GET), { error: undefined });
});

t.test('connections that break, and servers that are none', async (t) => {
  const { send, server } = await open(t, (request) => request.socket.destroy());
  t.match(await send(GET), { error: 'connection lost', givenUp: false });
  server.close();
  await once(server, 'close');
  t.match(await send(GET), { error: 'connection refused', givenUp: false });

  const tcp = createTcpServer((socket) => socket.end('nonsense\r\n\r\n'));
  tcp.listen(0, '127.0.0.1');
  await once(tcp, 'listening');
  const other = new HttpLanes(new URL(`http://127.0.0.1:${(tcp.address() as AddressInfo).port}`), 1, 5_000);
  t.teardown(async () => {
    await other.close();
    tcp.close();
  });
  t.match(await new Promise<LaneAnswer>((resolve) => other.send(0, GET, resolve)), {
    error: 'no HTTP',
    givenUp: false,
  });
});

t.test('the next request may be sent as soon as one has failed', async (t) => {
  const { http, server } = await open(t, (request) => request.socket.destroy());
  const errors = (count: number) =>
    new Promise<string[]>((resolve) => {
      const found: string[] = [];
      const next = ({ error }: { error?: string }) => {
        if (error !== undefined) found.push(error);
        if (found.length === count) resolve(found);
        else http.send(0, GET, next);
      };
      next({});
    });
  t.same(new Set(await errors(5)), new Set(['connection lost']));
  server.close();
  await once(server, 'close');
  t.same(new Set(await errors(5)), new Set(['connection refused']));
});

t.test('what is under way can be broken off', async (t) => {
  const { http, send, server } = await open(t, () => {}, { lanes: 2 });
  const answer = send(GET, 1);
  await once(server, 'request');
  http.breakAll('interrupted');
  t.match(await answer, { error: 'interrupted', givenUp: true });
});
