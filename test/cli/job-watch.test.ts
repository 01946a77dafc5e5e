/** What a command says of a job that does not just get done; jobs that do are in the tests of the commands. */
import type { ServerResponse } from 'node:http';
import t from 'tap';
import { runCli } from '../helpers/cli.ts';
import { FakeDaemon, type FakeRequest, sendJson, sendProblem } from '../helpers/fake-daemon.ts';
import { BINARY } from '../helpers/program.ts';

const daemon = await FakeDaemon.start();
t.teardown(() => daemon.stop());
const JOB = {
  id: 'j',
  kind: 'compact',
  topic: 'a',
  partition: null,
  state: 'running',
  createdAt: '2026-11-21T08:00:00.000Z',
  startedAt: '2026-11-21T08:00:00.000Z',
  endedAt: null,
  progress: { done: 1024, total: 4096, unit: 'bytes' },
  attempts: 1,
  result: null,
  error: null,
};
const ENDED = '2026-11-21T08:00:01.500Z';
type Answer = Record<string, unknown> | ((response: ServerResponse) => true);

/** Answers the requests for the job one after the other; the last answer again and again. */
function answers(...states: Answer[]): FakeRequest[] {
  const requests: FakeRequest[] = [];
  daemon.intercept = (request, response) => {
    requests.push(request);
    const next = states[Math.min(requests.length, states.length) - 1]!;
    if (typeof next === 'function') return next(response);
    sendJson(response, request.method === 'POST' ? 202 : 200, { ...JOB, ...next });
    return true;
  };
  return requests;
}

const compact = (...args: string[]) =>
  runCli(['compact', 'a', ...args], { env: { SEGLOG_SERVER: daemon.url } });

t.test('a job that waits, and one that is tried again, say so once', async (t) => {
  const waits = { state: 'queued', attempts: 0 };
  const again = { state: 'queued', attempts: 1, error: { code: 'EIO', message: 'a read failed' } };
  const requests = answers(waits, waits, waits, again, again, {
    state: 'failed',
    attempts: 5,
    endedAt: ENDED,
    error: { code: 'EIO', message: 'a read failed' },
  });
  t.match(await compact(), {
    code: 1,
    stdout: { length: 0 },
    stderr: [
      'seglog: it waits for other work in the background to end\n',
      'seglog: try 1 failed, and it is tried again: a read failed\n',
      'seglog: compact of topic "a" failed after 5 tries: a read failed\n',
    ].join(''),
  });
  t.same(
    requests.map(({ method, path }) => `${method} ${path}`),
    ['POST /api/topics/a/compact', ...Array(5).fill('GET /api/jobs/j')],
  );
});

t.test('a job that failed is printed whole with --json, and fails the command', async (t) => {
  const error = { code: 'CORRUPT_MESSAGE', message: 'offsets 0 to 4 are damaged' };
  answers({ state: 'failed', endedAt: ENDED, error });
  const { code, stdout, stderr } = await compact('--json');
  t.equal(code, 1);
  t.match(JSON.parse(stdout.toString()), { id: 'j', state: 'failed', error });
  t.equal(stderr, 'seglog: compact of topic "a" failed: offsets 0 to 4 are damaged\n');
});

t.test('one that somebody else cancelled says how far it came', async (t) => {
  answers({}, { state: 'cancelled', endedAt: ENDED });
  t.match(await compact(), {
    code: 1,
    stderr: 'seglog: cancelled by somebody else after 1.0 KiB of 4.0 KiB; what was done by then stays done\n',
  });
});

const noSignal = BINARY === undefined ? false : 'a process can be interrupted once it listens for that';
t.test('Ctrl-C before anything was done', { skip: noSignal }, async (t) => {
  const interruption = new AbortController();
  const progress = { done: 0, total: 0, unit: 'bytes' };
  const requests = answers({ progress }, { progress, state: 'cancelled', endedAt: ENDED });
  interruption.abort();
  const result = await runCli(['compact', 'a'], {
    env: { SEGLOG_SERVER: daemon.url },
    signal: interruption.signal,
  });
  t.match(result, { code: 1, stderr: 'seglog: interrupted before anything was done\n' });
  t.same(
    requests.map(({ method }) => method),
    ['POST', 'DELETE'],
  );
});

t.test('a daemon that was started anew does not know the job', async (t) => {
  answers(
    {},
    (response) => {
      response.destroy();
      return true;
    },
    (response) => sendProblem(response, 404, 'unknown_job', 'there is no job "j"'),
  );
  t.match(await compact(), {
    code: 1,
    stderr: /trying again\nseglog: the daemon .*does not know the job any more: it was started anew/s,
  });
});

t.test('an unknown topic is told with its remedy, another refusal in the words of the daemon', async (t) => {
  daemon.intercept = () => false;
  t.match(await compact(), { code: 1, stderr: 'seglog: there is no topic "a": see `seglog topics list`\n' });
  daemon.intercept = (_request, response) => sendProblem(response, 409, 'policy_violation', 'not compacted');
  t.match(await compact(), { code: 1, stderr: 'seglog: not compacted\n' });
  daemon.intercept = (_request, response) => sendProblem(response, 400, 'invalid_topic', 'no such name');
  t.match(await compact(), { code: 2, stderr: 'seglog: no such name\n' });
});
