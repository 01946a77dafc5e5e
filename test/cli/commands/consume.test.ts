import t from 'tap';
import { runCli } from '../../helpers/cli.ts';
import { FakeDaemon, sendProblem } from '../../helpers/fake-daemon.ts';

const daemon = await FakeDaemon.start();
t.teardown(() => daemon.stop());
t.beforeEach(() => {
  daemon.topics.clear();
  daemon.requests.length = 0;
  daemon.intercept = () => false;
  daemon.addTopic('a');
  for (let i = 0; i < 10; i++) {
    daemon.append('a', 0, `v${i}`, { timestamp: new Date(daemon.now + i * 1000).toISOString() });
  }
});

const env = { SEGLOG_SERVER: daemon.url };
const consume = (...args: string[]) => runCli(['consume', 'a', ...args], { env });
const out = async (...args: string[]) => (await consume(...args)).stdout.toString();
const values = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, i) => `v${from + i}\n`).join('');
const at = (second: number) => `@${new Date(daemon.now + second * 1000).toISOString()}`;
const fetches = () => daemon.requests.filter((each) => each.path.endsWith('/records'));

t.test('each beginning and end', async (t) => {
  for (const [args, expected] of [
    [['-o', 'beginning', '-e'], values(0, 10)],
    [['-o', 'end', '-e'], ''],
    [['-e'], ''],
    [['-o', '7', '-e'], values(7, 10)],
    [['-o', '-3', '-e'], values(7, 10)],
    [['-o', '-99', '-e'], values(0, 10)],
    [['-o', '10', '-e'], ''],
    [['-o', '2', '--until', '5'], values(2, 5)],
    [['-o', '5', '--until', '5'], ''],
    [['-o', 'beginning', '--until', 'end'], values(0, 10)],
    [['-o', 'beginning', '-e', '--until', '99'], values(0, 10)],
    [['-o', at(4), '-e'], values(4, 10)],
    [['-o', at(2), '--until', at(5)], values(2, 5)],
    [['-o', 'beginning', '-c', '3'], values(0, 3)],
    [['-o', 'beginning', '-c', '99', '-e'], values(0, 10)],
  ] as const) {
    t.equal(await out(...args), expected, args.join(' '));
  }
});

t.test('an offset outside the log is an error that tells what it holds', async (t) => {
  for (const args of [
    ['-o', '11'],
    ['-o', '11', '-e'],
  ]) {
    t.match(await consume(...args), {
      code: 1,
      stderr: /partition 0 holds offsets from 0 to before 10, not 11/,
    });
  }
  daemon.intercept = (request, response) =>
    request.path.endsWith('/records') &&
    sendProblem(response, 416, 'offset_out_of_range', 'the log starts at 5');
  t.match(await consume('-o', '0', '-e'), { code: 1, stderr: 'seglog: the log starts at 5\n' });
});

t.test('an end in time is met when the time is over, also where no record came since', async (t) => {
  t.equal(await out('-o', 'beginning', '--until', '@1s'), values(0, 10));
  t.equal(await out('-o', 'beginning', '--until', '@now'), values(0, 10));
});

t.test('formats', async (t) => {
  daemon.append('a', 0, null, { key: Buffer.from('k') });
  t.equal(await out('-o', '9', '-e', '-f', '%t/%p/%o %k=%s\\n'), 'a/0/9 =v9\na/0/10 k=\n');
  t.equal(await out('-o', '10', '-e'), '\n');
  t.equal(await out('-o', '10', '-e', '--null-marker', 'NULL'), 'NULL\n');
  const [line] = (await out('-o', '10', '-e', '--json')).split('\n');
  t.match(JSON.parse(line!), { topic: 'a', partition: 0, offset: 10, key: 'k', value: null, headers: [] });
});

t.test('bytes come out as they are', async (t) => {
  const bytes = Buffer.from([0, 10, 13, 255, 254]);
  daemon.append('a', 0, bytes);
  const { stdout } = await consume('-o', '10', '-e');
  t.same(stdout, Buffer.concat([bytes, Buffer.from('\n')]));
});

