/** `seglog load` as it is typed: against a whole server in this process, and against a stand-in that misbehaves. */
import { readFileSync } from 'node:fs';
import t, { type Test } from 'tap';
import { runCli } from '../../helpers/cli.ts';
import { FakeDaemon, sendProblem } from '../../helpers/fake-daemon.ts';
import { startTestServer } from '../../helpers/http-app.ts';

async function real(t: Test) {
  const server = await startTestServer(t);
  await server.ready;
  const cli = (...args: string[]) => runCli(args, { env: { SEGLOG_SERVER: server.url } });
  return {
    server,
    cli,
    load: (...args: string[]) => cli('load', ...args, '--warmup', '0'),
    values: async (topic: string) => {
      const { stdout } = await cli('consume', topic, '-o', 'beginning', '-e', '-f', '%k=%s\\n');
      return stdout.toString('latin1').split('\n').slice(0, -1);
    },
  };
}

async function fake(t: Test) {
  const daemon = await FakeDaemon.start();
  t.teardown(() => daemon.stop());
  daemon.addTopic('load');
  const load = (args: string[], signal?: AbortSignal) =>
    runCli(['load', ...args, '--warmup', '0'], { env: { SEGLOG_SERVER: daemon.url }, signal });
  return { daemon, load };
}

const isProduce = ({ method }: { method: string }) => method === 'POST';

t.test('a steady load: everything that was due is sent, told of, and found again', async (t) => {
  const { cli, load, values } = await real(t);
  const { code, stdout, stderr } = await load('steady', '--rate', '2000', '-d', '500ms', '--verify');
  t.equal(stderr, 'seglog: made topic load with 4 partitions\n');
  t.equal(code, 0);
  t.match(
    stdout.toString(),
    /^2000 records\/s for 500 ms in batches of 100 to load \(4 partitions\) at http:\S+, acks=all\n/,
  );
  t.match(stdout.toString(), /\nwanted +2000 records\/s, 20 requests\/s\n/);
  t.match(stdout.toString(), /\nin all +1000 records, .* in 10 requests/);
  t.match(stdout.toString(), /\nfailed +none\n/);
  t.match(stdout.toString(), /\nLATENCY +p50 +p90 +p95 +p99 +p99\.9 +max\nfrom when it was due +[\d.]+ ms /);
  t.match(stdout.toString(), /\nverify {2}all 1000 acknowledged records are there, once, in order/);
  const found = await values('load');
  t.equal(found.length, 1000);
  const [key, event] = found[0]!.split(/=(.*)/s);
  t.equal(JSON.parse(event!).source, key, 'the key of an event is its source');
  t.equal((await cli('topics', 'describe', 'load')).code, 0);
});

t.test('the report as JSON', async (t) => {
  const { load } = await real(t);
  const { code, stdout } = await load(
    'steady',
    '--rate',
    '100',
    '-d',
    '300ms',
    '--batch-size',
    '5',
    '--json',
  );
  t.equal(code, 0);
  const report = JSON.parse(stdout.toString());
  t.match(report, {
    mode: 'steady',
    topic: 'load',
    batchSize: 5,
    connections: 64,
    unit: 'records',
    interrupted: false,
    highestRate: null,
    verification: null,
  });
  const [step] = report.steps;
  t.match(step.requests, { wanted: 6, answered: 6, failed: 0, neverSent: 0, wantedPerSecond: 20 });
  t.match(step.records, { count: 30 });
  t.same(step.errors, {});
  for (const name of ['latencyMs', 'serviceMs', 'lagMs']) {
    t.same(Object.keys(step[name]), ['mean', 'p50', 'p90', 'p95', 'p99', 'p999', 'max']);
    t.ok(step[name].p50 <= step[name].max);
  }
  t.ok(step.latencyMs.max >= step.serviceMs.max, 'what was due was not sent before');
});

t.test('bursts: few between them, many in them', async (t) => {
  const { load } = await real(t);
  const shape = ['--rate', '2000', '--base-rate', '200', '--period', '500ms', '--burst-duration', '100ms'];
  const { code, stdout } = await load('burst', ...shape, '-d', '1s', '--batch-size', '10', '--json');
  t.equal(code, 0);
  const { title, steps } = JSON.parse(stdout.toString());
  t.equal(title, '2000 records/s for 100 ms of each 500 ms, else 200, for 1.0 s in batches of 10');
  t.equal(steps[0].requests.wanted, 56, 'twice 80 records and 200');
});

