import t from 'tap';
import { openApp, type TestApp, until } from '../helpers/http-app.ts';

const COMPACTED = { 'cleanup.policy': 'compact', 'segment.bytes': '4KiB' };
/** Nothing is done in the background but what a test asks for, and no batch waits in the journal. */
const IDLE = { 'housekeeping.interval.ms': 3_600_000, 'journal.files': 0 };
/** A job over some segments of 3 KiB then takes minutes. */
const SLOW = { ...IDLE, 'background.io.bytes.per.second': 100 };

const open = (t: Parameters<typeof openApp>[0], settings: Record<string, number> = IDLE) =>
  openApp(t, {}, {}, undefined, settings);

/** A topic with sealed segments of some 3 KiB, each one record of one of three keys, and an active one. */
async function fill({ ask, engine }: TestApp, topic: string, config: object = COMPACTED): Promise<void> {
  const made = await ask({ method: 'PUT', url: `/api/topics/${topic}`, payload: { config } });
  if (made.statusCode !== 201) throw new Error(made.body);
  for (let i = 0; i < 7; i++) await engine.append(topic, [{ key: `k${i % 3}`, value: `${i}`.padEnd(3000) }]);
  await until(async () => {
    const [partition] = (await engine.describeTopic(topic)).partitions;
    const sealed = (await engine.listSegments(topic, 0)).every(
      (each, i, all) => each.sealed || i === all.length - 1,
    );
    return sealed && (partition!.compaction?.dirtyBytes ?? Number.POSITIVE_INFINITY) > 6 * 3000;
  });
}

t.test('compaction is a job: it is started, waited for, and tells what it came to', async (t) => {
  const opened = await open(t);
  const { ask } = opened;
  await fill(opened, 'a');
  t.match((await ask({ url: '/api/topics/a' })).json(), {
    partitions: [
      { compaction: { firstDirtyOffset: 0, cleanBytes: 0, dirtyRatio: 1, due: true }, nextDeletion: null },
    ],
  });
  const started = await ask({ method: 'POST', url: '/api/topics/a/compact' });
  t.equal(started.statusCode, 202);
  const { id } = started.json();
  t.equal(started.headers.location, `/api/jobs/${id}`);
  t.match(started.json(), {
    kind: 'compact',
    topic: 'a',
    partition: null,
    createdAt: /^\d{4}-.*\.\d{3}Z$/,
    endedAt: null,
    progress: { done: 0, unit: 'bytes' },
    result: null,
    error: null,
  });
  const job = (await ask({ url: `/api/jobs/${id}?wait_ms=30000` })).json();
  t.match(job, { id, state: 'done', startedAt: /Z$/, endedAt: /Z$/, attempts: 1 });
  t.equal(job.progress.done, job.progress.total);
  t.match(job.result.partitions, [
    { partition: 0, segmentsBefore: 6, recordsBefore: 6, recordsAfter: 3, tombstones: 0, rounds: 1 },
  ]);
  t.ok(job.result.partitions[0].bytesAfter < job.result.partitions[0].bytesBefore);
  t.match((await ask({ url: '/api/topics/a' })).json(), {
    partitions: [{ compaction: { firstDirtyOffset: 6, dirtyBytes: 0, dirtyRatio: 0, due: false } }],
  });
  const { records } = (await ask({ url: '/api/topics/a/partitions/0/records' })).json();
  t.same(
    records.map(({ offset }: { offset: number }) => offset),
    [3, 4, 5, 6],
  );
});

t.test('retention tells what it would delete, and deletes it', async (t) => {
  const opened = await open(t);
  const { ask } = opened;
  await fill(opened, 'a', { 'retention.bytes': 10_000, 'segment.bytes': '4KiB' });
  const { nextDeletion } = (await ask({ url: '/api/topics/a' })).json().partitions[0];
  t.match(nextDeletion, { baseOffset: 0, endOffset: 1, at: null, afterBytes: 0 });
  const run = async (query: string) => {
    const started = await ask({ method: 'POST', url: `/api/topics/a/retain${query}` });
    t.equal(started.statusCode, 202);
    return (await ask({ url: `${started.headers.location}?wait_ms=30000` })).json();
  };
  const would = await run('?dry_run=true');
  const expected = [{ partition: 0, logStartOffset: 3, segments: 3, bytes: 3 * nextDeletion.bytes }];
  t.match(would, { kind: 'retain', state: 'done' });
  t.same(would.result, { dryRun: true, partitions: expected });
  t.equal(opened.engine.offsets('a', 0).logStartOffset, 0, 'nothing was changed');
  t.same((await run('?dry_run=false')).result, { dryRun: false, partitions: expected });
  t.equal(opened.engine.offsets('a', 0).logStartOffset, 3);
  t.same((await run('')).result, { dryRun: false, partitions: [] }, 'there is no more');
});

