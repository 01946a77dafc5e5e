/**
 * Question: how much of the system's own write rate is left for acks=1, records of 1 KiB in batches of 64 KiB?
 *
 * Limit: bare `fs.writev` of the same bytes to one file. Both sides keep 8 appends outstanding, as a producer with a
 * window does; each of the bare side's is one `writev` of 64 KiB. Neither side waits for the disk (flush=os); the
 * engine's figure with the default flush=sync, where what was acknowledged is synced behind it, stands beside.
 */
import { join } from 'node:path';
import { Engine } from '../src/engine/index.ts';
import { BareFile } from './bare-file.ts';
import { atLeast, benchmark, type Side } from './harness.ts';
import { KIB, MIB, times, values } from './workload.ts';

const RECORDS = 64;
const OUTSTANDING = 8;

await benchmark('append-os', async (bench) => {
  const directory = bench.directory();
  const bytes = bench.size(512 * MIB, 128 * MIB);
  const appends = bytes / (RECORDS * KIB);
  const batches = Array.from({ length: 16 }, () => values(RECORDS, KIB).map((value) => ({ value })));
  const flat = batches.map((records) => Buffer.concat(records.map(({ value }) => value)));
  const rate = (seconds: number) => bytes / MIB / seconds;

  const engine = await Engine.open({ directory: join(directory, 'data') });
  const engineSide = (flush: string): Side => ({
    name: `engine.append, acks=1, flush=${flush}`,
    round: async () => {
      await engine.createTopic('bench', { partitions: 1, config: { flush } });
      const seconds = await times(appends, OUTSTANDING, (i) =>
        engine.append('bench', batches[i % batches.length]!, { acks: 1, partition: 0 }),
      );
      await engine.deleteTopic('bench');
      return rate(seconds);
    },
  });
  const bare: Side = {
    name: 'bare fs.writev',
    round: async () => {
      const file = new BareFile(join(directory, 'bare'));
      const seconds = await times(appends, OUTSTANDING, (i) => file.append([flat[i % flat.length]!]));
      file.remove();
      return rate(seconds);
    },
  };
  const title = `append, acks=1, 1 KiB records in 64 KiB batches, ${OUTSTANDING} outstanding`;
  await bench.compare({
    title: `${title}, flush=os`,
    unit: 'MiB/s',
    candidate: engineSide('os'),
    limits: [{ side: bare, wanted: atLeast(0.7) }],
  });
  await bench.compare({
    title: `${title}, flush=sync`,
    unit: 'MiB/s',
    candidate: engineSide('sync'),
    limits: [{ side: bare }],
  });
  await engine.close();
});
