import t from 'tap';
import { Turns } from '../../src/server/turns.ts';

t.test('work goes through a few pieces at a time, in order, whether it fails or not', async (t) => {
  const turns = new Turns(2);
  const running = new Set<number>();
  const begun: number[] = [];
  const outcomes = await Promise.allSettled(
    Array.from({ length: 9 }, (_, i) =>
      turns.run(async () => {
        begun.push(i);
        running.add(i);
        t.ok(running.size <= 2);
        await new Promise((resolve) => setImmediate(resolve));
        running.delete(i);
        if (i % 3 === 0) throw new Error('of the work');
        return i;
      }),
    ),
  );
  t.same(begun, [0, 1, 2, 3, 4, 5, 6, 7, 8]);
  t.same(
    outcomes.map((each) => (each.status === 'fulfilled' ? each.value : 'failed')),
    ['failed', 1, 2, 'failed', 4, 5, 'failed', 7, 8],
  );
});

t.test('between two that wait for each other the event loop goes round', async (t) => {
  const turns = new Turns(1);
  let rounds = 0;
  const work = Array.from({ length: 3 }, () => turns.run(async () => rounds));
  const count = () => {
    rounds++;
    if (rounds < 10) setImmediate(count);
  };
  setImmediate(count);
  const seen = await Promise.all(work);
  t.ok(seen[0]! < seen[1]! && seen[1]! < seen[2]!, seen.join());
});