t.test('up to the end, partitions follow each other', async (t) => {
  daemon.addTopic('a', 3);
  for (let i = 0; i < 9; i++) daemon.append('a', i % 3, `v${i}`);
  t.equal(
    await out('-o', 'beginning', '-e', '-f', '%p:%s '),
    '0:v0 0:v3 0:v6 1:v1 1:v4 1:v7 2:v2 2:v5 2:v8 ',
  );
  t.equal(await out('-o', 'beginning', '-e', '-p', '2,0', '-f', '%p:%s '), '2:v2 2:v5 2:v8 0:v0 0:v3 0:v6 ');
  t.equal(await out('-o', 'beginning', '-e', '-c', '4', '-f', '%s '), 'v0 v3 v6 v1 ');
  t.match(await consume('-p', '3'), { code: 2, stderr: /partitions 0 to 2, not 3/ });
});

t.test('it follows until Ctrl-C, and then says how far it came', async (t) => {
  const interruption = new AbortController();
  let seen = '';
  const following = runCli(['consume', 'a', '-o', '8'], {
    env,
    signal: interruption.signal,
    onOutput: (text) => {
      seen += text;
      if (seen === 'v8\nv9\n') daemon.append('a', 0, 'later');
      else if (seen.endsWith('later\n')) interruption.abort();
    },
  });
  const { code, stdout, stderr } = await following;
  t.equal(code, 0);
  t.equal(stdout.toString(), 'v8\nv9\nlater\n');
  t.equal(stderr, 'seglog: interrupted after 3 records; next offset of partition 0: 11\n');
});

t.test('several partitions are followed at once, up to a count', async (t) => {
  daemon.addTopic('a', 3);
  daemon.intercept = (request) => {
    const partition = /partitions\/(\d)/.exec(request.path)?.[1];
    if (partition !== undefined) daemon.append('a', Number(partition), 'x');
    return false;
  };
  const { stdout, code } = await consume('-o', 'beginning', '-c', '7', '-f', '%p');
  t.equal(code, 0);
  t.equal(stdout.length, 7);
  t.same(new Set(stdout.toString()), new Set('012'));
});

t.test('a daemon that goes away is waited for', async (t) => {
  let broken = 0;
  daemon.intercept = (request, response) => {
    if (!request.path.endsWith('/records') || broken++ >= 2) return false;
    response.destroy();
    return true;
  };
  const { code, stdout, stderr } = await consume('-o', 'beginning', '-e');
  t.equal(code, 0);
  t.equal(stdout.toString(), values(0, 10));
  t.match(stderr, /broke off.*; trying again\nseglog: the daemon answers again/);
});

t.test('damage is an error that ends it, after what could be read', async (t) => {
  daemon.intercept = (request, response) =>
    Number(request.query.get('offset')) >= 4 &&
    sendProblem(response, 500, 'corrupt_data', 'offsets 4–6 are damaged');
  const { code, stdout, stderr } = await consume('-o', '3', '-e', '--until', '4');
  t.match({ code, stderr }, { code: 0, stderr: '' });
  t.equal(stdout.toString(), 'v3\n');
  t.match(await consume('-o', '4', '-e'), { code: 1, stderr: /offsets 4–6 are damaged/ });
});

t.test('pages are bounded, and one is fetched ahead at most', async (t) => {
  await consume('-o', 'beginning', '-e', '--max-bytes', '64k');
  t.ok(fetches().every((each) => each.query.get('max_bytes') === '65536'));
});

t.test('misuse', async (t) => {
  t.match(await consume('-o', 'start'), { code: 2, stderr: /It takes beginning, end/ });
  t.match(await consume('-o', '@noon', '-e'), { code: 2, stderr: /"noon" is no time/ });
  t.match(await consume('-f', '%q'), { code: 2, stderr: /%q is none of/ });
  t.match(await consume('-f', '%s', '--json'), { code: 2, stderr: /cannot be used with/ });
  t.match(await runCli(['consume', 'nope'], { env }), { code: 1, stderr: /seglog topics create nope/ });
});
