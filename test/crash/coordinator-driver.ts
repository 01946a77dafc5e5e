/**
 * One life of a group coordinator in the crash tests: its groups, what is done to a group as a whole, time that passes for all
 * of them, and the comparison of what a group says of itself with what is owed.
 */
import type { ErrorCode } from '../../src/engine/common/errors.ts';
import { GroupCoordinator } from '../../src/engine/groups/group-coordinator.ts';
import type { EngineDriver } from './engine-driver.ts';
import { GroupDriver, isRefusal } from './group-driver.ts';
import { nameOf } from './group-ledger.ts';
import type { World } from './harness.ts';
import { Violation } from './oracle.ts';
import { loadPatchedModule } from './patched-engine.ts';

type CoordinatorModule = typeof import('../../src/engine/groups/group-coordinator.ts');

/** More than any group here needs until all of its members know what they are to read. */
const ROUNDS = 8;

export class CoordinatorDriver {
  readonly driver: EngineDriver;
  readonly groups: readonly GroupDriver[];
  readonly #world: World;
  readonly #coordinator: GroupCoordinator;

  private constructor(
    world: World,
    driver: EngineDriver,
    coordinator: GroupCoordinator,
    groups: readonly string[],
  ) {
    this.#world = world;
    this.driver = driver;
    this.#coordinator = coordinator;
    this.groups = groups.map((group) => new GroupDriver(world, driver, coordinator, group));
  }

  static async open(
    world: World,
    driver: EngineDriver,
    groups: readonly string[],
  ): Promise<CoordinatorDriver> {
    const { bug, clock } = world;
    const Coordinator = bug?.patches
      ? (await loadPatchedModule<CoordinatorModule>(bug.name, 'groups/group-coordinator.ts')).GroupCoordinator
      : GroupCoordinator;
    const coordinator = await Coordinator.open(driver.engine, { clock });
    return new CoordinatorDriver(world, driver, coordinator, groups);
  }

  /** The coordinator, and the engine below it. */
  async close(): Promise<void> {
    await this.#coordinator.close();
    await this.driver.close();
  }

  /** All members leave, and the group goes with what it has committed. */
  async delete(group: GroupDriver): Promise<void> {
    const { ledger } = group;
    for (const { id } of ledger.present) await group.leave(id);
    const nothing = ledger.nothing();
    ledger.committing(nothing);
    // Who did not get an answer may be a member still.
    const mayFail = [...ledger.state.members.values()].some(({ state }) => state === 'unsure');
    const codes: ErrorCode[] = ['GROUP_ID_NOT_FOUND', ...(mayFail ? ['NON_EMPTY_GROUP' as const] : [])];
    const answer = await group.ask(codes, async () => {
      await this.#coordinator.delete(ledger.group);
      ledger.committed(nothing);
    });
    if (answer !== undefined && isRefusal(answer)) ledger.refused(nothing);
  }

  /** Sets offsets of a group that has no members. */
  async reset(group: GroupDriver, topic: string): Promise<void> {
    const { ledger } = group;
    const { settled } = this.#world.oracle.topic(topic);
    if (ledger.present.length > 0 || settled === undefined) return;
    const offsets = Array.from({ length: settled.partitions }, (_, partition) => {
      const { logStartOffset, highWatermark } = this.driver.engine.offsets(topic, partition);
      return { topic, partition, offset: logStartOffset + Math.floor((highWatermark - logStartOffset) / 2) };
    });
    const places = new Map(offsets.map(({ partition, offset }) => [nameOf(topic, partition), offset]));
    ledger.committing(places);
    const answer = await group.ask(['NON_EMPTY_GROUP'], async () => {
      await this.#coordinator.reset(ledger.group, { offsets });
      ledger.committed(places);
    });
    if (answer !== undefined && isRefusal(answer)) ledger.refused(places);
  }

