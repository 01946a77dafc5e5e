/** Jobs: how many run at a time, in which order, what becomes of those that fail, and how they are cancelled. */
import t, { type Test } from 'tap';
import {
  type JobControl,
  JobRegistry,
  type JobSubject,
  type JobWork,
} from '../../../src/engine/background/jobs.ts';
import { SeglogError } from '../../../src/engine/common/errors.ts';
import type { JobDescription } from '../../../src/engine/common/types.ts';
import { SimClock, settled } from '../../crash/sim-clock.ts';

class Fixture {
  readonly clock = new SimClock();
  readonly ended: JobDescription[] = [];
  readonly jobs: JobRegistry;
  /** Jobs that run: their end is the test's to decide. */
  readonly running = new Map<string, PromiseWithResolvers<unknown> & { control: JobControl }>();
  readonly started: string[] = [];

  constructor(width = 1) {
    this.jobs = new JobRegistry({ clock: this.clock, width, ended: (job) => this.ended.push(job) });
  }

  /** Work of which the test decides how it ends. */
  work(name: string): JobWork {
    return (control) => {
      const end = Promise.withResolvers<unknown>();
      this.started.push(name);
      this.running.set(name, { ...end, control });
      return end.promise.finally(() => this.running.delete(name));
    };
  }

  submit(name: string, subject: JobSubject): string {
    return this.jobs.submit('compact', subject, this.work(name)).id;
  }

  async end(name: string, result?: unknown): Promise<void> {
    this.running.get(name)!.resolve(result);
    await settled();
  }

  async fail(name: string, error: unknown): Promise<void> {
    this.running.get(name)!.reject(error);
    await settled();
  }

  state(id: string) {
    return this.jobs.get(id)?.state;
  }
}

const TRANSIENT = new SeglogError('STORAGE_FULL', 'no room');

t.test('a job tells how it stands, and what it came to', async (t) => {
  const { jobs, clock, ended } = new Fixture();
  const createdAt = clock.now();
  const gate = Promise.withResolvers<void>();
  const { id, ended: end } = jobs.submit('retain', { topic: 'a', partition: 2 }, async ({ progress }) => {
    progress(10, 100);
    progress(20);
    await gate.promise;
    return { bytes: 5 };
  });
  t.same(jobs.get(id), {
    id,
    kind: 'retain',
    topic: 'a',
    partition: 2,
    state: 'running',
    createdAt,
    startedAt: createdAt,
    endedAt: null,
    progress: { done: 20, total: 100, unit: 'bytes' },
    attempts: 1,
    result: null,
    error: null,
  });
  clock.jump(500);
  gate.resolve();
  t.match(await end, { state: 'done', endedAt: createdAt + 500, result: { bytes: 5 } });
  t.same(ended, [jobs.get(id)]);
  t.equal(jobs.get('another'), undefined);
});

t.test('so many run at a time, and the others in their order', async (t) => {
  const fixture = new Fixture(2);
  for (const [partition, name] of ['p0', 'p1', 'p2', 'p3'].entries())
    fixture.submit(name, { topic: 'a', partition });
  t.same(fixture.started, ['p0', 'p1']);
  await fixture.end('p1');
  t.same(fixture.started, ['p0', 'p1', 'p2']);
  await fixture.end('p0');
  t.same(fixture.started, ['p0', 'p1', 'p2', 'p3']);
});

t.test('of a partition one at a time, and a job of the whole topic alone in it', async (t) => {
  const fixture = new Fixture(8);
  fixture.submit('first', { topic: 'a', partition: 0 });
  fixture.submit('second', { topic: 'a', partition: 0 });
  fixture.submit('other partition', { topic: 'a', partition: 1 });
  fixture.submit('whole topic', { topic: 'a' });
  fixture.submit('after the whole', { topic: 'a', partition: 7 });
  fixture.submit('other topic', { topic: 'b' });
  t.same(fixture.started, ['first', 'other partition', 'other topic']);
  await fixture.end('other partition');
  await fixture.end('first');
  t.same(fixture.started.slice(3), ['second']);
  await fixture.end('second');
  t.same(fixture.started.slice(4), ['whole topic']);
  await fixture.end('whole topic');
  t.same(fixture.started.slice(5), ['after the whole']);
});

t.test('what may pass is tried again, later each time, and not for ever', async (t) => {
  const fixture = new Fixture();
  const { clock, jobs } = fixture;
  const id = fixture.submit('a', { topic: 'a' });
  for (const [attempt, wait] of [1000, 2000, 4000, 8000].entries()) {
    await fixture.fail('a', attempt % 2 ? TRANSIENT : new SeglogError('TASK_FAILED', 'a thread died'));
    t.match(jobs.get(id), { state: 'queued', attempts: attempt + 1 });
    t.match(jobs.get(id)!.error, { code: attempt % 2 ? 'STORAGE_FULL' : 'TASK_FAILED' });
    await clock.advance(wait - 1);
    t.equal(fixture.state(id), 'queued');
    await clock.advance(1);
    t.equal(fixture.state(id), 'running');
  }
  await fixture.fail('a', TRANSIENT);
  t.match(jobs.get(id), {
    state: 'failed',
    attempts: 5,
    error: { code: 'STORAGE_FULL', message: 'no room' },
  });
  t.equal(fixture.ended.length, 1);
  t.equal(clock.nextTimerMs, undefined);
});

t.test('one that succeeds at last has no error', async (t) => {
  const fixture = new Fixture();
  const id = fixture.submit('a', { topic: 'a' });
  await fixture.fail('a', TRANSIENT);
  await fixture.clock.advance(1000);
  await fixture.end('a', 7);
  t.match(fixture.jobs.get(id), { state: 'done', attempts: 2, error: null, result: 7 });
});

