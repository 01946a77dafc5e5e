import t from 'tap';
import { runCli } from '../../helpers/cli.ts';
import { FakeDaemon, sendProblem } from '../../helpers/fake-daemon.ts';

const daemon = await FakeDaemon.start();
t.teardown(() => daemon.stop());
const { url } = daemon;
const health = (...args: string[]) => runCli(['health', '--server', url, ...args]);

t.test('a daemon that is ready', async (t) => {
  const { code, stdout } = await health();
  t.equal(code, 0);
  t.equal(stdout.toString(), 'ready\n');
  t.same(JSON.parse((await health('--json')).stdout.toString()), { status: 'ready' });
});

t.test('one that is not says why', async (t) => {
  daemon.intercept = (_request, response) =>
    sendProblem(response, 503, 'not_ready', 'recovering', { 'retry-after': '1' });
  const { code, stdout, stderr } = await health();
  t.equal(code, 1);
  t.equal(stdout.toString(), 'not ready: recovering\n');
  t.equal(stderr, '');
  t.match(JSON.parse((await health('--json')).stdout.toString()), { code: 'not_ready' });
});

t.test('one that does not answer in time, and one that is not there', async (t) => {
  daemon.intercept = () => true;
  t.match(await health('--timeout-ms', '20'), { code: 1, stderr: /no answer .* within 20 ms/ });
  await daemon.stop();
  t.match(await health(), { code: 1, stderr: /no seglog daemon answers/ });
});
