/** What the server said of an error is told once for each kind. */
import t from 'tap';
import { runCli } from '../../helpers/cli.ts';
import { startTestServer } from '../../helpers/http-app.ts';

t.test('a query that makes no sense', async (t) => {
  const server = await startTestServer(t);
  await server.ready;
  const load = ['load', 'mixed', '--rate', '50', '-d', '100ms', '--warmup', '0', '--weights', 'query=1'];
  const ask = (...more: string[]) =>
    runCli([...load, '--query', 'foo=1', ...more], { env: { SEGLOG_SERVER: server.url } });
  const { stdout } = await ask();
  t.match(stdout.toString(), /\nfailed +5 of 5 requests: 5 × (400 \w+)\n +\1: .*foo.*\n/);
  const { errorDetails } = JSON.parse((await ask('--json')).stdout.toString());
  t.match(Object.values(errorDetails), [/foo/]);
});
