/** Sealing by tasks, seen through an engine: what goes on meanwhile, and what becomes of tasks that do not get done. */
import fs from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { InlineTaskRunner } from '../../../src/engine/background/inline-runner.ts';
import { WorkerPool } from '../../../src/engine/background/worker-pool.ts';
import { systemClock } from '../../../src/engine/common/clock.ts';
import { SeglogError } from '../../../src/engine/common/errors.ts';
import type { TaskReport } from '../../../src/engine/common/types.ts';
import { Engine } from '../../../src/engine/engine.ts';
import { paddedNumber, segmentPath } from '../../../src/engine/files/log-file-names.ts';
import { SimClock } from '../../crash/sim-clock.ts';
import { HeldRunner } from '../../helpers/held-runner.ts';
import { SimEngine } from '../../helpers/sim-engine.ts';
import { until } from '../../helpers/until.ts';
import { dataDirectory } from '../../helpers/verify-after.ts';

const ROLLING = { 'segment.bytes': 4096, 'index.interval.bytes': 256 };
const VALUE = 'x'.repeat(1000);
const SECOND = 1000;

async function openHeld(): Promise<{ log: SimEngine; runner: HeldRunner }> {
  const log = await SimEngine.open();
  await log.engine.close();
  let runner!: HeldRunner;
  log.taskRunner = (opening) => {
    runner = new HeldRunner(opening);
    return runner;
  };
  await log.reopen();
  await log.engine.createTopic('a', { config: ROLLING });
  return { log, runner };
}

/** Three batches of a kilobyte fill a segment. */
async function fill(log: SimEngine, batches: number, topic = 'a'): Promise<void> {
  for (let i = 0; i < batches; i++) {
    await log.append(topic, [{ value: VALUE, timestamp: log.clock.now() }]);
    await log.settle();
  }
}

const sealed = async (log: SimEngine, topic = 'a') =>
  (await log.engine.listSegments(topic, 0)).map((segment) => segment.sealed);

t.test('a thread writes the same files as are written from memory', async (t) => {
  const files = new Map<string, Buffer>();
  for (const way of ['thread', 'memory']) {
    const directory = dataDirectory(t);
    fs.rmSync(directory, { recursive: true, force: true });
    const clock = new SimClock();
    const reports: TaskReport[] = [];
    const pool = new WorkerPool({
      threads: 1,
      bytesPerSecond: -1,
      clock: systemClock,
      ended: (report) => reports.push(report),
    });
    const taskRunner = way === 'thread' ? pool : Object.assign(pool, { worthwhileBytes: 2 ** 30 });
    const engine = await Engine.open({ directory, clock, taskRunner });
    await engine.createTopic('a', { config: { 'segment.bytes': 300_000, 'index.interval.bytes': 1000 } });
    for (let i = 0; i < 100; i++) {
      const timestamp = clock.now() - ((i * 7919) % 1000);
      await engine.append('a', [
        { value: `${i}`.repeat(2000 + i), timestamp },
        { value: 'b', timestamp },
      ]);
      await clock.advance(3);
    }
    await until('all but the last are sealed', async () =>
      (await engine.listSegments('a', 0)).slice(0, -1).every((segment) => segment.sealed),
    );
    t.equal(reports.length > 0, way === 'thread');
    const path = join(directory, 'topics/a/0');
    // A checkpoint may have come, and have written indexes of the active segment.
    const active = paddedNumber((await engine.listSegments('a', 0)).at(-1)!.baseOffset);
    const names = fs
      .readdirSync(path)
      .filter((name) => /\.(index|timeindex|summary)$/.test(name) && !name.startsWith(active));
    if (way === 'thread') for (const name of names) files.set(name, fs.readFileSync(join(path, name)));
    else {
      t.same(names.sort(), [...files.keys()].sort());
      t.ok(names.length >= 3);
      for (const name of names) t.ok(fs.readFileSync(join(path, name)).equals(files.get(name)!), name);
    }
    await engine.close();
  }
});

