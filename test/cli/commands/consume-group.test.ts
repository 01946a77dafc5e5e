/** `seglog consume -g`: members of a group share the partitions, commit what they have written, and hand them back. */
import { PassThrough, Writable } from 'node:stream';
import { encode } from '@msgpack/msgpack';
import t from 'tap';
import { HttpClient } from '../../../src/cli/http-client.ts';
import { run } from '../../../src/cli/run.ts';
import { type CliOptions, ended, runCli, startCli } from '../../helpers/cli.ts';
import { FakeDaemon, sendJson, sendProblem } from '../../helpers/fake-daemon.ts';
import { startTestServer, until } from '../../helpers/http-app.ts';

const server = await startTestServer(t, { 'group.min.session.timeout.ms': 10, 'num.partitions': 1 });
await server.ready;
const env = { SEGLOG_SERVER: server.url };
const client = new HttpClient(server.url);
t.teardown(() => client.close());

let topics = 0;
/** A topic of its own for each test, with so many records in each partition: `0/0`, `0/1`, … */
async function makeTopic(...counts: number[]): Promise<string> {
  const topic = `t${topics++}`;
  await client.json('PUT', `/api/topics/${topic}`, { body: { partitions: counts.length } });
  for (const [partition, count] of counts.entries()) await append(topic, partition, 0, count);
  return topic;
}

async function append(topic: string, partition: number, from: number, count: number): Promise<void> {
  if (count === 0) return;
  const records = Array.from({ length: count }, (_, i) => ({ value: `${partition}/${from + i}`, partition }));
  await client.json('POST', `/api/topics/${topic}/records`, { body: { records } });
}

const values = (partition: number, from: number, to: number) =>
  Array.from({ length: to - from }, (_, i) => `${partition}/${from + i}`);

const consume = (topic: string, ...args: string[]) =>
  runCli(['consume', topic, '-g', `g-${topic}`, ...args], { env });
const lines = async (topic: string, ...args: string[]) =>
  linesOf((await consume(topic, '-o', 'beginning', '-e', ...args)).stdout);
const linesOf = (output: Buffer) => output.toString().split('\n').slice(0, -1);

interface Group {
  state: string;
  members: { memberId: string; revoking: object[]; pending: object[] }[];
  offsets: { partition: number; committed: number }[];
}
const groupOf = (topic: string) => client.json<Group>('GET', `/api/groups/g-${topic}`);
const committed = async (topic: string) => (await groupOf(topic)).offsets.map((each) => each.committed);

/** A member that runs until it is interrupted. */
function follow(topic: string, args: string[] = [], more: CliOptions = {}) {
  const interruption = new AbortController();
  let output = '';
  const ended = runCli(['consume', topic, '-g', `g-${topic}`, '-o', 'beginning', ...args], {
    env,
    signal: interruption.signal,
    onOutput: (text) => {
      output += text;
    },
    ...more,
  });
  return {
    lines: () => output.split('\n').slice(0, -1),
    async stop() {
      interruption.abort();
      return ended;
    },
  };
}

/** So many members, and no partition is on its way from one to another. */
const settledWith = (topic: string, count: number) =>
  until(async () => {
    const { members } = await groupOf(topic).catch(() => ({ members: [] }));
    return (
      members.length === count &&
      members.every(({ revoking, pending }) => revoking.length + pending.length === 0)
    );
  });

t.test('all there is is written and committed, and the next one goes on there', async (t) => {
  const topic = await makeTopic(3, 5);
  const first = await consume(topic, '-o', 'beginning', '-e', '--session-timeout', '10s');
  t.match({ ...first, stdout: 0 }, { code: 0, stderr: 'seglog: reading partitions 0, 1\n' });
  t.same(linesOf(first.stdout).sort(), [...values(0, 0, 3), ...values(1, 0, 5)]);
  t.same(await committed(topic), [3, 5]);
  t.match(await groupOf(topic), { state: 'Empty', members: { length: 0 } });
  t.same(await lines(topic), []);
  await append(topic, 1, 5, 2);
  t.same(await lines(topic, '-f', '%t %p %o %s\\n'), [`${topic} 1 5 1/5`, `${topic} 1 6 1/6`]);
});

t.test('a count is exact, also of what is committed', async (t) => {
  const topic = await makeTopic(100);
  t.same(await lines(topic, '-c', '7'), values(0, 0, 7));
  t.same(await committed(topic), [7]);
  t.same(await lines(topic, '-c', '7', '--max-bytes', '200'), values(0, 7, 14));
  t.same(await lines(topic, '-c', '1000'), values(0, 14, 100));
});