t.test('a ramp ends where the service level breaks, and tells the highest rate that held', async (t) => {
  const { daemon, load } = await fake(t);
  let requests = 0;
  daemon.intercept = (request, response) =>
    isProduce(request) && ++requests > 10 && sendProblem(response, 503, 'overloaded', 'too much');
  const ramp = [
    'ramp',
    '--from',
    '50',
    '--step',
    '50',
    '--step-duration',
    '200ms',
    '--batch-size',
    '1',
    '--slo',
    'p99=10s',
    '--slo',
    'rate=10%',
  ];
  const { code, stdout, stderr } = await load(ramp);
  t.equal(code, 0, 'that it breaks is what was looked for');
  t.equal(stderr, '');
  t.match(
    stdout.toString(),
    /\nRECORDS\/S +ACHIEVED +P50 +P99 +FAILED +LEVEL\n +50 .* held\n +100 .* broken: p99 nothing, .*, errors 100 %, not ≤ 0.1 %, rate 0 %, not ≥ 10 %/,
  );
  t.match(stdout.toString(), /\nhighest rate that held: 50 records\/s\n/);

  const none = await load([...ramp, '--json']);
  t.equal(none.code, 1, 'not even the first step held');
  t.match(JSON.parse(none.stdout.toString()), { highestRate: null, steps: [{ held: false }] });
  t.match(none.stderr, /not one request was answered well/);
});

t.test('a ramp that nothing breaks ends with --to', async (t) => {
  const { load } = await real(t);
  const { code, stdout } = await load(
    'ramp',
    '--from',
    '100',
    '--to',
    '225',
    '--step-duration',
    '100ms',
    '--slo',
    'p99=1m',
    '--slo',
    'rate=0%',
  );
  t.equal(code, 0);
  t.match(stdout.toString(), /\n +100 .*held\n +150 .*held\n +225 .*held\n/);
  t.match(stdout.toString(), /highest rate that held: 225 records\/s \(no higher one was tried\)/);
});

t.test('a mixed load produces, consumes and queries by its weights', async (t) => {
  const { load, cli } = await real(t);
  t.equal((await cli('topics', 'create', 'events', '--partitions', '2')).code, 0);
  const weights = ['--weights', 'produce=50,consume=50', '--fetch-bytes', '4k'];
  const { code, stdout } = await load(
    'mixed',
    'events',
    '--rate',
    '200',
    '-d',
    '500ms',
    ...weights,
    '--json',
    '--verify',
  );
  t.equal(code, 0);
  const { title, steps, unit, verification } = JSON.parse(stdout.toString());
  t.equal(title, '200 requests/s (50 produce, 50 consume) for 500 ms, produced in batches of 100');
  t.equal(unit, 'requests');
  const { produce, consume } = steps[0].kinds;
  t.equal(produce.answered + consume.answered, 100);
  t.ok(produce.answered > 25 && consume.answered > 25);
  t.equal(produce.records, produce.answered * 100);
  t.ok(consume.records > 0 && consume.bytes > 1_000);
  t.equal(verification.acknowledged, produce.records);
  t.equal(verification.ok, true);
});

t.test('queries are asked as the template says', async (t) => {
  const { daemon, load } = await fake(t);
  const asked: URLSearchParams[] = [];
  daemon.intercept = ({ path, query }, response) => {
    if (path !== '/api/query/logs') return false;
    asked.push(query);
    response.end('{"logs":[]}');
    return true;
  };
  const query = 'q=pay* "a b"&source={key}&startTime={ago:1h}&limit={int:5-5}';
  t.equal(
    (await load(['mixed', '--rate', '100', '-d', '100ms', '--weights', 'query=1', '--query', query])).code,
    0,
  );
  t.equal(asked.length, 10);
  t.match(Object.fromEntries(asked[0]!), {
    topic: 'load',
    q: 'pay* "a b"',
    source: /^service-\d+$/,
    startTime: /^\d{4}-\d\d-\d\dT[\d:.]+Z$/,
    limit: '5',
  });
});

