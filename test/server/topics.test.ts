import t from 'tap';
import { openApp } from '../helpers/http-app.ts';

const JSON_TYPE = { 'content-type': 'application/json' };

t.test('a topic is created, described, changed and deleted', async (t) => {
  const { ask } = await openApp(t);
  const url = '/api/topics/orders.v1';
  const put = (payload?: object) =>
    ask({ method: 'PUT', url, ...(payload === undefined ? {} : { payload }) });

  const created = await put({ partitions: 2, config: { 'segment.bytes': 1_048_576 } });
  t.equal(created.statusCode, 201);
  t.match(created.json(), {
    name: 'orders.v1',
    id: /^[0-9a-f]{32}$/,
    partitions: [
      {
        partition: 0,
        logStartOffset: 0,
        highWatermark: 0,
        logEndOffset: 0,
        segments: 1,
        minTimestamp: null,
        fenced: null,
      },
      { partition: 1 },
    ],
    config: {
      'segment.bytes': { value: 1_048_576, source: 'topic' },
      flush: { value: 'sync', source: 'default' },
    },
  });

  t.equal(
    (await put({ partitions: 2, config: { 'segment.bytes': 1_048_576 } })).statusCode,
    200,
    'the same again',
  );
  t.match(await put({ partitions: 3 }), { statusCode: 409, problem: { code: 'topic_exists' } });

  await ask({
    method: 'POST',
    url: `${url}/records?partition=1`,
    headers: { 'content-type': 'text/plain' },
    payload: 'a\nb\n',
  });
  t.match((await ask({ url })).json(), {
    partitions: [
      { highWatermark: 0 },
      { highWatermark: 2, minTimestamp: /^\d{4}-.*Z$/, maxTimestamp: /^\d{4}-.*Z$/ },
    ],
  });
  t.match((await ask({ url: '/api/topics' })).json(), {
    topics: [{ name: 'orders.v1', partitions: 2, records: 2 }],
  });
  t.match((await ask({ url: `${url}/partitions/1/segments` })).json(), {
    segments: [{ baseOffset: 0, endOffset: 2, records: 2, batches: 1, sealed: false, minTimestamp: /Z$/ }],
  });

  const patched = await ask({
    method: 'PATCH',
    url,
    payload: { partitions: 4, config: { 'segment.bytes': null, flush: 'os' } },
  });
  t.match(patched.json(), {
    config: { 'segment.bytes': { source: 'default' }, flush: { value: 'os', source: 'topic' } },
  });
  t.equal(patched.json().partitions.length, 4);

  t.match(await ask({ method: 'DELETE', url }), { statusCode: 204, body: '' });
  t.match(await ask({ url }), { statusCode: 404, problem: { code: 'unknown_topic', topic: 'orders.v1' } });
  t.strictSame((await ask({ url: '/api/topics' })).json(), { topics: [] });
});

t.test('a topic needs no body, and takes its settings from the defaults', async (t) => {
  const { ask } = await openApp(t, {}, { 'segment.bytes': 65_536 });
  t.match(await ask({ method: 'PUT', url: '/api/topics/plain' }), { statusCode: 201 });
  t.match((await ask({ url: '/api/topics/plain' })).json(), {
    config: { 'segment.bytes': { value: 65_536, source: 'default' } },
  });
  t.match(await ask({ method: 'PUT', url: '/api/topics/null', headers: JSON_TYPE, payload: 'null' }), {
    statusCode: 201,
  });
});

t.test('what another topic of the same name has that is asked for otherwise is named', async (t) => {
  const { ask } = await openApp(t);
  const url = '/api/topics/t';
  const put = async (payload: object) => (await ask({ method: 'PUT', url, payload })).problem;
  await put({ partitions: 3, config: { 'segment.bytes': '1m', flush: 'os' } });
  t.match(await put({ partitions: 4, config: { 'segment.bytes': '2m', 'compression.type': 'zstd' } }), {
    code: 'topic_exists',
    detail:
      'topic "t" exists and is another one: it has partitions=3, not 4; it has segment.bytes=1048576, not 2097152; ' +
      'it has flush=os, not the default; it has compression.type at its default, not zstd. Alter it, or choose another name',
    topic: 't',
    partitions: 3,
  });
  t.match(await put({ partitions: 3, config: { 'segment.bytes': '1m', flush: 'sync' } }), {
    detail: /another one: it has flush=os, not sync\. Alter it/,
  });
});

t.test('settings with units come back as numbers', async (t) => {
  const { ask } = await openApp(t);
  const url = '/api/topics/t';
  const config = { 'segment.bytes': '1GiB', 'segment.ms': '1h' };
  t.match((await ask({ method: 'PUT', url, payload: { config } })).json(), {
    config: { 'segment.bytes': { value: 1_073_741_824 }, 'segment.ms': { value: 3_600_000 } },
  });
  const same = { 'segment.bytes': 1_073_741_824, 'segment.ms': '60m' };
  t.match(await ask({ method: 'PUT', url, payload: { config: same } }), { statusCode: 200 });
  t.match((await ask({ method: 'PATCH', url, payload: { config: { 'segment.ms': '7d' } } })).json(), {
    config: { 'segment.ms': { value: 604_800_000 } },
  });
});

t.test('a change that cannot be is refused, and nothing is changed', async (t) => {
  const { ask, engine } = await openApp(t);
  await engine.createTopic('t', { partitions: 2 });
  const cases: [method: 'PUT' | 'PATCH', payload: unknown, status: number, code: string, detail: RegExp][] = [
    ['PATCH', { partitions: 1 }, 400, 'invalid_partitions', /./],
    ['PATCH', {}, 400, 'invalid_request', /body must NOT have fewer than 1 properties/],
    ['PATCH', { partitions: '3' }, 400, 'invalid_request', /body\/partitions must be integer/],
    ['PATCH', { partition: 3 }, 400, 'invalid_request', /must NOT have additional properties: "partition"$/],
    ['PATCH', { config: { 'segmnt.bytes': 1 } }, 400, 'invalid_config', /did you mean "segment.bytes"/],
    ['PATCH', { config: { 'segment.bytes': 'huge' } }, 400, 'invalid_config', /takes a whole number/],
    ['PATCH', { config: { flush: { a: 1 } } }, 400, 'invalid_request', /must be string,number,null/],
    ['PATCH', [], 400, 'invalid_request', /must be object/],
    ['PUT', { partitions: 0 }, 400, 'invalid_request', /must be >= 1/],
    ['PUT', { partitions: 1.5 }, 400, 'invalid_request', /must be integer/],
    ['PUT', { config: { flush: null } }, 400, 'invalid_request', /must be string,number/],
  ];
  for (const [method, payload, status, code, detail] of cases) {
    const answer = await ask({
      method,
      url: '/api/topics/t',
      headers: JSON_TYPE,
      payload: JSON.stringify(payload),
    });
    t.match(answer, { statusCode: status, problem: { code, detail, status } }, JSON.stringify(payload));
  }
  t.match(await engine.describeTopic('t'), { config: { flush: { source: 'default' } } });
  t.equal((await engine.describeTopic('t')).partitions.length, 2);
});

t.test('an unknown partition has no segments', async (t) => {
  const { ask, engine } = await openApp(t);
  await engine.createTopic('t');
  t.match(await ask({ url: '/api/topics/t/partitions/1/segments' }), {
    statusCode: 404,
    problem: { code: 'unknown_partition', partition: 1 },
  });
  t.match(await ask({ url: '/api/topics/t/partitions/x/segments' }), {
    statusCode: 400,
    problem: { code: 'invalid_partition' },
  });
});
