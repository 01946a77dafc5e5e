/** What cleans up logs in the background, put through the crash tests: its passes as the engine runs them. */
import { CleaningDriver } from './cleaning-driver.ts';
import type { AppendShape } from './driver-records.ts';
import type { EngineDriver } from './engine-driver.ts';
import { appendToAll, ROLLING, SMALL, scenario, verify } from './engine-scenarios.ts';
import type { World } from './harness.ts';

/** Longer than a job that is tried again and again goes on. */
const DELETE_RETENTION_MS = 60_000;
const AN_HOUR_MS = 3_600_000;

/** Nothing is done but what is asked for. A pass over more keys than these takes several rounds. */
const BY_HAND = {
  ...SMALL,
  'journal.files': 2,
  'housekeeping.interval.ms': AN_HOUR_MS,
  'log.cleaner.dedupe.buffer.size': 1024,
};
const BY_ITSELF = { ...BY_HAND, 'housekeeping.interval.ms': 1000, 'background.threads': 3 };

const COMPACTED = {
  ...ROLLING,
  'cleanup.policy': 'compact',
  'delete.retention.ms': DELETE_RETENTION_MS,
  'min.cleanable.dirty.ratio': 0.3,
};
const BOTH = { ...COMPACTED, 'cleanup.policy': 'compact,delete' };
/** Records and keys are small, and many: batches and segments merge. */
const KEYED: AppendShape = { records: 12, bytes: 25, keys: 90, tombstones: 0.2 };
/** Nothing of it is ever old. */
const UNIQUE: AppendShape = { records: 2, bytes: 40, keys: 1_000_000 };
/** Soon all of a batch is old. */
const NARROW: AppendShape = { records: 2, bytes: 200, keys: 3, tombstones: 0.1 };
const LARGER: AppendShape = { records: 4, bytes: 300, keys: 90, tombstones: 0.1 };

/**
 * Checks all that a crash left, and goes on: compacts it, and again when the time of all tombstones is over. Verified before
 * and after.
 */
async function recoverAndClean(world: World, open: () => Promise<EngineDriver>): Promise<void> {
  if (!world.faulty) await verify(world);
  let driver = await open();
  const check = () => checkAll(world, driver);
  await check();
  if (world.oracle.state.topics.size === 0) await driver.createTopic('late', 1, COMPACTED);
  for (let pass = 0; pass < 2; pass++) {
    // Whatever was stamped, also by the clock of an earlier life; or the next pass is one that only stamps.
    if (pass > 0 || world.random.chance(0.5)) world.clock.jump(AN_HOUR_MS);
    await new CleaningDriver(world, driver).compactAll();
    await check();
    await appendToAll(world, driver, KEYED);
    if (pass === 0 && world.random.chance(0.5)) {
      await driver.close();
      driver = await open();
    }
  }
  await check();
  await driver.close();
  if (!world.faulty) await verify(world);
}

/** After a failure a topic, or a partition, may be there or not until the next start. */
const checkAll = ({ faulty }: World, driver: EngineDriver) =>
  faulty ? driver.readAllBack() : driver.check();

/** Somebody reads nearly all the time, so that segments are replaced under readers. */
async function readAlong(driver: EngineDriver, topic: string): Promise<void> {
  for (let i = 0; i < 12; i++) await driver.readBack(topic, 0);
}

export const compactionScenario = scenario({
  name: 'compaction in several rounds, and of what it left',
  settings: BY_HAND,
  timing: { delays: 3 },
  recover: recoverAndClean,
  run: async (world, open) => {
    let driver = await open();
    await driver.createTopic('wide', 1, COMPACTED);
    await driver.createTopic('narrow', 1, COMPACTED);
    for (let round = 0; round < 7; round++) {
      const cleaning = new CleaningDriver(world, driver);
      for (const shape of [LARGER, KEYED, KEYED, LARGER]) await driver.append('wide', 0, shape);
      for (const shape of [UNIQUE, NARROW, NARROW, UNIQUE, NARROW, NARROW, NARROW])
        await driver.append('narrow', 0, shape);
      await Promise.all([
        cleaning.compactAll(),
        readAlong(driver, 'wide'),
        readAlong(driver, 'narrow'),
        readAlong(driver, 'narrow'),
        appendToAll(world, driver, KEYED).then(() => appendToAll(world, driver, LARGER)),
        driver.follow('wide', 0, 6),
      ]);
      if (round % 2 === 1) world.clock.jump(DELETE_RETENTION_MS + 2000);
      if (round === 4) {
        await driver.close();
        driver = await open();
      }
    }
    await checkAll(world, driver);
    await driver.close();
  },
});

export const interruptedScenario = scenario({
  name: 'closes, deletions of records and of topics in the middle of compaction',
  settings: BY_HAND,
  timing: { delays: 3 },
  recover: recoverAndClean,
  run: async (world, open) => {
    const { random } = world;
    let driver = await open();
    const pause = async () => {
      for (let turns = random.below(400); turns > 0; turns--) await null;
    };
    await driver.createTopic('both', 2, BOTH);
    driver.expireAll('both');
    for (let round = 0; round < 6; round++) {
      if (round % 2 === 0) await driver.createTopic('brief', 1, COMPACTED);
      for (const shape of [KEYED, NARROW, LARGER, KEYED]) await appendToAll(world, driver, shape);
      const cleaning = new CleaningDriver(world, driver);
      await Promise.all([
        cleaning.compact('brief', { mayEnd: true }),
        cleaning.compact('both'),
        pause().then(() => driver.deleteRecords('both', round % 2, random.below(60) / 100)),
        round % 2 === 0 ? undefined : pause().then(() => driver.deleteTopic('brief')),
        driver.readBack('both', 0),
        driver.readBack('both', 1),
      ]);
      await appendToAll(world, driver, KEYED);
      world.clock.jump(DELETE_RETENTION_MS / 2);
      const cut = cleaning.compact('both', { mayEnd: true });
      await pause();
      await Promise.all([cut, driver.close()]);
      driver = await open();
    }
    await new CleaningDriver(world, driver).compact('both');
    await checkAll(world, driver);
    await driver.close();
  },
});

/** All of it as housekeeping finds it to be due. */
export const cleaningScenario = scenario({
  name: 'compaction, retention and recompression when they fall due',
  settings: BY_ITSELF,
  timing: { delays: 3 },
  recover: recoverAndClean,
  run: async (world, open) => {
    let driver = await open();
    await driver.createTopic('keyed', 1, { ...COMPACTED, 'recompress.after.ms': 8000 });
    await driver.createTopic('sized', 1, { ...BOTH, 'retention.bytes': 9000 });
    await driver.createTopic('aged', 1, { ...BOTH, 'retention.ms': 7000 });
    await driver.createTopic('cold', 1, { ...ROLLING, 'recompress.after.ms': 2500 });
    driver.expireAll('sized');
    driver.expireAll('aged');
    for (let round = 0; round < 9; round++) {
      await appendToAll(world, driver, LARGER);
      await Promise.all([appendToAll(world, driver, KEYED), driver.readAllBack()]);
      await Promise.all([world.clock.advance(1600), driver.readAllBack()]);
      if (round % 4 === 3) world.clock.jump(DELETE_RETENTION_MS / 2);
      if (round === 3) await new CleaningDriver(world, driver).retain('sized');
      if (round === 5) {
        await driver.close();
        driver = await open();
      }
    }
    await checkAll(world, driver);
    await driver.close();
  },
});

export const CLEANING_SCENARIOS = [compactionScenario, interruptedScenario, cleaningScenario];
