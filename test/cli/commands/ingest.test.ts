import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { PassThrough } from 'node:stream';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import t from 'tap';
import { run } from '../../../src/cli/run.ts';
import { runCli } from '../../helpers/cli.ts';
import { FakeDaemon, sendProblem } from '../../helpers/fake-daemon.ts';
import { until } from '../../helpers/http-app.ts';

const daemon = await FakeDaemon.start();
t.teardown(() => daemon.stop());
t.beforeEach(() => {
  daemon.events.length = 0;
  daemon.requests.length = 0;
  daemon.intercept = () => false;
});

const env = { SEGLOG_SERVER: daemon.url };
const ingest = (args: string[], input: string | Uint8Array = '') =>
  runCli(['ingest', ...args], { env, input });
const events = () => daemon.events.map((line) => JSON.parse(line));
const event = (n: number) => JSON.stringify({ source: 'a', message: `m ${n}` });
const lines = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, i) => `${event(from + i)}\n`).join('');

t.test('lines of standard input that are events are sent as they are', async (t) => {
  const { code, stdout, stderr } = await ingest([], `\ufeff${event(1)}\r\n\n${event(2)}`);
  t.equal(code, 0);
  t.same(daemon.events, [`${event(1)}\r`, event(2)]);
  t.equal(stdout.length, 0);
  t.match(stderr, /^2 events, 66 bytes in \d+ ms to logs, \d+ events\/s/);
  t.match(daemon.requests[0], { method: 'POST', headers: { 'content-type': 'application/x-ndjson' } });
  t.same([...daemon.requests[0]!.query], [['topic', 'logs']]);
});

t.test('source and topic go with the request', async (t) => {
  await ingest(['--source', 'web', '--topic', 'app'], event(1));
  t.same(
    [...daemon.requests[0]!.query],
    [
      ['topic', 'app'],
      ['source', 'web'],
    ],
  );
});

t.test(
  'files follow each other in order, whatever they are compressed with, in batches of the wanted size',
  async (t) => {
    const dir = t.testdir();
    writeFileSync(`${dir}/a.ndjson`, lines(0, 100));
    writeFileSync(
      `${dir}/b.ndjson.gz`,
      Buffer.concat([gzipSync(lines(100, 150)), gzipSync(lines(150, 200))]),
    );
    writeFileSync(
      `${dir}/c.zst`,
      Buffer.concat([
        zstdCompressSync(Buffer.from(lines(200, 250))),
        zstdCompressSync(Buffer.from(lines(250, 300))),
      ]),
    );
    const { code } = await ingest([
      `${dir}/a.ndjson`,
      `${dir}/b.ndjson.gz`,
      `${dir}/c.zst`,
      '--batch-bytes',
      '500',
    ]);
    t.equal(code, 0);
    t.same(
      events().map(({ message }) => message),
      Array.from({ length: 300 }, (_, i) => `m ${i}`),
    );
    t.ok(daemon.requests.every(({ body }) => body.length <= 500));
    const keys = daemon.requests.map(({ headers }) => headers['idempotency-key']);
    t.equal(new Set(keys).size, daemon.requests.length, 'each batch has a key of its own');
  },
);

t.test('lines of text become messages, and stack traces stay together', async (t) => {
  const trace = 'java.lang.Error: no\n\tat a.b(C.java:1)\nCaused by: x\n  ... 2 more';
  const dir = t.testdir({ 'app.log.1': `2026-11-21 08:00:00 ERROR one\r\n${trace}\n\ntwo\n` });
  const { code } = await ingest(['--format', 'text', '--level', 'info', `${dir}/app.log.1`]);
  t.equal(code, 0);
  t.same(events(), [
    { timestamp: '2026-11-21T08:00:00.000Z', source: 'app', message: '2026-11-21 08:00:00 ERROR one' },
    { level: 'info', source: 'app', message: trace },
    { level: 'info', source: 'app', message: 'two' },
  ]);
});

t.test('bytes that are no UTF-8 are read as Latin-1', async (t) => {
  await ingest(['--format', 'text', '--source', 'a'], Buffer.from('caf\xe9\nna\xc3\xafve\n', 'latin1'));
  t.same(
    events().map(({ message }) => message),
    ['café', 'naïve'],
  );
});

t.test(
  'lines that are left out are named by their numbers in the input, and the exit code is 1',
  async (t) => {
    const dir = t.testdir({ 'x.log': `${event(1)}\nbad\n${event(2)}\n`, 'y.log': `${lines(0, 20)}worse` });
    const { code, stdout, stderr } = await ingest([
      `${dir}/x.log`,
      `${dir}/y.log`,
      '--batch-bytes',
      '90',
      '--json',
    ]);
    t.equal(code, 1);
    t.equal(daemon.events.length, 22);
    t.match(stderr, `seglog: line 2 of ${dir}/x.log is left out: byte 1: it is none\n`);
    t.match(stderr, `seglog: line 21 of ${dir}/y.log is left out: byte 1: it is none\n`);
    t.match(stderr, /22 events, .*; 2 lines left out\n$/);
    t.match(JSON.parse(stdout.toString()), {
      accepted: 22,
      rejected: 2,
      errors: [
        { input: `${dir}/x.log`, line: 2, code: 'invalid_json', detail: 'byte 1: it is none' },
        { input: `${dir}/y.log`, line: 21 },
      ],
      errorsOmitted: 0,
    });
  },
);

