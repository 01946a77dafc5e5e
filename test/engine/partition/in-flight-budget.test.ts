/** Bytes in flight: who gets them, who waits, and for how long. */
import t, { type Test } from 'tap';
import { isSeglogError } from '../../../src/engine/common/errors.ts';
import {
  InFlightBudget,
  type InFlightLimits,
  type PartitionFlight,
} from '../../../src/engine/partition/in-flight-budget.ts';
import { SimClock, settled } from '../../crash/sim-clock.ts';

const LIMITS: InFlightLimits = { totalBytes: 100, partitionBytes: 60, waitMs: 1000 };

function setUp(limits: Partial<InFlightLimits> = {}) {
  const clock = new SimClock();
  const budget = new InFlightBudget({ ...LIMITS, ...limits }, clock);
  const [a, b, c] = [0, 1, 2].map((): PartitionFlight => ({ inFlightBytes: 0 })) as [
    PartitionFlight,
    PartitionFlight,
    PartitionFlight,
  ];
  const admitted: string[] = [];
  /** Asks for bytes under a name, and notes when it gets them. */
  const take = (name: string, flight: PartitionFlight, bytes: number, signal?: AbortSignal) =>
    budget.take(flight, bytes, signal).then(() => void admitted.push(name));
  return { clock, budget, a, b, c, admitted, take };
}

async function isRefused(t: Test, code: 'THROTTLED' | 'REQUEST_TIMED_OUT', work: Promise<unknown>) {
  const error = await work.then(
    () => 'admitted',
    (error) => error,
  );
  t.ok(isSeglogError(error, code), `${error}`);
}

t.test('bytes are taken up to both limits, and given back', async (t) => {
  const { budget, a, b } = setUp();
  t.ok(budget.tryTake(a, 60));
  t.notOk(budget.tryTake(a, 1), 'of one partition');
  t.ok(budget.tryTake(b, 40));
  t.notOk(budget.tryTake(b, 1), 'in all');
  t.equal(budget.usedBytes, 100);
  budget.give(a, 60);
  t.equal(budget.usedBytes, 40);
  t.ok(budget.tryTake(b, 20));
  t.notOk(budget.tryTake(b, 1));
});

t.test('what is larger than a limit goes through alone', async (t) => {
  const { budget, a, b } = setUp();
  t.ok(budget.tryTake(a, 500));
  t.notOk(budget.tryTake(b, 1), 'and nothing beside it');
  budget.give(a, 500);
  t.ok(budget.tryTake(b, 70), 'of one partition');
  t.ok(budget.tryTake(a, 30));
});

t.test('who waits is admitted in the order of arrival', async (t) => {
  const { budget, a, b, c, admitted, take } = setUp();
  budget.tryTake(a, 60);
  budget.tryTake(b, 40);
  const all = [take('first', c, 50), take('second', c, 5), take('third', b, 5)];
  t.notOk(budget.tryTake(c, 0), 'nobody overtakes those who wait');
  budget.give(b, 40);
  await settled();
  t.same(admitted, [], '40 bytes are free, the first one wants 50, and it is not overtaken');
  budget.give(a, 60);
  await Promise.all(all);
  t.same(admitted, ['first', 'second', 'third']);
});

t.test('a partition that is full holds up only its own', async (t) => {
  const { budget, a, b, admitted, take } = setUp();
  budget.tryTake(a, 60);
  budget.tryTake(b, 30);
  const own = [take('a first', a, 20), take('a second', a, 5)];
  const other = take('b', b, 10);
  budget.give(b, 10);
  await other;
  t.same(admitted, ['b']);
  budget.give(a, 10);
  await settled();
  t.same(admitted, ['b'], 'in the partition the order stays: the small one waits for the large one');
  budget.give(a, 20);
  await Promise.all(own);
  t.same(admitted, ['b', 'a first', 'a second']);
});

t.test('after the longest wait it is refused, and says what to do', async (t) => {
  const { budget, clock, a, b, admitted, take } = setUp();
  budget.tryTake(a, 60);
  budget.tryTake(b, 40);
  const large = take('large', b, 60);
  const small = take('small', b, 10);
  budget.give(b, 20);
  await clock.advance(999);
  t.same(admitted, []);
  const refused = isRefused(t, 'THROTTLED', large);
  await clock.advance(1);
  await refused;
  await small;
  t.same(admitted, ['small'], 'who waited behind it is admitted by its leaving');
  const error = await Promise.all([budget.take(a, 1), clock.advance(1000)]).catch((error) => error);
  t.match(error, {
    retriable: true,
    message: /max\.in\.flight\.bytes=100.*retry later or raise the setting/,
  });
});

t.test('without a wait it is refused at once', async (t) => {
  const { budget, a } = setUp({ waitMs: 0 });
  budget.tryTake(a, 60);
  await isRefused(t, 'THROTTLED', budget.take(a, 1));
});

t.test('who gives up takes nothing, and lets the next one in', async (t) => {
  const { budget, clock, a, b, take } = setUp();
  budget.tryTake(a, 60);
  budget.tryTake(b, 40);
  const leaver = new AbortController();
  const large = take('large', b, 60, leaver.signal);
  const small = take('small', b, 10);
  budget.give(b, 20);
  leaver.abort();
  await isRefused(t, 'REQUEST_TIMED_OUT', large);
  await small;
  t.equal(budget.usedBytes, 90);
  await isRefused(t, 'REQUEST_TIMED_OUT', budget.take(a, 50, AbortSignal.abort()));
  t.equal(clock.nextTimerMs, undefined, 'no timer is left behind');
});

t.test('admission cancels the timer, and a later abort changes nothing', async (t) => {
  const { budget, clock, a, take } = setUp();
  budget.tryTake(a, 60);
  const leaver = new AbortController();
  const waiting = take('a', a, 30, leaver.signal);
  budget.give(a, 60);
  await waiting;
  leaver.abort();
  t.equal(clock.nextTimerMs, undefined);
  t.equal(budget.usedBytes, 30);
});
