import t from 'tap';
import { runCli } from '../../helpers/cli.ts';
import { FakeDaemon, sendJson, sendProblem } from '../../helpers/fake-daemon.ts';

const daemon = await FakeDaemon.start();
t.teardown(() => daemon.stop());
t.beforeEach(() => {
  daemon.topics.clear();
  daemon.requests.length = 0;
  daemon.intercept = () => false;
});

const topics = (...args: string[]) => runCli(['topics', ...args], { env: { SEGLOG_SERVER: daemon.url } });
const lastBody = () => JSON.parse(daemon.requests.at(-1)!.body.toString());

t.test('list shows a table, or JSON', async (t) => {
  t.match(await topics('list'), { code: 0, stdout: { length: 0 }, stderr: /no topics yet: make one with/ });
  daemon.addTopic('access', 2);
  daemon.append('access', 0, 'x');
  const shown = await topics('list');
  t.equal(
    shown.stdout.toString(),
    'TOPIC   PARTITIONS  RECORDS  BYTES\naccess           2        1    100\n',
  );
  const json = JSON.parse((await topics('list', '--json')).stdout.toString());
  t.match(json, { topics: [{ name: 'access', partitions: 2, records: 1 }] });
});

t.test('create says whether it was made or there already', async (t) => {
  const made = await topics('create', 'a', '--partitions', '3', '-c', 'flush=os', '-c', 'segment.bytes=1m');
  t.match(made, { code: 0, stderr: 'made topic a with 3 partitions\n' });
  t.equal(made.stdout.length, 0);
  t.same(lastBody(), { partitions: 3, config: { flush: 'os', 'segment.bytes': '1m' } });
  t.match(await topics('create', 'a'), { code: 0, stderr: /exists already/ });
  t.match(JSON.parse((await topics('create', 'a', '--json')).stdout.toString()), { name: 'a' });
});

t.test('describe shows partitions, and settings with where they come from', async (t) => {
  daemon.addTopic('a', 2);
  daemon.append('a', 1, 'x');
  const { code, stdout } = await topics('describe', 'a');
  t.equal(code, 0);
  t.match(stdout.toString(), /PARTITION +LOG-START +HIGH-WATERMARK/);
  t.match(stdout.toString(), /PARTITION +FROM +TO +NEXT-DELETION/);
  t.match(stdout.toString(), /segment\.bytes +268435456 +default/);
  t.match(stdout.toString(), /flush +os +topic/);
  const withSegments = JSON.parse((await topics('describe', 'a', '--segments', '--json')).stdout.toString());
  t.match(withSegments, { name: 'a', segments: [{ partition: 0, segments: [] }, { partition: 1 }] });
});

t.test('describe tells of fenced, damaged and repaired partitions', async (t) => {
  const partition = {
    partition: 0,
    logStartOffset: 0,
    highWatermark: 9,
    logEndOffset: 9,
    bytes: 1,
    segments: 1,
  };
  daemon.intercept = (_request, response) => {
    sendJson(response, 200, {
      name: 'a',
      id: 'f',
      config: {},
      partitions: [
        {
          ...partition,
          minTimestamp: null,
          maxTimestamp: null,
          compaction: null,
          nextDeletion: null,
          fenced: 'a sync failed',
          damaged: [{ firstOffset: 3, endOffset: 5, reason: 'checksum' }],
          gaps: [
            { firstOffset: 1, endOffset: 2, reason: 'checksum', repairedAt: '2026-11-21T00:00:00.000Z' },
          ],
        },
      ],
    });
    return true;
  };
  const text = (await topics('describe', 'a')).stdout.toString();
  t.match(text, /partition 0 takes no records: a sync failed/);
  t.match(text, /partition 0 is damaged at offsets 3–4: checksum/);
  t.match(text, /partition 0 lost offsets 1–1 to a repair on 2026-11-21/);
});

t.test('an unknown topic comes with the command that makes it', async (t) => {
  t.match(await topics('describe', 'nope'), {
    code: 1,
    stderr: 'seglog: there is no topic "nope": make it with `seglog topics create nope`\n',
  });
});

t.test('an unknown topic that is nearly a known one is taken for a slip', async (t) => {
  daemon.addTopic('web');
  t.match(await topics('describe', 'webb'), {
    code: 1,
    stderr:
      /^seglog: there is no topic "webb": did you mean "web"\? If not, make it with `seglog topics create webb`/,
  });
  t.notMatch((await topics('describe', 'orders')).stderr, /did you mean/);
  for (const args of [
    ['alter', 'webb', '-p', '4'],
    ['delete', 'webb'],
  ]) {
    t.match(await topics(...args), {
      code: 1,
      stderr: 'seglog: there is no topic "webb": did you mean "web"? If not, see `seglog topics list`\n',
    });
  }
});

t.test('alter sends what is to change, and nulls for what is unset', async (t) => {
  daemon.addTopic('a');
  t.match(await topics('alter', 'a', '-p', '4', '-c', 'flush=sync', '--unset', 'segment.ms', 'flush.ms'), {
    code: 0,
  });
  t.equal(daemon.requests.at(-1)!.method, 'PATCH');
  t.same(lastBody(), { partitions: 4, config: { flush: 'sync', 'segment.ms': null, 'flush.ms': null } });
});

t.test(
  'alter without a change is a misuse, and partitions that are refused are told with the topic',
  async (t) => {
    daemon.addTopic('a');
    t.match(await topics('alter', 'a'), { code: 2, stderr: /nothing to change: give --partitions N/ });
    t.equal(daemon.requests.length, 0);
    daemon.intercept = (_request, response) => sendProblem(response, 400, 'invalid_partitions', 'it has 3');
    t.match(await topics('alter', 'a', '-p', '2'), {
      code: 2,
      stderr: 'seglog: topic "a" cannot have 2 partitions: it has 3\n',
    });
  },
);

t.test('delete removes', async (t) => {
  daemon.addTopic('a');
  t.match(await topics('delete', 'a'), { code: 0, stderr: 'removed topic a\n' });
  t.equal(daemon.topics.size, 0);
  t.match(await topics('delete', 'a'), {
    code: 1,
    stderr: 'seglog: there is no topic "a": see `seglog topics list`\n',
  });
});

t.test('names that would lead elsewhere are not sent', async (t) => {
  for (const name of ['.', '..', ''])
    t.match(await topics('delete', name), { code: 2, stderr: /is no topic name/ }, name);
  t.equal(daemon.requests.length, 0);
  await topics('delete', '../../readyz');
  t.equal(daemon.requests[0]!.path, '/api/topics/..%2F..%2Freadyz');
});

t.test('what the daemon calls malformed is a misuse, other refusals are failures', async (t) => {
  daemon.intercept = (_request, response) =>
    sendProblem(response, 400, 'invalid_config', 'unknown setting "flsh"');
  t.match(await topics('create', 'a', '-c', 'flsh=os'), {
    code: 2,
    stderr: 'seglog: unknown setting "flsh"\n',
  });
  daemon.intercept = (_request, response) => sendProblem(response, 409, 'topic_exists', 'another one exists');
  t.match(await topics('create', 'a'), { code: 1, stderr: 'seglog: another one exists\n' });
});