t.test('small segments are sealed without a task', async (t) => {
  const { log, runner } = await openHeld();
  runner.worthwhileBytes = 1_000_000;
  await fill(log, 7);
  t.same(await sealed(log), [true, true, false]);
  t.equal(runner.held.length, 0);
});

t.test('while a segment is being sealed, everything else goes on', async (t) => {
  const { log, runner } = await openHeld();
  await fill(log, 8);
  t.equal(runner.held.length, 1, 'one at a time');
  t.same(await sealed(log), [false, false, false]);
  t.equal((await log.records('a')).length, 8);
  t.match(await log.engine.deleteRecords('a', 0, 3), { logStartOffset: 3, segments: 0 });
  await log.engine.createTopic('b', { config: ROLLING });
  await fill(log, 1, 'b');
  await log.engine.deleteTopic('b');
  t.ok(runner.held[0]!.signal!.aborted, 'names must be still for a deletion');
  await log.clock.advance(SECOND);
  await log.settle();
  runner.held[1]!.go();
  await log.settle();
  runner.held[2]!.go();
  await log.settle();
  t.same(await sealed(log), [true, true, false]);
  await log.clock.advance(2 * SECOND);
  t.equal((await log.engine.listSegments('a', 0)).length, 2, 'what was deleted goes once it is sealed');
});

t.test('a topic that is deleted leaves no task behind', async (t) => {
  const { log, runner } = await openHeld();
  await fill(log, 8);
  await log.engine.deleteTopic('a');
  t.ok(runner.held[0]!.signal!.aborted);
  await log.engine.createTopic('a', { config: ROLLING });
  await log.clock.advance(5 * SECOND);
  t.equal(runner.held.length, 1);
  t.notOk(log.disk.paths().some((path) => path.endsWith('.summary')));
});

t.test('closing waits for no task: what is not sealed is, from memory', async (t) => {
  const { log, runner } = await openHeld();
  await fill(log, 11);
  await log.engine.close();
  t.equal(runner.held.length, 1);
  t.equal(log.disk.paths().filter((path) => path.endsWith('.summary')).length, 3);
  log.taskRunner = undefined;
  await log.reopen();
  t.equal((await log.records('a')).length, 11);
});

t.test('a task that fails is tried again, later each time, and at last done without', async (t) => {
  const { log, runner } = await openHeld();
  await fill(log, 4);
  let tries = 1;
  for (const wait of [SECOND, 2 * SECOND]) {
    runner.held[tries - 1]!.fail(new SeglogError('TASK_FAILED', 'a thread died'));
    await log.settle();
    await log.clock.advance(wait - 1);
    t.equal(runner.held.length, tries);
    // Housekeeping looks once a second.
    await log.clock.advance(SECOND + 1);
    t.equal(runner.held.length, ++tries);
  }
  runner.held[tries - 1]!.fail(new SeglogError('TASK_FAILED', 'a thread died'));
  await log.settle();
  t.same(await sealed(log), [false, false]);
  await log.clock.advance(6 * SECOND);
  await log.settle();
  t.same(await sealed(log), [true, false]);
  t.equal(runner.held.length, tries);
});

t.test('segments that come faster than they are sealed do not pile up', async (t) => {
  const { log, runner } = await openHeld();
  await fill(log, 3 * 17);
  t.equal(runner.held.length, 1);
  t.equal((await sealed(log)).filter(Boolean).length, 0);
  await fill(log, 3);
  await log.settle(500);
  t.ok(runner.held[0]!.signal!.aborted);
  t.equal(
    (await sealed(log)).filter(Boolean).length,
    16,
    'all but the one that was begun, and the active one',
  );
  await log.clock.advance(2 * SECOND);
  runner.held[1]!.go();
  await log.settle();
  t.equal((await sealed(log)).filter(Boolean).length, 17);
});