t.test('when the next segment goes by age is told as a time', async (t) => {
  const opened = await open(t);
  await fill(opened, 'a', { 'retention.ms': '1h', 'segment.bytes': '4KiB' });
  const { nextDeletion, ...partition } = (await opened.ask({ url: '/api/topics/a' })).json().partitions[0];
  t.equal(partition.compaction, null);
  t.match(nextDeletion, { at: /^\d{4}-.*Z$/, afterBytes: null });
  t.ok(Date.parse(nextDeletion.at) - Date.parse(partition.minTimestamp) >= 3_600_000);
});

t.test('a job that runs tells how far it is, and is cancelled', async (t) => {
  const opened = await open(t, SLOW);
  const { ask } = opened;
  await fill(opened, 'a');
  const { id } = (await ask({ method: 'POST', url: '/api/topics/a/compact' })).json();
  const waited = (await ask({ url: `/api/jobs/${id}?wait_ms=1` })).json();
  t.match(waited, { state: 'running', endedAt: null }, 'when time is up it is given as it is');
  t.ok(waited.progress.total > 0);
  const cancelled = await ask({ method: 'DELETE', url: `/api/jobs/${id}` });
  t.equal(cancelled.statusCode, 202);
  const ended = (await ask({ url: `/api/jobs/${id}?wait_ms=30000` })).json();
  t.match(ended, { state: 'cancelled', result: null, error: null, endedAt: String });
  const again = await ask({ method: 'DELETE', url: `/api/jobs/${id}` });
  t.equal(again.statusCode, 200, 'one that has ended stays as it is');
  t.same(again.json(), ended);
});

t.test('a job that waits for another one is cancelled at once', async (t) => {
  const opened = await open(t, SLOW);
  const { ask } = opened;
  await fill(opened, 'a');
  const jobs = [];
  for (let i = 0; i < 2; i++) jobs.push((await ask({ method: 'POST', url: '/api/topics/a/compact' })).json());
  t.match(jobs[1], { state: 'queued', startedAt: null });
  const cancelled = await ask({ method: 'DELETE', url: `/api/jobs/${jobs[1].id}` });
  t.match(cancelled, { statusCode: 200, problem: { state: 'cancelled', startedAt: null } });
});

t.test('who waits for a job is answered when the server stops', async (t) => {
  const opened = await open(t, SLOW);
  const { ask, lifecycle } = opened;
  await fill(opened, 'a');
  const { id } = (await ask({ method: 'POST', url: '/api/topics/a/compact' })).json();
  const waiting = ask({ url: `/api/jobs/${id}?wait_ms=60000` });
  await ask({ url: '/livez' });
  lifecycle.stop();
  t.match(await waiting, { statusCode: 200, problem: { id } });
});

t.test('jobs are listed, those that are open first, and by topic, kind and state', async (t) => {
  const opened = await open(t);
  const { ask } = opened;
  await fill(opened, 'a');
  await fill(opened, 'b', { 'segment.bytes': '4KiB' });
  const end = async (url: string) => {
    const { id } = (await ask({ method: 'POST', url })).json();
    await ask({ url: `/api/jobs/${id}?wait_ms=30000` });
  };
  await end('/api/topics/a/compact');
  await end('/api/topics/b/retain');
  const deletion = await ask({
    method: 'DELETE',
    url: '/api/topics/b/partitions/0/records?before_offset=2',
  });
  const list = async (query: string): Promise<string[]> => {
    const { jobs } = (await ask({ url: `/api/jobs${query}` })).json();
    return jobs.map(({ kind, topic }: { kind: string; topic: string }) => `${kind} ${topic}`);
  };
  t.same(await list(''), ['delete-records b', 'retain b', 'compact a'], 'the last one first');
  t.same(await list('?topic=a'), ['compact a']);
  t.same(await list('?kind=retain'), ['retain b']);
  t.same(await list('?topic=b&kind=retain&state=done'), ['retain b']);
  t.same(await list('?state=failed'), []);
  t.same(await list('?topic=nope'), []);
  const job = (await ask({ url: `/api/jobs/${deletion.json().jobId}` })).json();
  t.match(job, { kind: 'delete-records', partition: 0, result: { logStartOffset: 2, segments: 2 } });
});

