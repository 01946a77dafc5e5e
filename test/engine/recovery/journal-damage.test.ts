/** Damage at rest in a journal file that was full when the process was killed: what it held is not lost in silence. */
import t from 'tap';
import { Engine } from '../../../src/engine/engine.ts';
import { verifyDirectory } from '../../../src/engine/inspection/verify.ts';
import { SimEngine } from '../../helpers/sim-engine.ts';

const SETTINGS = { 'journal.files': 4, 'journal.file.bytes': 65_536 };

/** A log with three partitions, of which each has acknowledged records in the journal only; killed. */
async function journaledLog(): Promise<SimEngine> {
  const log = await SimEngine.open({ ...SETTINGS, 'housekeeping.interval.ms': 3_600_000 });
  log.leaveDamaged();
  await log.engine.createTopic('a', { partitions: 3 });
  await log.append('a', 'first', { partition: 2 });
  await log.settle();
  // The last frame of the first file is of partition 0; behind it only partition 1 goes on.
  for (let i = 0; i < 2; i++) await log.append('a', `${i}`.padEnd(30_000), { partition: 0 });
  for (let i = 0; i < 3; i++) await log.append('a', `${i}`.padEnd(3000), { partition: 1 });
  log.disk = log.disk.crash('kill');
  return log;
}

t.test('the last frame of a full file', async (t) => {
  const log = await journaledLog();
  const [full, next] = log.disk.paths().filter((path) => path.endsWith('.journal'));
  const bytes = log.disk.contents(full!);
  const frame = 512 + Math.ceil((48 + 32 + 30_100) / 512) * 512;
  t.equal(bytes.readUInt32LE(frame), 0xf7a35e1d, 'there it begins');
  t.equal(log.disk.contents(next!).readUInt32LE(512), 0xf7a35e1d, 'another file goes on');
  bytes[frame + 20]! ^= 1;
  log.disk.plant(full!, bytes);
  const report = await verifyDirectory({ directory: '/data', fileSystem: log.disk });
  t.equal(report.ok, false);
  t.match(
    report.findings.filter(({ severity }) => severity === 'damage').map(({ partition }) => partition),
    [0, 2],
  );
  const engine = await Engine.open({ directory: '/data', fileSystem: log.disk, clock: log.clock });
  t.match(engine.health().fencedPartitions, [{ partition: 0 }, { partition: 2 }]);
  t.match(engine.health().damagedPartitions[0]!.ranges, [
    { firstOffset: 1, endOffset: 1, reason: /a damaged frame of journal file 0.*may have held/ },
  ]);
  t.match(
    engine.offsets('a', 1),
    { highWatermark: 3 },
    'partition 1 goes on in the next file: nothing is missing',
  );
  await engine.close();
});
