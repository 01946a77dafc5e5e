/** Seeking by time: the first record that is not older, wherever late records and far-future ones lie. */
import t from 'tap';
import { SimEngine } from '../../helpers/sim-engine.ts';

const NOW = Date.UTC(2026, 0, 1);
const YEAR = 365 * 86_400_000;

/** Event times in the order of their offsets, one batch for each list. */
const LOGS: readonly { readonly name: string; readonly batches: readonly (readonly number[])[] }[] = [
  { name: 'in order', batches: [[0], [10], [20, 30], [40], [50, 60]] },
  { name: 'all the same', batches: [[7], [7, 7], [7]] },
  { name: 'late ones between', batches: [[100], [20], [110, 5], [30], [120], [1]] },
  { name: 'falling', batches: [[500], [400, 300], [200], [100]] },
  { name: 'one from the far future first', batches: [[9 * YEAR], [10], [20], [30]] },
  { name: 'one from the far future in the middle', batches: [[10], [20, 9 * YEAR, 15], [30], [40]] },
  { name: 'one from 1970', batches: [[10], [-NOW], [20]] },
  { name: 'disorder in one batch', batches: [[50, 10, 40, 20, 30]] },
  { name: 'nothing', batches: [] },
];

/** Where the records are when they are sought. */
const PLACES = [
  'in one segment',
  'in many segments',
  'in the journal only',
  'after a clean stop',
  'after a kill',
] as const;

async function fill(
  place: (typeof PLACES)[number],
  batches: (typeof LOGS)[number]['batches'],
): Promise<SimEngine> {
  const log = await SimEngine.open({
    'journal.files': place === 'in the journal only' ? 2 : 0,
    'housekeeping.interval.ms': 3_600_000,
  });
  const size = place === 'in one segment' ? 10 : 1500;
  await log.engine.createTopic('a', { config: { 'segment.bytes': 4096, 'index.interval.bytes': 256 } });
  // The first commit finds no journal file yet.
  await log.append('a', [{ value: 'first', timestamp: NOW - 1 }]);
  await log.settle();
  for (const times of batches) {
    const value = 'x'.repeat(size / times.length);
    await log.append(
      'a',
      times.map((time) => ({ value, timestamp: NOW + time })),
    );
    await log.settle(3);
  }
  if (place === 'after a clean stop') await log.reopen();
  if (place === 'after a kill') await log.reopenAfterKill();
  return log;
}

for (const place of PLACES) {
  t.test(place, async (t) => {
    for (const { name, batches } of LOGS) {
      const log = await fill(place, batches);
      const times = [NOW - 1, ...batches.flat().map((time) => NOW + time)];
      const wanted = new Set(times.flatMap((time) => [time - 1, time, time + 1]));
      for (const timestamp of [...wanted, 0, NOW + 20 * YEAR]) {
        const first = times.findIndex((time) => time >= timestamp);
        const expected = first < 0 ? times.length : first;
        t.equal(
          await log.engine.offsetForTimestamp('a', 0, timestamp),
          expected,
          `${name}: ${timestamp - NOW}`,
        );
      }
      await log.engine.close();
    }
  });
}

t.test('a search reads about one interval of the index, not the log', async (t) => {
  const log = await SimEngine.open();
  await log.engine.createTopic('a', { config: { 'segment.bytes': 1_000_000, 'index.interval.bytes': 4096 } });
  for (let i = 0; i < 500; i++) {
    await log.append('a', [{ value: 'x'.repeat(1500), timestamp: NOW + i * 10 }]);
  }
  for (const i of [3, 250, 499]) {
    const from = log.disk.operations.length;
    t.equal(await log.engine.offsetForTimestamp('a', 0, NOW + i * 10 - 5), i);
    const reads = log.disk.operations.slice(from).filter(({ kind }) => kind === 'read');
    const bytes = reads.reduce((sum, read) => sum + read.bytes!, 0);
    t.ok(reads.length <= 2, `${reads.length} reads`);
    t.ok(bytes <= 1_100_000, `${bytes} bytes`);
  }
});

t.test('what is no timestamp is refused', async (t) => {
  const log = await SimEngine.open();
  await log.engine.createTopic('a');
  for (const timestamp of [Number.NaN, 1.5, Number.POSITIVE_INFINITY, 2 ** 53]) {
    await t.rejects(log.engine.offsetForTimestamp('a', 0, timestamp), { code: 'INVALID_REQUEST' });
  }
  t.equal(await log.engine.offsetForTimestamp('a', 0, -5), 0);
  await t.rejects(log.engine.offsetForTimestamp('a', 1, 0), { code: 'UNKNOWN_TOPIC_OR_PARTITION' });
  for (const timestamp of [-1, 1.5, 2 ** 53]) {
    await t.rejects(async () => log.append('a', [{ value: 'x', timestamp }]), { code: 'INVALID_RECORD' });
  }
});
