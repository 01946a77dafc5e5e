import { spawnSync } from 'node:child_process';
import t from 'tap';
import { SeglogError } from '../../src/engine/index.ts';
import { Lifecycle } from '../../src/server/lifecycle.ts';
import { listen, openApp, until } from '../helpers/http-app.ts';

const PATHS = [
  '/livez',
  '/readyz',
  '/health',
  '/metrics',
  '/api/metrics/summary',
  '/openapi.json',
  '/api/topics',
];
const hasPromtool = spawnSync('promtool', ['--version']).status === 0;

t.test('a server that is ready says so', async (t) => {
  const { ask } = await openApp(t);
  t.match((await ask({ url: '/livez' })).json(), { status: 'alive', phase: 'running' });
  t.match((await ask({ url: '/readyz' })).json(), { status: 'ready' });
  t.match((await ask({ url: '/health' })).json(), {
    status: 'ready',
    version: '1.2.3',
    ready: true,
    reasons: [],
    storageFull: false,
  });
});

t.test('while the log is opened, and while the server stops, only /livez answers', async (t) => {
  const { lifecycle, ask } = await openApp(t);
  // A lifecycle that was never told of an engine is what a starting server has.
  const starting = await openAppWithLifecycle(t, new Lifecycle());
  for (const url of PATHS) {
    const answer = await starting({ url });
    if (url === '/livez') t.match(answer, { statusCode: 200 });
    else
      t.match(
        answer,
        {
          statusCode: 503,
          problem: { code: 'not_ready', phase: 'starting' },
          headers: { 'retry-after': '1' },
        },
        url,
      );
  }
  lifecycle.stop();
  for (const url of PATHS) {
    const answer = await ask({ url });
    if (url === '/livez') t.match(answer.json(), { status: 'alive', phase: 'stopping' });
    else
      t.match(
        answer,
        { statusCode: 503, problem: { phase: 'stopping' }, headers: { connection: 'close' } },
        url,
      );
  }
});

t.test('a log that takes no appends is alive, but not ready', async (t) => {
  const { lifecycle, ask, engine } = await openApp(t);
  const reasons = ['a sync of the journal failed'];
  const health = { ...engine.health(), ready: false, failed: reasons[0]!, reasons };
  lifecycle.opened(Object.assign(Object.create(engine), { health: () => health }), lifecycle.groups);
  t.match(await ask({ url: '/livez' }), { statusCode: 200 });
  t.match(await ask({ url: '/readyz' }), { statusCode: 503, problem: { code: 'not_ready', reasons } });
  t.match(await ask({ url: '/health' }), {
    statusCode: 503,
    problem: { status: 'not ready', failed: reasons[0] },
  });
});

t.test('the metrics count what went in and out', async (t) => {
  const opened = await openApp(t);
  const { ask, fill } = opened;
  await fill('orders', ['a', 'b', 'c'], 2);
  await ask({
    method: 'POST',
    url: '/api/topics/orders/records?partition=0',
    headers: { 'content-type': 'text/plain' },
    payload: 'x\ny',
  });
  await ask({ url: '/api/topics/orders/partitions/0/records' });
  await ask({ url: '/api/topics/nope' });
  const { body, headers } = await ask({ url: '/metrics' });
  t.match(headers['content-type'], /^text\/plain; version=0\.0\.4/);
  const value = (series: string) =>
    Number(
      body
        .split('\n')
        .find((line) => line.startsWith(`${series} `))
        ?.split(' ')[1],
    );
  t.equal(value('seglog_produce_records_total{topic="orders"}'), 5);
  t.ok(value('seglog_produce_bytes_total{topic="orders"}') > 0);
  t.ok(value('seglog_fetch_records_total{topic="orders"}') >= 2);
  t.ok(value('seglog_fetch_bytes_total{topic="orders"}') > 0);
  t.equal(value('seglog_produce_duration_seconds_count'), 1);
  t.equal(value('seglog_fetch_duration_seconds_count'), 1);
  t.ok(value('seglog_group_commit_batches_count') >= 2);
  t.ok(value('seglog_group_commit_bytes_sum') > 0);
  t.ok(
    value('seglog_sync_duration_seconds_count{file="journal"}') +
      value('seglog_sync_duration_seconds_count{file="segment"}') >=
      2,
  );
  t.ok(value('seglog_log_end_offset{topic="orders",partition="0"}') >= 2);
  t.equal(value('seglog_http_problems_total{code="unknown_topic"}'), 1);
  t.equal(value('seglog_topics'), 1);
  t.equal(value('seglog_partitions'), 2);
  t.equal(value('seglog_ready'), 1);
  for (const name of [
    'seglog_segments',
    'seglog_open_files',
    'seglog_event_loop_lag_seconds',
    'process_resident_memory_bytes',
  ]) {
    t.ok(value(name) >= 0, name);
  }
  t.match((await ask({ url: '/api/metrics/summary' })).json(), {
    version: '1.2.3',
    produce: { requests: 1, records: 5, p99Ms: Number },
    fetch: { requests: 1 },
    problems: { unknown_topic: 1 },
    storage: { topics: 1, partitions: 2 },
  });
});

