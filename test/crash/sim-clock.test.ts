import t from 'tap';
import { SimClock } from './sim-clock.ts';

t.test('timers fire in the order in which they fall due, and what they set off is due as well', async (t) => {
  const clock = new SimClock();
  const fired: string[] = [];
  const note = (name: string) => () => void fired.push(`${name}@${clock.monotonic()}`);
  clock.after(30, note('c'));
  clock.after(10, note('a'));
  clock.after(10, () => {
    note('b')();
    void Promise.resolve().then(() => clock.after(5, note('chained')));
  });
  clock.after(100, note('late'));
  const cancel = clock.after(20, note('cancelled'));
  cancel();
  t.equal(clock.nextTimerMs, 10);
  await clock.advance(50);
  t.same(fired, ['a@10', 'b@10', 'chained@15', 'c@30']);
  t.equal(clock.monotonic(), 50);
  t.equal(clock.nextTimerMs, 50);
});

t.test('time stands still unless told otherwise, and only the wall clock jumps', async (t) => {
  const clock = new SimClock({ startMs: 1_000_000 });
  t.equal(clock.now(), 1_000_000);
  await clock.advance(5);
  clock.jump(-400_000);
  t.equal(clock.now(), 600_005);
  t.equal(clock.monotonic(), 5);
});

t.test('soon comes after what is runnable now, in order, the same for the same seed', async (t) => {
  const run = async (seed?: number) => {
    const clock = new SimClock({ seed });
    const order: string[] = [];
    const done = Promise.all(
      [1, 2].map(
        (n) =>
          new Promise<void>((resolve) => {
            clock.soon(() => {
              order.push(`soon ${n}`);
              resolve();
            });
          }),
      ),
    );
    await Promise.resolve();
    order.push('runnable');
    await done;
    return order.join();
  };
  t.equal(await run(), 'runnable,soon 1,soon 2');
  t.equal(await run(3), await run(3));
});
