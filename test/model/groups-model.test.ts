/** Random lives of a group; a failure prints the seed that lives it again. */
import t from 'tap';
import { testSeed, testSize } from '../helpers/test-size.ts';
import { GroupsWorld, type WorldCounts } from './groups-world.ts';

const RUNS = Math.ceil(20 * testSize);
const STEPS = 300;

t.test(`${RUNS} lives of a group hold what is promised`, async (t) => {
  const totals: Partial<WorldCounts> = {};
  for (let run = 0; run < RUNS; run++) {
    const seed = testSeed + run;
    try {
      const world = await GroupsWorld.open(seed);
      for (let step = 0; step < STEPS; step++) await world.step();
      await world.finish();
      for (const [name, count] of Object.entries(world.counts))
        totals[name as keyof WorldCounts] = (totals[name as keyof WorldCounts] ?? 0) + count;
    } catch (error) {
      t.fail(`SEGLOG_TEST_SEED=${seed}: ${(error as Error).stack}`);
      return;
    }
  }
  t.comment(JSON.stringify(totals));
  for (const [name, count] of Object.entries(totals)) t.ok(count > 0, `${name}: ${count}`);
});
