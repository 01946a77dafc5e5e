/** What makes produce requests safe to send again, over HTTP: producer ids, idempotency keys; and appends on a condition. */
import { gzipSync } from 'node:zlib';
import { encode } from '@msgpack/msgpack';
import type { InjectOptions } from 'fastify';
import t from 'tap';
import { Daemon } from '../helpers/daemon.ts';
import { openApp, type TestApp } from '../helpers/http-app.ts';

const RECORDS = '/api/topics/t/records';

/** The same two records as each kind of body that a produce request may have; one in the last. */
const BODIES: readonly [name: string, type: string, payload: string | Buffer, count: number][] = [
  ['JSON', 'application/json', '{"records":[{"key":"a","value":"1"},{"key":"b","value":"2"}]}', 2],
  [
    'MessagePack',
    'application/msgpack',
    Buffer.from(
      encode({
        records: [
          { key: 'a', value: '1' },
          { key: 'b', value: '2' },
        ],
      }),
    ),
    2,
  ],
  ['NDJSON', 'application/x-ndjson', '{"n":1}\n{"n":2}\n', 2],
  ['lines', 'text/plain', 'one\ntwo\n', 2],
  ['bytes', 'application/octet-stream', Buffer.from([0, 255, 10]), 1],
];

const post = (
  { ask }: TestApp,
  query: string,
  payload: string | Buffer,
  headers: Record<string, string> = {},
) =>
  ask({
    method: 'POST',
    url: RECORDS + query,
    headers: { 'content-type': 'text/plain', ...headers },
    payload,
  });

async function newProducer(
  { ask }: TestApp,
  payload?: object,
): Promise<{ producerId: number; epoch: number }> {
  const options: InjectOptions = { method: 'POST', url: '/api/producers', payload };
  return (await ask(options)).json();
}

const ends = ({ engine }: TestApp, partitions: number) =>
  Array.from({ length: partitions }, (_, partition) => engine.offsets('t', partition).logEndOffset);

t.test('a request with an idempotency key is answered as the first time, whatever its body is', async (t) => {
  const app = await openApp(t);
  await app.engine.createTopic('t', { partitions: 3 });
  for (const [name, type, payload, count] of BODIES) {
    const headers = { 'content-type': type, 'idempotency-key': `key of ${name}` };
    const before = ends(app, 3).reduce((a, b) => a + b);
    const first = await post(app, '', payload, headers);
    t.equal(first.statusCode, 200, name);
    t.equal(first.headers['idempotent-replayed'], undefined);
    const packed = { ...headers, 'content-encoding': 'gzip' };
    for (const again of [
      await post(app, '', payload, headers),
      await post(app, '', gzipSync(payload), packed),
    ]) {
      t.equal(again.headers['idempotent-replayed'], 'true');
      t.equal(again.body, first.body, `${name}: byte for byte`);
    }
    t.equal(
      ends(app, 3).reduce((a, b) => a + b),
      before + count,
      'nothing was stored twice',
    );
  }
  t.equal(app.metrics.replayed, 2 * BODIES.length);
});

t.test('another request with the same key is refused, whatever differs', async (t) => {
  const app = await openApp(t);
  await app.engine.createTopic('t', { partitions: 2 });
  const key = { 'idempotency-key': 'k' };
  await post(app, '', 'x', key);
  for (const [query, payload, headers] of [
    ['', 'y', key],
    ['?partition=0', 'x', key],
    ['?encoding=json', '{"records":[{"value":"x"}]}', { ...key, 'content-type': 'application/json' }],
    ['', 'x', { ...key, 'content-type': 'application/octet-stream' }],
  ] as const) {
    const refused = await post(app, query, payload, headers);
    t.match(refused, { statusCode: 422, problem: { code: 'idempotency_key_reused' } }, `${query} ${payload}`);
  }
  t.match(await post(app, '?acks=1', 'x', key), {
    statusCode: 200,
    headers: { 'idempotent-replayed': 'true' },
  });
  t.equal(
    ends(app, 2).reduce((a, b) => a + b),
    1,
  );
});

t.test('a producer sends its batches in order, each stored once', async (t) => {
  const app = await openApp(t);
  await app.engine.createTopic('t', { partitions: 2 });
  const { producerId, epoch } = await newProducer(app);
  const query = (sequence: number, partition = 0, producerEpoch = epoch) =>
    `?partition=${partition}&producerId=${producerId}&producerEpoch=${producerEpoch}&sequence=${sequence}`;
  let sequence = 0;
  for (const [name, type, payload, count] of BODIES) {
    const headers = { 'content-type': type };
    const first = await post(app, query(sequence), payload, headers);
    const again = await post(app, query(sequence), payload, headers);
    t.match(first.json(), { partitions: [{ partition: 0, baseOffset: sequence, count }] }, name);
    t.equal(again.body, first.body);
    t.equal(again.headers['idempotent-replayed'], 'true');
    sequence += count;
  }
  t.match((await post(app, query(0, 1), 'x')).json(), { partitions: [{ partition: 1, baseOffset: 0 }] });
  t.match(await post(app, query(sequence + 1), 'x'), {
    statusCode: 409,
    problem: { code: 'out_of_order_sequence', expectedSequence: sequence },
  });
  t.strictSame(ends(app, 2), [sequence, 1]);

  t.strictSame(await newProducer(app, { producerId, epoch }), { producerId, epoch: epoch + 1 });
  t.match(await post(app, query(0, 0, epoch + 1), 'x'), { statusCode: 200 });
  const fenced = await post(app, query(sequence), 'x');
  t.match(fenced, { statusCode: 409, problem: { code: 'fenced', currentEpoch: epoch + 1 } });
});

