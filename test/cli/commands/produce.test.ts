import type { ServerResponse } from 'node:http';
import { PassThrough } from 'node:stream';
import t from 'tap';
import { run } from '../../../src/cli/run.ts';
import { runCli } from '../../helpers/cli.ts';
import { FakeDaemon, type FakeRequest, sendProblem } from '../../helpers/fake-daemon.ts';

const daemon = await FakeDaemon.start();
t.teardown(() => daemon.stop());
t.beforeEach(() => {
  daemon.topics.clear();
  daemon.requests.length = 0;
  daemon.intercept = () => false;
  daemon.addTopic('a');
});

const env = { SEGLOG_SERVER: daemon.url };
const produce = (args: string[], input: string | Uint8Array = '') =>
  runCli(['produce', ...args], { env, input });
const isProduce = ({ method, path }: FakeRequest) => method === 'POST' && path.endsWith('/records');
const posts = () => daemon.requests.filter(isProduce);
const numbers = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => String(from + i));

t.test('lines of standard input become values, and the last line needs no newline', async (t) => {
  const { code, stdout, stderr } = await produce(['a'], 'one\n\ntwo\r\nthree');
  t.equal(code, 0);
  t.same(daemon.values('a'), ['one', '', 'two\r', 'three']);
  t.equal(stdout.length, 0);
  t.match(stderr, /^4 records, 15 bytes in \d+ ms to a \(partition 0: offsets 0–3\), \d+ records\/s/);
});

t.test('every byte is kept', async (t) => {
  const bytes = Buffer.from(Array.from({ length: 256 }, (_, i) => i).filter((byte) => byte !== 10));
  await produce(['a'], Buffer.concat([bytes, Buffer.from('\n'), bytes]));
  t.same(
    daemon.topics.get('a')![0]!.map((record) => Buffer.from(record.value!)),
    [bytes, bytes],
  );
});

t.test('no input is no record and no error', async (t) => {
  t.match(await produce(['a']), { code: 0, stderr: /^0 records, 0 bytes/ });
  t.equal(posts().length, 0);
});

t.test('files follow each other in order, in batches of the wanted size', async (t) => {
  const dir = t.testdir({ x: `${numbers(0, 500).join('\n')}\n`, y: numbers(500, 700).join('\n') });
  const { code } = await produce(['a', `${dir}/x`, `${dir}/y`, '--batch-bytes', '100']);
  t.equal(code, 0);
  t.same(daemon.values('a'), numbers(0, 700));
  t.ok(posts().every((each) => each.body.length <= 100));
  t.ok(posts().length > 10);
});

t.test('lines without a key of one file stay together in one partition, files spread', async (t) => {
  daemon.addTopic('wide', 3);
  daemon.append('wide', 0, 'there already');
  const dir = t.testdir({ x: numbers(0, 300).join('\n'), y: numbers(300, 500).join('\n') });
  await produce(['wide', `${dir}/x`, `${dir}/y`, '--batch-bytes', '200']);
  t.same(daemon.values('wide', 1), numbers(0, 300), 'the emptiest partitions come first');
  t.same(daemon.values('wide', 2), numbers(300, 500));
  t.same(daemon.values('wide', 0), ['there already']);
  await produce(['wide', '--partition', '0', `${dir}/y`]);
  t.equal(daemon.values('wide', 0).length, 201);
});

t.test('keys, headers and nulls', async (t) => {
  await produce(['a', '-K', '\\t', '-H', 'from=test', '--null-marker', 'NULL'], 'k1\tv1\nk2\tNULL\nplain\n');
  const records = daemon.topics.get('a')![0]!;
  const text = (bytes: Uint8Array | null) => (bytes === null ? null : Buffer.from(bytes).toString());
  t.same(
    records.map((record) => [text(record.key), text(record.value), text(record.headers[0]!.value)]),
    [
      ['k1', 'v1', 'test'],
      ['k2', null, 'test'],
      [null, 'plain', 'test'],
    ],
  );
});

