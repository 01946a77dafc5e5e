/**
 * Compaction against a plain array. fast-check makes up runs of keyed appends with deletions among them, compactions,
 * deletions of records, time that passes, clean and unclean stops, over a simulated disk. After each step the newest value
 * of each key is there, what is left is as it was appended, and what has gone has gone for good. A run that fails is made
 * smaller and printed with the seed that replays it.
 */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import t from 'tap';
import { testSeed, testSize } from '../helpers/test-size.ts';
import type { CompactionReport } from './run-compaction-model.ts';
import type { ModelRunOptions } from './run-model.ts';

const options: ModelRunOptions = {
  seed: testSeed,
  runs: Math.ceil(60 * testSize),
  limitMs: 20_000 * Math.max(1, testSize),
};
t.setTimeout(3 * options.limitMs);

t.test('a compacted log behaves as the newest records of its keys', async (t) => {
  const worker = new Worker(new URL('run-compaction-model.ts', import.meta.url), { workerData: options });
  const [report]: CompactionReport[] = await once(worker, 'message');
  const { failure, ...counts } = report!;
  t.comment(`seed ${options.seed}: ${JSON.stringify(counts)}`);
  t.equal(failure, undefined, failure ?? 'no run fails');
  for (const [what, count] of Object.entries(counts)) t.ok(count > 0, `${what}: ${count}`);
});
