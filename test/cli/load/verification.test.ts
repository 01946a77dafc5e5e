/** Checks of the log that cannot be carried out, each as somebody meets it who typed `seglog load … --verify`. */
import { readFileSync } from 'node:fs';
import t, { type Test } from 'tap';
import { runCli } from '../../helpers/cli.ts';
import { FakeDaemon, type FakeRequest } from '../../helpers/fake-daemon.ts';

const LOAD = ['load', 'steady', '--rate', '100', '-d', '300ms', '--batch-size', '1', '--warmup', '0'];
const isProduce = ({ method }: FakeRequest) => method === 'POST';
const isRead = ({ method, path }: FakeRequest) => method === 'GET' && path.endsWith('/records');

async function fake(t: Test) {
  const daemon = await FakeDaemon.start();
  t.teardown(() => daemon.stop());
  daemon.addTopic('load');
  const load = (args: readonly string[], signal?: AbortSignal) =>
    runCli([...LOAD, '--verify', ...args], { env: { SEGLOG_SERVER: daemon.url }, signal });
  return { daemon, load };
}

t.test('a topic that was changed meanwhile cannot be checked', async (t) => {
  const { daemon, load } = await fake(t);
  for (const [before, now, change] of [
    [4, 7, '4 partitions, now 7'],
    [4, 1, '4 partitions, now 1'],
    [1, 2, '1 partition, now 2'],
  ] as const) {
    daemon.addTopic('load', before);
    let requests = 0;
    daemon.intercept = (request) => {
      if (isProduce(request) && ++requests === 20) daemon.addTopic('load', now);
      return false;
    };
    const reason = `cannot be checked: the topic was changed meanwhile (${change})`;
    const { code, stdout, stderr } = await load(['--json']);
    t.equal(code, 1);
    t.equal(stderr, `seglog: verify failed: ${reason}\n`);
    t.match(JSON.parse(stdout.toString()).verification, { ok: false, skipped: true, reason, missing: 0 });
  }
});

t.test('neither can one that was made anew', async (t) => {
  const { daemon, load } = await fake(t);
  let asked = 0;
  daemon.intercept = ({ method, path }, response) => {
    if (method !== 'GET' || path !== '/api/topics/load' || ++asked === 1) return false;
    const partitions = [{ partition: 0, logStartOffset: 0, logEndOffset: 0 }];
    response.end(JSON.stringify({ name: 'load', id: '1'.repeat(32), partitions, config: {} }));
    return true;
  };
  const { code, stderr, stdout } = await load([]);
  t.equal(code, 1);
  const reason = 'cannot be checked: the topic was deleted and made anew meanwhile';
  t.equal(stderr, `seglog: verify failed: ${reason}\n`);
  t.match(stdout.toString(), `\nverify  FAILED: ${reason}\n`);
});

t.test('an interruption, of the load or of the check, leaves nothing that is in order', async (t) => {
  const { daemon, load } = await fake(t);
  for (const [interrupts, reason, interrupted] of [
    [isProduce, 'the load was interrupted', true],
    [isRead, 'the check was interrupted', false],
  ] as const) {
    const controller = new AbortController();
    daemon.intercept = (request) => {
      if (interrupts(request)) controller.abort();
      return false;
    };
    const { code, stdout, stderr } = await load(['--json'], controller.signal);
    t.equal(code, 1);
    t.equal(stderr, `seglog: verify failed: ${reason}\n`);
    t.match(JSON.parse(stdout.toString()), {
      interrupted,
      verification: { ok: false, skipped: true, reason },
    });
  }
});

t.test('what was measured is reported although the check was not possible', async (t) => {
  const page = `${t.testdir()}/report.html`;
  const { daemon, load } = await fake(t);
  for (const [fail, reason] of [
    [() => daemon.topics.delete('load'), /^there is no topic "load"/],
    [() => daemon.stop(), /^(no seglog daemon answers|the connection to the seglog daemon)/],
  ] as const) {
    let requests = 0;
    daemon.intercept = async (request) => {
      if (isProduce(request) && ++requests === 20) await fail();
      return false;
    };
    const { code, stdout, stderr } = await load(['--json', '--html', page]);
    t.equal(code, 1);
    t.match(stderr, /\nseglog: verify failed: (there is no|no seglog daemon|the connection)/);
    const { steps, verification } = JSON.parse(stdout.toString());
    t.equal(steps[0].requests.wanted, 30);
    t.match(verification, { ok: false, skipped: true, reason });
    t.match(readFileSync(page, 'utf8'), /Check of the log: FAILED: [\s\S]*<\/html>\n$/);
  }
});

t.test(
  'a server that takes requests and never answers is waited for as long as --timeout says',
  async (t) => {
    const { daemon, load } = await fake(t);
    daemon.intercept = () => true;
    const message = `no answer from ${daemon.url} within 400 ms (--timeout)\n`;
    t.match(await load(['--timeout', '400ms']), { code: 1, stderr: `seglog: ${message}` });
    daemon.intercept = ({ method }, response) => {
      if (method === 'GET') response.writeHead(404).end('{"code":"unknown_topic"}');
      return true;
    };
    t.match(await load(['--timeout', '400ms']), { code: 1, stderr: `seglog: ${message}` }, 'making it');
    daemon.intercept = isRead;
    const unread = await load(['--timeout', '1s', '--json']);
    t.equal(unread.code, 1);
    const reason = `no answer from ${daemon.url} within 1 s (--timeout)`;
    t.match(JSON.parse(unread.stdout.toString()).verification, { ok: false, reason });
  },
);
