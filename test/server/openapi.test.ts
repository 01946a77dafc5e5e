import { Ajv2020 } from 'ajv/dist/2020.js';
import t from 'tap';
import { openApp } from '../helpers/http-app.ts';

interface Operation {
  summary?: string;
  tags?: string[];
  parameters?: { name: string; in: string; required?: boolean; schema: object }[];
  requestBody?: { content: Record<string, { schema: object }> };
  responses: Record<string, { description: string; content?: Record<string, { schema: object }> }>;
}

interface Document {
  openapi: string;
  info: { title: string; version: string };
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: Record<string, object> };
}

const ROUTES = [
  'delete /api/groups/{group}',
  'delete /api/groups/{group}/members/{member}',
  'get /api/groups',
  'get /api/groups/{group}',
  'get /api/groups/{group}/members/{member}/records',
  'post /api/groups/{group}/members',
  'put /api/groups/{group}/members/{member}',
  'put /api/groups/{group}/offsets',
  'post /api/producers',
  'delete /api/jobs/{id}',
  'get /api/jobs',
  'get /api/jobs/{id}',
  'get /api/load/stats',
  'get /api/metrics/summary',
  'get /api/topics',
  'get /api/topics/{topic}',
  'put /api/topics/{topic}',
  'patch /api/topics/{topic}',
  'delete /api/topics/{topic}',
  'delete /api/topics/{topic}/partitions/{partition}/records',
  'get /api/topics/{topic}/partitions/{partition}/records',
  'get /api/topics/{topic}/partitions/{partition}/segments',
  'get /api/topics/{topic}/records',
  'post /api/logs/batch',
  'post /api/logs/ingest',
  'get /api/query/logs',
  'get /api/query/search',
  'get /api/query/stats',
  'get /api/query/tail',
  'post /api/query/explain',
  'post /api/query/logs',
  'post /api/load/burst',
  'post /api/load/stop',
  'post /api/topics/{topic}/compact',
  'post /api/topics/{topic}/records',
  'post /api/topics/{topic}/retain',
  'get /health',
  'get /livez',
  'get /metrics',
  'get /openapi.json',
  'get /readyz',
];

async function openDocument(t: Parameters<typeof openApp>[0]) {
  const opened = await openApp(t, { 'load.enabled': 'true' });
  const document = (await opened.ask({ url: '/openapi.json' })).json() as Document;
  const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ name: `${method} ${path}`, path, operation })),
  );
  const ajv = new Ajv2020({ strict: false, validateFormats: false });
  ajv.addSchema({ $id: 'doc', components: document.components });
  /** A schema of the document; its local references are to the components. */
  const compile = (schema: object) =>
    ajv.compile(JSON.parse(JSON.stringify(schema).replaceAll('"#/components', '"doc#/components')));
  return { ...opened, document, operations, compile };
}

t.test('the document has every route, and nothing else', async (t) => {
  const { document, operations } = await openDocument(t);
  t.match(document, { openapi: '3.1.0', info: { title: 'seglog', version: '1.2.3' } });
  t.strictSame(operations.map(({ name }) => name).sort(), ROUTES.toSorted());
});

t.test('each operation is complete: words, parameters, answers, valid schemas', async (t) => {
  const { operations, compile } = await openDocument(t);
  for (const { name, path, operation } of operations) {
    t.ok(operation.summary && operation.tags?.length, `${name} has a summary and a tag`);
    const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, parameter]) => parameter);
    const declared = (operation.parameters ?? []).filter((parameter) => parameter.in === 'path');
    t.strictSame(
      declared.map((parameter) => parameter.name).sort(),
      inPath.sort(),
      `${name} declares its path`,
    );
    t.ok(
      declared.every(({ required }) => required),
      `${name} requires its path`,
    );
    t.ok(
      ['200', '201', '202', '204'].some((status) => status in operation.responses),
      `${name} says what it gives`,
    );
    t.match(
      operation.responses,
      { 500: { description: /internal_error/ }, 503: { description: /not_ready/ } },
      `${name} says its problems`,
    );
    const bodies = [operation.requestBody, ...Object.values(operation.responses)].flatMap((part) =>
      Object.values(part?.content ?? {}),
    );
    const schemas = [...bodies, ...(operation.parameters ?? [])].map(({ schema }) => schema);
    t.doesNotThrow(() => schemas.forEach(compile), `${name} has valid schemas`);
  }
});

