/** What the engine is put through in the crash tests: short runs, each rich in one kind of work. */
import { verifyDirectory } from '../../src/engine/inspection/verify.ts';
import type { AppendShape } from './driver-records.ts';
import { EngineDriver } from './engine-driver.ts';
import type { Scenario, World } from './harness.ts';
import { Violation } from './oracle.ts';

type Settings = Record<string, string | number>;

export const SMALL: Settings = {
  'journal.file.bytes': 65_536,
  'checkpoint.bytes': 65_536,
  'log.dir.reserve.bytes': 0,
};

/** Every commit goes straight to the segments. */
const DIRECT: Settings = { ...SMALL, 'journal.files': 0 };

/** Segments of a few batches each, so that they roll all the time. */
export const ROLLING: Settings = {
  'segment.bytes': 4096,
  'index.interval.bytes': 512,
  'max.message.bytes': 65_536,
};

interface Work {
  readonly name: string;
  readonly settings: Settings;
  readonly timing?: Scenario['timing'];
  /** The first life, which may open and close the engine several times. */
  run(world: World, open: () => Promise<EngineDriver>): Promise<void>;
  /** A later life; default: recoverAndGoOn. */
  readonly recover?: typeof recoverAndGoOn;
  readonly afterDamage?: Scenario['afterDamage'];
}

export function scenario(work: Work): Scenario {
  const { name, timing, settings, run, recover = recoverAndGoOn, afterDamage } = work;
  return {
    name,
    timing,
    afterDamage,
    run: (world) => run(world, () => EngineDriver.open(world, settings)),
    recover: (world) => recover(world, () => EngineDriver.open(world, settings)),
  };
}

async function recoverAndGoOn(world: World, open: () => Promise<EngineDriver>): Promise<void> {
  await goOn(world, await open(), open);
}

/** Checks all that a crash left, appends to all of it, checks again; half of the time after a clean stop. */
async function goOn(world: World, recovered: EngineDriver, open: () => Promise<EngineDriver>): Promise<void> {
  let driver = recovered;
  if (world.faulty) await driver.readAllBack();
  else await driver.check();
  if (world.oracle.state.topics.size === 0) await driver.createTopic('late', 1);
  await appendToAll(world, driver, { records: 2 });
  await appendToAll(world, driver, { records: 1, bytes: 900 });
  await driver.readAllBack();
  if (world.random.chance(0.5)) {
    await driver.close();
    driver = await open();
  }
  if (!world.faulty) await driver.check();
  await driver.close();
}

/** Opens what a crash left while there is no space for anything: all of it is served, and goes on once there is space. */
async function recoverWithoutSpace(world: World, open: () => Promise<EngineDriver>): Promise<void> {
  const { disk, random, clock } = world;
  const isNew = ![...world.oracle.state.topics.values()].some(({ settled }) => settled);
  disk.capacityBytes = disk.usedBytes + (isNew ? 100_000 : random.below(2000));
  let driver = await open();
  // What could not be put in order is served as far as it could.
  const { fencedPartitions } = driver.engine.health();
  const isPartial = fencedPartitions.some(({ topic, partition }) => driver.lacksSpace(topic, partition));
  await driver.readAllBack();
  if (!isPartial) {
    await appendToAll(world, driver, { bytes: 900 });
    await driver.readAllBack();
  }
  disk.capacityBytes = disk.usedBytes + 1_000_000;
  if (isPartial) {
    await driver.close();
    driver = await open();
  }
  // It takes records again before what is in memory only has reached its segments.
  for (let round = 0; round < 3; round++) {
    await clock.advance(150);
    await appendToAll(world, driver, { records: 1 });
  }
  await clock.advance(3000);
  if (!world.faulty && !driver.engine.health().ready)
    throw new Violation(`not ready: ${driver.engine.health().reasons}`);
  await goOn(world, driver, open);
}

/** A batch to each partition of each topic, all at once. */
export async function appendToAll(
  { oracle }: World,
  driver: EngineDriver,
  shape?: AppendShape,
): Promise<void> {
  const appends: Promise<void>[] = [];
  for (const [topic, { settled }] of oracle.state.topics) {
    for (let partition = 0; partition < (settled?.partitions ?? 0); partition++) {
      appends.push(driver.append(topic, partition, shape));
    }
  }
  await Promise.all(appends);
}

