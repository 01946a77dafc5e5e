/** Producers and requests that are sent again, put through the crash tests: after refusals, failures, starts, rolls, compaction. */

import type { SendShape } from './append-tries.ts';
import { CleaningDriver } from './cleaning-driver.ts';
import type { EngineDriver } from './engine-driver.ts';
import { ROLLING, SMALL, scenario, verify } from './engine-scenarios.ts';
import type { World } from './harness.ts';
import { ProducerDriver } from './producer-driver.ts';

/** What is derived from the log about producers; without it the log itself must tell. */
const SNAPSHOT = /\/producers$/;

/** Some of the time the snapshots are gone, or are not what they were. */
async function loseSnapshots({ disk, random }: World): Promise<void> {
  const way = random.pick(['keep', 'keep', 'remove', 'damage'] as const);
  if (way === 'keep') return;
  for (const path of disk.paths().filter((path) => SNAPSHOT.test(path))) {
    if (random.chance(0.3)) continue;
    if (way === 'remove') await disk.remove(path);
    else
      disk.plant(
        path,
        disk.contents(path).map((byte, at) => (at === 40 ? byte ^ 1 : byte)),
      );
  }
}

function recoverAndRetry(shape: SendShape, isCompacted = false, losesSnapshots = true) {
  return async (world: World, open: () => Promise<EngineDriver>): Promise<void> => {
    const { disk } = world;
    if (disk.isLimited) disk.capacityBytes = disk.usedBytes + 1_000_000;
    if (!world.faulty) await verify(world);
    if (losesSnapshots && world.random.chance(0.5)) await loseSnapshots(world);
    let driver = await open();
    const check = () => (world.faulty ? driver.readAllBack() : driver.check());
    await check();
    await new ProducerDriver(world, driver, shape).resume();
    if (isCompacted) await new CleaningDriver(world, driver).compactAll();
    await driver.readAllBack();
    await new ProducerDriver(world, driver, shape).goOn();
    if (world.random.chance(0.5)) {
      await driver.close();
      if (losesSnapshots && world.random.chance(0.3)) await loseSnapshots(world);
      driver = await open();
    }
    await new ProducerDriver(world, driver, shape).resume();
    await check();
    await driver.close();
    if (!world.faulty) await verify(world);
  };
}

/** A few batches of producers and requests of all kinds, at the same time. */
async function oneRound(
  world: World,
  producers: ProducerDriver,
  topic: string,
  round: number,
  shape: SendShape,
): Promise<void> {
  const { random } = world;
  const names = ['steady', 'other', 'single', 'both'].map((name) => `${name} of ${topic}`);
  const [steady, other, single, both] = names as [string, string, string, string];
  const large = { ...shape, bytes: 700 };
  // Of a compacted log the oracle does not know what only was written, and is gone.
  const quick = shape.keys === undefined ? 1 : 'all';
  await Promise.all([
    producers.send(steady, topic, 0, [shape, large, shape]),
    producers.send(other, topic, 1, [{ ...shape, acks: quick }, shape]),
    producers.request(single, topic, [round % 2], round % 3 === 0 ? { ...shape, acks: quick } : shape),
    producers.request(both, topic, [0, 1], large),
    producers.appendAtEnd(topic, round % 2, [shape, shape]),
  ]);
  await producers.settle(steady);
  await Promise.all([
    producers.repeat(steady),
    producers.sendTwice(other, shape),
    producers.repeatRequests(both, 2),
    producers.settleRequests(single),
    producers.requestTwice(single, topic, [round % 2], shape),
  ]);
  if (round % 3 === 1) await producers.nextEpoch(random.pick([steady, other]), shape);
  await Promise.all([producers.stray(steady, shape), producers.reuseKey(single), producers.settle(other)]);
  // While a commit is on its way, both wait for the same group.
  await Promise.all([
    producers.send(steady, topic, 0, [shape]),
    producers.appendAtEnd(topic, 1, [shape, shape]),
  ]);
  await producers.settle(steady);
  await producers.settleRequests(both);
}

const retryAfterDamage = (shape: SendShape) => (world: World, driver: EngineDriver) =>
  new ProducerDriver(world, driver, shape).resume();

const SMALL_BATCHES: SendShape = { bytes: 150 };

export const journaledProducersScenario = scenario({
  name: 'producers that try again, through the journal',
  settings: { ...SMALL, 'journal.files': 2 },
  timing: { delays: 3 },
  recover: recoverAndRetry(SMALL_BATCHES),
  afterDamage: retryAfterDamage(SMALL_BATCHES),
  run: async (world, open) => {
    let driver = await open();
    await driver.createTopic('orders', 2, ROLLING);
    for (let round = 0; round < 9; round++) {
      await oneRound(world, new ProducerDriver(world, driver, SMALL_BATCHES), 'orders', round, SMALL_BATCHES);
      if (round % 3 === 2) await world.clock.advance(1000);
      if (round % 4 === 3) {
        await driver.close();
        driver = await open();
        await new ProducerDriver(world, driver, SMALL_BATCHES).resume();
      }
    }
    await driver.readAllBack();
    await driver.close();
  },
});

