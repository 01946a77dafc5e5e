import t from 'tap';
import { HttpClient } from '../../../src/cli/http-client.ts';
import { runCli } from '../../helpers/cli.ts';
import { startTestServer } from '../../helpers/http-app.ts';

const server = await startTestServer(t, { 'num.partitions': 2 });
await server.ready;
const env = { SEGLOG_SERVER: server.url };
const client = new HttpClient(server.url);
t.teardown(() => client.close());

const groups = (...args: string[]) => runCli(['groups', ...args], { env });
const cells = ({ stdout }: { stdout: Buffer }) =>
  stdout
    .toString()
    .split('\n')
    .slice(1, -1)
    .map((line) => line.split(/ +/));

/** Five records in each of two partitions, of which a group has committed so many. */
async function commit(topic: string, group: string, ...offsets: number[]): Promise<void> {
  await client.json('PUT', `/api/topics/${topic}`);
  for (const partition of [0, 1]) {
    const records = Array.from({ length: 5 }, () => ({ value: 'v', partition }));
    await client.json('POST', `/api/topics/${topic}/records`, { body: { records } });
  }
  const body = { offsets: offsets.map((offset, partition) => ({ topic, partition, offset })) };
  await client.json('PUT', `/api/groups/${group}/offsets`, { body });
}

t.test('list shows a table, or JSON', async (t) => {
  t.match(await groups('list'), { code: 0, stdout: { length: 0 }, stderr: /no groups yet: join one with/ });
  await commit('listed', 'l1', 1);
  await client.json('POST', '/api/groups/l2/members', { body: { topics: ['listed'] } });
  t.match(
    (await groups('list')).stdout.toString(),
    /^GROUP +STATE +MEMBERS +GENERATION +ASSIGNOR\nl1 +Empty +0 +\d+ +-\nl2 +\w+ +1 +1 +cooperative-sticky\n$/,
  );
  const json = JSON.parse((await groups('list', '--json')).stdout.toString());
  t.match(json, {
    groups: [
      { groupId: 'l1', state: 'Empty', members: 0 },
      { groupId: 'l2', members: 1 },
    ],
  });
});

t.test('describe shows offsets with their lag, and members with what they read', async (t) => {
  await commit('described', 'd', 2, 5);
  const body = { topics: ['described'], clientId: 'me' };
  const { memberId } = await client.json<{ memberId: string }>('POST', '/api/groups/d/members', { body });
  const { code, stdout } = await groups('describe', 'd');
  t.equal(code, 0);
  const text = stdout.toString();
  t.match(text, /^group d: \w+, 1 member, generation 1, cooperative-sticky, 3 records behind\n\n/);
  t.match(text, /TOPIC +PARTITION +CURRENT-OFFSET +LOG-END-OFFSET +LAG +COMMITTED-AT +MEMBER\n/);
  t.match(text, new RegExp(`described +0 +2 +5 +3 +\\S+Z +${memberId}\n`));
  t.match(text, /MEMBER +CLIENT-ID +READS +GIVES-UP +GETS +HEARD-OF\n/);
  t.match(text, new RegExp(`${memberId} +me +described 0,1 +- +- +(now|\\d+ ms ago)`));
  t.match(JSON.parse((await groups('describe', 'd', '--json')).stdout.toString()), {
    groupId: 'd',
    members: [{ memberId }],
  });
  await client.request('DELETE', `/api/groups/d/members/${memberId}`);
  t.match(
    (await groups('describe', 'd')).stdout.toString(),
    /Empty.*, forgotten in 6 d 23 h unless somebody joins\n/,
  );
});

t.test('names that would turn what a terminal shows around are shown without that', async (t) => {
  await commit('turned', 'g\u202eevil\u2066', 1);
  const body = { topics: ['turned'], clientId: 'c\u200fd' };
  await client.json('POST', `/api/groups/${encodeURIComponent('g\u202eevil\u2066')}/members`, { body });
  t.match((await groups('list')).stdout.toString(), /^g\?evil\? /m);
  const text = (await groups('describe', 'g\u202eevil\u2066')).stdout.toString();
  t.match(text, /^group g\?evil\?: /);
  t.match(text, / c\?d /);
  t.notMatch(text, /[\u200f\u202e\u2066]/);
});

