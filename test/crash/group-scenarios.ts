/** Consumer groups, put through the crash tests: members that come, go, fall silent, read and commit while records are appended. */
import { CoordinatorDriver } from './coordinator-driver.ts';
import type { EngineDriver } from './engine-driver.ts';
import { appendToAll, ROLLING, SMALL, scenario, verify } from './engine-scenarios.ts';
import type { GroupDriver } from './group-driver.ts';
import type { World } from './harness.ts';

const GROUPS = ['readers', 'audit'];
const EIGHT_DAYS_MS = 8 * 86_400_000;

async function openGroups(world: World, open: () => Promise<EngineDriver>): Promise<CoordinatorDriver> {
  return CoordinatorDriver.open(world, await open(), GROUPS);
}

/** What a member does of itself. */
async function readOn(group: GroupDriver, id: string, { onward = false } = {}): Promise<void> {
  await group.poll(id);
  if (onward) await group.poll(id, { onward: true });
  await group.commit(id);
}

/** All members read and commit, at the same time. */
async function readAll({ groups }: CoordinatorDriver, onward = false): Promise<void> {
  const members = groups.flatMap((group) =>
    group.ledger.present.map(({ id }) => readOn(group, id, { onward })),
  );
  await Promise.all(members);
}

/** A member that has read something leaves while it commits; who gets its partitions is waiting for them. */
async function handOver(group: GroupDriver): Promise<void> {
  const leaving = group.ledger.present.find(({ assignment }) => assignment.size > 0);
  if (leaving === undefined) return;
  await group.poll(leaving.id);
  const others = group.ledger.present.filter(({ id }) => id !== leaving.id);
  await Promise.all([
    group.leaveCommitting(leaving.id),
    ...others.map(({ id }) => group.poll(id, { waitMs: 200 })),
  ]);
}

async function recoverAndConsume(world: World, open: () => Promise<EngineDriver>): Promise<void> {
  if (!world.faulty) await verify(world);
  let opened = await openGroups(world, open);
  const check = () => (world.faulty ? opened.driver.readAllBack() : opened.driver.check());
  await check();
  await opened.resume();
  if (world.oracle.state.topics.size === 0) await opened.driver.createTopic('late', 2);
  await appendToAll(world, opened.driver, { records: 2 });
  const topics = [...world.oracle.state.topics.keys()];
  await Promise.all([opened.groups[0]!.join({ topics }), readAll(opened)]);
  if (world.random.chance(0.5)) {
    await opened.close();
    opened = await openGroups(world, open);
  }
  await opened.resume();
  await readAll(opened);
  await opened.checkAll();
  await check();
  await opened.close();
  if (!world.faulty) await verify(world);
}

export const rebalancesScenario = scenario({
  name: 'groups that rebalance while they read',
  settings: { ...SMALL, 'journal.files': 2 },
  timing: { delays: 3 },
  recover: recoverAndConsume,
  run: async (world, open) => {
    let opened = await openGroups(world, open);
    const { random } = world;
    await opened.driver.createTopic('wide', 4, ROLLING);
    for (let round = 0; round < 8; round++) {
      const { driver, groups } = opened;
      const [readers, audit] = groups as [GroupDriver, GroupDriver];
      const joins =
        round % 2 === 0 ? readers.join({ topics: ['wide'] }) : audit.join({ topics: ['wide', 'narrow'] });
      await Promise.all([joins, appendToAll(world, driver), readAll(opened, round % 3 === 0)]);
      await readAll(opened);
      const present = readers.ledger.present;
      if (round === 2) await driver.createTopic('narrow', 2, ROLLING);
      if (round === 4) await driver.alterTopic('wide', { partitions: 6 });
      if (round % 3 === 2) await Promise.all([readers.leave(random.pick(present).id), readAll(opened)]);
      if (round === 5) await opened.silence(readers, [present.at(-1)!.id]);
      if (round === 6) {
        await Promise.all([opened.delete(audit), readAll(opened)]);
        await opened.reset(audit, 'wide');
        await Promise.all([opened.deleteTopic('narrow'), readAll(opened)]);
        await driver.createTopic('narrow', 1, ROLLING);
      }
      await Promise.all([readers.strayCommit(), audit.strayCommit(), readAll(opened)]);
      for (const group of groups) await opened.settle(group);
      if (round === 3) {
        await opened.close();
        opened = await openGroups(world, open);
      }
    }
    await readAll(opened);
    await opened.checkAll();
    await opened.driver.readAllBack();
    await opened.close();
  },
});

