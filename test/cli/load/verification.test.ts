/** Checks of the log that cannot be carried out, each as somebody meets it who typed `seglog load … --verify`. */
import { readFileSync } from 'node:fs';
import t, { type Test } from 'tap';
import { runCli } from '../../helpers/cli.ts';
import { FakeDaemon, type FakeRequest } from '../../helpers/fake-daemon.ts';
import { startTestServer } from '../../helpers/http-app.ts';

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
  const server = await startTestServer(t);
  await server.ready;
  const cli = (args: readonly string[]) => runCli(args, { env: { SEGLOG_SERVER: server.url } });
  await cli(['topics', 'create', 'load']);
  const running = cli([...LOAD, '--verify']);
  await new Promise((resolve) => setTimeout(resolve, 150));
  for (const method of ['DELETE', 'PUT'])
    await fetch(`${server.url}/api/topics/load`, {
      method,
      body: method === 'PUT' ? '{"partitions":1}' : null,
      headers: method === 'PUT' ? { 'content-type': 'application/json' } : {},
    });
  const { code, stderr, stdout } = await running;
  t.equal(code, 1);
  t.match(stderr, /verify failed: cannot be checked: the topic was deleted and made anew meanwhile\n/);
  t.match(stdout.toString(), /\nverify {2}FAILED: cannot be checked: the topic was deleted/);
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