t.test('damage that sealing finds is told, and served around', async (t) => {
  const { log, runner } = await openHeld();
  log.leaveDamaged();
  await fill(log, 8);
  const file = await log.disk.open(segmentPath('/data/topics/a/0', 0), 'write');
  await file.write([Buffer.from('damage')], 1500);
  await file.close();
  t.same(log.engine.health().damagedPartitions, []);
  for (let task = 0; task < 2; task++) {
    runner.held[task]!.go();
    await log.settle();
  }
  const [damaged] = log.engine.health().damagedPartitions;
  t.match(damaged, { topic: 'a', partition: 0, ranges: [{ firstOffset: 1, endOffset: 2, segment: 0 }] });
  t.equal(damaged!.ranges.length, 1);
  await t.rejects(log.engine.read('a', 0, { offset: 1 }), { code: 'CORRUPT_MESSAGE' });
  t.equal((await log.values('a', 2)).length, 6);
  t.same(await sealed(log), [true, true, false], 'retention must be able to pass it');
  t.match((await log.engine.listSegments('a', 0))[0], { records: 3, endOffset: 3 });
  t.equal((await log.append('a', 'goes on')).baseOffset, 8);
  await log.engine.close();
});

t.test('a checkpoint leaves the index of a segment alone that a task is sealing', async (t) => {
  const { log, runner } = await openHeld();
  await log.engine.createTopic('idle', { config: { 'segment.ms': 5 * SECOND } });
  // A sync in the background that ends after the segment was rolled, and brings a checkpoint about.
  log.syncs.hold(/idle.*\.log$/);
  await log.append('idle', [{ value: 'x'.repeat(100_000) }], { acks: 1 });
  await log.settle();
  t.equal(log.syncs.waiting, 1);
  await log.clock.advance(7 * SECOND);
  log.syncs.release();
  await log.settle();
  t.equal(runner.held.length, 1);
  const names = () => log.disk.paths().filter((path) => path.startsWith('/data/topics/idle/0/'));
  t.ok(names().some((path) => path.endsWith('/checkpoint')));
  t.notOk(names().some((path) => path.endsWith('.index')));
  runner.held[0]!.go();
  await log.settle();
  t.same(await sealed(log, 'idle'), [true, false]);
  t.ok(names().some((path) => path.endsWith('.index')));
});

t.test('the engine takes the runner it is given, and closes it', async (t) => {
  const log = await SimEngine.open();
  await log.engine.close();
  let runner!: InlineTaskRunner;
  log.taskRunner = ({ disk, clock }) => {
    runner = new InlineTaskRunner({ fileSystem: disk, clock, bytesPerSecond: -1 });
    return runner;
  };
  await log.reopen();
  await log.engine.close();
  await t.rejects(runner.run('seal', {} as never), { code: 'TASK_CANCELLED' });
  log.taskRunner = undefined;
  await log.reopen();
});

t.test('what compaction notes beside the segments does not interrupt a seal', async (t) => {
  const { log, runner } = await openHeld();
  await log.engine.createTopic('keyed', { config: { ...ROLLING, 'cleanup.policy': 'compact' } });
  for (let i = 0; i < 7; i++) {
    await log.append('keyed', [{ key: 'k', value: VALUE }]);
    await log.settle();
    runner.held.splice(0).forEach((task) => void task.go());
  }
  await until('the keyed topic is sealed', async () => {
    await log.settle();
    runner.held.splice(0).forEach((task) => void task.go());
    return (await sealed(log, 'keyed')).slice(0, -1).every((each) => each);
  });
  await fill(log, 4);
  const [seal] = runner.held.splice(0);
  t.equal(seal!.name, 'seal');
  const { id } = log.engine.background.compact('keyed');
  await until('the compaction is done', async () => {
    await log.settle();
    runner.held.splice(0).forEach((task) => void task.go());
    return log.engine.background.job(id).state === 'done';
  });
  t.equal(seal!.signal!.aborted, false);
  seal!.go();
  await log.settle();
  t.same(await sealed(log), [true, false]);
});
