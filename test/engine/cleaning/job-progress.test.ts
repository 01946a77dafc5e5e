/** How far a job is, what it frees, and what waits: as told while it goes on. */
import t from 'tap';
import { SimEngine } from '../../helpers/sim-engine.ts';

const HOUR = 3_600_000;
const SETTINGS = { 'housekeeping.interval.ms': HOUR, 'background.io.bytes.per.second': 1000 };
const CONFIG = { 'cleanup.policy': 'compact', 'segment.bytes': 4096, 'min.cleanable.dirty.ratio': 0.5 };

/** A topic of which each partition has five sealed segments of some 3 KiB, all of one key. */
async function filled(partitions: number): Promise<SimEngine> {
  const log = await SimEngine.open(SETTINGS);
  await log.engine.createTopic('a', { partitions, config: CONFIG });
  for (let partition = 0; partition < partitions; partition++) {
    for (let i = 0; i < 6; i++) {
      await log.append('a', [{ key: 'k', value: `${i}`.padEnd(3000) }], { partition });
      await log.settle();
    }
  }
  // Sealing takes its time, too.
  await log.clock.advance(HOUR / 2);
  return log;
}

t.test('a job tells how far it is all the while, over all partitions', async (t) => {
  const log = await filled(2);
  const { background } = log.engine;
  const { partitions } = await log.engine.describeTopic('a');
  const dirty = partitions.map(({ compaction }) => compaction!.dirtyBytes);
  t.ok(dirty[0]! > 15_000);
  const { id, progress } = background.compact('a');
  t.same(
    progress,
    { done: 0, total: 2 * (dirty[0]! + dirty[1]!), unit: 'bytes' },
    'all of it is known at once',
  );
  const told: number[] = [];
  const totals = new Set<number>();
  while (background.job(id).endedAt === null) {
    const { done, total } = background.job(id).progress;
    totals.add(total);
    if (done !== told.at(-1)) told.push(done);
    await log.clock.advance(200);
  }
  t.equal(background.job(id).state, 'done');
  t.equal(background.job(id).progress.done, progress.total);
  t.same(
    told,
    told.toSorted((a, b) => a - b),
    'it never goes back',
  );
  t.ok(told.filter((done) => done > 0 && done < dirty[0]!).length > 2, 'also while one task runs');
});

t.test('a partition that cannot be compacted does not keep the others from it', async (t) => {
  const log = await filled(3);
  const { background } = log.engine;
  const path = '/data/topics/a/1/00000000000000000000.log';
  const bytes = log.disk.contents(path);
  bytes[1000]! ^= 1;
  log.disk.plant(path, bytes);
  log.leaveDamaged();
  const { id } = background.compact('a');
  await Promise.all([background.waitFor(id, HOUR / 4), log.clock.advance(HOUR / 4)]);
  t.match(background.job(id), { state: 'failed', result: null, error: { code: 'CORRUPT_MESSAGE' } });
  const { partitions } = await log.engine.describeTopic('a');
  t.same(
    partitions.map(({ compaction }) => compaction!.dirtyBytes > 0),
    [false, true, false],
  );
});

t.test('what was rewritten is told to who measures, and the backlog goes down', async (t) => {
  const log = await filled(1);
  const rewritten: [kind: string, before: number, after: number][] = [];
  const retained: number[] = [];
  log.observer.rewritten = (...told) => rewritten.push(told);
  log.observer.retained = (failures) => retained.push(failures);
  const { background } = log.engine;
  const before = background.backlog();
  t.match(before, { compactions: 1, recompressions: 0 });
  t.same([...before.dirtyRatios], [['a', 1]]);
  const { id } = background.compact('a');
  await Promise.all([background.waitFor(id, HOUR / 4), log.clock.advance(HOUR / 4)]);
  const [{ bytesBefore, bytesAfter }] = background.job(id).result as [
    { bytesBefore: number; bytesAfter: number },
  ];
  t.equal(
    rewritten.reduce((sum, [, was, is]) => sum + was - is, 0),
    bytesBefore - bytesAfter,
  );
  t.equal(rewritten[0]![0], 'compact');
  t.match(background.backlog(), { compactions: 0, dirtyBytes: 0 });
  t.same([...background.backlog().dirtyRatios], [['a', 0]]);
  t.same(retained, []);
  await log.clock.advance(HOUR / 4);
  t.same(retained, [0], 'housekeeping tells that retention has looked');
});
