/**
 * Question: how much of what the disk gives is left for acks=all, with 64 appenders that each await their append of one
 * record of 1 KiB?
 *
 * Limit: bare writev + fdatasync, one after the other, of groups of as many batches as the engine's group commits had
 * (the mean of what its observer reports), appended to one file.
 */
import { join } from 'node:path';
import { Engine } from '../src/engine/index.ts';
import { BareFile } from './bare-file.ts';
import { atLeast, benchmark, type Side } from './harness.ts';
import { during, KIB, values } from './workload.ts';

const APPENDERS = 64;
/** What a batch of one such record takes: the header of the batch and the framing of the record. */
const BATCH_BYTES = KIB + 80 + 10;

await benchmark('append-sync', async (bench) => {
  const directory = bench.directory();
  const seconds = bench.size(2, 0.5);
  const records = values(256, KIB).map((value) => [{ value }]);
  const batches = values(256, BATCH_BYTES);
  let groups = 0;
  let grouped = 0;
  let journaled = 0;
  const committed = (report: { batches: number; journaledBatches: number }) => {
    groups++;
    grouped += report.batches;
    journaled += report.journaledBatches;
  };
  const engine = await Engine.open({ directory: join(directory, 'data'), observer: { committed } });
  await engine.createTopic('bench', { partitions: 1 });
  let next = 0;
  const candidate: Side = {
    name: 'engine.append, acks=all',
    round: () => during(seconds, APPENDERS, () => engine.append('bench', records[next++ % records.length]!)),
  };
  const bare: Side = {
    name: 'bare writev + fdatasync',
    round: async () => {
      const size = groups === 0 ? APPENDERS : Math.round(grouped / groups);
      const group = batches.slice(0, size);
      const file = new BareFile(join(directory, 'bare'));
      const rate = await during(seconds, 1, async () => {
        await file.append(group);
        await file.sync();
      });
      file.remove();
      return rate * size;
    },
  };
  // The bare side's groups are sized by what the engine did in the warm-up.
  await candidate.round();
  const result = await bench.compare({
    title: `append, acks=all, ${APPENDERS} appenders, 1 KiB records, one partition`,
    unit: 'records/s',
    candidate,
    limits: [{ side: bare, wanted: atLeast(0.7) }],
  });
  bench.note(
    result,
    `mean group ${(grouped / groups).toFixed(1)} batches, ${Math.round((100 * journaled) / grouped)}% through the journal`,
  );
  await engine.close();
});
