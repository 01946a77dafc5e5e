/** The load that the daemon makes for itself. */
import t, { type Test } from 'tap';
import { silentLogger } from '../../src/engine/index.ts';
import { loadConfig } from '../../src/server/config.ts';
import { DaemonLoad } from '../../src/server/load/daemon-load.ts';
import { openApp, startTestServer, until } from '../helpers/http-app.ts';

const open = (t: Test) => openApp(t, { 'load.enabled': 'true' });

t.test('it is off unless it is switched on', async (t) => {
  const { ask, engine } = await openApp(t);
  for (const [method, url] of [
    ['POST', '/api/load/burst?durationSeconds=1&rate=10'],
    ['POST', '/api/load/stop'],
    ['GET', '/api/load/stats'],
  ] as const) {
    const { statusCode, problem } = await ask({ method, url });
    t.equal(statusCode, 403);
    t.match(problem, { code: 'forbidden', detail: /load\.enabled=true/ });
  }
  t.same(engine.listTopics(), [], 'nothing was made');
});

t.test('the setting, as it may be written', async (t) => {
  const dir = t.testdir({ 'a.yaml': 'load:\n  enabled: true\n', 'b.json': '{"load.enabled":false}' });
  t.equal(loadConfig({ flags: { 'load.enabled': 'true' } }).settings['load.enabled'], 'true');
  t.equal(loadConfig({ env: { SEGLOG_LOAD_ENABLED: 'true' } }).settings['load.enabled'], 'true');
  t.equal(loadConfig({ file: `${dir}/a.yaml` }).settings['load.enabled'], 'true');
  t.equal(loadConfig({ file: `${dir}/b.json` }).settings['load.enabled'], 'false');
  t.throws(() => loadConfig({ flags: { 'load.enabled': 'yes' } }), { message: /one of false, true/ });
});

t.test('a burst: what was due is appended, and told of', async (t) => {
  const { ask, engine } = await open(t);
  t.match((await ask({ url: '/api/load/stats' })).json(), { state: 'idle', load: null, startedAt: null });
  const started = await ask({
    method: 'POST',
    url: '/api/load/burst?durationSeconds=1&rate=500&valueBytes=300',
  });
  t.equal(started.statusCode, 202);
  t.match(started.json(), {
    state: 'running',
    load: { topic: 'load', rate: 500, durationSeconds: 1, batchSize: 50, valueBytes: 300 },
    startedAt: /^\d{4}-.*Z$/,
  });
  t.match(await ask({ method: 'POST', url: '/api/load/burst' }), {
    statusCode: 409,
    problem: { code: 'load_running' },
  });
  await until(async () => (await ask({ url: '/api/load/stats' })).json().state === 'done');
  const stats = (await ask({ url: '/api/load/stats' })).json();
  t.match(stats.records, { wanted: 500, acknowledged: 500, failed: 0 });
  t.ok(stats.latencyMs.p50 > 0 && stats.latencyMs.p50 <= stats.latencyMs.max);
  t.same(stats.errors, {});
  const { partitions } = await engine.describeTopic('load');
  t.equal(partitions.length, 4);
  t.equal(
    partitions.reduce((sum, { highWatermark }) => sum + highWatermark, 0),
    500,
  );
  const page = (await ask({ url: '/api/topics/load/records?max_records=1' })).json();
  t.equal(JSON.parse(page.records[0].value).source, page.records[0].key);
});

t.test('a stop ends it at once', async (t) => {
  const { ask } = await open(t);
  t.equal(
    (await ask({ method: 'POST', url: '/api/load/stop' })).json().state,
    'idle',
    'with nothing to stop',
  );
  await ask({ method: 'POST', url: '/api/load/burst?durationSeconds=3600&rate=1000&batchSize=10' });
  await until(async () => (await ask({ url: '/api/load/stats' })).json().records.acknowledged >= 50);
  const stopped = await ask({ method: 'POST', url: '/api/load/stop' });
  t.equal(stopped.statusCode, 200);
  const stats = stopped.json();
  t.equal(stats.state, 'stopped');
  t.ok(stats.elapsedSeconds > 0 && stats.elapsedSeconds < 3600);
  t.same((await ask({ url: '/api/load/stats' })).json(), stats, 'nothing came after it');
  const again = await ask({ method: 'POST', url: '/api/load/burst?durationSeconds=3600&rate=10' });
  t.equal(again.statusCode, 202, 'another one may begin');
});

t.test('it ends with the server', async (t) => {
  const server = await startTestServer(t, { 'load.enabled': 'true' });
  await server.ready;
  const url = `${server.url}/api/load/burst?durationSeconds=3600&rate=1000`;
  t.equal((await fetch(url, { method: 'POST' })).status, 202);
  t.match(await server.stop(), { reason: 'stopped', clean: true });
});

t.test('another topic is not made', async (t) => {
  const { ask, fill, engine } = await open(t);
  await fill('events', []);
  t.match(await ask({ method: 'POST', url: '/api/load/burst?topic=evnts' }), {
    statusCode: 404,
    problem: { code: 'unknown_topic' },
  });
  t.equal(
    (await ask({ method: 'POST', url: '/api/load/burst?topic=events&rate=10&durationSeconds=1' })).statusCode,
    202,
  );
  await until(async () => (await engine.describeTopic('events')).partitions[0]!.highWatermark > 0);
});

t.test('parameters out of their range are refused', async (t) => {
  const { ask } = await open(t);
  for (const query of [
    'rate=0',
    'rate=1000001',
    'durationSeconds=0',
    'durationSeconds=3601',
    'batchSize=10001',
    'valueBytes=65537',
    'speed=1',
    'rate=7&durationSeconds=2&batchSize=15',
  ]) {
    t.match(await ask({ method: 'POST', url: `/api/load/burst?${query}` }), {
      statusCode: 400,
      problem: { code: 'invalid_parameter' },
    });
  }
});

t.test('what does not fit together is refused, with what would', async (t) => {
  const { ask, engine } = await open(t);
  for (const [query, detail] of [
    [
      'rate=7&durationSeconds=2&batchSize=15',
      /"batchSize" 15 is more than the 14 records .*: give at most 14,/,
    ],
    ['rate=4097&valueBytes=65536', /^"rate" × "valueBytes" is 257 MiB a second, and at most 256 are made/],
  ] as const) {
    t.match(await ask({ method: 'POST', url: `/api/load/burst?${query}` }), {
      statusCode: 400,
      problem: { code: 'invalid_parameter', detail },
    });
  }
  t.same(engine.listTopics(), [], 'nothing was made');
});

t.test('appends that fail are counted by what is wrong', async (t) => {
  const { engine } = await open(t);
  const load = new DaemonLoad(silentLogger);
  await load.start(engine, { topic: 'load', rate: 100, durationSeconds: 1, batchSize: 10, valueBytes: 100 });
  await engine.deleteTopic('load');
  await until(() => load.stats().state === 'done');
  const { records, errors } = load.stats();
  t.equal(records.acknowledged + records.failed, 100);
  t.same(Object.keys(errors), ['unknown_topic']);
  t.equal(errors.unknown_topic! * 10, records.failed);
});
