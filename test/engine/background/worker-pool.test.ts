/** Tasks in real threads: what threads do to them, and they to threads. */
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { WorkerPool, type WorkerPoolOptions } from '../../../src/engine/background/worker-pool.ts';
import { systemClock } from '../../../src/engine/common/clock.ts';
import { errnoOf, isSeglogError, SeglogError } from '../../../src/engine/common/errors.ts';
import type { TaskReport } from '../../../src/engine/common/types.ts';
import { niceOfThreads, type OddRequest, runOdd } from '../../helpers/odd-tasks.ts';

const SCRIPT = fileURLToPath(new URL('../../helpers/odd-tasks.ts', import.meta.url));
const UNLIMITED = -1;

function openPool(t: Test, options: Partial<WorkerPoolOptions> = {}): WorkerPool {
  const pool = new WorkerPool({
    threads: 1,
    bytesPerSecond: UNLIMITED,
    clock: systemClock,
    script: SCRIPT,
    ...options,
  });
  t.teardown(() => pool.close());
  return pool;
}

/** Resolves once the other side has counted that far. */
async function counted(shared: SharedArrayBuffer, count: number): Promise<void> {
  const cell = new Int32Array(shared);
  for (let now = Atomics.load(cell, 0); now < count; now = Atomics.load(cell, 0))
    await Atomics.waitAsync(cell, 0, now).value;
}

const failure = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => undefined,
    (error) => error,
  );

t.test('there is no thread before the first task, and no more than asked for', async (t) => {
  const pool = openPool(t, { threads: 2 });
  t.equal(pool.threads, 0);
  const told = await Promise.all(
    Array.from({ length: 8 }, () => runOdd<{ threadId: number }>(pool, { act: 'tell its thread' })),
  );
  t.ok(told.every(({ threadId }) => threadId > 0));
  t.ok(new Set(told.map(({ threadId }) => threadId)).size <= 2);
  t.ok(pool.threads <= 2);
});

const skip = process.platform === 'linux' ? false : 'elsewhere a priority is the whole process’s';
t.test('a thread has a lower priority, and the others have not', { skip }, async (t) => {
  const pool = openPool(t);
  const { nice } = await runOdd<{ nice: number[] }>(pool, { act: 'tell its thread' });
  const [main] = niceOfThreads();
  t.equal(nice.filter((each) => each > main!).length, 1);
});

const DEATHS: [act: OddRequest['act'], message: RegExp][] = [
  ['exit', /exited with code: 3/],
  ['run out of memory', /memory/],
  ['throw a text', /only a text/],
  ['throw beside the task', /beside the task/],
  ['have a bug', /undefined/],
];
for (const [act, message] of DEATHS) {
  t.test(`a task that does this fails, and the next ones run: ${act}`, async (t) => {
    const pool = openPool(t);
    const dying = failure(runOdd(pool, { act }));
    // Waits for the thread that dies.
    const next = runOdd(pool, { act: 'pace', paces: 3 });
    const error = await dying;
    t.ok(isSeglogError(error, 'TASK_FAILED'));
    t.match((error as Error).message, message);
    t.equal(await next, 3);
    t.equal(await runOdd(pool, { act: 'pace', paces: 4 }), 4);
  });
}

t.test('a thread that dies takes no task of another thread with it', async (t) => {
  const pool = openPool(t, { threads: 2 });
  const shared = new SharedArrayBuffer(4);
  const abort = new AbortController();
  const long = failure(
    runOdd(pool, { act: 'pace', paces: Number.POSITIVE_INFINITY, shared }, { signal: abort.signal }),
  );
  await counted(shared, 1);
  for (let i = 0; i < 3; i++) t.match(await failure(runOdd(pool, { act: 'exit' })), { code: 'TASK_FAILED' });
  const count = Atomics.load(new Int32Array(shared), 0);
  await counted(shared, count + 1);
  abort.abort();
  t.match(await long, { code: 'TASK_CANCELLED' });
});

t.test('threads that die before they can take a task fail it, and it is said why', async (t) => {
  const missing = `${SCRIPT}.missing.ts`;
  const pool = openPool(t, { threads: 2, script: missing });
  const errors = await Promise.all([1, 2, 3].map(() => failure(runOdd(pool, { act: 'pace' }))));
  for (const error of errors) t.match(error, { code: 'TASK_FAILED' });
  t.ok(errors.some((error) => (error as Error).message.includes('missing.ts')));
});

t.test('errors arrive as they were thrown', async (t) => {
  const pool = openPool(t);
  const refused = await failure(runOdd(pool, { act: 'refuse' }));
  t.ok(refused instanceof SeglogError);
  t.match(refused, { code: 'STORAGE_FULL', message: 'no room', details: { partition: 3 }, retriable: true });
  const missing = await failure(runOdd(pool, { act: 'open a file', path: '/no/such/file' }));
  t.notOk(isSeglogError(missing));
  t.equal(errnoOf(missing), 'ENOENT');
  t.match((missing as Error).message, /no such file/);
  t.match(await failure(pool.run('rewrite', {} as never)), {
    code: 'TASK_FAILED',
    message: /no task "rewrite"/,
  });
});