t.test('lines that are not in the format are left out here', async (t) => {
  const good = 'h - - [21/Nov/2026:08:00:00 +0000] "GET / HTTP/1.1" 200 1';
  const { code, stderr } = await ingest(['-f', 'combined', '-s', 'web'], `${good}\nbad\n\n${good}\n`);
  t.equal(code, 1);
  t.match(stderr, 'seglog: line 2 of standard input is left out: it is no line of an access log');
  t.equal(daemon.events.length, 2);
});

t.test('of very many bad lines only some are named', async (t) => {
  const { stdout, stderr } = await ingest(['--json'], 'bad\n'.repeat(500));
  t.equal(stderr.split('\n').filter((line) => line.includes('is left out')).length, 10);
  t.match(stderr, 'further lines that are left out are only counted');
  t.match(stderr, 'no line is an event in JSON; for other lines give --format text, combined or syslog');
  const { errors, errorsOmitted, rejected } = JSON.parse(stdout.toString());
  t.same([errors.length, errorsOmitted, rejected], [100, 400, 500]);
});

t.test('what cannot be read is told before anything is sent', async (t) => {
  const dir = t.testdir({ good: lines(0, 1), secret: lines(0, 1) });
  chmodSync(`${dir}/secret`, 0);
  const cases: [file: string, why: RegExp][] = [
    [`${dir}/nope`, /cannot read .*nope: there is no such file/],
    [dir, /it is a directory; name the files in it/],
  ];
  // Nothing is unreadable for root.
  if (process.getuid?.() !== 0) cases.push([`${dir}/secret`, /no permission/]);
  for (const [file, why] of cases) {
    for (const more of [[], ['--follow', '--state', `${dir}/states`]])
      t.match(await ingest([...more, `${dir}/good`, file]), { code: 1, stderr: why });
  }
  t.equal(daemon.requests.length, 0);
});

t.test('a damaged file is told, and what was before the damage is stored', async (t) => {
  const dir = t.testdir();
  const bytes = gzipSync(lines(0, 10_000));
  writeFileSync(`${dir}/x.gz`, bytes.subarray(0, -100));
  const { code, stderr } = await ingest([`${dir}/x.gz`]);
  t.equal(code, 1);
  t.match(stderr, /x\.gz is damaged or cut off: it is no complete gzip file/);
  const stored = daemon.events.length;
  t.ok(stored > 5000, 'by the time that it is told');
});

t.test('what makes no sense is refused', async (t) => {
  const dir = t.testdir();
  writeFileSync(`${dir}/x.gz`, gzipSync('x'));
  const cases: [args: string[], why: RegExp][] = [
    [['--format', 'text'], /--source is needed: lines of standard input name no source/],
    [['--level', 'info'], /--level counts for lines of text and of syslog: ndjson says its levels itself/],
    [['-f', 'combined', '--zone', '+02:00'], /--zone counts for .*combined says its times itself/],
    [['--zone', 'CET'], /It takes an offset such as \+02:00/],
    [['--state', 'x'], /--state counts with --follow/],
    [['--follow'], /--follow takes files/],
    [['--follow', '-'], /--follow takes files/],
    [['--follow', '--state', `${dir}/s`, `${dir}/x.gz`], /is compressed: it does not grow/],
    [['--folow'], /unknown option '--folow'.*\n.*Did you mean --follow/],
    [['--format', 'json'], /Allowed choices are ndjson, text, combined, syslog/],
    [['--source', ''], /at least one character/],
  ];
  for (const [args, why] of cases) t.match(await ingest(args), { code: 2, stderr: why }, args.join(' '));
  t.equal(daemon.requests.length, 0);
});

t.test('what marks the encoding of a file is no part of its first line', async (t) => {
  const dir = t.testdir({ 'a.log': '\ufefffirst\nsecond\n' });
  await ingest(['--format', 'text', `${dir}/a.log`]);
  t.same(
    events().map(({ message }) => message),
    ['first', 'second'],
  );
});

t.test('a bad name of a topic is misuse, and no fault of a line', async (t) => {
  for (const input of ['', lines(0, 1)])
    t.match(await ingest(['-t', '..'], input), { code: 2, stderr: 'seglog: ".." is no topic name\n' });
  t.equal(daemon.requests.length, 0);
});