t.test('one that waits to be tried again keeps nobody else waiting', async (t) => {
  const fixture = new Fixture();
  fixture.submit('a', { topic: 'a', partition: 0 });
  fixture.submit('b', { topic: 'a', partition: 0 });
  await fixture.fail('a', TRANSIENT);
  t.same(fixture.started, ['a', 'b']);
  await fixture.clock.advance(1000);
  t.same(fixture.started, ['a', 'b'], 'and waits for its partition');
  await fixture.end('b');
  t.same(fixture.started, ['a', 'b', 'a']);
});

const FINAL: [name: string, error: unknown, code: string][] = [
  ['damage', new SeglogError('CORRUPT_MESSAGE', 'bits'), 'CORRUPT_MESSAGE'],
  ['an error of the disk', Object.assign(new Error('EIO: i/o error'), { code: 'EIO' }), 'EIO'],
  ['a bug', new TypeError('undefined is no function'), 'TASK_FAILED'],
  ['no error at all', 'a text', 'TASK_FAILED'],
];
for (const [name, error, code] of FINAL) {
  t.test(`what does not pass is not tried again: ${name}`, async (t) => {
    const fixture = new Fixture();
    const id = fixture.submit('a', { topic: 'a' });
    await fixture.fail('a', error);
    t.match(fixture.jobs.get(id), { state: 'failed', attempts: 1, error: { code } });
  });
}

t.test('cancelling ends a job that waits at once, and one that runs as soon as it ends', async (t) => {
  const fixture = new Fixture();
  const { jobs } = fixture;
  const [running, waiting] = [fixture.submit('a', { topic: 'a' }), fixture.submit('b', { topic: 'b' })];
  t.match(jobs.cancel(waiting), { state: 'cancelled', startedAt: null });
  t.match(jobs.cancel(running), { state: 'running' });
  t.ok(fixture.running.get('a')!.control.signal.aborted);
  await fixture.fail('a', new SeglogError('TASK_CANCELLED', 'given up'));
  t.match(jobs.get(running), { state: 'cancelled', error: null });
  t.match(jobs.cancel(running), { state: 'cancelled' }, 'again changes nothing');
  t.equal(jobs.cancel('unknown'), undefined);
  t.same(fixture.started, ['a']);
});

t.test(
  'one that waits to be tried again can be cancelled; one that is done before it notices is done',
  async (t) => {
    const fixture = new Fixture();
    const { jobs } = fixture;
    const again = fixture.submit('a', { topic: 'a' });
    await fixture.fail('a', TRANSIENT);
    t.match(jobs.cancel(again), { state: 'cancelled', error: null });
    t.equal(fixture.clock.nextTimerMs, undefined);
    const late = fixture.submit('b', { topic: 'b' });
    jobs.cancel(late);
    await fixture.end('b', 1);
    t.match(jobs.get(late), { state: 'done', result: 1 });
  },
);

t.test('work that was interrupted without being cancelled is tried again', async (t) => {
  const fixture = new Fixture();
  const id = fixture.submit('a', { topic: 'a' });
  await fixture.fail('a', new SeglogError('TASK_CANCELLED', 'the topic was altered'));
  t.equal(fixture.state(id), 'queued');
});

t.test('stopping cancels all and waits for what runs', async (t: Test) => {
  const fixture = new Fixture(2);
  const { jobs } = fixture;
  const ids = ['a', 'b', 'c'].map((topic) => fixture.submit(topic, { topic }));
  await fixture.fail('b', TRANSIENT);
  let stopped = false;
  const stop = jobs.stop().then(() => {
    stopped = true;
  });
  await settled();
  t.notOk(stopped);
  await fixture.fail('a', new SeglogError('TASK_CANCELLED', 'given up'));
  await fixture.fail('c', new SeglogError('TASK_CANCELLED', 'given up'));
  await stop;
  t.same(
    ids.map((id) => fixture.state(id)),
    ['cancelled', 'cancelled', 'cancelled'],
  );
  t.throws(() => fixture.submit('d', { topic: 'd' }), { code: 'NOT_READY' });
  t.equal(fixture.clock.nextTimerMs, undefined);
});

t.test('what is remembered, and what may wait, is bounded', async (t) => {
  const fixture = new Fixture();
  const { jobs } = fixture;
  const done = [];
  for (let i = 0; i < 130; i++) done.push(await jobs.submit('compact', { topic: 'a' }, async () => i).ended);
  t.equal(jobs.list().length, 100);
  t.match(jobs.list()[0], { result: 129 }, 'the last one first');
  t.equal(jobs.get(done[29]!.id), undefined);
  t.match(jobs.get(done[30]!.id), { result: 30 });
  for (let i = 0; i < 1000; i++) fixture.submit('x', { topic: 'a' });
  t.throws(() => fixture.submit('x', { topic: 'a' }), { code: 'THROTTLED' });
  t.match(jobs.list()[0], { state: 'running' }, 'open ones before those that ended');
});

t.test('what deletes waits for nothing, and who asked is told at once when it fails', async (t) => {
  const fixture = new Fixture();
  fixture.submit('rewriting', { topic: 'a', partition: 0 });
  const { ended } = fixture.jobs.submit(
    'delete-records',
    { topic: 'a', partition: 0 },
    fixture.work('deletion'),
  );
  t.same(fixture.started, ['rewriting', 'deletion']);
  await fixture.fail('deletion', TRANSIENT);
  t.match(await ended, { state: 'failed', attempts: 1, error: { code: 'STORAGE_FULL' } });
  const again = fixture.submit('after', { topic: 'a', partition: 0 });
  t.equal(fixture.state(again), 'queued', 'a second one that rewrites waits all the same');
  await fixture.end('rewriting');
  t.equal(fixture.state(again), 'running');
});
