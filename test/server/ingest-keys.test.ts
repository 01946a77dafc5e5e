/** Log events that are sent again under the same Idempotency-Key: what was stored is stored once, and what was not is stored then. */
import { gzipSync } from 'node:zlib';
import t from 'tap';
import { type Engine, SeglogError } from '../../src/engine/index.ts';
import { openApp, startTestServer, type TestApp } from '../helpers/http-app.ts';
import { overlay } from '../helpers/overlay.ts';

const BATCH = '/api/logs/batch';
const LINES = { 'content-type': 'application/x-ndjson' };
const LINES_OF_A_CHUNK = 4096;

const event = (n: number) =>
  JSON.stringify({ source: `s-${n % 5}`, message: `event ${n}`, pad: 'x'.repeat(200) });
const lines = (count: number) => `${Array.from({ length: count }, (_, n) => event(n)).join('\n')}\n`;
const records = ({ engine }: TestApp) => engine.listTopics().reduce((sum, each) => sum + each.records, 0);

const send = (
  { ask }: TestApp,
  payload: string | Buffer,
  {
    url = BATCH,
    key = 'k',
    headers = {},
  }: { url?: string; key?: string; headers?: Record<string, string> } = {},
) => ask({ method: 'POST', url, headers: { ...LINES, 'idempotency-key': key, ...headers }, payload });

const json = { 'content-type': 'application/json' };
const cases: [name: string, payload: string, options: Parameters<typeof send>[2], stored: number][] = [
  ['one', event(1), { url: '/api/logs/ingest', headers: json }, 1],
  ['lines', `${lines(2000)}bad\n`, {}, 2000],
  ['lines of several chunks', `bad\n${lines(3 * LINES_OF_A_CHUNK)}`, {}, 3 * LINES_OF_A_CHUNK],
  ['an array', `[${event(1)},${event(2)}]`, { headers: json }, 2],
  ['all or none', lines(500), { url: `${BATCH}?strict=true` }, 500],
];
for (const [name, payload, options, stored] of cases) {
  t.test(`the same events with the same key are stored once, and answered alike: ${name}`, async (t) => {
    const opened = await openApp(t);
    const first = await send(opened, payload, options);
    t.equal(first.headers['idempotent-replayed'], undefined, name);
    const again = await send(opened, payload, options);
    t.equal(again.headers['idempotent-replayed'], 'true', name);
    const { tookMs: _1, ...answer } = first.json();
    const { tookMs: _2, ...answerAgain } = again.json();
    t.same(answerAgain, answer, name);
    t.equal(records(opened), stored, name);
    t.equal(opened.metrics.ingest.accepted, stored, `${name}: counted once`);
    await send(opened, payload, { ...options, key: 'other' });
    t.equal(records(opened), 2 * stored, `${name}: another key`);
  });
}

t.test('how the body is compressed makes no difference; what it is made of does', async (t) => {
  const opened = await openApp(t);
  await send(opened, lines(100));
  const gzip = { headers: { 'content-encoding': 'gzip' } };
  t.equal((await send(opened, gzipSync(lines(100)), gzip)).headers['idempotent-replayed'], 'true');
  t.equal(records(opened), 100);
  const refused: [payload: string, url: string][] = [
    [lines(101), BATCH],
    [lines(100), `${BATCH}?source=other`],
  ];
  for (const [payload, url] of refused)
    t.match((await send(opened, payload, { url })).problem, { status: 422, code: 'idempotency_key_reused' });
  t.equal(records(opened), 100);
  t.match((await send(opened, lines(1), { key: 'ü' })).problem, { code: 'invalid_request' });
});

t.test('what failed midway is sent again as it was, and each event is stored once', async (t) => {
  const opened = await openApp(t);
  const { engine, lifecycle } = opened;
  let failing = 3;
  const startAppend: Engine['startAppend'] = (...args) => {
    const append = engine.startAppend(...args);
    const commit = append.commit.bind(append);
    append.commit = async () => {
      if (--failing === 0) throw new SeglogError('STORAGE_FULL', 'the disk is full');
      return commit();
    };
    return append;
  };
  lifecycle.opened(overlay(engine, { startAppend }), lifecycle.groups);
  const body = lines(6 * LINES_OF_A_CHUNK);
  const failed = await send(opened, body);
  t.match(failed.problem, { code: 'storage_full' });
  t.equal(failed.headers['retry-after'], '10', 'it may be sent again although a part is stored');
  const before = records(opened);
  t.equal(failed.problem.accepted, before);
  t.ok(before > 0 && before < 6 * LINES_OF_A_CHUNK);
  const again = await send(opened, body);
  t.match(again.json(), { accepted: 6 * LINES_OF_A_CHUNK, rejected: 0 });
  t.equal(records(opened), 6 * LINES_OF_A_CHUNK);
});

t.test('appends that had to be cut smaller are known again', async (t) => {
  const opened = await openApp(t);
  await opened.engine.createTopic('logs', { partitions: 2, config: { 'max.message.bytes': '8KiB' } });
  for (let i = 0; i < 3; i++) t.match((await send(opened, lines(1000))).json(), { accepted: 1000 });
  t.equal(records(opened), 1000);
});

for (const url of [BATCH, `${BATCH}?strict=true`]) {
  t.test(
    `events are known again although their topic takes only smaller appends by now: ${url}`,
    async (t) => {
      const opened = await openApp(t);
      await send(opened, lines(1000), { url });
      await opened.engine.alterTopic('logs', { config: { 'max.message.bytes': '8KiB' } });
      const again = await send(opened, lines(1000), { url });
      t.equal(again.headers['idempotent-replayed'], 'true');
      t.match(again.json(), { accepted: 1000, rejected: 0 });
      t.equal(records(opened), 1000);
      const other = await send(opened, lines(1000), { url, key: 'other' });
      t.equal(other.statusCode, url === BATCH ? 200 : 413);
    },
  );
}

t.test('keys are known over a restart, and after partitions were added', async (t) => {
  const data = t.testdir();
  const first = await startTestServer(t, { data });
  await first.ready;
  const post = async (url: string) => {
    const headers = { ...LINES, 'idempotency-key': 'k' };
    const answer = await fetch(`${url}${BATCH}`, {
      method: 'POST',
      headers,
      body: lines(2 * LINES_OF_A_CHUNK),
    });
    return { replayed: answer.headers.get('idempotent-replayed'), ...((await answer.json()) as object) };
  };
  t.match(await post(first.url), { replayed: null, accepted: 2 * LINES_OF_A_CHUNK });
  await fetch(`${first.url}/api/topics/logs`, {
    method: 'PATCH',
    headers: { 'content-type': 'application/json' },
    body: '{"partitions":20}',
  });
  await first.stop();
  const second = await startTestServer(t, { data });
  await second.ready;
  t.match(await post(second.url), { replayed: 'true', accepted: 2 * LINES_OF_A_CHUNK });
  const { topics } = (await (await fetch(`${second.url}/api/topics`)).json()) as { topics: object[] };
  t.match(topics, [{ name: 'logs', partitions: 20, records: 2 * LINES_OF_A_CHUNK }]);
});
