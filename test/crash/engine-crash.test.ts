/**
 * The engine keeps its promises through crashes, errors and damage of every kind. That these tests would notice if it
 * did not is shown in planted-bugs.test.ts.
 *
 * A violation prints the attempt that found it; SEGLOG_CRASH_REPLAY='{"scenario":…,"attempt":…}' runs that one again.
 */
import t, { type Test } from 'tap';
import { testSeed, testSize } from '../helpers/test-size.ts';
import { replayDamage, sweepDamage } from './damage-sweep.ts';
import { ENGINE_SCENARIOS } from './engine-scenarios.ts';
import { replay, type SweepReport, sweepCompound, sweepCrashes, sweepErrors, sweepKills } from './harness.ts';

// Also outside of tap's runner, which sets its own.
t.setTimeout(600_000 * testSize);

/** Disks tried by each sweep of each scenario. */
const BUDGET = 80 * testSize;

function expectNone(t: Test, { scenario, sweep, operations, images, violations }: SweepReport): void {
  t.comment(`${sweep}: ${operations} operations, ${images} images, ${violations.length} violations`);
  for (const { attempt, message } of violations.slice(0, 5)) {
    t.fail(message, { replay: JSON.stringify({ scenario, attempt }) });
  }
  t.equal(violations.length, 0, `${sweep}: no promise was broken`);
  t.ok(operations > 100 && images > 0, 'and there was something to break');
}

const given = process.env.SEGLOG_CRASH_REPLAY;
if (given !== undefined) {
  const { scenario: name, attempt } = JSON.parse(given);
  const scenario = ENGINE_SCENARIOS.find((scenario) => scenario.name === name)!;
  const { violations } = await (attempt.damage ? replayDamage : replay)(scenario, attempt);
  for (const { message } of violations) t.fail(message);
  t.pass(`${name} was run again`);
} else {
  for (const scenario of ENGINE_SCENARIOS) {
    t.test(scenario.name, async (t) => {
      for (const sweep of [sweepCrashes, sweepKills, sweepErrors, sweepCompound, sweepDamage]) {
        expectNone(t, await sweep(scenario, { seed: testSeed, budget: BUDGET }));
      }
    });
  }
}
