/**
 * Question: from how many bytes for each partition on, and for how few partitions, is a group commit cheaper written
 * directly to the segments than through the journal? The default of `journal.max.partition.bytes` comes from here.
 *
 * For each size × partitions the same appends (acks=all, one batch to each partition a round, all awaited) run on an
 * engine with the journal and one without (`journal.files=0`); a ratio above 1 says that the journal is the cheaper
 * way. With the journal, the later write and sync of the segments are in the figure.
 */
import { join } from 'node:path';
import { Engine } from '../src/engine/index.ts';
import { benchmark, type Side } from './harness.ts';
import { during, KIB, MIB, values } from './workload.ts';

const PARTITIONS = [1, 2, 4, 16, 64, 256];
const BYTES = [KIB, 4 * KIB, 16 * KIB, 64 * KIB, 256 * KIB];
/** The largest group: more than this a round says nothing new. */
const MAX_ROUND_BYTES = 16 * MIB;

await benchmark('journal-border', async (bench) => {
  const seconds = bench.size(1, 0.3);
  const directory = bench.directory();
  // With the journal everything goes through it, whatever its size: the border is what is looked for.
  const journaling = { 'journal.max.partition.bytes': MIB, 'journal.file.bytes': 64 * MIB };
  const journal = await Engine.open({ directory: join(directory, 'journal'), settings: journaling });
  const direct = await Engine.open({
    directory: join(directory, 'direct'),
    settings: { 'journal.files': 0 },
  });

  const side = (name: string, engine: Engine, partitions: number, bytes: number): Side => {
    const records = values(partitions, bytes).map((value) => [{ value }]);
    return {
      name,
      round: async () => {
        await engine.createTopic('bench', { partitions });
        const rate = await during(seconds, 1, () =>
          Promise.all(records.map((record, partition) => engine.append('bench', record, { partition }))),
        );
        await engine.deleteTopic('bench');
        return rate;
      },
    };
  };
  for (const partitions of PARTITIONS) {
    for (const bytes of BYTES) {
      if (partitions * bytes > MAX_ROUND_BYTES) continue;
      await bench.compare({
        title: `${partitions} partitions × ${bytes / KIB} KiB`,
        unit: 'rounds/s',
        rounds: 5,
        candidate: side('journal', journal, partitions, bytes),
        limits: [{ side: side('direct', direct, partitions, bytes) }],
      });
    }
  }
  await journal.close();
  await direct.close();
});