t.test('what is really answered fits what the document says', async (t) => {
  const { document, ask, fill, engine, lifecycle, compile } = await openDocument(t);
  await fill('t', ['a', 'b'], 2);
  const config = { 'cleanup.policy': 'compact,delete', 'retention.ms': '1h', 'segment.bytes': '4KiB' };
  await ask({ method: 'PUT', url: '/api/topics/c', payload: { config } });
  for (let i = 0; i < 3; i++) await engine.append('c', [{ key: 'k', value: 'x'.repeat(3000) }]);
  const compaction = engine.background.compact('c').id;
  await engine.background.waitFor(compaction, 30_000);
  const retention = engine.background.retain('c', { dryRun: true }).id;
  await engine.background.waitFor(retention, 30_000);
  const { memberId, generation } = await lifecycle.groups.join('g', { topics: ['t'] });
  const member = `/api/groups/g/members/${memberId}`;
  const commit = { memberId, generation, offsets: [{ topic: 't', partition: 1, offset: 0 }] };
  const requests: [
    method: 'GET' | 'PUT' | 'POST' | 'PATCH' | 'DELETE',
    path: string,
    url: string,
    payload?: object,
  ][] = [
    ['GET', '/api/topics', '/api/topics'],
    ['PUT', '/api/topics/{topic}', '/api/topics/new', { partitions: 2 }],
    ['PUT', '/api/topics/{topic}', '/api/topics/new', { partitions: 3 }],
    ['PATCH', '/api/topics/{topic}', '/api/topics/new', { config: { flush: 'os' } }],
    ['GET', '/api/topics/{topic}', '/api/topics/t'],
    ['GET', '/api/topics/{topic}', '/api/topics/nope'],
    [
      'POST',
      '/api/topics/{topic}/records',
      '/api/topics/t/records',
      { records: [{ value: 'x', headers: [{ key: 'h', value: null }] }] },
    ],
    ['POST', '/api/topics/{topic}/records', '/api/topics/t/records', { records: [{}] }],
    ['GET', '/api/topics/{topic}/records', '/api/topics/t/records?max_records=1'],
    ['GET', '/api/topics/{topic}/partitions/{partition}/records', '/api/topics/t/partitions/0/records'],
    [
      'GET',
      '/api/topics/{topic}/partitions/{partition}/records',
      '/api/topics/t/partitions/0/records?offset=99',
    ],
    ['GET', '/api/topics/{topic}/partitions/{partition}/segments', '/api/topics/t/partitions/0/segments'],
    ['GET', '/api/topics/{topic}', '/api/topics/c'],
    ['GET', '/api/jobs/{id}', `/api/jobs/${compaction}`],
    ['GET', '/api/jobs/{id}', `/api/jobs/${retention}`],
    ['GET', '/api/jobs/{id}', '/api/jobs/nope'],
    ['POST', '/api/topics/{topic}/compact', '/api/topics/c/compact'],
    ['POST', '/api/topics/{topic}/compact', '/api/topics/t/compact'],
    ['POST', '/api/topics/{topic}/retain', '/api/topics/c/retain'],
    ['DELETE', '/api/jobs/{id}', `/api/jobs/${compaction}`],
    [
      'DELETE',
      '/api/topics/{topic}/partitions/{partition}/records',
      '/api/topics/t/partitions/0/records?before_offset=1',
    ],
    ['GET', '/api/jobs', '/api/jobs'],
    ['POST', '/api/producers', '/api/producers'],
    ['POST', '/api/groups/{group}/members', '/api/groups/g/members', { topics: ['t'] }],
    ['POST', '/api/groups/{group}/members', '/api/groups/g/members', { topics: ['a b'] }],
    ['PUT', '/api/groups/{group}/members/{member}', member, {}],
    ['GET', '/api/groups/{group}/members/{member}/records', `${member}/records`],
    ['GET', '/api/groups/{group}/members/{member}/records', `${member}/records?cursor=x`],
    ['PUT', '/api/groups/{group}/offsets', '/api/groups/g/offsets', commit],
    [
      'PUT',
      '/api/groups/{group}/offsets',
      '/api/groups/e/offsets',
      { reset: { to: 'latest', topics: ['t'] } },
    ],
    ['GET', '/api/groups', '/api/groups'],
    ['GET', '/api/groups/{group}', '/api/groups/g'],
    ['GET', '/api/groups/{group}', '/api/groups/e'],
    ['DELETE', '/api/groups/{group}', '/api/groups/g'],
    ['POST', '/api/logs/ingest', '/api/logs/ingest', { source: 'a', message: 'm' }],
    ['POST', '/api/logs/ingest', '/api/logs/ingest', { message: 'm' }],
    ['POST', '/api/logs/batch', '/api/logs/batch', [{ source: 'a' }, { message: 'm' }]],
    ['POST', '/api/logs/batch', '/api/logs/batch?strict=true', [{ message: 'm' }]],
    ['GET', '/api/query/logs', '/api/query/logs?limit=1&order=asc'],
    ['GET', '/api/query/logs', '/api/query/logs?page=1&size=10&q=m'],
    ['GET', '/api/query/logs', '/api/query/logs?topic=none'],
    ['POST', '/api/query/logs', '/api/query/logs', { level: ['ERROR', 'info'], limit: 5 }],
    ['POST', '/api/query/logs', '/api/query/logs', { q: '(' }],
    ['GET', '/api/query/search', '/api/query/search?query=m'],
    ['GET', '/api/query/stats', '/api/query/stats?fields=metadata.a'],
    ['GET', '/api/query/stats', '/api/query/stats?topic=none'],
    ['POST', '/api/query/explain', '/api/query/explain', { q: 'm' }],
    ['GET', '/api/load/stats', '/api/load/stats'],
    ['POST', '/api/load/burst', '/api/load/burst?topic=nope'],
    ['POST', '/api/load/burst', '/api/load/burst?rate=100&durationSeconds=1'],
    ['POST', '/api/load/burst', '/api/load/burst'],
    ['GET', '/api/load/stats', '/api/load/stats'],
    ['POST', '/api/load/stop', '/api/load/stop'],
    ['GET', '/livez', '/livez'],
    ['GET', '/readyz', '/readyz'],
    ['GET', '/health', '/health'],
    ['GET', '/api/metrics/summary', '/api/metrics/summary'],
  ];
  for (const [method, path, url, payload] of requests) {
    const answer = await ask({ method, url, payload });
    const described = document.paths[path]![method.toLowerCase()]!.responses[String(answer.statusCode)];
    const type = String(answer.headers['content-type']).split(';')[0]!;
    const validate = compile(described!.content![type]!.schema);
    t.ok(
      validate(answer.json()),
      `${method} ${url}: ${answer.statusCode} ${JSON.stringify(validate.errors)}`,
    );
  }
});

t.test('what the schema of a parameter allows is what the server takes', async (t) => {
  const { document, ask, fill } = await openDocument(t);
  await fill('t', ['a']);
  const path = '/api/topics/{topic}/partitions/{partition}/records';
  const names = document.paths[path]!.get!.parameters!.filter((parameter) => parameter.in === 'query').map(
    ({ name }) => name,
  );
  const values: Record<string, string> = {
    offset: '0',
    timestamp: '0',
    tail: '1',
    until_offset: '1',
    until_timestamp: '2030-01-01',
    max_records: '1',
    max_bytes: '1',
    wait_ms: '0',
    encoding: 'json',
  };
  t.strictSame(names.sort(), Object.keys(values).sort());
  for (const name of names) {
    t.equal(
      (await ask({ url: `/api/topics/t/partitions/0/records?${name}=${values[name]}` })).statusCode,
      200,
      name,
    );
  }
});