t.test('a daemon that is away is waited for, and then given up', async (t) => {
  let refusals = 3;
  daemon.intercept = (_request, response) =>
    refusals-- > 0 && sendProblem(response, 503, 'not_ready', 'starting', { 'retry-after': '0' });
  const { code, stderr } = await ingest([], lines(0, 3));
  t.equal(code, 0);
  t.equal(daemon.events.length, 3);
  t.match(stderr, /starting; trying again\nseglog: the daemon answers again\n/);
  daemon.intercept = (_request, response) =>
    sendProblem(response, 507, 'storage_full', 'the disk is full', { 'retry-after': '0' });
  const full = await ingest(['--delivery-timeout-ms', '50'], lines(0, 3));
  t.equal(full.code, 1);
  t.match(full.stderr, /lines 1 to 3 of standard input not stored: the disk is full/);
});

t.test('a batch whose answer is lost is sent again, and stored once', async (t) => {
  let lost = 2;
  daemon.intercept = (request, response) => {
    if (lost-- <= 0) return false;
    // The first one is stored, and its answer lost.
    if (lost === 1) daemon.ingest(request);
    response.destroy();
    return true;
  };
  const { code, stderr } = await ingest([], lines(0, 3));
  t.equal(code, 0, stderr);
  t.equal(daemon.events.length, 3);
  t.match(stderr, /broke off .*trying again\nseglog: the daemon answers again\n3 events/s);
});

t.test('where the daemon remembers no more keys, it goes on without', async (t) => {
  daemon.intercept = (request, response) => {
    if (request.headers['idempotency-key'] === undefined) return false;
    response.writeHead(503, { 'content-type': 'application/problem+json', 'retry-after': '1' });
    const detail = 'no more keys can be remembered';
    response.end(
      JSON.stringify({ code: 'overloaded', status: 503, detail, setting: 'producer.state.max.entries' }),
    );
    return true;
  };
  const { code, stderr } = await ingest(['--batch-bytes', '100'], lines(0, 10));
  t.equal(code, 0);
  t.equal(daemon.events.length, 10);
  t.match(
    stderr,
    /^seglog: no more keys can be remembered; from here on a batch whose answer is lost is not sent again\n10 events/,
  );
});

t.test('Ctrl-C says how far it came', async (t) => {
  const dir = t.testdir({ 'x.log': lines(0, 1000) });
  const ctrlC = new AbortController();
  daemon.intercept = () => {
    if (daemon.requests.length === 3) ctrlC.abort();
    return false;
  };
  const args = ['ingest', `${dir}/x.log`, '--batch-bytes', '1000'];
  const { code, stderr } = await runCli(args, { env, signal: ctrlC.signal });
  t.equal(code, 1);
  const [, line] = /interrupted; .*x\.log is stored up to line (\d+)\n/.exec(stderr)!;
  t.equal(Number(line), daemon.events.length);
});

t.test('a pipe that is followed until Ctrl-C is done', async (t) => {
  const ctrlC = new AbortController();
  const stdin = new PassThrough();
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  const io = {
    stdin,
    stdout,
    stderr,
    env,
    interruption: () => ctrlC.signal,
    abandon() {},
    onOutputLost() {},
  };
  const done = run(['ingest', '-q'], io);
  stdin.write(`${event(1)}\n${event(2)}\n{"sour`);
  await until(() => daemon.events.length === 2);
  ctrlC.abort();
  t.equal(await done, 0);
  t.match(String(stderr.read()), /interrupted; standard input is stored up to line 2\n/);
});

t.test('a file is followed until Ctrl-C, and the next run goes on', async (t) => {
  const dir = t.testdir();
  mkdirSync(`${dir}/home`);
  const file = `${dir}/app.log`;
  writeFileSync(file, 'one\n');
  const follow = async (stopAt: number) => {
    const ctrlC = new AbortController();
    const ended = runCli(['ingest', '-F', '--format', 'text', file], {
      env: { ...env, HOME: `${dir}/home` },
      signal: ctrlC.signal,
    });
    await until(() => daemon.events.length === stopAt);
    ctrlC.abort();
    return ended;
  };
  t.match(await follow(1), { code: 0, stderr: /interrupted; .*app\.log is stored up to line 1/ });
  writeFileSync(file, 'two\n  goes on\nthree\n', { flag: 'a' });
  t.match(await follow(3), { code: 0, stderr: /stored up to line 4/ });
  t.same(
    events().map(({ message, source }) => `${source}: ${message}`),
    ['app: one', 'app: two\n  goes on', 'app: three'],
  );
});

t.test('help shows the formats, with examples', async (t) => {
  const { code, stdout } = await ingest(['--help']);
  t.equal(code, 0);
  for (const word of ['ndjson', 'RFC 5424', 'Caused by:', '--follow', 'Exit codes'])
    t.match(stdout.toString(), word);
});
