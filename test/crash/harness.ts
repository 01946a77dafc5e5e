/**
 * The crash harness. A scenario drives a log over the simulated disk and tells an oracle what was promised; a sweep
 * ends such runs in every way the disk can end them, opens what is left, and counts promises that were not kept.
 *
 * What a sweep tries is an attempt: a seed, and for each life of the log the fault it lived with and the crash that
 * ended it. An attempt is a plain JSON value; `replay` runs it again by itself.
 */
import type { FileSystem } from '../../src/engine/files/file-system.ts';
import type { Damage } from './damage.ts';
import type { EngineDriver } from './engine-driver.ts';
import { LogOracle, Violation } from './oracle.ts';
import type { SourcePatch } from './patched-engine.ts';
import { runToEnd } from './run-to-end.ts';
import { CRASH_VARIANTS, type CrashVariant } from './sim/crash-image.ts';
import { FAULTS_OF, type Fault } from './sim/faults.ts';
import type { Operation, SimOptions } from './sim/kernel.ts';
import { combineSeeds, Random } from './sim/random.ts';
import { SimClock } from './sim-clock.ts';
import { SimFileSystem } from './sim-file-system.ts';

/** One life of the log: the disk it finds, and those who watch. */
export interface World {
  readonly files: FileSystem;
  readonly disk: SimFileSystem;
  readonly clock: SimClock;
  readonly oracle: LogOracle;
  readonly random: Random;
  readonly bug: PlantedBug | undefined;
  /** A fault was injected: calls of the log may be refused, opening may fail. Promises hold all the same. */
  readonly faulty: boolean;
}

export interface Scenario {
  readonly name: string;
  /** How calls complete. */
  readonly timing?: Pick<SimOptions, 'delays' | 'syncTurns'>;
  /** The first life: works, and closes. */
  run(world: World): Promise<void>;
  /** A later life: opens what a crash left, checks it, goes on a little, closes. */
  recover(world: World): Promise<void>;
  /** All records were found although something else was damaged: what else must be as it was. */
  afterDamage?(world: World, driver: EngineDriver): Promise<void>;
}

/** A deliberate mistake, put between the log and the disk or into the log itself. */
export interface PlantedBug {
  readonly name: string;
  wrap?(files: FileSystem): FileSystem;
  /** Mistakes in the source of the log; the scenario runs a copy that has them. */
  readonly patches?: readonly SourcePatch[];
}

export interface InjectedFault {
  /** The number of the call that fails. */
  readonly call: number;
  /** All later calls of its kind fail as well. */
  readonly forever: boolean;
  readonly fault: Fault;
}

export interface Crash {
  /** Operations before the crash. */
  readonly at: number;
  readonly variant: CrashVariant;
  readonly seed: number;
}

/** The lives of a log: each may have a fault, each but the last ends in a crash; in the last one, promises were broken. */
export interface Attempt {
  readonly seed: number;
  readonly lives: readonly { readonly fault?: InjectedFault; readonly crash?: Crash }[];
  /** What happened to the disk between the last two lives. */
  readonly damage?: Damage;
}

export interface FoundViolation {
  readonly attempt: Attempt;
  readonly message: string;
}

export interface SweepReport {
  readonly scenario: string;
  readonly sweep: string;
  /** Calls of the first life. */
  operations: number;
  /** Disks after a crash that were opened and checked. */
  images: number;
  readonly violations: FoundViolation[];
}

export interface SweepOptions {
  readonly seed?: number;
  /** About how many images to try; they are sampled evenly from all that there are. Default: all of them. */
  readonly budget?: number;
  readonly bug?: PlantedBug;
  /** The losses that a sweep of crashes tries, or one of kills when the power goes. Default: all. */
  readonly variants?: readonly CrashVariant[];
  /** Only before these operations are crashes tried, in a sweep of crashes. Default: before all that change the disk. */
  readonly before?: (operation: Operation) => boolean;
  /** Which calls fail, in a sweep of errors. Default: all. */
  readonly fails?: (operation: Operation) => boolean;
  /** After which operations a process is killed, in a sweep of kills. Default: changes of names. */
  readonly killedAfter?: (operation: Operation) => boolean;
  /** After which operations of the next life the power goes then. Default: any that changes the disk. */
  readonly cutAfter?: (operation: Operation) => boolean;
  readonly stopAtFirst?: boolean;
}

/** A life that ran: its disk can be crashed at any of its operations. */
export interface Lived extends Pick<Attempt, 'lives' | 'damage'> {
  readonly disk: SimFileSystem;
  readonly oracle: LogOracle;
  broken?: boolean;
}

