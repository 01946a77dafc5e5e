/**
 * A segment that takes the place of others, of which the last name may not be durable: the next process, which sees that name,
 * must not build on it, or a power cut brings the swap back over what was made of it since.
 */
import t from 'tap';
import { Engine } from '../../src/engine/engine.ts';
import { decodeRecords } from '../../src/engine/format/record-batch-reader.ts';
import { verifyDirectory } from '../../src/engine/inspection/verify.ts';
import { replaceSealed } from '../helpers/rewriting.ts';
import { SimClock, settled } from './sim-clock.ts';
import { SimFileSystem } from './sim-file-system.ts';

const DIRECTORY = '/data';
const SETTINGS = { 'journal.files': 0, 'checkpoint.bytes': 65_536 };

const open = (disk: SimFileSystem) =>
  Engine.open({ directory: DIRECTORY, fileSystem: disk, clock: new SimClock(), settings: SETTINGS });

const quiet = async () => {
  for (let turn = 0; turn < 200; turn++) await settled();
};

async function offsets(engine: Engine): Promise<number[]> {
  const { logStartOffset, highWatermark } = engine.offsets('a', 0);
  const found: number[] = [];
  for (let offset = logStartOffset; offset < highWatermark; ) {
    const read = await engine.read('a', 0, { offset });
    found.push(...decodeRecords(read.chunks, offset).map((record) => record.offset));
    offset = read.nextOffset;
  }
  return found;
}

for (const last of [false, true]) {
  t.test(`a sync that fails ${last ? 'at the next start as well' : 'once'}`, async (t) => {
    const disk = new SimFileSystem();
    const engine = await open(disk);
    await engine.createTopic('a', { partitions: 1, config: { 'segment.bytes': 4096 } });
    for (let i = 0; i < 8; i++) await engine.append('a', [{ value: `${i}`.padEnd(2500) }], { partition: 0 });
    await quiet();
    const isNaming = ({ kind, target }: { kind: string; target?: string }) =>
      kind === 'rename' && target?.endsWith('00000000000000000002.log') === true;
    // The sync that follows the renaming of the swap, which is the third one of a swap.
    disk.failAt({ kind: 'syncDirectory', path: /\/a\/0$/, nth: 2, fault: { error: 'EIO' } });
    await replaceSealed(engine, 'a', { keep: ({ offset }) => offset !== 3 }, 2, 4);
    await quiet();
    t.match(engine.health(), { fencedPartitions: [{ partition: 0 }] });
    const begun = disk.operations.findIndex(isNaming);
    t.ok(begun > 0, 'it had its name');
    const left = [0, 1, 2, 4, 5, 6, 7];
    t.same(await offsets(engine), left, 'readers have the new segment all the same');
    await engine.close().catch(() => {});

    if (last) {
      disk.failAt({ kind: 'syncDirectory', path: /\/a\/0$/, nth: 2, fault: { error: 'EIO' } });
      await t.rejects(open(disk), { code: 'EIO' });
    }
    const next = await open(disk);
    t.same(await offsets(next), left);
    await next.append('a', [{ value: 'last' }], { partition: 0 });
    t.equal(await replaceSealed(next, 'a', { keep: ({ offset }) => offset !== 4 }, 1, 4), 'replaced');
    await quiet();
    await next.close();
    for (const variant of ['only what was synced', 'everything'] as const) {
      const image = disk.crashImage({ variant });
      const report = await verifyDirectory({ directory: DIRECTORY, fileSystem: image });
      t.ok(report.ok, variant, { findings: report.findings });
      const after = await open(image);
      t.same(await offsets(after), [0, 1, 2, 5, 6, 7, 8]);
      await after.close();
    }
  });
}
