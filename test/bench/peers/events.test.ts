/** The events that all peers are loaded with: the same for all, and dated so that a range of time is a range of numbers. */
import t from 'tap';
import { EventMaker, FilledSpan, SOURCES } from '../../../bench/peers/events.ts';

const MS = Date.UTC(2026, 10, 21, 8);

t.test('the same seed makes the same events, another one others', async (t) => {
  const made = (seed: number) => {
    const maker = new EventMaker(seed, 100);
    return Array.from({ length: 10 }, (_, i) => maker.make(MS + i));
  };
  t.same(made(1), made(1));
  t.notSame(made(1), made(2));
});

t.test('an event is about 200 bytes of JSON that say the same as its fields', async (t) => {
  const maker = new EventMaker(1, 1000);
  const events = Array.from({ length: 1000 }, (_, i) => maker.make(MS + i));
  for (const { json, ...fields } of events) t.same(JSON.parse(json), fields);
  const bytes = events.reduce((sum, { json }) => sum + Buffer.byteLength(json), 0) / events.length;
  t.ok(bytes > 180 && bytes < 220, `${bytes}`);
  t.equal(new Set(events.map(({ source }) => source)).size, SOURCES);
  t.equal(events[1]!.timestamp, '2026-11-21T08:00:00.001Z');
});

t.test('no two events of a filled span have the same time, and all lie within it', async (t) => {
  const span = new FilledSpan(1000, { from: MS, until: MS + 1777 });
  const times = Array.from({ length: 1000 }, (_, i) => span.timeOf(i));
  t.equal(new Set(times).size, 1000);
  t.same(times, [...times].sort());
  t.equal(times[0], MS);
  t.ok(times.at(-1)! < MS + 1777);
  t.throws(() => new FilledSpan(1000, { from: MS, until: MS + 999 }), RangeError);
});

t.test('a share of the time is that share of the events', async (t) => {
  const span = new FilledSpan(1000, { from: MS, until: MS + 100_000 });
  const [from, until] = [span.timeOf(span.indexAt(0.45)), span.timeOf(span.indexAt(0.55))];
  const within = Array.from({ length: 1000 }, (_, i) => span.timeOf(i)).filter(
    (ms) => ms >= from && ms < until,
  );
  t.equal(within.length, 100);
});