t.test('with JSON, bad lines are named and left out, and the rest is stored', async (t) => {
  const lines = [
    '{"value":"one","key":"k"}',
    '{"value":',
    '{"value":"two","timestamp":0}',
    '{"vlaue":1}',
    '{"value":"three","timestamp":"yesterday"}',
    '{"value":"four","timestamp":-1}',
  ];
  const { code, stderr } = await produce(['a', '--json'], lines.join('\n'));
  t.equal(code, 1);
  t.match(stderr, /line 2 of standard input is left out: it is not valid JSON/);
  t.match(stderr, /line 4 of standard input is left out: it has an unknown field "vlaue"/);
  for (const line of [5, 6])
    t.match(
      stderr,
      `line ${line} of standard input is left out: its timestamp is neither ISO 8601 nor an epoch`,
    );
  t.match(stderr, /4 lines left out/);
  t.same(daemon.values('a'), ['one', 'two']);
  t.equal(daemon.topics.get('a')![0]![1]!.timestamp, '1970-01-01T00:00:00.000Z');
});

t.test('acks and compression are passed on', async (t) => {
  await produce(['a', '--acks', '1', '--compression', 'zstd'], 'x');
  t.equal(posts()[0]!.query.get('acks'), '1');
  t.equal(posts()[0]!.query.get('compression'), 'zstd');
});

t.test('what is refused for now is tried again, in order, and said once', async (t) => {
  let refusals = 0;
  daemon.intercept = (request, response) => {
    if (!isProduce(request) || refusals++ >= 3) return false;
    return sendProblem(response, 507, 'storage_full', 'no space left', { 'retry-after': '0' });
  };
  const { code, stderr } = await produce(['a'], 'one\ntwo\n');
  t.equal(code, 0);
  t.same(daemon.values('a'), ['one', 'two']);
  t.equal(stderr.match(/no space left; trying again/g)?.length, 1);
  t.match(stderr, /the daemon answers again/);
});

t.test('patience ends, with what was stored and what was not', async (t) => {
  daemon.intercept = (request, response) =>
    isProduce(request) &&
    posts().length > 1 &&
    sendProblem(response, 503, 'overloaded', 'too many bytes in flight', { 'retry-after': '0' });
  const args = ['a', '--delivery-timeout-ms', '30', '--batch-bytes', '4'];
  const { code, stderr } = await produce(args, '1\n2\n3\n4\n5\n');
  t.equal(code, 1);
  t.match(stderr, /stored before it failed: 2 records/);
  t.match(stderr, /lines 3 to 4 of standard input not stored: too many bytes in flight/);
});

/** Carries a request out, and breaks the connection off in place of the answer. */
function loseAnswer(response: ServerResponse): void {
  response.end = () => response.destroy();
}

t.test('a batch whose answer is lost is sent again, and stored once', async (t) => {
  daemon.addTopic('wide', 2);
  for (const args of [['a'], ['wide'], ['wide', '--json'], ['wide', '-K', ':'], ['wide', '-p', '1']]) {
    let lost = 0;
    daemon.requests.length = 0;
    daemon.intercept = (request, response) => {
      if (isProduce(request) && lost++ % 2 === 0) loseAnswer(response);
      return false;
    };
    const before = daemon.topics.get(args[0]!)!.flat().length;
    const lines = args.includes('--json') ? '{"value":"1"}\n{"value":"2"}\n' : '1\n2\n';
    const { code, stderr } = await produce([...args, '--batch-bytes', '2'], lines);
    t.match({ code, stderr }, { code: 0, stderr: /broke off.*; trying again\n/ }, args.join(' '));
    t.equal(posts().length, 4);
    t.equal(daemon.topics.get(args[0]!)!.flat().length, before + 2);
  }
});

t.test('batches for one partition are numbered, others have a key each', async (t) => {
  daemon.addTopic('wide', 2);
  await produce(['a', '--batch-bytes', '4'], '1\n2\n3\n');
  const [first, second] = posts().map(({ query }) => query);
  t.equal(first!.get('producerId'), second!.get('producerId'));
  t.same([first!.get('sequence'), second!.get('sequence')], ['0', '2']);
  await produce(['wide', '--json', '--batch-bytes', '20'], '{"value":"1"}\n{"value":"2"}\n');
  const keys = posts().flatMap(({ headers }) => headers['idempotency-key'] ?? []);
  t.equal(new Set(keys).size, 2);
});