t.test('reset moves a group to each kind of place, or tells what would be', async (t) => {
  await commit('moved', 'm', 2, 3);
  for (const [args, to] of [
    [['--to-earliest'], [0, 0]],
    [['--to-latest'], [5, 5]],
    [
      ['--to-offset', '4'],
      [4, 4],
    ],
    [
      ['--to-timestamp', '2020-01-01'],
      [0, 0],
    ],
    [
      ['--to-timestamp', '1h'],
      [0, 0],
    ],
    [
      ['--to-timestamp', 'now'],
      [5, 5],
    ],
    [
      ['--shift-by', '-2'],
      [0, 1],
    ],
    [
      ['--shift-by', '2'],
      [4, 5],
    ],
    [
      ['--by-duration', 'PT1H'],
      [0, 0],
    ],
  ] as const) {
    const shown = await groups('reset', 'm', ...args, '--dry-run');
    t.match(
      { ...shown, stdout: 0 },
      { code: 0, stderr: 'would move 2 partitions of group m; nothing was changed\n' },
    );
    t.same(
      cells(shown),
      [
        ['moved', '0', '2', String(to[0])],
        ['moved', '1', '3', String(to[1])],
      ],
      args.join(' '),
    );
  }
  const one = await groups('reset', 'm', '--topic', 'moved', '--partition', '1', '--to-latest', '--json');
  t.same(JSON.parse(one.stdout.toString()), {
    dryRun: false,
    offsets: [{ topic: 'moved', partition: 1, before: 3, after: 5 }],
  });
  t.match(await groups('reset', 'm', '--shift-by', '1'), {
    code: 0,
    stderr: 'moved 2 partitions of group m\n',
  });
  t.match((await groups('describe', 'm')).stdout.toString(), /moved +0 +3 .*\nmoved +1 +5 /);
  const made = await groups('reset', 'new', '-t', 'moved', '--to-latest');
  t.match(
    { ...made, stdout: 0 },
    { code: 0, stderr: 'moved 2 partitions of group new\n' },
    'a group that is yet to be',
  );
  t.match(made.stdout.toString(), /moved +0 +- +5\n/);
});

t.test('a group with members is neither reset nor deleted', async (t) => {
  await commit('busy', 'b', 1);
  const body = { topics: ['busy'] };
  const { memberId } = await client.json<{ memberId: string }>('POST', '/api/groups/b/members', { body });
  const stop = /group "b" has members: stop them first; `seglog groups describe b` shows them/;
  t.match(await groups('reset', 'b', '--to-earliest'), { code: 1, stderr: stop });
  t.match(await groups('delete', 'b'), { code: 1, stderr: stop });
  await client.request('DELETE', `/api/groups/b/members/${memberId}`);
  t.match(await groups('delete', 'b'), { code: 0, stderr: 'removed group b\n' });
  t.match(await groups('delete', 'b', '--json'), {
    code: 1,
    stderr: /there is no group "b": .*see `seglog groups list`/,
  });
});

t.test('an unknown group comes with one of a similar name', async (t) => {
  await commit('named', 'billing', 1);
  t.match(await groups('describe', 'biling'), {
    code: 1,
    stderr: /there is no group "biling": did you mean "billing"/,
  });
});

t.test('misuse', async (t) => {
  t.match(await groups('reset', 'g'), { code: 2, stderr: /say where to: --to-earliest,/ });
  t.match(await groups('reset', 'g', '--to-earliest', '--to-latest'), {
    code: 2,
    stderr: /cannot be used with/,
  });
  t.match(await groups('reset', 'g', '--shift-by', 'x'), {
    code: 2,
    stderr: /whole number, such as 10 or -10/,
  });
  t.match(await groups('reset', 'g', '--to-timestamp', 'noon'), { code: 2, stderr: /"noon" is no time/ });
  t.match(await groups('reset', 'g', '--by-duration', 'long'), { code: 2, stderr: /"duration" takes/ });
  t.match(await groups('reset', 'g', '-p', '0', '--to-latest'), { code: 2, stderr: /goes with one --topic/ });
  t.match(await groups('describe', '..'), { code: 2, stderr: /no name of a group/ });
});