t.test('where nothing is committed, it begins as is said', async (t) => {
  const topic = await makeTopic(0);
  const old = { value: 'old', timestamp: Date.now() - 7_200_000 };
  await client.json('POST', `/api/topics/${topic}/records`, { body: { records: [old, { value: 'new' }] } });
  for (const [position, expected] of [
    ['beginning', ['old', 'new']],
    ['end', []],
    ['@1h', ['new']],
    ['@3h', ['old', 'new']],
    ['@now', []],
  ] as const) {
    const group = `from-${position.replace('@', '')}`;
    const { stdout } = await runCli(['consume', topic, '-g', group, '-o', position, '-e'], { env });
    t.same(linesOf(stdout), expected, position);
  }
  const { code, stdout } = await runCli(['consume', topic, '-g', 'by-default', '-e'], { env });
  t.match({ code, stdout: stdout.length }, { code: 0, stdout: 0 }, 'what comes from now on');
  t.match(await consume(topic, '-o', 'none', '-e'), { code: 1, stderr: /has committed no offset/ });
});

t.test('members that come and go write each record once between them', async (t) => {
  const topic = await makeTopic(50, 50, 50, 50);
  const next = [50, 50, 50, 50];
  const more = async () => {
    for (let i = 0; i < 20; i++) {
      const partition = i % 4;
      await append(topic, partition, next[partition]!, 5);
      next[partition]! += 5;
    }
  };
  const members = [follow(topic, ['--max-bytes', '1k'])];
  await settledWith(topic, 1);
  for (let i = 0; i < 2; i++) {
    const appending = more();
    members.push(follow(topic, ['--max-bytes', '1k']));
    await Promise.all([settledWith(topic, 2 + i), appending]);
  }
  await more();
  await members[0]!.stop();
  await more();
  const written = () => members.flatMap((member) => member.lines());
  const all = next.reduce((sum, end) => sum + end);
  await until(() => written().length >= all);
  const { code, stderr } = await members[1]!.stop();
  t.equal(code, 0);
  t.match(stderr, /reading partition/);
  await members[2]!.stop();
  t.same(written().sort(), next.flatMap((end, partition) => values(partition, 0, end)).sort());
  for (const member of members) {
    for (let partition = 0; partition < 4; partition++) {
      const offsets = member.lines().filter((line) => line.startsWith(`${partition}/`));
      const numbers = offsets.map((line) => Number(line.slice(2)));
      t.same(
        numbers,
        numbers.toSorted((a, b) => a - b),
        'in order',
      );
    }
  }
  t.same(await committed(topic), next);
});

t.test('Ctrl-C commits, hands the partitions back, and says how far it came', async (t) => {
  const topic = await makeTopic(3);
  const member = follow(topic);
  await until(async () => (await committed(topic).catch(() => []))[0] === 3);
  const { code, stderr } = await member.stop();
  t.equal(code, 0);
  t.match(stderr, /interrupted after 3 records; committed up to partition 0: 3\n$/);
  t.match(await groupOf(topic), { state: 'Empty' });
});

t.test('a member without partitions says so, and gets those of one that ends', async (t) => {
  const topic = await makeTopic(1);
  const first = follow(topic);
  await settledWith(topic, 1);
  const second = follow(topic);
  await settledWith(topic, 2);
  await first.stop();
  await append(topic, 0, 1, 1);
  await until(() => second.lines().length === 1);
  const { stderr } = await second.stop();
  t.match(stderr, /all partitions; this one waits\nseglog: reading partition 0\n/);
});

t.test('with -e it waits for partitions that are on their way to it', async (t) => {
  const topic = await makeTopic(10, 10);
  const member = await client.json<{ memberId: string }>('POST', `/api/groups/g-${topic}/members`, {
    body: { topics: [topic] },
  });
  const reading = consume(topic, '-o', 'beginning', '-e');
  await until(async () => (await groupOf(topic)).members[1]?.pending.length === 1);
  const path = `/api/groups/g-${topic}/members/${member.memberId}`;
  await client.json('PUT', path);
  await client.json('PUT', path);
  t.same(linesOf((await reading).stdout).length, 10, 'those of the partition that it got');
});

t.test('a member that was taken out joins again, and goes on at what is committed', async (t) => {
  const topic = await makeTopic(2);
  const member = follow(topic);
  await until(async () => (await committed(topic).catch(() => []))[0] === 2);
  const { memberId } = (await groupOf(topic)).members[0]!;
  await client.request('DELETE', `/api/groups/g-${topic}/members/${memberId}`);
  await append(topic, 0, 2, 1);
  await until(() => member.lines().length === 3);
  const { code, stderr, stdout } = await member.stop();
  t.equal(code, 0);
  t.match(stderr, /the group has gone on without this member; joining again/);
  t.same(linesOf(stdout), values(0, 0, 3));
});