t.test('the metrics count what work in the background came to', async (t) => {
  const settings = { 'housekeeping.interval.ms': 10, 'journal.files': 0 };
  const { ask, engine } = await openApp(t, {}, {}, undefined, settings);
  const config = { 'segment.bytes': '4KiB', 'cleanup.policy': 'compact', 'min.compaction.lag.ms': '1h' };
  await engine.createTopic('a', { config });
  for (let i = 0; i < 5; i++) await engine.append('a', [{ key: 'k', value: 'x'.repeat(3000) }]);
  const value = async (series: string) => {
    const line = (await ask({ url: '/metrics' })).body
      .split('\n')
      .find((each) => each.startsWith(`${series} `));
    return line === undefined ? undefined : Number(line.split(' ')[1]);
  };
  t.equal(await value('seglog_job_last_success_timestamp_seconds{kind="compact"}'), 0);
  t.equal(await value('seglog_topic_dirty_ratio{topic="a"}'), 0);
  t.equal(await value('seglog_jobs{kind="compact",state="running"}'), 0);
  await engine.alterTopic('a', { config: { 'min.compaction.lag.ms': null } });
  // Segments are sealed one after the other: it may take several passes until one record is left of four.
  await until(
    async () =>
      (await value('seglog_reclaimed_bytes_total{kind="compact"}'))! > 3 * 3000 &&
      (await value('seglog_jobs{kind="compact",state="running"}')) === 0,
  );
  t.ok((await value('seglog_jobs_ended_total{kind="compact",state="done"}'))! > 0);
  t.equal(await value('seglog_compaction_dirty_bytes'), 0);
  t.equal(await value('seglog_reclaimed_bytes_total{kind="recompress"}'), 0);
  t.equal(await value('seglog_reclaimed_bytes_total{kind="delete"}'), 0);
  t.ok((await value('seglog_job_duration_seconds_count{kind="compact"}'))! > 0);
  t.equal(await value('seglog_jobs_ended_total{kind="compact",state="failed"}'), 0);
  t.ok((await value('seglog_background_tasks_total{task="rewrite",outcome="done"}'))! > 0);
  t.ok((await value('seglog_background_bytes_total{task="rewrite"}'))! > 3 * 3000);
  t.ok((await value('seglog_background_seconds_total{task="rewrite"}'))! > 0);
  t.type(await value('seglog_background_throttled_seconds_total{task="rewrite"}'), 'number');
  t.equal(await value('seglog_compaction_due_partitions'), 0);
  t.equal(await value('seglog_recompression_due_segments'), 0);
  t.equal(await value('seglog_retention_failures_total'), 0);
  for (const kind of ['compact', 'retain']) {
    const at = await value(`seglog_job_last_success_timestamp_seconds{kind="${kind}"}`);
    t.ok(Math.abs(at! - Date.now() / 1000) < 600, kind);
  }
  t.match((await ask({ url: '/api/metrics/summary' })).json(), {
    background: {
      jobs: { queued: 0, running: 0, failed: 0, cancelled: 0 },
      backlog: { compactions: 0, dirtyBytes: 0, recompressions: 0 },
      reclaimedBytes: { compact: Number, recompress: 0, delete: 0 },
      retentionFailures: 0,
      throttledSeconds: Number,
      lastSuccess: { compact: /Z$/, retain: /Z$/, recompress: null, 'delete-records': null },
    },
  });
});