export class Sweep {
  readonly report: SweepReport;
  readonly seed: number;
  readonly budget: number;
  readonly #scenario: Scenario;
  readonly #options: SweepOptions;

  constructor(scenario: Scenario, sweep: string, options: SweepOptions) {
    this.#scenario = scenario;
    this.#options = options;
    this.seed = options.seed ?? 1;
    this.budget = options.budget ?? Number.POSITIVE_INFINITY;
    this.report = { scenario: scenario.name, sweep, operations: 0, images: 0, violations: [] };
  }

  /** Nothing more is worth trying: the log does not even live without faults, or one violation is enough. */
  get stopped(): boolean {
    const found = this.report.violations;
    return (
      found.some(
        ({ attempt }) => !attempt.damage && attempt.lives.every(({ fault, crash }) => !fault && !crash),
      ) ||
      (this.#options.stopAtFirst === true && found.length > 0)
    );
  }

  /** The first life as it goes without a fault. */
  async begin(): Promise<Lived> {
    const first = await this.firstLife();
    this.report.operations = first.disk.operations.length;
    return first;
  }

  firstLife(fault?: InjectedFault): Promise<Lived> {
    const disk = new SimFileSystem({ seed: this.seed, ...this.#scenario.timing });
    const oracle = new LogOracle(() => disk.operations.length);
    return this.live({ disk, oracle, lives: [{ fault }] }, fault, (world) => this.#scenario.run(world));
  }

  /** Opens what the crash of an earlier life leaves. */
  nextLife(before: Lived, crash: Crash, fault?: InjectedFault): Promise<Lived> {
    this.report.images++;
    const disk = before.disk.crashImage(crash);
    const oracle = before.oracle.afterCrash(crash.at, crash.variant, () => disk.operations.length);
    const lives = [...before.lives.slice(0, -1), { ...before.lives.at(-1), crash }, { fault }];
    return this.live({ disk, oracle, lives }, fault, (world) => this.#scenario.recover(world));
  }

  /** Notes a broken promise in the report. */
  async live(
    lived: Lived,
    fault: InjectedFault | undefined,
    act: (world: World) => Promise<void>,
  ): Promise<Lived> {
    const { disk, oracle, lives, damage } = lived;
    if (fault) disk.failAt(fault);
    const clock = new SimClock();
    const { bug } = this.#options;
    const random = new Random(this.seed, lives.length, lives.at(-2)?.crash?.seed ?? 0);
    const files = bug?.wrap?.(disk) ?? disk;
    const world = { files, disk, clock, oracle, random, bug, faulty: fault !== undefined };
    try {
      await runToEnd(act(world), disk, clock);
    } catch (error) {
      // A log that refuses to work with a failing disk keeps its promises.
      if (fault === undefined || error instanceof Violation) {
        lived.broken = true;
        this.report.violations.push({
          attempt: { seed: this.seed, lives, damage },
          message: messageOf(error),
        });
      }
    } finally {
      disk.abandon();
    }
    return lived;
  }
}

const messageOf = (error: unknown) =>
  error instanceof Violation ? error.message : String((error as Error).stack);

/** Every crash point × every variant. */
export async function sweepCrashes(scenario: Scenario, options: SweepOptions = {}): Promise<SweepReport> {
  const sweep = new Sweep(scenario, 'crashes', options);
  const first = await sweep.begin();
  const { variants = CRASH_VARIANTS, before = () => true } = options;
  const { operations } = first.disk;
  const points = crashPoints(first.disk).filter((at) => at === operations.length || before(operations[at]!));
  const places = points.flatMap((at) => variants.map((variant) => ({ at, variant })));
  for (const place of sample(places, sweep.budget, sweep.seed)) {
    if (sweep.stopped) break;
    await sweep.nextLife(first, { ...place, seed: combineSeeds(sweep.seed, place.at, place.variant) });
  }
  return sweep.report;
}

/**
 * The process dies after each change of a name, before the name is synced; the next one takes up what it finds, and then
 * the power goes: what was found must not be lost again.
 */
export async function sweepKills(scenario: Scenario, options: SweepOptions = {}): Promise<SweepReport> {
  const sweep = new Sweep(scenario, 'kills', options);
  const first = await sweep.begin();
  const { killedAfter = changesNames, variants = CRASH_VARIANTS } = options;
  const places = [...first.disk.operations.entries()].filter(([, operation]) => killedAfter(operation));
  for (const [before] of sample(places, sweep.budget / 8, sweep.seed)) {
    if (sweep.stopped) break;
    const random = new Random(sweep.seed, 'kills', before);
    const second = await sweep.nextLife(first, { at: before + 1, variant: 'kill', seed: 0 });
    const points = options.cutAfter ? placesAfter(second.disk, options.cutAfter) : crashPoints(second.disk);
    for (let power = 0; power < 7 && points.length > 0 && !second.broken; power++) {
      const at = power === 0 ? points.at(-1)! : random.pick(points);
      const variant = random.chance(0.5) ? 'only what was synced' : random.pick(variants);
      await sweep.nextLife(second, { at, variant, seed: random.next() });
    }
  }
  return sweep.report;
}

const changesNames = ({ change }: Operation): boolean =>
  change !== undefined && ['create', 'rename', 'remove'].includes(change.kind);

/** Every call × every error that its kind can have, once and for ever; then crashes. */
export async function sweepErrors(scenario: Scenario, options: SweepOptions = {}): Promise<SweepReport> {
  const sweep = new Sweep(scenario, 'errors', options);
  const first = await sweep.begin();
  const failing = first.disk.operations.filter(options.fails ?? (() => true));
  const faults = failing.flatMap(({ call, kind }) =>
    FAULTS_OF[kind].flatMap((fault) => [false, true].map((forever) => ({ call, forever, fault }))),
  );
  for (const fault of sample(faults, sweep.budget / 4, sweep.seed)) {
    if (sweep.stopped) break;
    const random = new Random(sweep.seed, fault.call, JSON.stringify(fault));
    const failed = await sweep.firstLife(fault);
    if (failed.broken) continue;
    const end = failed.disk.operations.length;
    const later = crashPoints(failed.disk).filter((at) => at >= fault.call || at === end);
    await sweep.nextLife(failed, { at: end, variant: 'kill', seed: 0 });
    await sweep.nextLife(failed, { at: end, variant: 'only what was synced', seed: 0 });
    await sweep.nextLife(failed, { at: end, variant: random.pick(CRASH_VARIANTS), seed: random.next() });
    await sweep.nextLife(failed, {
      at: random.pick(later),
      variant: random.pick(CRASH_VARIANTS),
      seed: random.next(),
    });
  }
  return sweep.report;
}

/** Crashes, and failing calls, during recovery from a crash, three deep, at random. */
export async function sweepCompound(scenario: Scenario, options: SweepOptions = {}): Promise<SweepReport> {
  const sweep = new Sweep(scenario, 'compound', options);
  const first = await sweep.begin();
  const random = new Random(sweep.seed, 'compound');
  let calls = first.disk.calls;
  while (sweep.report.images < sweep.budget && !sweep.stopped) {
    let lived = first;
    for (let depth = 1; depth <= 3 && !lived.broken; depth++) {
      const at = random.pick(crashPoints(lived.disk));
      const fails = depth < 3 && random.chance(0.3);
      const fault = {
        call: random.below(calls),
        forever: random.chance(0.5),
        fault: { error: 'EIO' },
      } as const;
      const crash = { at, variant: random.pick(CRASH_VARIANTS), seed: random.next() };
      lived = await sweep.nextLife(lived, crash, fails ? fault : undefined);
      calls = Math.max(1, lived.disk.calls);
    }
  }
  return sweep.report;
}

/** Runs an attempt again; its violation, if it still has one, is in the report. */
export async function replay(scenario: Scenario, attempt: Attempt, bug?: PlantedBug): Promise<SweepReport> {
  const sweep = new Sweep(scenario, 'replay', { seed: attempt.seed, bug });
  let lived = await sweep.firstLife(attempt.lives[0]!.fault);
  for (let life = 1; life < attempt.lives.length && !lived.broken; life++) {
    lived = await sweep.nextLife(lived, attempt.lives[life - 1]!.crash!, attempt.lives[life]!.fault);
  }
  return sweep.report;
}

const placesAfter = (disk: SimFileSystem, after: (operation: Operation) => boolean): number[] =>
  [...disk.operations.entries()].filter(([, operation]) => after(operation)).map(([before]) => before + 1);

/** Before every operation that changes the disk, and at the end: other places give the same disk and owe less. */
function crashPoints(disk: SimFileSystem): number[] {
  const points = [...disk.operations.keys()].filter((at) => disk.operations[at]!.change !== undefined);
  return [...points, disk.operations.length];
}

/** About `count` of the items, at random. */
function sample<T>(items: readonly T[], count: number, seed: number): T[] {
  const random = new Random(seed, 'sample');
  return items.filter(() => random.chance(count / items.length));
}