/** Standard output that takes nothing until it is released. */
class HeldOutput extends Writable {
  text = '';
  #held: (() => void)[] = [];
  #isOpen = false;

  override _write(chunk: Buffer, _encoding: string, callback: () => void): void {
    this.text += chunk.toString();
    if (this.#isOpen) callback();
    else this.#held.push(callback);
  }

  release(): void {
    this.#isOpen = true;
    for (const callback of this.#held.splice(0)) callback();
  }
}

function runHeld(args: string[], url: string) {
  const stdout = new HeldOutput();
  const stderr = new PassThrough();
  const interruption = new AbortController();
  const io = {
    stdin: new PassThrough(),
    stdout,
    stderr,
    env: { SEGLOG_SERVER: url },
    interruption: () => interruption.signal,
    onOutputLost() {},
    abandon() {},
  };
  return { stdout, stderr, interruption, code: run(args, io) };
}

t.test('what is not committed in time is written again', async (t) => {
  const topic = await makeTopic(2);
  const args = ['consume', topic, '-g', `g-${topic}`, '-o', 'beginning'];
  const { stdout, stderr, interruption, code } = runHeld(args, server.url);
  await until(() => stdout.text !== '');
  const { memberId } = (await groupOf(topic)).members[0]!;
  await client.request('DELETE', `/api/groups/g-${topic}/members/${memberId}`);
  stdout.release();
  await until(async () => (await committed(topic))[0] === 2);
  interruption.abort();
  t.equal(await code, 0);
  t.same(stdout.text, '0/0\n0/1\n0/0\n0/1\n');
  t.match(String(stderr.read()), /some records are written again/);
});

t.test('what output has not taken is not committed', async (t) => {
  const topic = await makeTopic(2);
  const args = ['consume', topic, '-g', `g-${topic}`, '-o', 'beginning'];
  const { stdout, interruption, code } = runHeld(args, server.url);
  await until(() => stdout.text !== '');
  interruption.abort();
  t.equal(await code, 0);
  t.match(await groupOf(topic), { state: 'Empty', offsets: { length: 0 } });
});

t.test('while output is slow it says that it is alive, and lets go of nothing', async (t) => {
  const daemon = await FakeDaemon.start();
  t.teardown(() => daemon.stop());
  daemon.addTopic('a', 2);
  const member = {
    memberId: 'm',
    generation: 1,
    assignment: [{ topic: 'a', partitions: [0, 1] }],
    revoking: [],
  };
  const record = { topic: 'a', offset: 0, timestamp: '2020-01-01T00:00:00.000Z', key: null, headers: [] };
  const pages = [
    { records: [{ ...record, partition: 0, value: Buffer.from('one') }], generation: 1, revoking: [] },
    {
      records: [{ ...record, partition: 1, value: Buffer.from('two') }],
      generation: 3,
      revoking: [{ topic: 'a', partitions: [1] }],
    },
  ];
  const heartbeats: number[] = [];
  const polls: (string | null)[] = [];
  const commits: number[] = [];
  daemon.intercept = (request, response) => {
    const { method, path, query, body } = request;
    if (!path.startsWith('/api/groups/')) return false;
    if (method === 'DELETE') response.writeHead(204).end();
    else if (path.endsWith('/members')) sendJson(response, 201, member);
    else if (path.endsWith('/offsets')) {
      commits.push(JSON.parse(body.toString()).generation);
      sendJson(response, 200, {});
    } else if (method === 'PUT') {
      heartbeats.push(JSON.parse(body.toString()).generation);
      sendJson(response, 200, { ...member, generation: 3 });
    } else {
      polls.push(query.get('generation'));
      const page = pages[polls.length - 1] ?? { records: [], generation: 3, revoking: [] };
      const answer = { ...member, ...page, positions: [], cursor: 'c', errors: [], sessionTimeoutMs: 30 };
      response.writeHead(200, { 'content-type': 'application/msgpack' }).end(encode(answer));
      if (polls.length > 2) interruption.abort();
    }
    return true;
  };
  const { stdout, interruption, code } = runHeld(['consume', 'a', '-g', 'g'], daemon.url);
  await until(() => heartbeats.length >= 3);
  t.same([...new Set(heartbeats)], [1], 'it goes by what it knows');
  t.same(polls, [null, '1'], 'one page is read ahead');
  stdout.release();
  t.equal(await code, 0);
  t.same(commits, [1, 3]);
  t.same(polls, [null, '1', '3'], 'what is revoked is let go of once it is committed');
  t.equal(stdout.text, 'one\ntwo\n');
});

t.test('with -e partitions count that came between a page and the look at the group', async (t) => {
  const daemon = await FakeDaemon.start();
  t.teardown(() => daemon.stop());
  daemon.addTopic('a');
  daemon.append('a', 0, 'one');
  const given = { topic: 'a', partitions: [0] };
  const member = { memberId: 'm', generation: 1, revoking: [], pending: [] };
  const record = { topic: 'a', partition: 0, offset: 0, timestamp: '2020-01-01T00:00:00.000Z', headers: [] };
  const pages = [
    { assignment: [], records: [], positions: [] },
    {
      assignment: [given],
      records: [{ ...record, key: null, value: Buffer.from('one') }],
      positions: [{ topic: 'a', partition: 0, offset: 1 }],
    },
  ];
  let polls = 0;
  daemon.intercept = ({ method, path }, response) => {
    if (!path.startsWith('/api/groups/')) return false;
    if (method === 'DELETE') response.writeHead(204).end();
    else if (path.endsWith('/members')) sendJson(response, 201, { ...member, assignment: [] });
    else if (path.endsWith('/records')) {
      const page = pages[Math.min(polls++, pages.length - 1)];
      const answer = { ...member, ...page, cursor: 'c', errors: [], sessionTimeoutMs: 10_000 };
      response.writeHead(200, { 'content-type': 'application/msgpack' }).end(encode(answer));
    } else sendJson(response, 200, { members: [{ ...member, assignment: [given] }], offsets: [] });
    return true;
  };
  const { code, stdout } = await runCli(['consume', 'a', '-g', 'g', '-e'], {
    env: { SEGLOG_SERVER: daemon.url },
  });
  t.equal(code, 0);
  t.equal(stdout.toString(), 'one\n');
});

t.test('a daemon that goes away is waited for', async (t) => {
  const daemon = await FakeDaemon.start();
  t.teardown(() => daemon.stop());
  daemon.addTopic('a');
  let broken = 0;
  daemon.intercept = (request, response) => {
    if (!request.path.startsWith('/api/groups/')) return false;
    if (broken++ < 3) return sendProblem(response, 503, 'not_ready', 'starting', { 'retry-after': '0' });
    return sendProblem(response, 409, 'group_full', 'the group has 1 member');
  };
  const { code, stderr } = await runCli(['consume', 'a', '-g', 'g'], { env: { SEGLOG_SERVER: daemon.url } });
  t.equal(code, 1);
  t.match(stderr, /starting; trying again\nseglog: the group has 1 member\n$/);
});

t.test('a reader that has seen enough leaves nothing behind', async (t) => {
  const topic = await makeTopic(5000);
  const child = startCli(['consume', topic, '-g', `g-${topic}`, '-o', 'beginning', '--max-bytes', '4k'], env);
  const end = ended(child);
  child.stdout!.once('data', () => child.stdout!.destroy());
  t.match(await end, { code: 0, signal: null });
  t.match(await groupOf(topic), { state: 'Empty' });
  t.ok((await committed(topic))[0]! < 5000);
});

t.test('misuse', async (t) => {
  const topic = await makeTopic(0);
  for (const position of ['5', '-5', '@2026-11-21']) {
    t.match(
      await consume(topic, '-o', position),
      { code: 2, stderr: /with -g, -o says where to begin/ },
      position,
    );
  }
  t.match(await consume(topic, '-p', '0'), { code: 2, stderr: /cannot be used with/ });
  t.match(await consume(topic, '--until', 'end'), { code: 2, stderr: /cannot be used with/ });
  t.match(await consume(topic, '--assignor', 'best'), { code: 2, stderr: /Allowed choices are/ });
  t.match(await consume(topic, '--session-timeout', '1ms', '-e'), {
    code: 2,
    stderr: /session\.timeout\.ms/,
  });
  t.match(await consume('nope'), { code: 1, stderr: /seglog topics create nope/ });
  for (const args of [
    ['--assignor', 'range'],
    ['--session-timeout', '10s'],
  ]) {
    t.match(await runCli(['consume', topic, ...args], { env }), { code: 2, stderr: /go with -g/ });
  }
  t.match(await runCli(['consume', topic, '-o', 'none'], { env }), { code: 2, stderr: /none goes with -g/ });
});