// Of the test around them: the server's data lie in the directory of theirs.
const files = t.testdir({ text: 'one\n"zwei" ä\n\nfour', bytes: Buffer.from('a\n\xff\xfe\n', 'latin1') });

t.test('lines of a file are the records, byte for byte, again and again', async (t) => {
  const { load, values, cli } = await real(t);
  await cli('topics', 'create', 'lines');
  const args = ['--rate', '80', '-d', '100ms', '--verify'];
  t.equal((await load('steady', 'lines', ...args, '--file', `${files}/text`)).code, 0);
  const lines = ['=one', '="zwei" Ã¤', '=', '=four'];
  t.same(await values('lines'), [...lines, ...lines]);
  await cli('topics', 'create', 'bytes');
  t.equal((await load('steady', 'bytes', ...args, '--file', `${files}/bytes`, '--keys', '1')).code, 0);
  t.same((await values('bytes')).slice(0, 2), ['service-0=a', 'service-0=\xff\xfe'], 'also what is no text');
  t.match(await load('steady', 'bytes', ...args, '--file', `${files}/nope`), {
    code: 1,
    stderr: `seglog: there is no ${files}/nope\n`,
  });
});

t.test('records of a template', async (t) => {
  const { load, values } = await real(t);
  const args = ['--rate', '50', '-d', '100ms', '--template', '{seq} of {key}, {pick:a}', '--keys', '3'];
  t.equal((await load('steady', ...args)).code, 0);
  const found = await values('load');
  t.same(found.map((each) => Number(/=(\d)/.exec(each)![1])).sort(), [0, 1, 2, 3, 4]);
  for (const each of found) t.match(each, /^(service-[0-2])=\d of \1, a$/);
});

t.test('a topic that is not there is an error, unless it is to be made', async (t) => {
  const { load, cli } = await real(t);
  const args = ['--rate', '10', '-d', '100ms'];
  t.match(await load('steady', 'events', ...args), {
    code: 1,
    stderr: /^seglog: there is no topic "events": make it with `seglog topics create events`\n$/,
  });
  t.match(await load('steady', 'events', ...args, '--partitions', '2'), {
    code: 2,
    stderr: /give --create-topic, too/,
  });
  t.match(await load('steady', 'events', ...args, '--create-topic', '--partitions', '2'), {
    code: 0,
    stderr: 'seglog: made topic events with 2 partitions\n',
  });
  await cli('topics', 'create', 'table', '--config', 'cleanup.policy=compact');
  t.match(await load('steady', 'table', ...args, '--verify'), {
    code: 2,
    stderr: /keeps every record, and "table" is compacted/,
  });
});

t.test('errors are counted by kind, and a service level that broke is exit code 1', async (t) => {
  const { daemon, load } = await fake(t);
  let requests = 0;
  daemon.intercept = (request, response) => {
    if (!isProduce(request) || ++requests % 2 === 0) return false;
    if (requests % 4 === 1) return sendProblem(response, 507, 'storage_full', 'no space');
    response.destroy();
    return true;
  };
  const args = ['steady', '--rate', '100', '-d', '200ms', '--batch-size', '1', '--verify'];
  const { code, stdout, stderr } = await load([...args, '--slo', 'errors=1%', '--slo', 'max=1m']);
  t.equal(code, 1);
  t.equal(stderr, 'seglog: the service level broke\n');
  t.match(stdout.toString(), /\nfailed +10 of 20 requests: 5 × 507 storage_full, 5 × connection lost\n/);
  t.match(stdout.toString(), /\nlevel +errors ≤ 1 %: 50 %, BROKEN\nlevel +max ≤ 60000 ms: .* held\n/);
  t.match(
    stdout.toString(),
    /\nverify {2}all 10 acknowledged records are there/,
    'what failed was not promised',
  );
  t.equal((await load(args)).code, 0, 'without a level errors are figures');
});

