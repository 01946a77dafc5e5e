/** Mistakes that are made on purpose are caught: what the crash tests do not find is not there. */
import t from 'tap';
import type { Row } from './bug-rows.ts';
import { loadPatchedEngine } from './patched-engine.ts';

/** Tests that each is caught; the lists have a test file each, so that none takes too long. */
export function catchBugs(bugs: readonly Row[]): void {
  t.setTimeout(900_000);
  for (const [bug, scenario, sweep] of bugs) {
    t.test(bug.name, async (t) => {
      // A mistake that cannot be planted any more must not look like one that is caught.
      if (bug.patches) await loadPatchedEngine(bug.name, bug.patches);
      const { images, violations } = await sweep(scenario, { bug, budget: 500, stopAtFirst: true });
      t.not(violations.length, 0, `caught within ${images} images: ${violations[0]?.message.split('\n')[0]}`);
    });
  }
}
