/**
 * Random lives of a group over a simulated disk: whatever its members, its topics and the process do, no partition is two members'
 * in one generation, what was committed is there and does not go back, and each record is processed, in order. A failure prints
 * the seed that lives it again.
 */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import t from 'tap';
import { testSeed, testSize } from '../helpers/test-size.ts';
import type { GroupsReport } from './run-groups-model.ts';
import type { ModelRunOptions } from './run-model.ts';

const options: ModelRunOptions = {
  seed: testSeed,
  runs: Math.ceil(30 * testSize),
  limitMs: 20_000 * Math.max(1, testSize),
};
t.setTimeout(3 * options.limitMs);

t.test('a group holds what is promised, whatever happens to it', async (t) => {
  const worker = new Worker(new URL('run-groups-model.ts', import.meta.url), { workerData: options });
  const [report]: GroupsReport[] = await once(worker, 'message');
  const { failure, ...counts } = report!;
  t.comment(`seed ${options.seed}: ${JSON.stringify(counts)}`);
  t.equal(failure, undefined, failure ?? 'no life fails');
  for (const [what, count] of Object.entries(counts)) t.ok(count > 0, `${what}: ${count}`);
});