t.test('buffers are handed over, those of a request stay, and shared memory is shared', async (t) => {
  const pool = openPool(t);
  const { whole, again, part } = await runOdd<{
    whole: Uint8Array;
    again: { whole: Uint8Array }[];
    part: Uint8Array;
  }>(pool, { act: 'give buffers' });
  t.same([whole.length, whole[999_999]], [1_000_000, 7]);
  t.equal(again[0]!.whole.buffer, whole.buffer);
  t.same([...part], new Array(10).fill(8));
  const buffer = new Uint8Array([1, 2, 3]);
  t.same([...(await runOdd<Uint8Array>(pool, { act: 'double a buffer', buffer }))], [2, 4, 6]);
  t.same([...buffer], [1, 2, 3]);
  const shared = new SharedArrayBuffer(4);
  await runOdd(pool, { act: 'pace', paces: 9, shared });
  t.equal(new Int32Array(shared)[0], 9);
});

t.test('a cancelled task ends at its next pace', async (t) => {
  const reports: TaskReport[] = [];
  const pool = openPool(t, { ended: (report) => reports.push(report) });
  const shared = new SharedArrayBuffer(4);
  const abort = new AbortController();
  const running = failure(runOdd(pool, { act: 'pace', paces: 1e9, shared }, { signal: abort.signal }));
  const waiting = new AbortController();
  const waiter = failure(runOdd(pool, { act: 'pace' }, { signal: waiting.signal }));
  await counted(shared, 10);
  waiting.abort();
  t.match(await waiter, { code: 'TASK_CANCELLED' }, 'one that has not begun is not waited for');
  abort.abort();
  const atAbort = Atomics.load(new Int32Array(shared), 0);
  t.match(await running, { code: 'TASK_CANCELLED' });
  t.ok(Atomics.load(new Int32Array(shared), 0) >= atAbort);
  t.match(reports, [{ task: 'map', outcome: 'cancelled' }]);
  t.match(await failure(runOdd(pool, { act: 'pace' }, { signal: abort.signal })), { code: 'TASK_CANCELLED' });
  t.equal(await runOdd(pool, { act: 'pace' }), 1, 'the thread goes on');
});

t.test('a wait for the rate ends when the task is cancelled', async (t) => {
  const reports: TaskReport[] = [];
  const pool = openPool(t, { bytesPerSecond: 1, ended: (report) => reports.push(report) });
  const shared = new SharedArrayBuffer(4);
  const abort = new AbortController();
  const request: OddRequest = { act: 'pace', paces: 1000, bytes: 1_000_000, shared };
  const running = failure(runOdd(pool, request, { signal: abort.signal }));
  await counted(shared, 2);
  abort.abort();
  t.match(await running, { code: 'TASK_CANCELLED' });
  t.equal(Atomics.load(new Int32Array(shared), 0), 2, 'the first pace is free, the second takes 11 days');
  t.match(reports, [{ outcome: 'cancelled' }]);
});

t.test('progress is told, the last of it before the result', async (t) => {
  const pool = openPool(t);
  const told: number[] = [];
  await runOdd(pool, { act: 'pace', paces: 50, bytes: 1000 }, { progress: (bytes) => told.push(bytes) });
  t.equal(told.at(-1), 50_000);
  t.same(
    told,
    told.toSorted((a, b) => a - b),
  );
});

t.test('closing cancels what runs and what waits, and ends the threads', async (t) => {
  const pool = openPool(t);
  const shared = new SharedArrayBuffer(4);
  const tasks = [1e9, 1, 1].map((paces) => failure(runOdd(pool, { act: 'pace', paces, shared })));
  await counted(shared, 5);
  await pool.close();
  for (const error of await Promise.all(tasks)) t.match(error, { code: 'TASK_CANCELLED' });
  t.equal(pool.threads, 0);
  t.match(await failure(runOdd(pool, { act: 'pace' })), { code: 'TASK_CANCELLED' });
  await pool.close();
});

t.test('a task that does not end by itself is ended by force', async (t) => {
  let force = () => {};
  const clock = {
    ...systemClock,
    after: (_: number, callback: () => void) => {
      force = callback;
      return () => {};
    },
  };
  const pool = openPool(t, { clock });
  const shared = new SharedArrayBuffer(4);
  const stuck = failure(runOdd(pool, { act: 'never end', shared }));
  await counted(shared, 1);
  const closed = pool.close();
  force();
  await closed;
  t.match(await stuck, { code: 'TASK_CANCELLED' });
});

t.test('what a thread holds is bounded and stated', async (t) => {
  const before = process.memoryUsage.rss();
  const pool = openPool(t);
  await runOdd(pool, { act: 'pace' });
  const idleMib = (process.memoryUsage.rss() - before) / 2 ** 20;
  t.comment(`an idle thread takes ${idleMib.toFixed(1)} MiB`);
  const peak = process.memoryUsage.rss();
  t.match(await failure(runOdd(pool, { act: 'run out of memory' })), { code: 'TASK_FAILED' });
  const mostMib = (process.resourceUsage().maxRSS * 1024 - peak) / 2 ** 20;
  t.comment(`one that takes all it gets had ${mostMib.toFixed(1)} MiB more`);
  t.ok(mostMib < 300);
});
