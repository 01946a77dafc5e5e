/** Requests that are odd below what a route sees of them. */
import t from 'tap';
import { listen, openApp, rawConnection, rawExchange } from '../helpers/http-app.ts';

const POST =
  'POST /api/topics/t/records HTTP/1.1\r\nhost: x\r\ncontent-type: text/plain\r\nconnection: close\r\n';

t.test('what is no request that we take is answered with a problem all the same', async (t) => {
  const opened = await openApp(t);
  const { engine } = opened;
  await engine.createTopic('t');
  const { port } = await listen(opened);
  const chunked = '\r\n\r\n1\r\na\r\n0\r\n\r\n';
  for (const [name, request, status, code, detail] of [
    ['no host', 'GET /livez HTTP/1.1\r\n\r\n', 400, 'invalid_request', /no Host header/],
    [
      'two hosts',
      `${POST}Host: y\r\ncontent-length: 1\r\n\r\na`,
      400,
      'invalid_request',
      /more than one Host header/,
    ],
    ['a proxy', 'CONNECT example.org:80 HTTP/1.1\r\nhost: x\r\n\r\n', 400, 'invalid_request', /no proxy/],
    [
      'another transfer coding',
      `${POST}transfer-encoding: gzip, chunked${chunked}`,
      415,
      'unsupported_encoding',
      /transfer-encoding "gzip, chunked".*content-encoding/,
    ],
    [
      'a length and chunks',
      `${POST}content-length: 1\r\ntransfer-encoding: chunked${chunked}`,
      400,
      'invalid_request',
      /./,
    ],
    ['two lengths', `${POST}content-length: 1\r\ncontent-length: 2\r\n\r\nab`, 400, 'invalid_request', /./],
    [
      'an empty content type',
      `${POST.replace('text/plain', '')}content-length: 1\r\n\r\na`,
      415,
      'unsupported_media_type',
      /no media type such as application\/json/,
    ],
    [
      'a content type that is none',
      `${POST.replace('text/plain', '/')}content-length: 1\r\n\r\na`,
      415,
      'unsupported_media_type',
      /no media type/,
    ],
  ] as const) {
    const answer = await rawExchange(port, request);
    t.match(
      answer,
      new RegExp(`^HTTP/1\\.1 ${status} .*\\r\\ncontent-type: application/problem\\+json`, 's'),
      name,
    );
    const problem = JSON.parse(answer.slice(answer.indexOf('\r\n\r\n')));
    t.match(problem, { status, code, detail }, name);
  }
  t.equal(engine.offsets('t', 0).logEndOffset, 0, 'nothing was stored');
});

t.test('a body that ends before its length is told so', async (t) => {
  const opened = await openApp(t);
  await opened.engine.createTopic('t');
  const { port } = await listen(opened);
  const { socket, closed } = rawConnection(port);
  socket.end(`${POST}content-length: 10\r\n\r\nhalf`);
  t.match(await closed, /^HTTP\/1\.1 400 .*"code":"corrupt_payload".*before the request was complete/s);
  t.equal(opened.engine.offsets('t', 0).logEndOffset, 0);
});

t.test('what is asked for beyond us is passed over', async (t) => {
  const opened = await openApp(t);
  const { engine } = opened;
  await engine.createTopic('t');
  const { port } = await listen(opened);
  for (const [name, head] of [
    ['another expectation', `${POST}expect: 200-ok\r\n`],
    ['an expectation that is met', `${POST}expect: 100-continue\r\n`],
    ['an upgrade', POST.replace('connection: close', 'connection: close, upgrade\r\nupgrade: h2c')],
    ['HTTP/1.0 without a host', POST.replace('HTTP/1.1\r\nhost: x', 'HTTP/1.0')],
  ] as const) {
    const before = engine.offsets('t', 0).logEndOffset;
    t.match(await rawExchange(port, `${head}content-length: 1\r\n\r\na`), /HTTP\/1\.1 200 OK/, name);
    t.equal(engine.offsets('t', 0).logEndOffset, before + 1, name);
  }
});

t.test('what was given for a parameter is shown as it is, except what a terminal would act on', async (t) => {
  const { ask } = await openApp(t);
  const detailOf = async (url: string) => (await ask({ url })).problem.detail;
  t.match(await detailOf('/api/topics/caf%C3%A9'), /, not "café"$/);
  t.match(await detailOf('/api/topics/a%1b%5b31mb%E2%80%AE'), /, not "a\?\[31mb\?"$/);
  t.match(await detailOf(`/api/topics/${'a'.repeat(250)}`), /, not "a{100}…" \(250 characters\)$/);
  const records = '/api/topics/t/partitions/0/records';
  t.match(
    await detailOf(`${records}?timestamp=2020-12-31T23:00:00+02:00`),
    /not "2020-12-31T23:00:00 02:00" \(a plus is written %2B here\)$/,
  );
});