export const topicsScenario = scenario({
  name: 'topics',
  settings: SMALL,
  run: async (world, open) => {
    let driver = await open();
    await driver.createTopic('first', 2);
    await driver.createTopic('second', 1, { 'segment.bytes': 8192 });
    await appendToAll(world, driver);
    await driver.alterTopic('first', { partitions: 4, config: { 'segment.ms': 60_000 } });
    await appendToAll(world, driver);
    await driver.deleteTopic('second');
    await driver.createTopic('second', 3, { flush: 'sync' });
    await Promise.all([
      appendToAll(world, driver),
      driver.createTopic('third', 1),
      appendToAll(world, driver),
    ]);
    await driver.alterTopic('second', { config: { 'segment.bytes': 4096 } });
    await Promise.all([appendToAll(world, driver), driver.deleteTopic('first')]);
    await driver.readAllBack();
    await driver.close();
    // What is left of a deletion that failed goes now.
    driver = await open();
    await appendToAll(world, driver);
    await driver.close();
  },
});

export const journalScenario = scenario({
  name: 'many partitions through the journal',
  settings: { ...SMALL, 'journal.files': 2 },
  timing: { delays: 3 },
  run: async (world, open) => {
    let driver = await open();
    await driver.createTopic('wide', 5, ROLLING);
    for (let round = 0; round < 16; round++) {
      const appends = [appendToAll(world, driver), appendToAll(world, driver, { bytes: 700 })];
      if (round % 5 === 0) appends.push(driver.readBack('wide', round % 3));
      await Promise.all(appends);
      if (round % 6 === 0) await world.clock.advance(1000);
      if (round === 9) {
        await driver.close();
        driver = await open();
      }
    }
    await driver.readAllBack();
    await driver.close();
  },
});

export const directScenario = scenario({
  name: 'large batches straight to segments',
  settings: DIRECT,
  // Slow enough for a reader to come between a write and its sync.
  timing: { delays: 3, syncTurns: 60 },
  run: async (_, open) => {
    let driver = await open();
    await driver.createTopic('deep', 2, ROLLING);
    for (let round = 0; round < 14; round++) {
      const appends = [0, 1, 0].map((partition) =>
        driver.append('deep', partition, { records: 3, bytes: round % 4 === 0 ? 2500 : 400 }),
      );
      appends.push(driver.readBack('deep', 0), driver.follow('deep', 0, 6), driver.follow('deep', 1, 3));
      await Promise.all(appends);
      if (round === 7) {
        await driver.close();
        driver = await open();
      }
    }
    await driver.readAllBack();
    await driver.close();
  },
});

export const policiesScenario = scenario({
  name: 'acks and flush policies, idle time',
  settings: { ...SMALL, 'housekeeping.interval.ms': 100 },
  timing: { delays: 3 },
  run: async (world, open) => {
    let driver = await open();
    await driver.createTopic('sync', 2, { 'segment.ms': 5000 });
    await driver.createTopic('interval', 1, { flush: 'interval', 'flush.ms': 500 });
    await driver.createTopic('os', 1, { flush: 'os', 'segment.align': 'hour' });
    for (let round = 0; round < 12; round++) {
      await Promise.all([
        appendToAll(world, driver, { acks: 1 }),
        appendToAll(world, driver, { acks: round % 3 === 0 ? 0 : 'all' }),
        driver.readAllBack(),
      ]);
      await appendToAll(world, driver, { acks: 1, timestamp: world.clock.now() + round * 1_000_000 });
      await world.clock.advance([0, 200, 6000, 600][round % 4]!);
      if (round === 6) {
        await driver.close();
        driver = await open();
      }
    }
    await driver.readAllBack();
    await driver.close();
  },
});

