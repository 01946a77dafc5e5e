import t from 'tap';
import { Mutex } from '../../../src/engine/common/mutex.ts';

t.test('sections run one after the other, in the order in which they were asked for', async (t) => {
  const mutex = new Mutex();
  const events: string[] = [];
  const gates = ['a', 'b', 'c'].map((name) => {
    const gate = Promise.withResolvers<void>();
    const done = mutex.run(async () => {
      events.push(`${name} begins`);
      await gate.promise;
      events.push(`${name} ends`);
      return name;
    });
    return { gate, done };
  });
  t.same(events, ['a begins'], 'the first one at once');
  t.notOk(mutex.idle);
  t.ok(mutex.contended);
  for (const { gate } of gates.toReversed()) gate.resolve();
  t.same(await Promise.all(gates.map(({ done }) => done)), ['a', 'b', 'c']);
  t.same(
    events,
    ['a', 'b', 'c'].flatMap((name) => [`${name} begins`, `${name} ends`]),
  );
  t.ok(mutex.idle);
  t.notOk(mutex.contended);
});

t.test('a section that fails does not stop the next', async (t) => {
  const mutex = new Mutex();
  const failing = mutex.run(async () => {
    throw new Error('failed');
  });
  const next = mutex.run(async () => 'ran');
  await t.rejects(failing, /failed/);
  t.equal(await next, 'ran');
  t.equal(await mutex.run(async () => 'ran again'), 'ran again');
  t.ok(mutex.idle);
});

t.test('a section may ask for another one, which runs after those that wait', async (t) => {
  const mutex = new Mutex();
  const events: string[] = [];
  let inner: Promise<void> | undefined;
  const first = mutex.run(async () => {
    events.push('first');
    inner = mutex.run(async () => void events.push('asked for by the first'));
  });
  const second = mutex.run(async () => void events.push('second'));
  await Promise.all([first, second]);
  await inner;
  t.same(events, ['first', 'asked for by the first', 'second']);
});
