/**
 * All sweeps of some scenarios, as a test. A violation prints the attempt that found it;
 * SEGLOG_CRASH_REPLAY='{"scenario":…,"attempt":…}' runs that one again.
 */
import t, { type Test } from 'tap';
import { testSeed, testSize } from '../helpers/test-size.ts';
import { replayDamage, sweepDamage } from './damage-sweep.ts';
import {
  replay,
  type Scenario,
  type SweepReport,
  sweepCompound,
  sweepCrashes,
  sweepErrors,
  sweepKills,
} from './harness.ts';

function expectNone(t: Test, { scenario, sweep, operations, images, violations }: SweepReport): void {
  t.comment(`${sweep}: ${operations} operations, ${images} images, ${violations.length} violations`);
  for (const { attempt, message } of violations.slice(0, 5)) {
    t.fail(message, { replay: JSON.stringify({ scenario, attempt }) });
  }
  t.equal(violations.length, 0, `${sweep}: no promise was broken`);
  t.ok(operations > 100 && images > 0, 'and there was something to break');
}

/** About `budget` disks are tried by each sweep of each scenario. */
export async function testScenarios(scenarios: readonly Scenario[], budget: number): Promise<void> {
  // Also outside of tap's runner, which sets its own.
  t.setTimeout(600_000 * testSize);
  const given = process.env.SEGLOG_CRASH_REPLAY;
  if (given !== undefined) return runAgain(scenarios, JSON.parse(given));
  for (const scenario of scenarios) {
    t.test(scenario.name, async (t) => {
      for (const sweep of [sweepCrashes, sweepKills, sweepErrors, sweepCompound, sweepDamage])
        expectNone(t, await sweep(scenario, { seed: testSeed, budget: budget * testSize }));
    });
  }
}

async function runAgain(
  scenarios: readonly Scenario[],
  { scenario: name, attempt }: SweepReport['violations'][number] & { scenario: string },
): Promise<void> {
  const scenario = scenarios.find((scenario) => scenario.name === name);
  if (scenario === undefined) return void t.pass(`${name} is in another file`);
  const { violations } = await (attempt.damage ? replayDamage : replay)(scenario, attempt);
  for (const { message } of violations) t.fail(message);
  t.pass(`${name} was run again`);
}
