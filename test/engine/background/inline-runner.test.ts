/** Tasks on the thread that asks for them, by a clock that the test moves: as in a thread, but the same each time. */
import t from 'tap';
import { InlineTaskRunner } from '../../../src/engine/background/inline-runner.ts';
import { isSeglogError, SeglogError } from '../../../src/engine/common/errors.ts';
import type { TaskReport } from '../../../src/engine/common/types.ts';
import { SimClock, settled } from '../../crash/sim-clock.ts';
import { SimFileSystem } from '../../crash/sim-file-system.ts';
import { ODD_TASKS, runOdd } from '../../helpers/odd-tasks.ts';

const MIB = 2 ** 20;

function open(bytesPerSecond = -1) {
  const clock = new SimClock();
  const reports: TaskReport[] = [];
  const ended = (report: TaskReport) => reports.push(report);
  const fileSystem = new SimFileSystem();
  const runner = new InlineTaskRunner({ fileSystem, clock, bytesPerSecond, ended, tasks: ODD_TASKS });
  return { runner, clock, reports };
}

t.test('each pace takes its turn by the clock, and waits are counted', async (t) => {
  const { runner, clock, reports } = open(MIB);
  const told: number[] = [];
  const progress = (bytes: number) => told.push(bytes);
  const running = runOdd(runner, { act: 'pace', paces: 4, bytes: MIB }, { progress });
  await settled();
  t.same(told, [MIB], 'the first one need not wait');
  await clock.advance(949);
  t.equal(told.length, 1);
  await clock.advance(1);
  t.equal(told.length, 2);
  await clock.advance(10_000);
  t.equal(await running, 4);
  t.same(told, [MIB, 2 * MIB, 3 * MIB, 4 * MIB]);
  t.match(reports, [{ task: 'map', outcome: 'done', bytes: 4 * MIB, throttledMs: 2950, durationMs: 2950 }]);
});

t.test('without a limit it needs no time', async (t) => {
  const { runner, reports } = open();
  t.equal(await runOdd(runner, { act: 'pace', paces: 100, bytes: 1000 * MIB }), 100);
  t.match(reports, [{ durationMs: 0, throttledMs: 0 }]);
});

t.test('cancelling ends a wait at once, and what has not begun', async (t) => {
  const { runner, clock, reports } = open(1);
  const abort = new AbortController();
  const { signal } = abort;
  const running = runOdd(runner, { act: 'pace', paces: 9, bytes: 1e9 }, { signal });
  const waiting = runOdd(runner, { act: 'pace' }, { signal });
  await settled();
  t.ok(clock.nextTimerMs! > 0);
  abort.abort();
  await t.rejects(running, { code: 'TASK_CANCELLED' });
  await t.rejects(waiting, { code: 'TASK_CANCELLED' });
  await t.rejects(runOdd(runner, { act: 'pace' }, { signal }), { code: 'TASK_CANCELLED' });
  t.equal(clock.nextTimerMs, undefined, 'no timer is left');
  t.match(reports, [{ outcome: 'cancelled' }]);
});

t.test('errors arrive as from a thread', async (t) => {
  const { runner, reports } = open();
  const refused = await runOdd(runner, { act: 'refuse' }).catch((error) => error);
  t.ok(refused instanceof SeglogError);
  t.match(refused, { code: 'STORAGE_FULL', message: 'no room', details: { partition: 3 } });
  const missing = await runOdd(runner, { act: 'open a file', path: '/none' }).catch((error) => error);
  t.match(missing, { code: 'ENOENT' });
  t.notOk(isSeglogError(missing));
  await t.rejects(runOdd(runner, { act: 'have a bug' }), { code: 'TASK_FAILED' });
  await t.rejects(runOdd(runner, { act: 'throw a text' }), { code: 'TASK_FAILED', message: /only a text/ });
  t.same(
    reports.map(({ outcome }) => outcome),
    ['failed', 'failed', 'failed', 'failed'],
  );
});

t.test('requests and results are copies', async (t) => {
  const { runner } = open();
  const buffer = new Uint8Array([1, 2]);
  const { part } = await runOdd<{ part: Uint8Array }>(runner, { act: 'give buffers' });
  t.equal(part.length, 10);
  const doubled = runOdd<Uint8Array>(runner, { act: 'double a buffer', buffer });
  buffer[0] = 100;
  t.same([...(await doubled)], [2, 4]);
});

t.test('closing cancels all, and takes no more', async (t) => {
  const { runner } = open(1);
  const tasks = [1, 2].map(() => runOdd(runner, { act: 'pace', paces: 9, bytes: 1e9 }));
  await settled();
  const outcomes = Promise.allSettled(tasks);
  await runner.close();
  for (const outcome of await outcomes) t.match(outcome, { reason: { code: 'TASK_CANCELLED' } });
  await t.rejects(runOdd(runner, { act: 'pace' }), { code: 'TASK_CANCELLED' });
});