/** Syncs that take long, and appends that come at any moment of them. */
export const overtakingScenario = scenario({
  name: 'appends, rolls and deletions while syncs are under way',
  settings: { ...SMALL, 'journal.files': 2, 'journal.max.partition.bytes': 2000 },
  timing: { delays: 3, syncTurns: 60 },
  run: async (world, open) => {
    const { random } = world;
    let driver = await open();
    await driver.createTopic('now', 2, ROLLING);
    await driver.createTopic('later', 2, { ...ROLLING, flush: 'interval', 'flush.ms': 300 });
    await driver.createTopic('journaled', 2, ROLLING);
    for (let round = 0; round < 10; round++) {
      const calls: Promise<void>[] = [driver.follow('now', 0, 8), driver.follow('later', 1, 8)];
      for (let i = 0; i < 16; i++) {
        const topic = random.chance(0.6) ? 'now' : 'later';
        const acks = random.chance(0.5) ? 1 : 'all';
        calls.push(driver.append(topic, random.below(2), { acks, records: 1, bytes: 300 }));
        calls.push(driver.append('journaled', i % 2, { records: 1, bytes: 500 }));
        for (let turns = random.below(60); turns > 0; turns--) await null;
      }
      calls.push(driver.deleteRecords('later', round % 2, 0.5), driver.readBack('now', 1));
      await Promise.all(calls);
      if (round === 5) {
        await appendToAll(world, driver, { acks: 1 });
        await driver.close();
        driver = await open();
      } else if (round % 2 === 0) {
        await world.clock.advance(1500);
      }
    }
    await driver.readAllBack();
    // Some of it is not synced when the log is closed.
    await appendToAll(world, driver, { acks: 1 });
    await driver.close();
  },
});

export const fullDiskScenario = scenario({
  name: 'a disk that fills and is freed',
  settings: { ...SMALL, 'log.dir.reserve.bytes': 4096, 'journal.max.partition.bytes': 1000 },
  run: async (world, open) => {
    const { disk } = world;
    const driver = await open();
    await driver.createTopic('kept', 3, ROLLING);
    await driver.createTopic('ballast', 1);
    for (let round = 0; round < 6; round++) await appendToAll(world, driver, { records: 2, bytes: 500 });
    for (let round = 0; round < 6; round++) {
      // Somebody else takes nearly all of the space, unnoticed: a write finds out by storing only a part.
      disk.capacityBytes = disk.usedBytes + world.random.below(6000);
      await Promise.all([
        // Several of one segment in a group: of the last one a part fits, and the others are whole.
        ...[1, 2, 3, 4, 5].map(() => driver.append('kept', round % 3, { records: 1, bytes: 600 })),
        driver.append('kept', round % 3, { records: 3, bytes: 3000 }),
        driver.append('ballast', 0),
      ]);
      await appendToAll(world, driver, { bytes: 1500 });
      await driver.readAllBack();
      disk.capacityBytes = disk.usedBytes + 30_000;
      await world.clock.advance(2000);
      // A crash may come here: what was refused must have left nothing behind.
      for (let i = 0; i < 3; i++) await driver.append('ballast', 0);
      await appendToAll(world, driver);
    }
    await driver.deleteTopic('ballast');
    disk.capacityBytes = disk.usedBytes + 1_000_000;
    await world.clock.advance(2000);
    for (let round = 0; round < 2; round++) await appendToAll(world, driver);
    await driver.readAllBack();
    await driver.close();
  },
});

export const noSpaceScenario = scenario({
  name: 'a crash on a full disk',
  settings: { ...SMALL, 'journal.files': 2, 'journal.max.partition.bytes': 1000 },
  timing: { delays: 3 },
  recover: recoverWithoutSpace,
  run: async (world, open) => {
    const driver = await open();
    await driver.createTopic('mixed', 3, ROLLING);
    for (let round = 0; round < 12; round++) {
      await Promise.all([
        appendToAll(world, driver, { bytes: 300 }),
        appendToAll(world, driver, { acks: round % 3 === 0 ? 1 : 'all', bytes: 1500 }),
        driver.append('mixed', round % 3, { records: 3, bytes: 100 }),
      ]);
      if (round % 4 === 3) await world.clock.advance(1000);
    }
    await driver.readAllBack();
    await driver.close();
  },
});

