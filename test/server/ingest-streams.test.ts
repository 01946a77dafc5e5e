/** Log events that come as a stream: what holds when it is longer than memory, when storing fails midway, when the client goes. */
import t from 'tap';
import { type Engine, type PartitionAppend, SeglogError } from '../../src/engine/index.ts';
import { listen, openApp, rawConnection, type TestApp, until } from '../helpers/http-app.ts';
import { overlay } from '../helpers/overlay.ts';

const BATCH = '/api/logs/batch';
const LINES = { 'content-type': 'application/x-ndjson' };
const MIB = 1024 * 1024;

const line = (n: number) =>
  `${JSON.stringify({ source: `s-${n % 5}`, message: `event ${n}`, pad: 'x'.repeat(200) })}\n`;
/** About a MiB. */
const LINES_OF_A_CHUNK = 4096;
const lines = (count: number) => Buffer.from(Array.from({ length: count }, (_, n) => line(n)).join(''));

/** From now on `commit` stands between the commits of appends and the engine. */
function withCommits(
  { lifecycle, engine }: TestApp,
  commit: (original: () => Promise<PartitionAppend[]>) => Promise<PartitionAppend[]>,
): void {
  const startAppend: Engine['startAppend'] = (...args) => {
    const append = engine.startAppend(...args);
    const original = append.commit.bind(append);
    append.commit = () => commit(original);
    return append;
  };
  lifecycle.opened(overlay(engine, { startAppend }), lifecycle.groups, lifecycle.search);
}

const bodyBytes = async ({ ask }: TestApp) =>
  Number(/^seglog_http_body_bytes (\d+)$/m.exec((await ask({ url: '/metrics' })).body)![1]);

t.test('a failure midway says how much was stored, and not that the same may be sent again', async (t) => {
  const opened = await openApp(t);
  let commits = 0;
  withCommits(opened, async (original) => {
    if (++commits === 3) throw new SeglogError('STORAGE_FULL', 'the disk is full');
    return original();
  });
  const answer = await opened.ask({
    method: 'POST',
    url: BATCH,
    headers: LINES,
    payload: Buffer.concat([Buffer.from('bad\n'), lines(6 * LINES_OF_A_CHUNK)]),
  });
  t.match(answer.problem, {
    code: 'storage_full',
    status: 507,
    detail: /^\d+ of the events in the first \d+ lines were stored before this: the disk is full$/,
    rejected: 1,
    errors: [{ line: 1, code: 'invalid_json' }],
  });
  t.equal(answer.headers['retry-after'], undefined);
  const records = opened.engine.listTopics()[0]!.records;
  t.ok(records > 0 && records < 6 * LINES_OF_A_CHUNK);
  t.equal(answer.problem.accepted, records);
  t.equal(opened.metrics.ingest.accepted, records);
});

t.test('where nothing was stored the same may be sent again', async (t) => {
  const opened = await openApp(t);
  await opened.engine.createTopic('logs');
  withCommits(opened, async () => {
    throw new SeglogError('STORAGE_FULL', 'the disk is full');
  });
  for (const url of [BATCH, `${BATCH}?strict=true`]) {
    const answer = await opened.ask({ method: 'POST', url, headers: LINES, payload: lines(10) });
    t.match(answer.problem, { code: 'storage_full', detail: 'the disk is full' });
    t.equal(answer.headers['retry-after'], '10');
  }
});

t.test('a body is read no faster than it is stored, and little of it is held', async (t) => {
  const opened = await openApp(t);
  const { promise: opening, resolve: open } = Promise.withResolvers<void>();
  let commits = 0;
  withCommits(opened, async (original) => {
    commits++;
    await opening;
    return original();
  });
  const { port } = await listen(opened);
  const { socket, closed } = rawConnection(port);
  const body = lines(64 * LINES_OF_A_CHUNK);
  socket.write(
    `POST ${BATCH} HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-ndjson\r\nconnection: close\r\ncontent-length: ${body.length}\r\n\r\n`,
  );
  for (let at = 0; at < body.length; at += MIB) socket.write(body.subarray(at, at + MIB));
  let before = -1;
  await until(async () => {
    const still = commits > 0 && socket.writableLength === before;
    before = socket.writableLength;
    await new Promise((resolve) => setTimeout(resolve, 50));
    return still;
  });
  t.ok(commits <= 5, `${commits} appends are under way`);
  t.ok(socket.writableLength > 40 * MIB, `${socket.writableLength} bytes wait at the client`);
  t.ok((await bodyBytes(opened)) <= 2 * MIB);
  open();
  t.match(await closed, /"accepted":262144,"rejected":0/);
  t.equal(opened.engine.listTopics()[0]!.records, 262_144);
  t.equal(await bodyBytes(opened), 0);
});

t.test(
  'of a client that goes away what came in whole chunks is stored, and nothing is left behind',
  async (t) => {
    const opened = await openApp(t);
    const { port } = await listen(opened);
    for (const coding of ['identity', 'gzip']) {
      const { socket } = rawConnection(port);
      socket.write(
        `POST ${BATCH}?topic=${coding} HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-ndjson\r\ncontent-encoding: ${coding}\r\ntransfer-encoding: chunked\r\n\r\n`,
      );
      const body = coding === 'identity' ? lines(2 * LINES_OF_A_CHUNK) : Buffer.from([0x1f, 0x8b, 8]);
      socket.write(`${body.length.toString(16)}\r\n`);
      socket.write(body);
      if (coding === 'identity')
        await until(() => opened.engine.listTopics().some(({ records }) => records >= LINES_OF_A_CHUNK));
      socket.destroy();
      await until(async () => (await bodyBytes(opened)) === 0);
    }
    t.same(
      opened.engine.listTopics().map(({ name }) => name),
      ['identity'],
    );
    t.ok(opened.engine.listTopics()[0]!.records < 2 * LINES_OF_A_CHUNK);
  },
);

t.test('a long body may be announced', async (t) => {
  const opened = await openApp(t, { 'http.max.body.bytes': 64 * 1024 });
  const { port } = await listen(opened);
  const { socket, received, closed } = rawConnection(port);
  const body = lines(LINES_OF_A_CHUNK);
  socket.write(
    `POST ${BATCH} HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: ${body.length}\r\n\r\n`,
  );
  await until(() => received().length > 0);
  t.match(received(), /^HTTP\/1.1 100 Continue/);
  socket.destroy();
  await closed;
});

t.test(
  'the connection serves on after a body that was read to its end, and closes after one that was not',
  async (t) => {
    const opened = await openApp(t);
    const { port } = await listen(opened);
    const { socket, received, closed } = rawConnection(port);
    const head = `POST ${BATCH} HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-ndjson\r\n`;
    socket.write(`${head}content-length: 4\r\n\r\nbad\n${head}content-length: 4\r\n\r\nbad\n`);
    await until(() => received().split('"accepted":0').length === 3);
    const array = head.replace('x-ndjson', 'json');
    socket.write(`${array}transfer-encoding: chunked\r\n\r\n4\r\n[] x\r\n`);
    t.match(await closed, /HTTP\/1.1 400.*connection: close.*more follows the array/s);
  },
);