t.test('the metrics count what consumer groups came to', async (t) => {
  const { ask, fill, lifecycle, engine } = await openApp(t, {
    'metrics.max.groups': 2,
    'metrics.max.topics': 1,
  });
  await fill('t', ['a', 'b', 'c']);
  const { groups } = lifecycle;
  for (const group of ['g1', 'g2', 'g3', 'g4']) {
    const first = await groups.join(group, { topics: ['t', 'later'] });
    const offsets = [{ topic: 't', partition: 0, offset: 1 }];
    await groups.commit(group, { ...first, offsets });
  }
  const second = await groups.join('g2', { topics: ['t', 'later'] });
  await groups.leave('g2', second.memberId);
  await engine.createTopic('later');
  await groups.heartbeat('g1', (await groups.describe('g1')).members[0]!.memberId);
  const { body } = await ask({ url: '/metrics' });
  const series = (name: string) =>
    body
      .split('\n')
      .filter((line) => line.startsWith(`seglog_consumer_group${name}`))
      .map((line) => line.slice(21));
  t.strictSame(series('_members{'), [
    '_members{group="g1"} 1',
    '_members{group="g2"} 1',
    '_members{group="(other)"} 2',
  ]);
  t.strictSame(series('_lag{'), [
    '_lag{group="g1",topic="t"} 2',
    '_lag{group="g2",topic="t"} 2',
    '_lag{group="(other)",topic="t"} 4',
  ]);
  t.strictSame(series('_max_lag{group="(other)"'), ['_max_lag{group="(other)",topic="t"} 2']);
  t.strictSame(series('_commits_total'), [
    '_commits_total{group="g1"} 1',
    '_commits_total{group="g2"} 1',
    '_commits_total{group="(other)"} 2',
  ]);
  t.strictSame(series('_commit_duration_seconds_count'), ['_commit_duration_seconds_count 4']);
  t.match(series('_rebalances_total{group="g2"'), [/\} [345]$/]);
  t.match(series('_moved_partitions_total{group="g1"'), [/\} 0$/]);
  t.match(series('_expired_members_total{group="g1"'), [/\} 0$/]);
  t.match(series('s{state='), [/Empty"\} 0$/, /Stable"\} \d$/, /Reconciling"\} \d$/]);
  t.match((await ask({ url: '/api/metrics/summary' })).json(), {
    groups: { groups: 4, members: 4, lag: 8, commits: 4, p99Ms: Number },
  });
});

t.test('where groups cannot be served, the figures of all else are given', async (t) => {
  const { ask, lifecycle, engine } = await openApp(t);
  const damaged = Object.assign(Object.create(lifecycle.groups), {
    list() {
      throw new SeglogError('CORRUPT_MESSAGE', 'offsets 0 to 1 are damaged');
    },
    lags: () => [],
  });
  lifecycle.opened(engine, damaged, lifecycle.search);
  t.match((await ask({ url: '/metrics' })).body, /^seglog_consumer_groups\{state="Stable"\} 0$/m);
  t.match((await ask({ url: '/api/metrics/summary' })).json(), { groups: { groups: 0 } });
  t.match(await ask({ url: '/api/groups' }), { statusCode: 500, problem: { code: 'corrupt_data' } });
});