export const retentionScenario = scenario({
  name: 'records that are deleted, by age, by size and on request',
  settings: { ...SMALL, 'journal.files': 2 },
  timing: { delays: 3 },
  run: async (world, open) => {
    let driver = await open();
    await driver.createTopic('sized', 1, { ...ROLLING, 'retention.bytes': 9000 });
    await driver.createTopic('aged', 2, { ...ROLLING, 'retention.ms': 20_000 });
    await driver.createTopic('asked', 2, ROLLING);
    driver.expireAll('sized');
    driver.expireAll('aged');
    for (let round = 0; round < 10; round++) {
      await Promise.all([
        appendToAll(world, driver, { bytes: 500 }),
        appendToAll(world, driver, { bytes: 500 }),
        driver.deleteRecords('asked', round % 2, world.random.below(100) / 100),
        driver.readAllBack(),
      ]);
      await Promise.all([world.clock.advance(3500), driver.readAllBack()]);
      if (round === 6) {
        await driver.close();
        driver = await open();
      }
    }
    // Longer than anything is kept: the active segments roll and go, too.
    for (let second = 0; second < 25; second += 5) await world.clock.advance(5000);
    await driver.readAllBack();
    await driver.close();
  },
});

/** As recoverAndGoOn; what a crash left, and what is left in the end, is verified, and segments are replaced in between. */
async function recoverAndReplace(world: World, open: () => Promise<EngineDriver>): Promise<void> {
  if (!world.faulty) await verify(world);
  const driver = await open();
  await goOn(world, driver, async () => {
    const reopened = await open();
    await replaceInAll(world, reopened, 0.3);
    return reopened;
  });
  if (!world.faulty) await verify(world);
}

export async function verify({ disk }: World): Promise<void> {
  if (!disk.paths().includes('/data/meta.json')) return;
  const { ok, findings } = await verifyDirectory({ directory: '/data', fileSystem: disk });
  if (!ok) throw new Violation(`verify tells of ${JSON.stringify(findings)}`);
}

/** In each partition of each topic once, at the same time. */
async function replaceInAll({ oracle }: World, driver: EngineDriver, share: number): Promise<void> {
  const swaps: Promise<void>[] = [];
  for (const [topic, { settled }] of oracle.state.topics) {
    for (let partition = 0; partition < (settled?.partitions ?? 0); partition++)
      swaps.push(driver.replace(topic, partition, share));
  }
  await Promise.all(swaps);
}

export const swapScenario = scenario({
  name: 'segments that are replaced',
  settings: { ...SMALL, 'journal.files': 2 },
  timing: { delays: 3 },
  recover: recoverAndReplace,
  run: async (world, open) => {
    let driver = await open();
    await driver.createTopic('kept', 2, ROLLING);
    await driver.createTopic('sized', 1, { ...ROLLING, 'retention.bytes': 9000 });
    driver.expireAll('sized');
    for (let round = 0; round < 10; round++) {
      await Promise.all([
        appendToAll(world, driver, { bytes: 500 }),
        appendToAll(world, driver, { bytes: 500 }),
        replaceInAll(world, driver, 0.4),
        driver.deleteRecords('kept', 1, round === 5 ? 0.3 : 0),
        driver.readAllBack(),
      ]);
      await Promise.all([
        world.clock.advance(1200),
        replaceInAll(world, driver, round % 4 === 3 ? 0.9 : 0.4),
        driver.readAllBack(),
      ]);
      if (round === 6) {
        await driver.close();
        driver = await open();
      }
    }
    await driver.readAllBack();
    await driver.close();
  },
});

/** The new files are as large as the old ones, and end where they do: what tells of those seems to tell of these. */
export const regroupScenario = scenario({
  name: 'segments that are replaced by others of the same size',
  settings: { ...SMALL, 'journal.files': 0 },
  timing: { delays: 3 },
  recover: recoverAndReplace,
  run: async (world, open) => {
    const driver = await open();
    await driver.createTopic('kept', 2, { ...ROLLING, 'index.interval.bytes': 256 });
    for (let round = 0; round < 14; round++) {
      await Promise.all([
        appendToAll(world, driver, { bytes: 400 }),
        replaceInAll(world, driver, 0),
        driver.readAllBack(),
      ]);
    }
    await driver.readAllBack();
    await driver.close();
  },
});

export const ENGINE_SCENARIOS = [
  swapScenario,
  regroupScenario,
  retentionScenario,
  topicsScenario,
  journalScenario,
  directScenario,
  policiesScenario,
  overtakingScenario,
  fullDiskScenario,
  noSpaceScenario,
];
