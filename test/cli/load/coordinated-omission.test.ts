/**
 * A daemon stalls for one second. A closed loop, which asks again when it is answered, meets the stall once and shows
 * figures of a healthy daemon; `seglog load` charges it to every request that was due meanwhile. (The same with exact
 * figures, over a simulated clock: test/server/load/open-loop.test.ts.)
 */
import { Agent, request } from 'node:http';
import t, { type Test } from 'tap';
import { runCli } from '../../helpers/cli.ts';
import { FakeDaemon } from '../../helpers/fake-daemon.ts';

const STALL_MS = 1_000;

/** Answers at once, but for a second that begins with the request of this number. */
async function stalling(t: Test, first: number): Promise<FakeDaemon> {
  const daemon = await FakeDaemon.start();
  t.teardown(() => daemon.stop());
  daemon.addTopic('load');
  let requests = 0;
  let stall: Promise<void> | undefined;
  daemon.intercept = async ({ method }) => {
    if (method === 'POST' && ++requests === first) {
      stall = new Promise((resolve) => {
        setTimeout(resolve, STALL_MS);
      });
    }
    await stall;
    return false;
  };
  return daemon;
}

const percentileOf = (values: readonly number[], percent: number) =>
  values.toSorted((a, b) => a - b)[Math.ceil((values.length * percent) / 100) - 1]!;

t.test('in a closed loop the stall does not show', async (t) => {
  const daemon = await stalling(t, 500);
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  t.teardown(() => agent.destroy());
  const latencies: number[] = [];
  for (let i = 0; i < 1_000; i++) {
    const sentAt = performance.now();
    await new Promise((resolve, reject) => {
      request(`${daemon.url}/api/topics/load/records`, { method: 'POST', agent }, (answer) =>
        answer.resume().on('end', resolve),
      )
        .on('error', reject)
        .end('x');
    });
    latencies.push(performance.now() - sentAt);
  }
  t.ok(percentileOf(latencies, 100) >= STALL_MS - 5, 'it was there');
  t.ok(percentileOf(latencies, 99) < STALL_MS / 2, `p99 ${percentileOf(latencies, 99)} ms`);
});

t.test('in ours it does', async (t) => {
  const daemon = await stalling(t, 100);
  const args = ['--rate', '200', '-d', '2s', '--batch-size', '1', '-c', '4', '--warmup', '0', '--json'];
  const { code, stdout } = await runCli(['load', 'steady', ...args, '--server', daemon.url]);
  t.equal(code, 0);
  const [{ requests, latencyMs, serviceMs, connections }] = JSON.parse(stdout.toString()).steps;
  t.equal(requests.answered, 400, 'what was due in the stall was asked all the same');
  // A tenth of all requests were due in the first 200 ms of the stall: none of them was answered before it ended.
  t.ok(latencyMs.p90 >= STALL_MS - 205, `p90 ${latencyMs.p90} ms`);
  t.ok(latencyMs.p99 >= STALL_MS - 25, `p99 ${latencyMs.p99} ms`);
  // Four were under way: that is all that a look at sent requests shows.
  t.ok(serviceMs.p95 < STALL_MS / 2, `p95 from when they were sent: ${serviceMs.p95} ms`);
  t.ok(connections.saturatedSeconds > 0.5, 'and the wait for a connection is told');
});
