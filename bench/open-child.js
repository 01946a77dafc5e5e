/**
 * Opens a data directory in a fresh process and tells how long that took and what is resident then. With `loadMib` it
 * goes on to append until it is killed, telling when so many MiB are appended; else it closes again.
 *
 * Plain JavaScript over the built engine: what is resident shall not be Node's TypeScript loader.
 */
import { randomBytes } from 'node:crypto';
import { Engine } from '../dist/engine/index.js';

const MIB = 1024 * 1024;
const RECORD_BYTES = 1024;
const RECORDS = 64;
const BULK_APPENDERS = 8;
const SMALL_APPENDERS = 64;

const { directory, loadMib } = JSON.parse(process.argv[2]);
const start = performance.now();
const engine = await Engine.open({ directory });
process.send({
  ms: performance.now() - start,
  rssMib: process.memoryUsage.rss() / MIB,
  peakMib: process.resourceUsage().maxRSS / 1024,
});
if (loadMib === undefined) await engine.close();
else await load(loadMib * MIB);
process.disconnect();

/** Large batches that nobody waits to be synced, and small ones that go through the journal. */
async function load(bytes) {
  let left = bytes;
  const bulk = Array.from({ length: RECORDS }, () => ({ value: randomBytes(RECORD_BYTES) }));
  const bulkAppender = async () => {
    for (;;) {
      await engine.append('bench', bulk, { acks: 1 });
      const more = left > 0;
      left -= RECORDS * RECORD_BYTES;
      if (more && left <= 0) process.send('loaded');
    }
  };
  const smallAppender = async () => {
    const record = [{ value: randomBytes(RECORD_BYTES) }];
    for (;;) await engine.append('bench', record);
  };
  await Promise.all([
    ...Array.from({ length: BULK_APPENDERS }, bulkAppender),
    ...Array.from({ length: SMALL_APPENDERS }, smallAppender),
  ]);
}