t.test('a job that fails says why, without a path', async (t) => {
  const opened = await open(t);
  const { ask, engine } = opened;
  await fill(opened, 'a', { 'segment.bytes': '4KiB', 'retention.bytes': 10_000 });
  const { background } = engine;
  const broken = Object.assign(new Error("EIO: i/o error, unlink '/var/lib/seglog/topics/a'"), {
    code: 'EIO',
  });
  const failed = {
    ...background.job(background.retain('a', { dryRun: true }).id),
    state: 'failed',
    error: { code: 'EIO', message: broken.message },
  };
  const seen = Object.assign(Object.create(background), { job: () => failed });
  opened.lifecycle.opened(
    Object.assign(Object.create(engine), { background: seen }),
    opened.lifecycle.groups,
  );
  const job = (await ask({ url: `/api/jobs/${failed.id}` })).json();
  t.match(job, { state: 'failed', error: { code: 'EIO' } });
  t.match(job.error.message, /^EIO: i\/o error/);
  t.notMatch(job.error.message, /var/);
});

t.test('refusals', async (t) => {
  const opened = await open(t);
  const { ask } = opened;
  await opened.fill('a', ['v']);
  await fill(opened, 'c');
  const json = { 'content-type': 'application/json' };
  const rows: [method: 'GET' | 'POST' | 'DELETE' | 'PUT', url: string, status: number, code: string][] = [
    ['POST', '/api/topics/a/compact', 409, 'policy_violation'],
    ['POST', '/api/topics/nope/compact', 404, 'unknown_topic'],
    ['POST', '/api/topics/nope/retain', 404, 'unknown_topic'],
    ['POST', '/api/topics/a%20b/compact', 400, 'invalid_topic'],
    ['POST', '/api/topics/../retain', 404, 'not_found'],
    ['POST', '/api/topics/c/compact?dry_run=true', 400, 'invalid_parameter'],
    ['POST', '/api/topics/a/retain?dry_run=1', 400, 'invalid_parameter'],
    ['POST', '/api/topics/a/retain?dryrun=true', 400, 'invalid_parameter'],
    ['GET', '/api/jobs?state=ended', 400, 'invalid_parameter'],
    ['GET', '/api/jobs?kind=seal', 400, 'invalid_parameter'],
    ['GET', '/api/jobs?topic=a%2Fb', 400, 'invalid_topic'],
    ['GET', '/api/jobs/nope', 404, 'unknown_job'],
    ['GET', '/api/jobs/nope?wait_ms=10', 404, 'unknown_job'],
    ['GET', '/api/jobs/nope?wait_ms=-1', 400, 'invalid_parameter'],
    ['GET', '/api/jobs/__proto__', 404, 'unknown_job'],
    ['DELETE', '/api/jobs/nope', 404, 'unknown_job'],
    ['DELETE', '/api/topics/c/partitions/0/records?before_offset=1', 409, 'policy_violation'],
  ];
  for (const [method, url, statusCode, code] of rows) {
    t.match(await ask({ method, url }), { statusCode, problem: { code } }, `${method} ${url}`);
  }
  for (const [method, url, allow] of [
    ['GET', '/api/topics/a/compact', 'POST'],
    ['DELETE', '/api/topics/a/retain', 'POST'],
    ['POST', '/api/jobs', 'GET, HEAD'],
    ['PUT', '/api/jobs/x', 'DELETE, GET, HEAD'],
  ] as const) {
    const refused = await ask({ method, url });
    t.match(refused, { statusCode: 405, problem: { code: 'method_not_allowed' }, headers: { allow } }, url);
  }
  const meant = { method: 'POST', url: '/api/topics/a/retain', headers: json } as const;
  t.match(
    await ask({ ...meant, payload: '{"dry_run":true}' }),
    { statusCode: 400, problem: { code: 'invalid_request' } },
    'a wish in the body is not passed over',
  );
  t.match(await ask({ ...meant, payload: '{' }), { statusCode: 400, problem: { code: 'invalid_json' } });
  t.match(await ask({ ...meant, payload: '{}' }), { statusCode: 202 });
  t.match((await ask({ url: '/api/jobs' })).json(), { jobs: { length: 1 } }, 'only that one is a job');
});