t.test('--verify tells what is missing, what is there twice, and what came out of order', async (t) => {
  const { daemon, load } = await fake(t);
  const log = daemon.topics.get('load')![0]!;
  const args = [
    'steady',
    '--rate',
    '100',
    '-d',
    '100ms',
    '--batch-size',
    '1',
    '-c',
    '1',
    '--verify',
    '--keys',
    '0',
  ];
  let requests = 0;
  daemon.intercept = (request, response) => {
    if (!isProduce(request)) return false;
    requests++;
    if (requests === 3) {
      response.end('{}');
      return true;
    }
    if (requests === 5) daemon.append('load', 0, 'x', { headers: log[0]!.headers });
    return false;
  };
  const { code, stdout, stderr } = await load(args);
  t.equal(code, 1);
  t.equal(stderr, 'seglog: the log does not hold what was acknowledged\n');
  t.match(
    stdout.toString(),
    /\nverify {2}FAILED: of 10 acknowledged records 9 are there, 1 missing, 1 twice, 0 out of order\n/,
  );
  t.match(stdout.toString(), /\n +partition 0, offset 3: record 0 of lane 0 once more\n/);
  t.match(stdout.toString(), /\n +partition 0, never found: record 2 of lane 0\n/);

  log.length = 0;
  requests = 0;
  daemon.intercept = (request) => {
    if (isProduce(request) && ++requests === 10)
      log.unshift(...log.splice(-1).map((each) => ({ ...each, offset: 0 })));
    return false;
  };
  t.match((await load([...args, '--json'])).code, 1);
});

t.test('connections that are too few are named as the limit', async (t) => {
  const { daemon, load } = await fake(t);
  daemon.intercept = async (request) => {
    if (isProduce(request)) await new Promise((resolve) => setTimeout(resolve, 30));
    return false;
  };
  const { code, stdout } = await load([
    'steady',
    '--rate',
    '200',
    '-d',
    '150ms',
    '--batch-size',
    '1',
    '-c',
    '1',
  ]);
  t.equal(code, 0);
  t.match(stdout.toString(), /\nconnections +1 of 1 used, all busy for .* with up to \d+ requests waiting\n/);
  t.match(
    stdout.toString(),
    /\nlimit +the only connection was busy for \d+ % of the time, at [\d.]+ ms a request/,
  );
});

t.test('Ctrl-C ends it, and what was measured by then is printed', async (t) => {
  const { daemon, load } = await fake(t);
  const interrupt = async (...more: string[]) => {
    const controller = new AbortController();
    let requests = 0;
    daemon.intercept = (request) => {
      if (isProduce(request) && ++requests === 5) controller.abort();
      return false;
    };
    return load(['steady', '--rate', '100', '-d', '1h', '--batch-size', '1', ...more], controller.signal);
  };
  const { code, stdout, stderr } = await interrupt();
  t.equal(code, 0);
  t.equal(stderr, '');
  t.match(stdout.toString(), /; interrupted, and this is what was measured by then\n/);
  t.match(stdout.toString(), /\nin all +\d+ records, .* in \d+ requests/);
  const unchecked = await interrupt('--verify');
  t.match(unchecked, { code: 1, stderr: 'seglog: verify failed: the load was interrupted\n' });
  t.match(unchecked.stdout.toString(), /\nverify {2}FAILED: the load was interrupted\n/);
});

t.test('Ctrl-C does not wait long for a server that does not answer', async (t) => {
  const { daemon, load } = await fake(t);
  const controller = new AbortController();
  daemon.intercept = (request) => {
    if (isProduce(request)) controller.abort();
    return isProduce(request);
  };
  const { code, stdout, stderr } = await load(
    ['steady', '--rate', '1', '-d', '1h', '--timeout', '1h'],
    controller.signal,
  );
  t.equal(code, 1);
  t.match(stderr, /not one request was answered well/);
  t.match(stdout.toString(), /\nfailed +1 of 1 request: 1 × interrupted\n/);
});

t.test('a server that is not there, and one that goes away', async (t) => {
  t.match(await runCli(['load', 'steady', '--rate', '10', '--server', 'http://127.0.0.1:1']), {
    code: 1,
    stderr: /^seglog: no seglog daemon answers at http:\/\/127\.0\.0\.1:1: start one with `seglog serve`/,
  });
  const { daemon, load } = await fake(t);
  let requests = 0;
  daemon.intercept = async (request) => {
    if (isProduce(request) && ++requests === 5) await daemon.stop();
    return requests >= 5;
  };
  const { code, stdout } = await load(['steady', '--rate', '100', '-d', '300ms', '--batch-size', '1']);
  t.equal(code, 0);
  t.match(stdout.toString(), /\nfailed +26 of 30 requests: .*\d+ × connection (refused|lost)/);
});

