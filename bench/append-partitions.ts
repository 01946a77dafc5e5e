/**
 * Question: what does a group commit over many partitions cost against one file, and against a sync for each file?
 *
 * A round is 1 KiB to each of 256 partitions with acks=all. Each of 64 appenders has 4 partitions: it appends one
 * record to each of them at once and awaits that. Limits: one writev + fdatasync of the same bytes to one file; and
 * a writev + fdatasync of each of 256 files, all under way at the same time.
 */
import { join } from 'node:path';
import { Engine } from '../src/engine/index.ts';
import { BareFile } from './bare-file.ts';
import { atLeast, benchmark, type Side } from './harness.ts';
import { during, KIB, values } from './workload.ts';

const PARTITIONS = 256;
const APPENDERS = 64;
const BATCH_BYTES = KIB + 80 + 10;

await benchmark('append-partitions', async (bench) => {
  const directory = bench.directory();
  const seconds = bench.size(2, 0.5);
  const records = values(PARTITIONS, KIB).map((value, partition) => ({ value, partition }));
  const batches = values(PARTITIONS, BATCH_BYTES);
  let groups = 0;
  let grouped = 0;
  let journaled = 0;
  const engine = await Engine.open({
    directory: join(directory, 'data'),
    observer: {
      committed: (report) => {
        groups++;
        grouped += report.batches;
        journaled += report.journaledBatches;
      },
    },
  });
  await engine.createTopic('bench', { partitions: PARTITIONS });

  const share = PARTITIONS / APPENDERS;
  const shares = Array.from({ length: APPENDERS }, (_, i) => records.slice(i * share, (i + 1) * share));
  const candidate: Side = {
    name: 'engine.append, acks=all',
    round: async () => {
      const calls = await during(seconds, APPENDERS, (appender) => engine.append('bench', shares[appender]!));
      return calls / APPENDERS;
    },
  };
  const one: Side = {
    name: 'one writev + fdatasync to one file',
    round: async () => {
      const file = new BareFile(join(directory, 'one'));
      const rate = await during(seconds, 1, async () => {
        await file.append(batches);
        await file.sync();
      });
      file.remove();
      return rate;
    },
  };
  const each: Side = {
    name: 'writev + fdatasync of each file',
    round: async () => {
      const files = batches.map((_, i) => new BareFile(join(directory, `each-${i}`)));
      const rate = await during(seconds, 1, () =>
        Promise.all(
          files.map(async (file, i) => {
            await file.append([batches[i]!]);
            await file.sync();
          }),
        ),
      );
      for (const file of files) file.remove();
      return rate;
    },
  };
  const result = await bench.compare({
    title: `append, acks=all, 1 KiB to each of ${PARTITIONS} partitions a round, ${APPENDERS} appenders`,
    unit: 'rounds/s',
    candidate,
    limits: [
      { side: one, wanted: atLeast(0.4) },
      { side: each, wanted: atLeast(10) },
    ],
  });
  bench.note(
    result,
    `mean group ${(grouped / groups).toFixed(1)} batches, ${Math.round((100 * journaled) / grouped)}% through the journal`,
  );
  await engine.close();
});