t.test('where the outcome stays unknown, that is said', async (t) => {
  daemon.intercept = (request, response) => {
    if (isProduce(request) && posts().length === 1) loseAnswer(response);
    return isProduce(request) && posts().length > 1 && sendProblem(response, 503, 'not_ready', 'stopping');
  };
  const { code, stderr } = await produce(['a', '--delivery-timeout-ms', '50'], 'one\n');
  t.equal(code, 1);
  t.match(stderr, /nobody knows whether line 1 of standard input was stored.*: stopping/);
});

t.test('with acks=0 a request whose answer is lost is not sent again', async (t) => {
  daemon.intercept = (request, response) => {
    if (isProduce(request)) response.destroy();
    return isProduce(request);
  };
  const { code, stderr } = await produce(['a', '--acks', '0'], 'one\n');
  t.equal(code, 1);
  t.equal(posts().length, 1);
  t.match(stderr, /nobody knows whether line 1 of standard input was stored/);
});

t.test('a producer that the daemon has forgotten gets a new id', async (t) => {
  daemon.intercept = (request, response) =>
    isProduce(request) &&
    request.query.get('producerId') === posts()[0]!.query.get('producerId') &&
    request.query.get('sequence') !== '0' &&
    sendProblem(response, 409, 'out_of_order_sequence', 'the producer is not known');
  t.match(await produce(['a', '--batch-bytes', '2'], '1\n2\n3\n'), { code: 0 });
  t.same(daemon.values('a'), ['1', '2', '3']);
  const last = posts().at(-1)!.query;
  t.not(last.get('producerId'), posts()[0]!.query.get('producerId'));
  t.equal(last.get('sequence'), '1');
});

t.test('a daemon that can remember no more batches gets them all the same, and that is said', async (t) => {
  const refuse = (response: ServerResponse) => {
    const problem = {
      code: 'overloaded',
      detail: 'too many are remembered',
      setting: 'producer.state.max.entries',
    };
    response.writeHead(503, { 'content-type': 'application/problem+json', 'retry-after': '0' });
    response.end(JSON.stringify(problem));
  };
  daemon.intercept = (request, response) => {
    const isRefused = isProduce(request) && request.query.has('producerId');
    if (isRefused) refuse(response);
    return isRefused;
  };
  const { code, stderr } = await produce(['a', '--batch-bytes', '2'], '1\n2\n');
  t.equal(code, 0);
  t.same(daemon.values('a'), ['1', '2']);
  t.equal(stderr.match(/a batch whose answer is lost is not sent again/g)?.length, 1);

  daemon.addTopic('wide', 2);
  const dir = t.testdir({ x: '1\n', y: '2\n' });
  const held: ServerResponse[] = [];
  daemon.intercept = (request, response) => {
    const isRefused = isProduce(request) && request.query.has('producerId');
    if (isRefused && held.push(response) === 2) for (const each of held) refuse(each);
    return isRefused;
  };
  t.match(await produce(['wide', `${dir}/x`, `${dir}/y`]), { code: 0 }, 'also where two are refused at once');
  t.same([daemon.values('wide', 0), daemon.values('wide', 1)], [['1'], ['2']]);
});

t.test('a batch that is too large is sent in smaller ones, a line that is too large is named', async (t) => {
  daemon.intercept = (request, response) =>
    isProduce(request) &&
    request.body.length > 10 &&
    sendProblem(response, 413, 'record_too_large', 'at most 10 bytes');
  t.match(await produce(['a'], `${numbers(0, 50).join('\n')}\n`), { code: 0 });
  t.same(daemon.values('a'), numbers(0, 50));
  const { code, stderr } = await produce(['a'], 'short\nmuch longer than ten\nshort\n');
  t.equal(code, 1);
  t.match(stderr, /line 2 of standard input not stored: at most 10 bytes/);
});

t.test('an unknown topic comes with the command that makes it, or is made', async (t) => {
  t.match(await produce(['new'], 'x'), { code: 1, stderr: /make it with `seglog topics create new`/ });
  t.match(await produce(['new', '--create-topic'], 'x'), { code: 0 });
  t.same(daemon.values('new'), ['x']);
});