export const directProducersScenario = scenario({
  name: 'producers that try again while syncs are under way',
  settings: { ...SMALL, 'journal.files': 0, 'housekeeping.interval.ms': 100 },
  timing: { delays: 3, syncTurns: 60 },
  recover: recoverAndRetry(SMALL_BATCHES),
  afterDamage: retryAfterDamage(SMALL_BATCHES),
  run: async (world, open) => {
    let driver = await open();
    await driver.createTopic('orders', 2, ROLLING);
    await driver.createTopic('later', 2, { ...ROLLING, flush: 'interval', 'flush.ms': 300 });
    for (let round = 0; round < 7; round++) {
      const producers = new ProducerDriver(world, driver, SMALL_BATCHES);
      const topic = round % 2 === 0 ? 'orders' : 'later';
      await Promise.all([
        producers.send('quick', 'later', 1, [{ acks: 1 }, { acks: 1 }, { acks: 'all' }]),
        producers.request('quick requests', 'later', [0], { acks: 1 }),
        oneRound(world, producers, topic, round, SMALL_BATCHES),
      ]);
      await producers.repeat('quick');
      await producers.settle('quick');
      await producers.repeatRequests('quick requests', 3);
      await world.clock.advance(round % 3 === 0 ? 500 : 0);
      if (round === 3) {
        await driver.close();
        driver = await open();
      }
    }
    await driver.readAllBack();
    await driver.close();
  },
});

/** More of a producer's batches than are remembered come while a sync is under way, behind which a snapshot is made. */
export const aheadProducersScenario = scenario({
  name: 'a producer that is ahead of the syncs',
  settings: { ...SMALL, 'journal.files': 0, 'housekeeping.interval.ms': 3_600_000 },
  timing: { delays: 2, syncTurns: 400 },
  // Of what is deleted only the snapshot tells.
  recover: recoverAndRetry(SMALL_BATCHES, false, false),
  run: async (world, open) => {
    const driver = await open();
    await driver.createTopic('ahead', 1, { ...ROLLING, flush: 'os' });
    const quick = Array.from({ length: 3 }, () => ({ acks: 1 as const }));
    for (let round = 0; round < 5; round++) {
      const producers = new ProducerDriver(world, driver, SMALL_BATCHES);
      await producers.send('ahead', 'ahead', 0, quick);
      const deleted = driver.deleteRecords('ahead', 0, 0.5);
      for (let i = 0; i < 3; i++) await producers.send('ahead', 'ahead', 0, quick);
      await deleted;
      await producers.repeat('ahead');
      if (round % 2 === 0) await producers.send('ahead', 'ahead', 0, [{ acks: 'all' }]);
    }
    await driver.readAllBack();
    await driver.close();
  },
});

const KEYED: SendShape = { records: 6, bytes: 60, keys: 12, tombstones: 0.1 };

export const compactedProducersScenario = scenario({
  name: 'producers that try again in a log that is compacted',
  settings: { ...SMALL, 'journal.files': 2, 'housekeeping.interval.ms': 3_600_000 },
  timing: { delays: 3 },
  recover: recoverAndRetry(KEYED, true),
  afterDamage: retryAfterDamage(KEYED),
  run: async (world, open) => {
    let driver = await open();
    const config = { ...ROLLING, 'cleanup.policy': 'compact', 'min.cleanable.dirty.ratio': 0.3 };
    await driver.createTopic('latest', 2, config);
    for (let round = 0; round < 6; round++) {
      const producers = new ProducerDriver(world, driver, KEYED);
      await Promise.all([
        oneRound(world, producers, 'latest', round, KEYED),
        new CleaningDriver(world, driver).compact('latest'),
      ]);
      await new CleaningDriver(world, driver).compact('latest');
      await producers.repeat('steady of latest');
      await producers.repeatRequests('both of latest', 3);
      if (round === 3) {
        await driver.close();
        driver = await open();
        await new ProducerDriver(world, driver, KEYED).resume();
      }
    }
    await driver.readAllBack();
    await driver.close();
  },
});

/** What did not fit is sent again, once there is space. */
export const fullProducersScenario = scenario({
  name: 'producers on a disk that fills and is freed',
  settings: { ...SMALL, 'log.dir.reserve.bytes': 4096, 'journal.max.partition.bytes': 1000 },
  recover: recoverAndRetry(SMALL_BATCHES),
  afterDamage: retryAfterDamage(SMALL_BATCHES),
  run: async (world, open) => {
    const { disk } = world;
    let driver = await open();
    await driver.createTopic('orders', 2, ROLLING);
    for (let round = 0; round < 8; round++) {
      const producers = new ProducerDriver(world, driver, SMALL_BATCHES);
      const large = { bytes: 900 };
      if (round > 0) disk.capacityBytes = disk.usedBytes + world.random.below(9000);
      await Promise.all([
        producers.send('steady', 'orders', 0, [large, {}, large]),
        producers.send('other', 'orders', 1, [large, large]),
        producers.request('both', 'orders', [0, 1], large),
      ]);
      await producers.settle('steady');
      await producers.settleRequests('both');
      disk.capacityBytes = disk.usedBytes + 60_000;
      await world.clock.advance(2000);
      for (const name of ['steady', 'other']) {
        await producers.settle(name);
        await producers.repeat(name);
        await producers.stray(name);
      }
      await producers.settleRequests('both');
      await producers.repeatRequests('both', 3);
      if (round === 4) {
        await driver.close();
        driver = await open();
      }
    }
    await driver.readAllBack();
    await driver.close();
  },
});

export const PRODUCER_SCENARIOS = [
  journaledProducersScenario,
  directProducersScenario,
  aheadProducersScenario,
  compactedProducersScenario,
  fullProducersScenario,
];