  /** Deletes a topic under its readers. */
  async deleteTopic(topic: string): Promise<void> {
    for (const { ledger } of this.groups) ledger.topicDeleting(topic);
    await this.driver.deleteTopic(topic);
    for (const { ledger } of this.groups) ledger.topicDeleted(topic);
  }

  /** Lets time pass, in which all others are heard of and these members are not: they are members no longer. */
  async silence(group: GroupDriver, ids: readonly string[]): Promise<void> {
    const { clock, faulty } = this.#world;
    const { ledger } = group;
    for (const id of ids) ledger.memberChanged({ ...ledger.member(id)!, state: 'unsure' });
    for (let second = 0; second < 13; second++) {
      await clock.advance(1000);
      await this.#hearAll();
    }
    if (faulty) return;
    for (const id of ids) {
      await group.heartbeat(id);
      if (ledger.member(id)!.state !== 'out') throw new Violation(`${id} is a member although it was silent`);
    }
  }

  /** Members are heard of until each partition that somebody wants belongs to somebody. */
  async settle({ ledger }: GroupDriver): Promise<void> {
    const topics = new Set(ledger.present.flatMap((member) => member.topics));
    const wanted = [...topics].flatMap((topic) => {
      const { settled } = this.#world.oracle.topic(topic);
      return Array.from({ length: settled?.partitions ?? 0 }, (_, partition) => nameOf(topic, partition));
    });
    for (let round = 0; round < ROUNDS; round++) {
      // Members that know of nothing new for ever would hold up all others for ever.
      await this.#hearAll({ confirming: round >= ROUNDS / 2 });
      const { present } = ledger;
      const owned = new Set(present.flatMap(({ assignment }) => [...assignment]));
      if (wanted.every((partition) => owned.has(partition)) || present.length === 0) return;
      // Who is gone without having said so is taken out.
      await this.#world.clock.advance(3000);
    }
    if (!this.#world.faulty)
      throw new Violation(`group ${ledger.group} does not come to rest: ${wanted} are owed`);
  }

  /** While time passes, nobody else falls silent. */
  async #hearAll(options = { confirming: false }): Promise<void> {
    for (const group of this.groups)
      for (const { id } of group.ledger.present) await group.heartbeat(id, options);
  }

  async check(group: GroupDriver): Promise<void> {
    const { ledger } = group;
    const answer = await group.ask(['GROUP_ID_NOT_FOUND'], () => this.#compare(group));
    const isOwed = [...ledger.state.committed.values()].some(({ settled }) => settled !== undefined);
    if (answer === 'GROUP_ID_NOT_FOUND' && isOwed) throw new Violation(`group ${ledger.group} is gone`);
  }

  async #compare(driver: GroupDriver): Promise<void> {
    const { ledger } = driver;
    const { generation, members, committed } = ledger.state;
    const found = await this.#coordinator.describe(ledger.group);
    if (found.generation < generation)
      throw new Violation(`group ${ledger.group} is at generation ${found.generation}, after ${generation}`);
    const ids = new Set(found.members.map(({ memberId }) => memberId));
    for (const member of members.values()) {
      const isWrong =
        member.state === 'out' ? ids.has(member.id) : !ids.has(member.id) && !driver.mayBeOut(member);
      if (isWrong) throw new Violation(`${member.id} is ${member.state}, and the group has ${[...ids]}`);
    }
    const seen = new Map<string, number>();
    for (const { topic, partition, committed } of found.offsets)
      if (committed !== null) seen.set(nameOf(topic, partition), committed);
    for (const partition of new Set([...seen.keys(), ...committed.keys()]))
      ledger.seen(partition, seen.get(partition), true);
  }

  /** After a start: members are there as they were, and go on. */
  async resume(): Promise<void> {
    for (const group of this.groups) {
      await this.check(group);
      for (const { id } of group.ledger.present) {
        await group.poll(id);
        await group.commit(id);
      }
      await group.strayCommit();
      await this.settle(group);
      await this.check(group);
    }
  }

  async checkAll(): Promise<void> {
    for (const group of this.groups) await this.check(group);
  }
}