/** Much goes on while a change of the group, or a commit, is on its way to the disk. */
export const slowGroupsScenario = scenario({
  name: 'groups while syncs are under way',
  settings: { ...SMALL, 'journal.files': 0 },
  timing: { delays: 3, syncTurns: 60 },
  recover: recoverAndConsume,
  run: async (world, open) => {
    const { random } = world;
    let opened = await openGroups(world, open);
    await opened.driver.createTopic('wide', 3, ROLLING);
    const resets = ['earliest', 'latest', 'by_duration:PT1H', 'none'];
    for (let round = 0; round < 6; round++) {
      const { driver, groups } = opened;
      const [readers, audit] = groups as [GroupDriver, GroupDriver];
      const calls: Promise<unknown>[] = [appendToAll(world, driver, { bytes: 300 })];
      for (let i = 0; i < 12; i++) {
        const group = random.pick([readers, readers, audit]);
        const present = group.ledger.present;
        const way = present.length < 2 ? 0 : random.below(10);
        const id = present.length === 0 ? '' : random.pick(present).id;
        if (way < 2) calls.push(group.join({ topics: ['wide'], autoOffsetReset: random.pick(resets) }));
        else if (way === 2) calls.push(group.leave(id));
        else if (way === 3) calls.push(group.strayCommit());
        else if (way < 6) calls.push(group.heartbeat(id));
        else calls.push(readOn(group, id, { onward: random.chance(0.3) }));
        for (let turns = random.below(80); turns > 0; turns--) await null;
      }
      await Promise.all(calls);
      await appendToAll(world, driver, { records: 1 });
      for (const group of groups) {
        await handOver(group);
        await opened.check(group);
      }
      if (round % 2 === 1) {
        await opened.close();
        opened = await openGroups(world, open);
        await opened.resume();
      }
    }
    await readAll(opened);
    await opened.close();
  },
});

/** The internal topic rolls and is compacted, and says the same. */
export const oldGroupsScenario = scenario({
  name: 'groups of which the records are compacted',
  settings: { ...SMALL, 'housekeeping.interval.ms': 1000 },
  timing: { delays: 3 },
  recover: recoverAndConsume,
  run: async (world, open) => {
    let opened = await openGroups(world, open);
    await opened.driver.createTopic('wide', 4, ROLLING);
    for (let round = 0; round < 5; round++) {
      const [readers, audit] = opened.groups as [GroupDriver, GroupDriver];
      await Promise.all([readers.join({ topics: ['wide'] }), audit.join({ topics: ['wide'] })]);
      for (let i = 0; i < 3; i++) {
        await appendToAll(world, opened.driver);
        await readAll(opened);
      }
      world.clock.jump(EIGHT_DAYS_MS);
      await Promise.all([world.clock.advance(2500), readAll(opened)]);
      for (const group of opened.groups) {
        const { present } = group.ledger;
        if (present.length > 2) await group.leave(present[0]!.id);
        await opened.check(group);
      }
      if (round === 2) {
        await opened.close();
        opened = await openGroups(world, open);
      }
    }
    await opened.resume();
    await opened.close();
  },
});

export const GROUP_SCENARIOS = [rebalancesScenario, slowGroupsScenario, oldGroupsScenario];
