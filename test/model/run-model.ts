/**
 * Runs the model test; the entry of a worker thread. Tap follows every promise of its own thread, which would take half
 * of the time here.
 */
import { parentPort, workerData } from 'node:worker_threads';
import fc from 'fast-check';
import { COMMANDS, checkAll } from './commands.ts';
import { type ModelLog, modelTopic } from './log-model.ts';
import { type Counts, type LogSettings, LogUnderTest } from './log-under-test.ts';
import { settingsArbitrary } from './plans.ts';

export interface ModelRunOptions {
  readonly seed: number;
  readonly runs: number;
  /** No run is begun, and no failing one is made smaller, after so long. */
  readonly limitMs: number;
}

export interface ModelReport extends Counts {
  readonly runs: number;
  /** The smallest run that fails, and how to replay it. */
  readonly failure: string | undefined;
}

export async function runModel({ seed, runs, limitMs }: ModelRunOptions): Promise<ModelReport> {
  const counts: Counts = { records: 0, reads: 0, watched: 0, seeks: 0, crashes: 0, reopened: 0 };
  const commands = fc.commands(COMMANDS, { maxCommands: 80, size: 'max' });
  const property = fc.asyncProperty(settingsArbitrary, commands, async (settings, run) => {
    const setup = await begin(settings, counts);
    await fc.asyncModelRun(() => setup, run);
    await checkAll(setup.model, setup.real);
    await setup.real.reopen(setup.model, null);
  });
  const details = await fc.check(property, {
    seed,
    numRuns: runs,
    interruptAfterTimeLimit: limitMs,
    includeErrorInReport: true,
  });
  const failure = details.failed ? await fc.asyncDefaultReportMessage(details) : undefined;
  return { runs: details.numRuns, failure, ...counts };
}

async function begin(
  settings: LogSettings,
  counts: Counts,
): Promise<{ model: ModelLog; real: LogUnderTest }> {
  const real = await LogUnderTest.open(settings, counts);
  await real.run(real.engine.createTopic('a', { partitions: 3 }));
  return { model: new Map([['a', modelTopic(3)]]), real };
}

parentPort?.postMessage(await runModel(workerData));
