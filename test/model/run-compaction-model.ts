/** Runs the compaction model; the entry of a worker thread, as run-model.ts is. */
import { parentPort, workerData } from 'node:worker_threads';
import fc from 'fast-check';
import { COMPACTION_COMMANDS, compactionSettings } from './compaction-commands.ts';
import { CompactionModel } from './compaction-model.ts';
import {
  type CompactionCounts,
  type CompactionSettings,
  CompactionUnderTest,
} from './compaction-under-test.ts';
import type { ModelRunOptions } from './run-model.ts';

export interface CompactionReport extends CompactionCounts {
  readonly runs: number;
  /** The smallest run that fails, and how to replay it. */
  readonly failure: string | undefined;
}

async function run({ seed, runs, limitMs }: ModelRunOptions): Promise<CompactionReport> {
  const counts: CompactionCounts = {
    records: 0,
    passes: 0,
    inRounds: 0,
    removed: 0,
    deletionsGone: 0,
    looks: 0,
    seeks: 0,
    crashes: 0,
    reopened: 0,
  };
  const commands = fc.commands(COMPACTION_COMMANDS, { maxCommands: 40, size: 'max' });
  const property = fc.asyncProperty(compactionSettings, commands, async (settings, list) => {
    const setup = await begin(settings, counts);
    await fc.asyncModelRun(() => setup, list);
    await end(setup);
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

interface Setup {
  readonly model: CompactionModel;
  readonly real: CompactionUnderTest;
}

async function begin(settings: CompactionSettings, counts: CompactionCounts): Promise<Setup> {
  const model = new CompactionModel(Number(settings.config['delete.retention.ms']));
  return { model, real: await CompactionUnderTest.open(settings, counts) };
}

/** What is there at last is compacted, and still there when the log is opened again. */
async function end({ model, real }: Setup): Promise<void> {
  await real.run(real.compact());
  await real.look(model);
  await real.reopen(model, null);
  await real.run(real.engine.close());
}

parentPort?.postMessage(await run(workerData));