t.test('an append on the condition that the log ends where it was seen to', async (t) => {
  const app = await openApp(t);
  await app.engine.createTopic('t', { partitions: 2 });
  t.match(await post(app, '?partition=1', 'one', { 'if-match': '0' }), { statusCode: 200 });
  t.match(await post(app, '?partition=1', 'two', { 'if-match': '"1"' }), { statusCode: 200 });
  const late = await post(app, '?partition=1', 'two', { 'if-match': '"1"' });
  t.match(late, { statusCode: 412, problem: { code: 'precondition_failed', logEndOffset: 2 } });
  t.match(await post(app, `?partition=1`, 'x', { 'if-match': '9007199254740991' }), { statusCode: 412 });
  // Of many who have seen the same end, one is right.
  const all = await Promise.all(
    Array.from({ length: 20 }, (_, i) => post(app, '?partition=1', `v${i}`, { 'if-match': '2' })),
  );
  t.equal(all.filter(({ statusCode }) => statusCode === 200).length, 1);
  t.strictSame(ends(app, 2), [0, 3]);
});

t.test('what makes no sense is refused before anything is stored', async (t) => {
  const app = await openApp(t);
  await app.engine.createTopic('t', { partitions: 2 });
  const cases: [query: string, headers: Record<string, string>, code: string][] = [
    ['?partition=0&producerId=1&sequence=0', {}, 'invalid_parameter'],
    ['?producerEpoch=0', {}, 'invalid_parameter'],
    ['?partition=0&producerId=x&producerEpoch=0&sequence=0', {}, 'invalid_parameter'],
    ['?partition=0&producerId=1&producerEpoch=32768&sequence=0', {}, 'invalid_parameter'],
    ['?partition=0&producerId=1&producerEpoch=0&sequence=2147483648', {}, 'invalid_parameter'],
    ['?producerId=1&producerEpoch=0&sequence=0', {}, 'invalid_request'],
    ['?partition=0&acks=0&producerId=1&producerEpoch=0&sequence=0', {}, 'invalid_request'],
    ['?partition=0&producerId=1&producerEpoch=0&sequence=0', { 'idempotency-key': 'k' }, 'invalid_request'],
    ['', { 'idempotency-key': '' }, 'invalid_request'],
    ['', { 'idempotency-key': 'k'.repeat(256) }, 'invalid_request'],
    ['', { 'idempotency-key': 'caf\u00e9' }, 'invalid_request'],
    ['?partition=0', { 'if-match': '*' }, 'invalid_offset'],
    ['?partition=0', { 'if-match': 'W/"0"' }, 'invalid_offset'],
    ['?partition=0', { 'if-match': '"0", "1"' }, 'invalid_offset'],
    ['?partition=0', { 'if-match': '"0' }, 'invalid_offset'],
    ['?partition=0', { 'if-match': '-1' }, 'invalid_offset'],
    ['?partition=0', { 'if-match': '9007199254740992' }, 'invalid_offset'],
    ['', { 'if-match': '0' }, 'invalid_request'],
    ['?partition=0&acks=0', { 'if-match': '0' }, 'invalid_request'],
  ];
  for (const [query, headers, code] of cases) {
    const answer = await post(app, query, 'x', headers);
    t.match(answer, { statusCode: 400, problem: { code } }, `${query} ${JSON.stringify(headers)}`);
  }
  const producers: [payload: object, code: string][] = [
    [{ producerId: 1 }, 'invalid_request'],
    [{ epoch: 1 }, 'invalid_request'],
    [{ producerId: 1, epoch: 32_767 }, 'invalid_request'],
    [{ producerId: -1, epoch: 0 }, 'invalid_request'],
    [{ producer: 1 }, 'invalid_request'],
  ];
  for (const [payload, code] of producers) {
    const answer = await app.ask({ method: 'POST', url: '/api/producers', payload });
    t.match(answer, { statusCode: 400, problem: { code } }, JSON.stringify(payload));
  }
  t.strictSame(ends(app, 2), [0, 0]);
});

t.test('keys and producers are remembered by a daemon that was killed', async (t) => {
  // Stopped, and its data verified, before the directory goes.
  t.teardown(() => daemon.stop());
  const directory = `${t.testdir()}/data`;
  const send = (query: string, headers: Record<string, string> = {}) =>
    fetch(`${daemon.url}${RECORDS}${query}`, {
      method: 'POST',
      headers: { 'content-type': 'text/plain', ...headers },
      body: 'one\ntwo\n',
    });
  let daemon = await Daemon.start(directory);
  await fetch(`${daemon.url}/api/topics/t`, { method: 'PUT' });
  const producer = await fetch(`${daemon.url}/api/producers`, { method: 'POST' });
  const { producerId } = (await producer.json()) as { producerId: number };
  const numbered = `?partition=0&producerId=${producerId}&producerEpoch=0&sequence=0`;
  const key = { 'idempotency-key': '"a key"' };
  const first = [await (await send(numbered)).text(), await (await send('', key)).text()];
  await daemon.kill('SIGKILL');
  daemon = await Daemon.start(directory);
  const again = [await send(numbered), await send('', key)];
  t.strictSame(
    again.map(({ headers }) => headers.get('idempotent-replayed')),
    ['true', 'true'],
  );
  t.strictSame(await Promise.all(again.map((answer) => answer.text())), first);
});
