/** Runs random lives of a group; the entry of a worker thread, for the reason that run-model.ts gives. */
import { parentPort, workerData } from 'node:worker_threads';
import { GroupsWorld, type WorldCounts } from './groups-world.ts';
import type { ModelRunOptions } from './run-model.ts';

const STEPS = 200;

export interface GroupsReport extends WorldCounts {
  readonly lives: number;
  /** What the first life that failed failed with, and its seed. */
  readonly failure: string | undefined;
}

export async function runLives({ seed, runs, limitMs }: ModelRunOptions): Promise<GroupsReport> {
  const totals: Record<string, number> = {};
  const end = performance.now() + limitMs;
  let lives = 0;
  for (; lives < runs && performance.now() < end; lives++) {
    let counts: WorldCounts;
    try {
      counts = await live(seed + lives);
    } catch (error) {
      const failure = `SEGLOG_TEST_SEED=${seed + lives}: ${(error as Error).stack}`;
      return { ...(totals as unknown as WorldCounts), lives, failure };
    }
    for (const [name, count] of Object.entries(counts)) totals[name] = (totals[name] ?? 0) + count;
  }
  return { ...(totals as unknown as WorldCounts), lives, failure: undefined };
}

async function live(seed: number): Promise<WorldCounts> {
  const world = await GroupsWorld.open(seed);
  for (let step = 0; step < STEPS; step++) await world.step();
  await world.finish();
  return world.counts;
}

parentPort?.postMessage(await runLives(workerData));
