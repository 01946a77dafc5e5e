import { brotliCompressSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib';
import t from 'tap';
import { decodeRecords, partitionForKey } from '../../src/engine/index.ts';
import { openApp, type TestApp } from '../helpers/http-app.ts';

const LINES = { 'content-type': 'application/x-ndjson' };
const JSON_TYPE = { 'content-type': 'application/json' };

const post = (url: string, payload: string | Buffer, headers: Record<string, string> = JSON_TYPE) => ({
  method: 'POST' as const,
  url,
  headers,
  payload,
});

interface Stored {
  partition: number;
  offset: number;
  timestamp: number;
  key: string | undefined;
  value: string | undefined;
}

/** All records of a topic, by partition and offset. */
async function stored({ engine }: TestApp, topic = 'logs'): Promise<Stored[]> {
  const found: Stored[] = [];
  const { partitions } = await engine.describeTopic(topic);
  for (const { partition, highWatermark } of partitions) {
    for (let offset = 0; offset < highWatermark; ) {
      const { chunks, nextOffset } = await engine.read(topic, partition, { offset });
      for (const record of decodeRecords(chunks, offset)) {
        const { timestamp, key, value } = record;
        found.push({
          partition,
          offset: record.offset,
          timestamp,
          key: key?.toString(),
          value: value?.toString(),
        });
      }
      offset = nextOffset;
    }
  }
  return found;
}

const event = (source: string, n: number) =>
  JSON.stringify({ timestamp: 1_795_248_000_000 + n, source, level: 'INFO', message: `event ${n}` });

t.test('one event is stored as it came, by its source, at its time', async (t) => {
  const opened = await openApp(t);
  const value =
    '{"timestamp":"2026-11-21T08:00:00.123Z", "level":"warn","source":"payment","message":"slow ü","n":1.50}';
  const answer = await opened.ask(post('/api/logs/ingest', value));
  const partition = partitionForKey('payment', 16);
  t.equal(answer.statusCode, 201);
  t.same(answer.json(), { accepted: 1, partition, offset: 0, timestamp: '2026-11-21T08:00:00.123Z' });
  t.same(await stored(opened), [
    { partition, offset: 0, timestamp: Date.parse('2026-11-21T08:00:00.123Z'), key: 'payment', value },
  ]);
  const { config } = await opened.engine.describeTopic('logs');
  t.match(config, { 'segment.align': { value: 'day', source: 'topic' } });
});

t.test(
  'an event without a time has that of its arrival, and without a source the one of the request',
  async (t) => {
    const opened = await openApp(t, { 'logs.partitions': 3 });
    const before = Date.now();
    const answer = await opened.ask(post('/api/logs/ingest?topic=app&source=web', '\n{\r\n"msg": "m"}\n'));
    const { timestamp, partition } = answer.json();
    t.ok(Date.parse(timestamp) >= before && Date.parse(timestamp) <= Date.now());
    t.equal(partition, partitionForKey('web', 3));
    t.match(await stored(opened, 'app'), [{ key: 'web', value: '{  "msg": "m"}' }]);
  },
);

t.test('what is no event is refused for what it is, and makes no topic', async (t) => {
  const { ask, engine, metrics } = await openApp(t);
  const cases: [body: string, code: string, detail: RegExp][] = [
    ['{"source":"a"', 'invalid_json', /byte 14: it ends/],
    ['["a"]', 'invalid_event', /an event is a JSON object/],
    ['{"message":"m"}', 'invalid_event', /no source.*"source", "serviceName" or "service"/],
    ['{"source":"a","timestamp":"yesterday"}', 'invalid_timestamp', /"timestamp" is no time.*not yesterday/],
    ['{"source":"a","ts":-5}', 'invalid_timestamp', /"ts" is no time.*from 1970 on, not -5/],
    ['{"source":"\\ud800"}', 'invalid_event', /surrogate/],
    [`{"source":"a","x":${'['.repeat(200)}${']'.repeat(200)}}`, 'nesting_too_deep', /128/],
    ['', 'invalid_request', /no events/],
    [' \n', 'invalid_request', /no events/],
  ];
  for (const [body, code, detail] of cases) {
    for (const url of ['/api/logs/ingest', '/api/logs/batch?strict=true']) {
      const answer = await ask(post(url, body.startsWith('[') && url.includes('batch') ? `[${body}]` : body));
      t.equal(answer.statusCode, 400, `${url} ${body.slice(0, 40)}`);
      const isNamed = url.includes('strict') && code !== 'invalid_request';
      t.match(answer.problem, { code: isNamed ? 'invalid_event' : code, detail });
      if (isNamed) t.match(answer.problem, { rejected: 1, errors: [{ line: 1, code, detail }] });
    }
  }
  t.same(engine.listTopics(), []);
  t.ok(metrics.ingest.rejected.get('invalid_event')! > 0);
});

t.test('lines and arrays are stored in their order, whatever their coding', async (t) => {
  const opened = await openApp(t, { 'logs.partitions': 2 });
  const events = Array.from({ length: 500 }, (_, n) => event(`s-${n % 7}`, n));
  const bodies: [name: string, body: string, headers: Record<string, string>][] = [
    ['lines', `${events.join('\n')}\n`, LINES],
    ['lines-without-end', events.join('\n'), { 'content-type': 'application/jsonl; charset=utf-8' }],
    ['lines-of-windows', events.join('\r\n'), { 'content-type': 'application/ndjson' }],
    ['array', `[${events.join(',')}]`, JSON_TYPE],
    ['array-on-lines', ` [\n${events.join(',\n')}\n]\n`, JSON_TYPE],
    ['lines-said-to-be-json', events.join('\n'), JSON_TYPE],
  ];
  const codings: [coding: string, encode: (bytes: Buffer) => Buffer][] = [
    ['identity', (bytes) => bytes],
    ['gzip', gzipSync],
    ['deflate', deflateSync],
    ['br', brotliCompressSync],
    ['zstd', zstdCompressSync],
  ];
  for (const [name, body, headers] of bodies) {
    for (const [coding, encode] of codings) {
      const topic = `${name}-${coding}`;
      const payload = encode(Buffer.from(body));
      const request = post(`/api/logs/batch?topic=${topic}`, payload, {
        ...headers,
        'content-encoding': coding,
      });
      const answer = await opened.ask(request);
      t.match(answer.json(), { accepted: 500, rejected: 0, errors: [], errorsOmitted: 0, tookMs: Number });
      const values = (await stored(opened, topic)).toSorted((a, b) => a.timestamp - b.timestamp);
      t.same(
        values.map(({ value }) => value),
        events,
        topic,
      );
      for (const { key, partition } of values) t.equal(partition, partitionForKey(key!, 2));
    }
  }
});

t.test('a bad line is named and does not spoil the others', async (t) => {
  const opened = await openApp(t, { 'logs.partitions': 1 });
  const body = [
    event('a', 1),
    '',
    'no json',
    '{"message":"no source"}',
    event('a', 2),
    '{"source":"a","ts":"x"}',
    '17',
  ];
  const expected = {
    accepted: 2,
    rejected: 4,
    errors: [
      { line: 3, code: 'invalid_json', detail: 'byte 1: "n" where a value should be' },
      { line: 4, code: 'invalid_event' },
      { line: 6, code: 'invalid_timestamp' },
      { line: 7, code: 'invalid_event' },
    ],
    errorsOmitted: 0,
  };
  t.match((await opened.ask(post('/api/logs/batch', body.join('\n'), LINES))).json(), expected);
  t.match(await stored(opened), [{ value: event('a', 1) }, { value: event('a', 2) }]);
  const elements = `[${event('a', 3)}, {"message":"no source"}, {"a":"\n"}, "text", ${event('a', 4)}]`;
  t.match((await opened.ask(post('/api/logs/batch', elements))).json(), {
    accepted: 2,
    rejected: 3,
    errors: [
      { line: 2, code: 'invalid_event' },
      { line: 3, code: 'invalid_json', detail: /control character/ },
      { line: 4, code: 'invalid_event' },
    ],
  });
  t.equal((await stored(opened)).length, 4);
});

t.test('bytes that are no UTF-8 spoil their own line only', async (t) => {
  const opened = await openApp(t, { 'logs.partitions': 1 });
  const bad = Buffer.from('{"source":"a","message":"\xff"}', 'latin1');
  const body = Buffer.concat([Buffer.from(`${event('ü', 1)}\n`), bad, Buffer.from(`\n${event('ü', 2)}\n`)]);
  t.match((await opened.ask(post('/api/logs/batch', body, LINES))).json(), {
    accepted: 2,
    errors: [{ line: 2, code: 'invalid_json', detail: 'it is not valid UTF-8' }],
  });
  t.match(await stored(opened), [{ key: 'ü' }, { key: 'ü' }]);
});

t.test('only the first hundred bad lines are named', async (t) => {
  const { ask, metrics } = await openApp(t);
  const answer = (await ask(post('/api/logs/batch', 'x\n'.repeat(250), LINES))).json();
  t.match(answer, { accepted: 0, rejected: 250, errorsOmitted: 150 });
  t.same(
    answer.errors.map(({ line }: { line: number }) => line),
    Array.from({ length: 100 }, (_, i) => i + 1),
  );
  t.equal(metrics.ingest.rejected.get('invalid_json'), 250);
});

t.test('between the elements of an array there is nothing but commas', async (t) => {
  const { ask, engine } = await openApp(t);
  const bodies: [body: string, detail: RegExp][] = [
    [`[${event('a', 1)},]`, /"]" where an element should be/],
    [`[${event('a', 1)},,${event('a', 2)}]`, /"," where an element should be/],
    [`[,${event('a', 1)}]`, /byte 1: "," where an element should be/],
    [`[${event('a', 1)}] x`, /more follows the array/],
    [`[${event('a', 1)}`, /does not end/],
    ['[', /does not end/],
  ];
  for (const [body, detail] of bodies) {
    const answer = await ask(post('/api/logs/batch', body));
    t.match(answer.problem, { status: 400, code: 'invalid_json', detail }, body);
  }
  t.same(engine.listTopics(), [], 'nothing was stored of any');
  t.match((await ask(post('/api/logs/batch', '[]'))).problem, { code: 'invalid_request' });
});

t.test('strictly all events are stored, or none', async (t) => {
  const opened = await openApp(t, { 'logs.partitions': 2 });
  const events = Array.from({ length: 10_000 }, (_, n) => event(`s-${n % 3}`, n));
  const bad = [...events, 'no json', '{}'].join('\n');
  const refused = await opened.ask(post('/api/logs/batch?strict=true', bad, LINES));
  t.match(refused.problem, {
    status: 400,
    code: 'invalid_event',
    detail:
      '2 lines are no events, the first is line 10001: byte 1: "n" where a value should be; nothing was stored',
    rejected: 2,
    errors: [{ line: 10_001, code: 'invalid_json' }, { line: 10_002 }],
  });
  t.same(opened.engine.listTopics(), [], 'not even a topic was made');
  const taken = await opened.ask(post('/api/logs/batch?strict=true', events.join('\n'), LINES));
  t.match(taken.json(), { accepted: 10_000, rejected: 0 });
  t.equal((await stored(opened)).length, 10_000);
});

t.test('a strict body is bounded, others are not', async (t) => {
  const limits = { 'http.max.body.bytes': 64 * 1024, 'http.max.decompressed.bytes': 256 * 1024 };
  const { ask } = await openApp(t, limits);
  const events = Array.from({ length: 6_000 }, (_, n) => event('a', n)).join('\n');
  t.ok(events.length > 400_000);
  const strict = await ask(post('/api/logs/batch?strict=true', events, LINES));
  t.match(strict.problem, { status: 413, code: 'body_too_large', limit: 64 * 1024 });
  const gzip = { ...LINES, 'content-encoding': 'gzip' };
  const compressed = await ask(post('/api/logs/batch?strict=true', gzipSync(events), gzip));
  t.match(compressed.problem, { status: 413, code: 'decompressed_too_large', limit: 256 * 1024 });
  t.match((await ask(post('/api/logs/batch', events, LINES))).json(), { accepted: 6_000 });
  t.match((await ask(post('/api/logs/batch', gzipSync(events), gzip))).json(), { accepted: 6_000 });
  const bomb = zstdCompressSync(Buffer.alloc(32 * 1024 * 1024, ' '));
  const refused = await ask(post('/api/logs/batch', bomb, { ...LINES, 'content-encoding': 'zstd' }));
  t.match(refused.problem, { status: 413, code: 'decompressed_too_large' });
});

t.test('a line of any length is stored, up to what a body may have', async (t) => {
  const opened = await openApp(t, { 'logs.partitions': 1, 'http.max.body.bytes': 4 * 1024 * 1024 });
  const long = JSON.stringify({ source: 'a', message: 'x'.repeat(3 * 1024 * 1024) });
  const tooLong = JSON.stringify({ source: 'a', message: 'y'.repeat(9 * 1024 * 1024) });
  const body = [event('a', 1), long, event('a', 2), tooLong, event('a', 3), 'bad', tooLong].join('\n');
  const answer = (await opened.ask(post('/api/logs/batch', body, LINES))).json();
  t.match(answer, {
    accepted: 4,
    rejected: 3,
    errors: [{ line: 4, code: 'record_too_large' }, { line: 6, code: 'invalid_json' }, { line: 7 }],
  });
  t.same(
    (await stored(opened)).map(({ value }) => value),
    [event('a', 1), long, event('a', 2), event('a', 3)],
  );
});

t.test('appends are as small as their topic wants them, and a larger event is named', async (t) => {
  const opened = await openApp(t);
  await opened.engine.createTopic('small', { partitions: 1, config: { 'max.message.bytes': '2KiB' } });
  const large = JSON.stringify({ source: 'a', message: 'x'.repeat(3000) });
  const events = Array.from({ length: 300 }, (_, n) => event('a', n));
  const body = [...events.slice(0, 100), large, 'bad', ...events.slice(100)].join('\n');
  const answer = (await opened.ask(post('/api/logs/batch?topic=small', body, LINES))).json();
  t.match(answer, {
    accepted: 300,
    rejected: 2,
    errors: [
      { line: 101, code: 'record_too_large', detail: /max.message.bytes/ },
      { line: 102, code: 'invalid_json' },
    ],
  });
  t.same(
    (await stored(opened, 'small')).map(({ value }) => value),
    events,
  );
  const strict = await opened.ask(post('/api/logs/batch?topic=small&strict=true', events.join('\n'), LINES));
  t.match(strict.problem, { status: 413, code: 'record_too_large' });
});

t.test(
  'events of which a late one is the oldest are stored in appends that are small enough in the end',
  async (t) => {
    const opened = await openApp(t);
    await opened.engine.createTopic('small', { partitions: 2, config: { 'max.message.bytes': '1KiB' } });
    const at = (minute: number, source: string) =>
      `{"timestamp":"2026-11-21T08:${String(minute).padStart(2, '0')}:00Z","source":"${source}"}`;
    // As many as fit, of which the last one makes each of the others longer.
    for (let count = 8; count < 20; count++) {
      const events = [at(59, 'a'), ...Array.from({ length: count }, () => at(59, 'b')), at(0, 'b')];
      const { accepted } = (
        await opened.ask(post('/api/logs/batch?topic=small', events.join('\n'), LINES))
      ).json();
      t.equal(accepted, events.length);
    }
  },
);

t.test('many chunks are stored in order, through a budget of few bytes', async (t) => {
  const opened = await openApp(t, { 'logs.partitions': 1 }, {}, undefined, {
    'max.in.flight.bytes': 1024 * 1024,
  });
  const events = Array.from({ length: 60_000 }, (_, n) => event('a', n));
  const answer = await opened.ask(post('/api/logs/batch', events.join('\n'), LINES));
  t.match(answer.json(), { accepted: 60_000 });
  t.same(
    (await stored(opened)).map(({ value }) => value),
    events,
  );
});

t.test('a topic that exists is taken as it is', async (t) => {
  const opened = await openApp(t);
  await opened.engine.createTopic('logs', { partitions: 5 });
  await opened.ask(post('/api/logs/ingest', event('a', 1)));
  t.equal((await opened.engine.describeTopic('logs')).partitions.length, 5);
});

t.test('many first events at once make one topic', async (t) => {
  const opened = await openApp(t);
  const answers = await Promise.all(
    Array.from({ length: 20 }, (_, n) => opened.ask(post('/api/logs/ingest', event('a', n)))),
  );
  for (const { statusCode } of answers) t.equal(statusCode, 201);
  t.equal((await stored(opened)).length, 20);
});

t.test('other media types are refused, and so are unknown parameters', async (t) => {
  const { ask } = await openApp(t);
  for (const url of ['/api/logs/ingest', '/api/logs/batch']) {
    const text = await ask(post(url, 'x', { 'content-type': 'text/plain' }));
    t.match(text.problem, { status: 415, code: 'unsupported_media_type' });
    const parameter = await ask(post(`${url}?sorce=x`, '{}'));
    t.match(parameter.problem, { code: 'invalid_parameter', detail: /did you mean "source"/ });
    t.match((await ask(post(`${url}?source=`, '{}'))).problem, { code: 'invalid_parameter' });
    t.match((await ask(post(`${url}?topic=..`, '{}'))).problem, { code: 'invalid_topic' });
  }
});

t.test('what came in and what did not is counted', async (t) => {
  const { ask } = await openApp(t);
  await ask(post('/api/logs/batch', `${event('a', 1)}\nbad\n${event('a', 2)}`, LINES));
  const { body } = await ask({ url: '/metrics' });
  t.match(body, /^seglog_ingest_events_total 2$/m);
  t.match(body, /^seglog_ingest_rejected_events_total\{code="invalid_json"\} 1$/m);
  t.match(body, /^seglog_ingest_duration_seconds_count 1$/m);
  t.match((await ask({ url: '/api/metrics/summary' })).json().ingest, {
    requests: 1,
    accepted: 2,
    rejected: { invalid_json: 1 },
  });
});