t.test('topics and partitions beyond the limit share their labels', async (t) => {
  const { ask, fill } = await openApp(t, { 'metrics.max.topics': 2, 'metrics.max.partitions': 3 });
  for (const topic of ['a', 'b', 'c', 'd']) await fill(topic, ['v'], 2);
  const { body } = await ask({ url: '/metrics' });
  const series = (name: string) => body.split('\n').filter((line) => line.startsWith(`${name}{`));
  t.strictSame(series('seglog_produce_records_total'), [
    'seglog_produce_records_total{topic="a"} 1',
    'seglog_produce_records_total{topic="b"} 1',
    'seglog_produce_records_total{topic="(other)"} 2',
  ]);
  t.equal(series('seglog_log_end_offset').length, 3);
});

t.test(
  'promtool accepts the metrics without a word',
  { skip: hasPromtool ? false : 'promtool (Debian: prometheus) is not installed' },
  async (t) => {
    const opened = await openApp(t);
    await opened.fill('t', ['a']);
    await opened.engine.createTopic('c', { config: { 'cleanup.policy': 'compact' } });
    await opened.lifecycle.groups.join('g', { topics: ['t'] });
    const { background } = opened.engine;
    await background.waitFor(background.compact('c').id, 30_000);
    const { url } = await listen(opened);
    const metrics = await (await fetch(`${url}/metrics`)).text();
    const { status, stdout, stderr } = spawnSync('promtool', ['check', 'metrics'], { input: metrics });
    t.strictSame({ status, said: `${stdout}${stderr}` }, { status: 0, said: '' });
  },
);

t.test('a failure of the server is logged, and told without its reasons', async (t) => {
  const logged: unknown[] = [];
  const logger = { debug() {}, info() {}, warn() {}, error: (fields: object) => void logged.push(fields) };
  const { lifecycle, ask, engine } = await openApp(t, {}, {}, logger);
  const fails = (error: Error) =>
    lifecycle.opened(
      Object.assign(Object.create(engine), {
        listTopics() {
          throw error;
        },
      }),
      lifecycle.groups,
    );
  fails(new TypeError('secret at /etc/passwd'));
  const answer = await ask({ url: '/api/topics' });
  t.strictSame(answer.json(), {
    code: 'internal_error',
    title: 'The server failed',
    detail: 'The request failed; the log of the server says why.',
    status: 500,
  });
  t.match(logged, [{ err: TypeError, url: '/api/topics' }]);
  const cases: [ConstructorParameters<typeof SeglogError>, status: number, code: string][] = [
    [['STORAGE_FULL', 'no space in /var/lib/seglog'], 507, 'storage_full'],
    [['OUTCOME_UNKNOWN', 'fdatasync of /var/lib/seglog/x.log failed'], 503, 'outcome_unknown'],
    [['KAFKA_STORAGE_ERROR', 'fenced'], 503, 'storage_failed'],
    [['THROTTLED', 'later'], 503, 'overloaded'],
    [['NOT_READY', 'closing'], 503, 'not_ready'],
  ];
  for (const [[code, message], status, problem] of cases) {
    fails(new SeglogError(code, message));
    const refused = await ask({ url: '/api/topics' });
    t.match(refused, { statusCode: status, problem: { code: problem } });
    t.notMatch(refused.body, /var/);
  }
});

async function openAppWithLifecycle(t: Parameters<typeof openApp>[0], lifecycle: Lifecycle) {
  const { buildApp } = await import('../../src/server/app.ts');
  const { ServerMetrics } = await import('../../src/server/metrics.ts');
  const { serverSettings } = await import('../../src/server/settings.ts');
  const { silentLogger } = await import('../../src/engine/index.ts');
  const metrics = new ServerMetrics(10, 10);
  const app = await buildApp({
    lifecycle,
    settings: serverSettings(),
    logger: silentLogger,
    metrics,
    version: '1',
  });
  t.teardown(async () => {
    metrics.close();
    await app.close();
  });
  return async (options: { url: string }) => {
    const response = await app.inject(options);
    return Object.assign(response, { problem: response.statusCode >= 400 ? response.json() : {} });
  };
}
