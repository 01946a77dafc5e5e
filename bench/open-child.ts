/**
 * Opens a data directory in a fresh process and tells how long that took and what is resident then. With `load` it goes
 * on to append until it is killed; else it closes again.
 */
import { Engine } from '../src/engine/index.ts';
import { childArgs, tell } from './child.ts';
import { KIB, MIB, values } from './workload.ts';

export interface OpenArgs {
  directory: string;
  /** Tells when so many MiB more are appended. */
  loadMib?: number;
}

export interface Opened {
  ms: number;
  rssMib: number;
  peakMib: number;
}

const RECORDS = 64;
const BULK_APPENDERS = 8;
const SMALL_APPENDERS = 64;

const { directory, loadMib } = childArgs<OpenArgs>();
const start = performance.now();
const engine = await Engine.open({ directory });
const opened: Opened = {
  ms: performance.now() - start,
  rssMib: process.memoryUsage.rss() / MIB,
  peakMib: process.resourceUsage().maxRSS / KIB,
};
tell(opened);
if (loadMib === undefined) await engine.close();
else await load(loadMib);

/** Large batches that nobody waits to be synced, and small ones that go through the journal. */
async function load(mib: number): Promise<void> {
  let left = mib * MIB;
  const bulk = values(RECORDS, KIB).map((value) => ({ value }));
  const small = values(SMALL_APPENDERS, KIB).map((value) => [{ value }]);
  const bulkAppender = async () => {
    for (;;) {
      await engine.append('bench', bulk, { acks: 1 });
      left -= RECORDS * KIB;
      if (left <= 0 && left > -RECORDS * KIB) tell('loaded');
    }
  };
  const smallAppender = async (record: { value: Buffer }[]) => {
    for (;;) await engine.append('bench', record);
  };
  await Promise.all([
    ...Array.from({ length: BULK_APPENDERS }, bulkAppender),
    ...small.map((record) => smallAppender(record)),
  ]);
}
