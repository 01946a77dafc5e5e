/** What a row of the list of mistakes is made of: a mistake, the run that it is planted in, and the sweep that shows it. */
import {
  type PlantedBug,
  type Scenario,
  type SweepOptions,
  type SweepReport,
  sweepCrashes,
  sweepErrors,
  sweepKills,
} from './harness.ts';
import type { SourcePatch } from './patched-engine.ts';
import type { CrashVariant } from './sim/crash-image.ts';
import type { OperationKind } from './sim/faults.ts';

export type Sweeper = (scenario: Scenario, options: SweepOptions) => Promise<SweepReport>;
export type Row = [bug: PlantedBug, scenario: Scenario, sweep: Sweeper];

export const sweepErrorsOf =
  (failing: OperationKind, of = /./): Sweeper =>
  (scenario, options) =>
    sweepErrors(scenario, { ...options, fails: ({ kind, path }) => kind === failing && of.test(path) });

/** A short window of danger is found faster when each point is tried with the loss that shows it. */
export const sweepCrashesOf =
  (...variants: CrashVariant[]): Sweeper =>
  (scenario, options) =>
    sweepCrashes(scenario, { ...options, variants });

/** Kills after certain operations; the power goes in the next life. */
export const sweepKillsOf =
  (kills: Pick<SweepOptions, 'killedAfter' | 'cutAfter' | 'variants'>): Sweeper =>
  (scenario, options) =>
    sweepKills(scenario, { ...options, ...kills });

/** So many runs, until one of them shows it. */
export const overSeeds =
  (count: number, sweep: Sweeper): Sweeper =>
  async (scenario, options) => {
    for (let seed = 1; ; seed++) {
      const report = await sweep(scenario, { ...options, seed });
      if (report.violations.length > 0 || seed === count) return report;
    }
  };

export const inSource = (name: string, file: string, find: string, replace: string): PlantedBug => {
  const patches: SourcePatch[] = [{ file, find, replace }];
  return { name, patches };
};

/** A mistake that takes several places. */
export const inPlaces = (
  name: string,
  ...places: [file: string, find: string, replace: string][]
): PlantedBug => ({
  name,
  patches: places.map(([file, find, replace]) => ({ file, find, replace })),
});
