/** A close while something is in flight, or fails: nothing is answered as done that was not, and nothing is left open. */
import t from 'tap';
import { Engine } from '../../src/engine/engine.ts';
import { SimClock, settled } from './sim-clock.ts';
import { SimFileSystem } from './sim-file-system.ts';

const DIRECTORY = '/data';
const DIRECT = { 'journal.files': 0 };
const JOURNALED = { 'journal.files': 2, 'journal.file.bytes': 65_536 };

const open = (disk: SimFileSystem, settings: Record<string, number>) =>
  Engine.open({ directory: DIRECTORY, fileSystem: disk, clock: new SimClock(), settings });

const outcome = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'done',
    (error) => error.code,
  );

t.test('a deletion that has begun is done before the log is closed', async (t) => {
  const disk = new SimFileSystem();
  const engine = await open(disk, DIRECT);
  await engine.createTopic('a', { partitions: 2 });
  for (const partition of [0, 1]) await engine.append('a', [{ value: 'first' }], { partition });
  const deletions = [0, 1].map((partition) => engine.deleteRecords('a', partition, -1));
  const closed = engine.close();
  const ends = await Promise.all(
    deletions.map((deletion) =>
      deletion.then(
        ({ logStartOffset }) => logStartOffset,
        (error) => error.code,
      ),
    ),
  );
  t.same(ends, [1, 1]);
  await closed;
  await t.rejects(engine.deleteRecords('a', 0, -1), { code: 'NOT_READY' });
  const again = await open(disk, DIRECT);
  for (const partition of [0, 1]) t.equal(again.offsets('a', partition).logStartOffset, 1);
  await again.close();
});

t.test('a file that does not close keeps nobody out', async (t) => {
  const disk = new SimFileSystem();
  const engine = await open(disk, JOURNALED);
  await engine.createTopic('a', { partitions: 1 });
  for (const value of ['first', 'second']) await engine.append('a', [{ value }]);
  for (let turn = 0; turn < 200; turn++) await settled();
  const end = disk.failAt({
    kind: 'close',
    path: /\.journal~?$/,
    forever: true,
    fault: { error: 'EIO' },
  });
  await engine.close();
  end();
  t.equal(disk.openHandles, 0);
  const again = await open(disk, JOURNALED);
  t.equal(again.offsets('a', 0).highWatermark, 2);
  await again.close();
});

t.test('a partition that cannot be synced at the close does not keep the others from it', async (t) => {
  const disk = new SimFileSystem();
  const engine = await open(disk, DIRECT);
  await engine.createTopic('a', { partitions: 3, config: { flush: 'os' } });
  for (const partition of [0, 1, 2]) await engine.append('a', [{ value: 'first' }], { partition, acks: 1 });
  disk.failAt({ kind: 'sync', path: /\/a\/1\//, fault: { error: 'EIO' } });
  t.equal(await outcome(engine.close()), 'OUTCOME_UNKNOWN');
  const after = await open(disk.crash('only what was synced'), DIRECT);
  t.same(
    [0, 1, 2].map((partition) => after.offsets('a', partition).highWatermark),
    [1, 0, 1],
  );
  await after.close();
});

t.test('a reader that is still there opens nothing any more', async (t) => {
  const disk = new SimFileSystem();
  const engine = await open(disk, DIRECT);
  await engine.createTopic('a', { partitions: 1 });
  await engine.append('a', [{ value: 'first' }]);
  await engine.close();
  t.equal(await outcome(engine.read('a', 0, { offset: 0 })), 'NOT_READY');
  t.equal(disk.openHandles, 0);
});
