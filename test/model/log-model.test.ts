/**
 * The log against a plain array. fast-check makes up runs of commands (appends, reads, seeks, changes of topics, clean
 * and unclean stops) over a simulated disk; all that the log shows must be what the arrays hold, and after a crash at
 * least what it promised. A run that fails is made smaller and printed with the seed that replays it.
 */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import t from 'tap';
import { testSeed, testSize } from '../helpers/test-size.ts';
import type { ModelReport, ModelRunOptions } from './run-model.ts';

const options: ModelRunOptions = {
  seed: testSeed,
  runs: Math.ceil(120 * testSize),
  limitMs: 30_000 * Math.max(1, testSize),
};
t.setTimeout(2 * options.limitMs);

t.test('the log behaves as an array of records for each partition', async (t) => {
  const worker = new Worker(new URL('run-model.ts', import.meta.url), { workerData: options });
  const [report]: ModelReport[] = await once(worker, 'message');
  const { failure, ...counts } = report!;
  t.comment(`seed ${options.seed}: ${JSON.stringify(counts)}`);
  t.equal(failure, undefined, failure ?? 'no run fails');
  t.ok(counts.crashes > 0 && counts.records > 0 && counts.reads > 0 && counts.seeks > 0);
});