t.test('misuse is told before anything is sent', async (t) => {
  const { daemon } = await fake(t);
  const cli = (args: readonly string[]) => runCli(['load', ...args], { env: { SEGLOG_SERVER: daemon.url } });
  for (const [args, message] of [
    [[], /^Usage: seglog load/],
    [['stedy'], /unknown command 'stedy'\n\(Did you mean steady\?\)/],
    [['steady'], /say with --rate how many records a second/],
    [['steady', '--rat', '5'], /unknown option '--rat'\n\(Did you mean --rate\?\)/],
    [['steady', '--rate', '0'], /It takes a whole number above zero/],
    [['steady', '--rate', '99999999999'], /It takes at most 10000000/],
    [['steady', '--rate', '5', '--duration', '0'], /It takes milliseconds, or a time/],
    [
      ['steady', '--rate', '5', '--slo', 'p98=5ms'],
      /It takes p50\|p90\|p95\|p99\|p99\.9\|max=TIME, errors=PERCENT/,
    ],
    [['steady', '--rate', '5', '--slo', 'errors=5'], /It takes a percentage such as 0.1%/],
    [['steady', '--rate', '5', '--slo', 'p99=fast'], /It takes milliseconds/],
    [['steady', '--rate', '5', '--value-bytes', '20MiB'], /--value-bytes.* It takes at most 1MiB/],
    [['steady', '--rate', '5', '--skew', '-1'], /It takes a number from 0 to 10/],
    [['steady', '--rate', '5', '--keys', '100000000'], /It takes at most/],
    [
      ['steady', '--rate', '5', '--template', '{kye}'],
      /there is no \{kye\} in templates; did you mean \{key\}\?/,
    ],
    [['steady', '--rate', '5', '--template', 'x', '--file', 'y'], /cannot be used with/],
    [
      ['burst', '--rate', '5', '--period', '1s', '--burst-duration', '2s'],
      /--burst-duration is longer than --period/,
    ],
    [
      ['steady', '--rate', '7', '-d', '2s', '--batch-size', '15'],
      /--batch-size 15 is more than the 14 records of the whole --duration \(2\.0 s\): give at most 14/,
    ],
    [['steady', '--rate', '1', '-d', '500ms'], /not one record falls into --duration \(500 ms\)/],
    [
      ['burst', '--rate', '50', '-d', '8s'],
      /no burst falls into --duration \(8\.0 s\): each --period \(10 s\) ends with its burst/,
    ],
    [['burst', '--rate', '10', '-d', '10s', '--batch-size', '21'], /more than the 20 records/],
    [['ramp', '--from', '5', '--batch-size', '26'], /more than the 25 records of the whole --step-duration/],
    [['mixed', '--rate', '1', '-d', '500ms'], /not one request falls into --duration/],
    [['ramp', '--from', '50', '--to', '5'], /--to 5 is less than --from 50/],
    [
      ['mixed', '--rate', '5', '--weights', 'write=1'],
      /It takes weights such as produce=70,consume=20,query=10/,
    ],
    [['mixed', '--rate', '5', '--weights', 'produce=0'], /at least one weight above zero/],
    [['mixed', '--rate', '5', '--query', '{x}'], /there is no \{x\} in templates/],
  ] as const) {
    const { code, stdout, stderr } = await cli(args);
    t.equal(code, 2, args.join(' '));
    t.equal(stdout.length, 0);
    t.match(stderr, message);
  }
  t.notOk(daemon.requests.some(isProduce));
});

t.test('the page is written, and a place where it cannot be is told at once', async (t) => {
  const { daemon, load } = await fake(t);
  const dir = t.testdir();
  const args = ['steady', '--rate', '100', '-d', '100ms', '--html'];
  t.match(await load([...args, `${dir}/report.html`]), {
    code: 0,
    stderr: `seglog: wrote ${dir}/report.html\n`,
  });
  t.match(readFileSync(`${dir}/report.html`, 'utf8'), /^<!doctype html>[\s\S]*<\/html>\n$/);
  const asked = daemon.requests.length;
  t.match(await load([...args, `${dir}/nope/report.html`]), {
    code: 1,
    stderr: `seglog: --html ${dir}/nope/report.html: there is no directory ${dir}/nope\n`,
  });
  t.equal(daemon.requests.length, asked);
});
