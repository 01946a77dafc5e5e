/**
 * Damage at rest, below everything that was acknowledged: a log that was closed is damaged in one file, and opened.
 * Each record must come back as it was or be named as damaged; what the damage cannot touch must be whole.
 */
import { isSeglogError, SeglogError } from '../../src/engine/common/errors.ts';
import { DAMAGE_KINDS, type Damage, inflict } from './damage.ts';
import { decodeObserved } from './driver-records.ts';
import { EngineDriver } from './engine-driver.ts';
import {
  type Attempt,
  type Lived,
  type Scenario,
  Sweep,
  type SweepOptions,
  type SweepReport,
  type World,
} from './harness.ts';
import { KeyedContent } from './keyed-content.ts';
import { Violation } from './oracle.ts';
import { isSame, logName, type ObservedRecord } from './oracle-check.ts';
import { Random } from './sim/random.ts';

/** Files without which the log does not open at all, and says so. */
const NEEDED_TO_OPEN = /(meta|topic)\.json$/;

/** Damage to these may cost records. */
const HOLDS_RECORDS = /\.(log|journal)$|\/topic\.json$/;

/** Whether damage to this file may cost records of a partition; what is derived is made again. */
function mayCost(path: string, topic: string, partition: number): boolean {
  const segment = path.includes(`/topics/${topic}/${partition}/`) && path.endsWith('.log');
  return segment || path.endsWith('.journal') || path.endsWith(`/topics/${topic}/topic.json`);
}

export async function sweepDamage(scenario: Scenario, options: SweepOptions = {}): Promise<SweepReport> {
  const sweep = new Sweep(scenario, 'damage', options);
  const first = await sweep.begin();
  const random = new Random(sweep.seed, 'damage');
  const paths = first.disk.paths().filter((path) => !/~$|\.lock$|clean-shutdown$/.test(path));
  while (!sweep.stopped && sweep.report.images < sweep.budget) {
    const damage = {
      path: random.pick(paths),
      kind: random.pick(DAMAGE_KINDS),
      seed: random.next(),
      unclean: random.chance(0.5),
    };
    await damagedLife(sweep, scenario, first, damage);
  }
  return sweep.report;
}

export async function replayDamage(scenario: Scenario, { seed, damage }: Attempt): Promise<SweepReport> {
  const sweep = new Sweep(scenario, 'replay', { seed });
  await damagedLife(sweep, scenario, await sweep.firstLife(), damage!);
  return sweep.report;
}

async function damagedLife(sweep: Sweep, scenario: Scenario, before: Lived, damage: Damage): Promise<void> {
  const at = before.disk.operations.length;
  const disk = before.disk.crashImage({ at, variant: 'kill', seed: damage.seed });
  if (!(await inflict(disk, damage, before.disk))) return;
  sweep.report.images++;
  const oracle = before.oracle.afterCrash(at, 'kill', () => disk.operations.length);
  await sweep.live({ disk, oracle, lives: before.lives, damage }, undefined, (world) =>
    survey(world, scenario, damage),
  );
}

/** Opens the damaged log and reads all of it. */
async function survey(world: World, scenario: Scenario, { path }: Damage): Promise<void> {
  let driver: EngineDriver;
  try {
    driver = await EngineDriver.open(world, {});
  } catch (error) {
    if (error instanceof SeglogError && NEEDED_TO_OPEN.test(path)) return;
    throw new Violation(`does not open: ${(error as Error).stack}`);
  }
  for (const [topic, { settled }] of world.oracle.state.topics) {
    for (let partition = 0; partition < (settled?.partitions ?? 0); partition++) {
      const around = await readAround(driver, topic, partition);
      const { damaged } = around;
      if (damaged.length > 0 && !mayCost(path, topic, partition)) {
        throw new Violation(`${topic}-${partition} is damaged at ${JSON.stringify(damaged)}`);
      }
      checkAccounted(world, logName(topic, settled!, partition), around);
    }
  }
  if (!HOLDS_RECORDS.test(path)) await scenario.afterDamage?.(world, driver);
  await driver.engine.close().catch((error) => {
    if (!isSeglogError(error)) throw error;
  });
}

type Range = readonly [firstOffset: number, endOffset: number];

interface Around {
  readonly logStartOffset: number;
  readonly highWatermark: number;
  readonly records: ReadonlyMap<number, ObservedRecord>;
  readonly damaged: readonly Range[];
}

/** Reads a partition, going on behind each damaged range that a read names. */
async function readAround({ engine }: EngineDriver, topic: string, partition: number): Promise<Around> {
  const records = new Map<number, ObservedRecord>();
  const damaged: Range[] = [];
  const { logStartOffset, highWatermark } = engine.offsets(topic, partition);
  for (let offset = logStartOffset; offset < highWatermark; ) {
    try {
      const { chunks, nextOffset } = await engine.read(topic, partition, { offset, maxBytes: 4096 });
      if (nextOffset <= offset)
        throw new Violation(`reading ${topic}-${partition} at ${offset} goes nowhere`);
      for (const record of decodeObserved(chunks, offset)) records.set(record.offset, record);
      offset = nextOffset;
    } catch (error) {
      if (!isSeglogError(error, 'CORRUPT_MESSAGE')) throw error;
      const { firstOffset, endOffset } = error.details as { firstOffset: number; endOffset: number };
      if (!(firstOffset <= offset && offset < endOffset)) {
        throw new Violation(
          `a read of ${topic}-${partition} at ${offset} names ${firstOffset} to ${endOffset}`,
        );
      }
      damaged.push([firstOffset, endOffset]);
      offset = endOffset;
    }
  }
  return { logStartOffset, highWatermark, records, damaged };
}

/** Each record that was acknowledged is there as it was, or lies in a range that was named, or may have been deleted. */
function checkAccounted({ oracle }: World, log: string, around: Around): void {
  const { logStartOffset, records, damaged } = around;
  const found = { ...around, records: [...records.values()], removed: new Set<number>() };
  const keyed = KeyedContent.of(oracle, log, found);
  const { asked } = oracle.startOf(log);
  if (logStartOffset > asked)
    throw new Violation(`${log}: the log starts at ${logStartOffset}, not at ${asked}`);
  for (const batch of oracle.state.batches.values()) {
    if (batch.log !== log || batch.state !== 'stored') continue;
    for (const [index, expected] of batch.records.entries()) {
      const offset = batch.baseOffset! + index;
      if (offset < logStartOffset) continue;
      const found = records.get(offset);
      if (found === undefined && damaged.some(([first, end]) => first <= offset && offset < end)) continue;
      const mayBeGone = oracle.mayBeRemoved(log, offset) || keyed?.mayBeGone(offset);
      if (found === undefined && mayBeGone) continue;
      if (!found || !isSame(found, expected))
        throw new Violation(
          `${log}: offset ${offset} of batch ${batch.number} is ${found ? 'another record' : 'lost in silence'}`,
        );
    }
  }
}