t.test('nothing is sent when a file cannot be read or an argument is wrong', async (t) => {
  const dir = t.testdir({ x: 'x' });
  t.match(await produce(['a', `${dir}/x`, `${dir}/y`]), {
    code: 1,
    stderr: /cannot read .*y: there is no such file/,
  });
  t.match(await produce(['a', dir]), { code: 1, stderr: /it is a directory/ });
  t.match(await produce(['a', '--partition', '7'], 'x'), { code: 2, stderr: /has partitions 0 to 0, not 7/ });
  t.match(await produce(['a', '--acks', '2'], 'x'), { code: 2, stderr: /Allowed choices are all, 1, 0/ });
  t.match(await produce(['a', '--json', '-K', ':'], 'x'), { code: 2, stderr: /cannot be used with/ });
  t.match(await produce(['a', '-K', ''], 'x'), { code: 2, stderr: /It takes at least one character/ });
  t.match(await produce(['a', '--batch-bytes', '10g'], 'x'), { code: 2, stderr: /It takes at most 1GiB/ });
  t.equal(posts().length, 0);
});

t.test('quiet prints errors only', async (t) => {
  t.match(await produce(['a', '-q'], 'x'), { code: 0, stderr: '' });
});

t.test('a slow input is sent as it comes, and Ctrl-C stores what was read and says so', async (t) => {
  const stdin = new PassThrough();
  const stderr = new PassThrough();
  const interruption = new AbortController();
  const sent = () =>
    new Promise<void>((resolve) => {
      daemon.intercept = (request) => {
        if (isProduce(request)) setImmediate(resolve);
        return false;
      };
    });
  const code = run(['produce', 'a'], {
    stdin,
    stdout: new PassThrough(),
    stderr,
    env,
    interruption: () => interruption.signal,
    onOutputLost() {},
    abandon() {},
  });
  const first = sent();
  stdin.write('one\n');
  await first;
  t.same(daemon.values('a'), ['one']);
  const second = sent();
  stdin.write('two\nunfinished');
  await second;
  interruption.abort();
  t.equal(await code, 0);
  t.same(daemon.values('a'), ['one', 'two']);
  t.match(String(stderr.read()), /interrupted; standard input is stored up to line 2\n2 records/);
});

t.test('a file that is cut short by Ctrl-C is not done', async (t) => {
  const dir = t.testdir({ x: numbers(0, 1000).join('\n') });
  const interruption = new AbortController();
  daemon.intercept = (request) => {
    if (posts().length === 2 && isProduce(request)) interruption.abort();
    return false;
  };
  const args = ['produce', 'a', `${dir}/x`, '--batch-bytes', '40'];
  const { code, stderr } = await runCli(args, { env, signal: interruption.signal });
  t.equal(code, 1);
  const stored = daemon.values('a');
  t.same(stored, numbers(0, stored.length), 'what is stored is the start of the file');
  t.match(stderr, new RegExp(`x is stored up to line ${stored.length}\n`));
});

t.test(
  'a topic that is made gets the partitions asked for, and the error for too few names the ways out',
  async (t) => {
    const line = '{"value":"x","partition":1}\n';
    const made = await produce(['copy', '--json', '--create-topic', '--partitions', '2'], line);
    t.equal(made.code, 0);
    t.same(daemon.values('copy', 1), ['x']);
    t.match(await produce(['copy', '--partitions', '2'], ''), {
      code: 2,
      stderr: /give --create-topic, too/,
    });
    daemon.intercept = (request, response) =>
      isProduce(request) && sendProblem(response, 404, 'unknown_partition', 'topic "a" has no partition 1');
    const { code, stderr } = await produce(['a', '--json'], line);
    t.equal(code, 1);
    t.match(
      stderr,
      /has no partition 1: it has 1 partition; .* alter a --partitions N`, .*--create-topic --partitions N$/m,
    );
  },
);

t.test('a compressed file is sent as it is, and how to send its lines is told', async (t) => {
  const dir = t.testdir({
    'x.gz': Buffer.from([0x1f, 0x8b, 8, 0]),
    'x.zst': Buffer.from([0x28, 0xb5, 0x2f, 0xfd]),
    x: 'x',
  });
  const { code, stderr } = await produce(['a', `${dir}/x.gz`, `${dir}/x.zst`, `${dir}/x`]);
  t.equal(code, 0);
  t.match(stderr, /x\.gz is gzip .*: zcat \S+x\.gz \| seglog produce a\n.*x\.zst is zstd/);
  t.equal(daemon.values('a').length, 3);
});
