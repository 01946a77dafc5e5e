/**
 * Members of consumer groups in the crash tests: each asks one thing at a time, as a consumer does, and all that they are told
 * is compared with what the group owes (group-ledger.ts).
 */
import { type ErrorCode, SeglogError } from '../../src/engine/common/errors.ts';
import { GROUPS_TOPIC } from '../../src/engine/directory/internal-topics.ts';
import { GroupCoordinator } from '../../src/engine/groups/group-coordinator.ts';
import type { JoinRequest, MemberView, PartitionOffset, PollAnswer } from '../../src/engine/groups/types.ts';
import { decodeObserved } from './driver-records.ts';
import { type EngineDriver, NOTHING_STORED } from './engine-driver.ts';
import { GroupLedger, type MemberClient, nameOf, namesOf } from './group-ledger.ts';
import type { World } from './harness.ts';
import { Violation } from './oracle.ts';
import { loadPatchedModule } from './patched-engine.ts';
import type { Operation } from './sim/kernel.ts';

type CoordinatorModule = typeof import('../../src/engine/groups/group-coordinator.ts');

/** More than any group here needs until all of its members know what they are to read. */
const ROUNDS = 8;

/** In answer to these nothing was changed. */
const NOTHING_CHANGED: readonly ErrorCode[] = [
  'UNKNOWN_MEMBER_ID',
  'FENCED_MEMBER_EPOCH',
  'INCONSISTENT_GROUP_PROTOCOL',
  'GROUP_ID_NOT_FOUND',
  'NON_EMPTY_GROUP',
  'NO_COMMITTED_OFFSET',
  'OFFSET_OUT_OF_RANGE',
];

/** What a member of this process knows beside what outlives a crash. */
interface Session {
  /** By the monotonic clock: when it asked last. */
  askedAt: number;
  positions: readonly PartitionOffset[];
  cursor: string | null;
  /** One thing at a time. */
  turn: Promise<unknown>;
}

export class GroupDriver {
  readonly coordinator: GroupCoordinator;
  readonly ledger: GroupLedger;
  readonly #world: World;
  readonly #driver: EngineDriver;
  readonly #openedAt: number;
  readonly #sessions = new Map<string, Session>();
  /** By partition: who was told first that it owns it, and how many syncs of the groups' log there had been. */
  readonly #given = new Map<string, { id: string; generation: number; syncs: number }>();
  /** All groups of the coordinator, this one too. */
  readonly #all: readonly GroupDriver[];

  private constructor(
    world: World,
    driver: EngineDriver,
    coordinator: GroupCoordinator,
    group: string,
    all: readonly GroupDriver[],
  ) {
    this.#world = world;
    this.#driver = driver;
    this.coordinator = coordinator;
    this.#all = all;
    this.ledger = new GroupLedger(world.oracle, group);
    this.#openedAt = world.clock.monotonic();
  }

  /** A driver for each of the groups; one coordinator for all. */
  static async open(world: World, driver: EngineDriver, groups: readonly string[]): Promise<GroupDriver[]> {
    const { bug, clock } = world;
    const Coordinator = bug?.patches
      ? (await loadPatchedModule<CoordinatorModule>(bug.name, 'groups/group-coordinator.ts')).GroupCoordinator
      : GroupCoordinator;
    const coordinator = await Coordinator.open(driver.engine, { clock });
    const drivers: GroupDriver[] = [];
    for (const group of groups) drivers.push(new GroupDriver(world, driver, coordinator, group, drivers));
    return drivers;
  }

  get #group(): string {
    return this.ledger.group;
  }

  /** Joins; who does not get an answer does not come back. */
  async join(request: JoinRequest): Promise<string | undefined> {
    const since = this.ledger.state.generation;
    const { sessionTimeoutMs = 10_000, topics, autoOffsetReset: reset = 'earliest' } = request;
    let id: string | undefined;
    await this.#ask([], async () => {
      const view = await this.coordinator.join(this.#group, { ...request, sessionTimeoutMs });
      id = view.memberId;
      this.ledger.joined({ id, topics, sessionTimeoutMs, reset });
      this.#told(id, view, since);
    });
    return id;
  }

  heartbeat(id: string): Promise<void> {
    return this.#inTurn(id, (member) =>
      this.#ask(this.#mayBeOut(member) ? ['UNKNOWN_MEMBER_ID'] : [], async () => {
        const { generation } = this.ledger.state;
        // Who says nothing of a generation confirms what it was told; an older one confirms nothing new.
        const given = this.#world.random.pick([undefined, member.generation, member.formerGeneration]);
        this.ledger.confirming(id, given ?? member.generation);
        const options = given === undefined ? {} : { generation: given };
        this.#told(id, await this.coordinator.heartbeat(this.#group, id, options), generation);
      }).then((answer) => this.#lost(id, answer)),
    );
  }

  /** Reads on from what is committed; with `onward` behind what it was given before. */
  poll(id: string, { waitMs = 0, onward = false } = {}): Promise<void> {
    return this.#inTurn(id, (member, session) => {
      const codes: ErrorCode[] = this.#mayBeOut(member) ? ['UNKNOWN_MEMBER_ID'] : [];
      if (member.reset === 'none') codes.push('NO_COMMITTED_OFFSET');
      return this.#ask(codes, async () => {
        const { generation } = this.ledger.state;
        this.ledger.confirming(id, member.generation);
        const cursor = onward ? (session.cursor ?? undefined) : undefined;
        const due = this.#readable(member);
        const answer = await this.coordinator.poll(this.#group, id, { waitMs, cursor, maxBytes: 3000 });
        this.#told(id, answer, generation);
        session.cursor = answer.cursor;
        session.positions = answer.positions;
        this.#checkPoll(answer, cursor !== undefined, due);
      }).then((answer) => this.#lost(id, answer));
    });
  }

  /** Commits what the last poll gave. */
  commit(id: string): Promise<void> {
    return this.#inTurn(id, (member, session) => {
      const isOwn = ({ topic, partition }: PartitionOffset) =>
        member.assignment.has(nameOf(topic, partition)) || member.revoking.has(nameOf(topic, partition));
      const offsets = session.positions.filter(isOwn);
      if (offsets.length === 0) return Promise.resolve();
      const mayBeFenced = this.#mayBeOut(member) || member.generation === 0;
      return this.#commit(
        member,
        member.generation,
        offsets,
        mayBeFenced ? 'may be refused' : 'must be stored',
      );
    });
  }

  /** Commits what it must not: of a member that is out, or of a partition that somebody else has. */
  async strayCommit(): Promise<void> {
    const { random } = this.#world;
    const { members, generation } = this.ledger.state;
    const present = this.ledger.present.filter((member) => !this.#mayBeOut(member));
    const owner = present.find(({ assignment }) => assignment.size > 0);
    if (owner === undefined) return;
    const strangers = [...members.values()].filter(
      ({ id, state }) => id !== owner.id && (state === 'out' || present.some((other) => other.id === id)),
    );
    if (strangers.length === 0) return;
    const stranger = random.pick(strangers);
    const [topic, partition] = [...owner.assignment][0]!.split('/') as [string, string];
    const offsets = [{ topic, partition: Number(partition), offset: 0 }];
    await this.#commit(stranger, random.pick([generation, stranger.generation]), offsets, 'must be refused');
  }

  leave(id: string): Promise<void> {
    return this.#inTurn(id, (member) => {
      this.ledger.memberChanged({ ...member, state: 'unsure' });
      return this.#ask(['UNKNOWN_MEMBER_ID'], async () => {
        await this.coordinator.leave(this.#group, id);
        this.#out(id);
      }).then((answer) => this.#lost(id, answer));
    });
  }

  /** Leaves, and while that is on its way to the disk it commits. */
  leaveCommitting(id: string): Promise<void> {
    return this.#inTurn(id, async (member, session) => {
      const offsets = session.positions.filter(({ topic, partition }) =>
        member.assignment.has(nameOf(topic, partition)),
      );
      this.ledger.memberChanged({ ...member, state: 'unsure' });
      const leaving = this.#ask(['UNKNOWN_MEMBER_ID'], async () => {
        await this.coordinator.leave(this.#group, id);
        this.#out(id);
      });
      for (let turns = 10 + this.#world.random.below(50); turns > 0; turns--) await null;
      const committing =
        offsets.length > 0 && this.#commit(member, member.generation, offsets, 'may be refused');
      this.#lost(id, (await Promise.all([leaving, committing]))[0]);
    });
  }

  /** All members leave, and the group goes with what it has committed. */
  async delete(): Promise<void> {
    for (const { id } of this.ledger.present) await this.leave(id);
    const nothing = this.ledger.nothing();
    this.ledger.committing(nothing);
    // Who did not get an answer may be a member still.
    const mayFail = [...this.ledger.state.members.values()].some(({ state }) => state === 'unsure');
    const codes: ErrorCode[] = ['GROUP_ID_NOT_FOUND', ...(mayFail ? ['NON_EMPTY_GROUP' as const] : [])];
    const answer = await this.#ask(codes, async () => {
      await this.coordinator.delete(this.#group);
      this.ledger.committed(nothing);
    });
    if (answer !== undefined && this.#isRefusal(answer)) this.ledger.refused(nothing);
  }

  /** Sets offsets of a group that has no members. */
  async reset(topic: string): Promise<void> {
    const { settled } = this.#world.oracle.topic(topic);
    if (this.ledger.present.length > 0 || settled === undefined) return;
    const offsets = Array.from({ length: settled.partitions }, (_, partition) => {
      const { logStartOffset, highWatermark } = this.#driver.engine.offsets(topic, partition);
      return { topic, partition, offset: logStartOffset + Math.floor((highWatermark - logStartOffset) / 2) };
    });
    const places = new Map(offsets.map(({ partition, offset }) => [nameOf(topic, partition), offset]));
    this.ledger.committing(places);
    const answer = await this.#ask(['NON_EMPTY_GROUP'], async () => {
      await this.coordinator.reset(this.#group, { offsets });
      this.ledger.committed(places);
    });
    if (answer !== undefined && this.#isRefusal(answer)) this.ledger.refused(places);
  }

  /** Deletes a topic under its readers. */
  async deleteTopic(topic: string): Promise<void> {
    for (const group of this.#all) group.ledger.topicDeleting(topic);
    await this.#driver.deleteTopic(topic);
    for (const group of this.#all) group.ledger.topicDeleted(topic);
  }

  /** Lets time pass, in which the others are heard of and these are not: they are members no longer. */
  async silence(ids: readonly string[]): Promise<void> {
    const { clock, faulty } = this.#world;
    for (const id of ids) this.ledger.memberChanged({ ...this.ledger.member(id)!, state: 'unsure' });
    for (let second = 0; second < 13; second++) {
      await clock.advance(1000);
      await this.#hearAll();
    }
    if (faulty) return;
    for (const id of ids) {
      await this.heartbeat(id);
      if (this.ledger.member(id)!.state !== 'out')
        throw new Violation(`${id} is a member although it was silent`);
    }
  }

  /** Members are heard of until each partition that somebody wants belongs to somebody. */
  async settle(): Promise<void> {
    const wanted = this.#partitions();
    for (let round = 0; round < ROUNDS; round++) {
      await this.#hearAll();
      const present = this.ledger.present;
      const owned = new Set(present.flatMap(({ assignment }) => [...assignment]));
      if (wanted.every((partition) => owned.has(partition)) || present.length === 0) return;
      // Who is gone without having said so is taken out.
      await this.#world.clock.advance(3000);
    }
    if (!this.#world.faulty)
      throw new Violation(`group ${this.#group} does not come to rest: ${wanted} are owed`);
  }

  /** While time passes, nobody else falls silent. */
  async #hearAll(): Promise<void> {
    for (const group of this.#all) for (const { id } of group.ledger.present) await group.heartbeat(id);
  }

  /** Compares what the group says of itself with what is owed. */
  async check(): Promise<void> {
    const { generation, members, committed } = this.ledger.state;
    await this.#ask(['GROUP_ID_NOT_FOUND'], async () => {
      const found = await this.coordinator.describe(this.#group);
      if (found.generation < generation)
        throw new Violation(`group ${this.#group} is at generation ${found.generation}, after ${generation}`);
      const ids = new Set(found.members.map(({ memberId }) => memberId));
      for (const member of members.values()) {
        const isWrong =
          member.state === 'out' ? ids.has(member.id) : !ids.has(member.id) && !this.#mayBeOut(member);
        if (isWrong) throw new Violation(`${member.id} is ${member.state}, and the group has ${[...ids]}`);
      }
      const seen = new Map<string, number>();
      for (const { topic, partition, committed } of found.offsets)
        if (committed !== null) seen.set(nameOf(topic, partition), committed);
      for (const partition of new Set([...seen.keys(), ...committed.keys()]))
        this.ledger.seen(partition, seen.get(partition), true);
    }).then((answer) => {
      const isOwed = [...committed.values()].some(({ settled }) => settled !== undefined);
      if (answer === 'GROUP_ID_NOT_FOUND' && isOwed) throw new Violation(`group ${this.#group} is gone`);
    });
  }

  /** After a start: members are there as they were, and go on. */
  async resume(): Promise<void> {
    await this.check();
    for (const { id } of this.ledger.present) {
      await this.poll(id);
      await this.commit(id);
    }
    await this.strayCommit();
    await this.settle();
    await this.check();
  }

  async close(): Promise<void> {
    await this.coordinator.close();
  }

  #session(id: string): Session {
    let session = this.#sessions.get(id);
    if (session === undefined) {
      session = { askedAt: this.#openedAt, positions: [], cursor: null, turn: Promise.resolve() };
      this.#sessions.set(id, session);
    }
    return session;
  }

  /** One call of a member after the other. */
  #inTurn(id: string, call: (member: MemberClient, session: Session) => Promise<unknown>): Promise<void> {
    const session = this.#session(id);
    const turn = session.turn.then(async () => {
      const member = this.ledger.member(id)!;
      if (member.state === 'out') return;
      await call(member, session);
    });
    session.turn = turn.catch(() => {});
    return turn;
  }

  #mayBeOut(member: MemberClient): boolean {
    const silentMs = this.#world.clock.monotonic() - this.#session(member.id).askedAt;
    return member.state !== 'in' || silentMs >= member.sessionTimeoutMs;
  }

  #told(id: string, view: MemberView, since: number): void {
    this.ledger.told(id, view, since, (other) => this.#mayBeOut(other));
    for (const partition of namesOf(view.assignment))
      if (this.#given.get(partition)?.id !== id)
        this.#given.set(partition, { id, generation: view.generation, syncs: this.#syncs });
    this.#session(id).askedAt = this.#world.clock.monotonic();
  }

  get #syncs(): number {
    const isOfGroups = ({ kind, path }: Operation) => kind === 'sync' && path.includes(`/${GROUPS_TOPIC}/`);
    return this.#world.disk.operations.filter(isOfGroups).length;
  }

  /** What a member commits counts before somebody else is told to go on there, or not at all. */
  #checkGiven(places: ReadonlyMap<string, number>, { id }: MemberClient, generation: number): void {
    for (const partition of places.keys()) {
      const given = this.#given.get(partition);
      if (given === undefined || given.id === id || given.generation <= generation) continue;
      if (given.syncs < this.#syncs)
        throw new Violation(`${id} has committed ${partition} after it was given to ${given.id}`);
    }
  }

  #out(id: string): void {
    this.ledger.memberChanged({ ...this.ledger.member(id)!, state: 'out' });
  }

  /** Who is told that it is no member is none. */
  #lost(id: string, answer: unknown): void {
    if (answer === 'UNKNOWN_MEMBER_ID') this.#out(id);
  }

  /** Partitions of the member that have something beyond what is committed. */
  #readable({ assignment }: MemberClient): string[] {
    return [...assignment].filter((name) => {
      const [topic, partition] = name.split('/') as [string, string];
      const { settled, pending } = this.ledger.committedOf(name);
      if (this.#driver.engine.findTopic(topic) === undefined) return false;
      const { highWatermark } = this.#driver.engine.offsets(topic, Number(partition));
      return settled !== undefined && pending.length === 0 && settled < highWatermark;
    });
  }

  #checkPoll(answer: PollAnswer, isOnward: boolean, due: readonly string[]): void {
    const own = namesOf(answer.assignment);
    const given = new Set<string>();
    for (const { topic, partition, offset, chunks } of answer.partitions) {
      const name = nameOf(topic, partition);
      given.add(name);
      if (!own.has(name))
        throw new Violation(`${answer.memberId} was given records of ${name}, and has ${[...own]}`);
      if (decodeObserved(chunks, offset).length === 0)
        throw new Violation(`${name} was given without records`);
      const { settled, pending } = this.ledger.committedOf(name);
      if (settled === undefined) continue;
      const owed = [settled, ...pending].filter((each) => each !== undefined);
      const isRight = isOnward ? offset >= Math.min(...owed) : owed.includes(offset);
      if (!isRight) throw new Violation(`${name} is read at ${offset}, and ${owed} is committed`);
    }
    if (this.#world.faulty || isOnward || answer.partitions.length > 0) return;
    const missed = due.filter((name) => own.has(name));
    if (missed.length > 0) throw new Violation(`a poll is empty, and ${missed} have something`);
  }

  async #commit(
    member: MemberClient,
    generation: number,
    offsets: readonly PartitionOffset[],
    due: 'must be stored' | 'may be refused' | 'must be refused',
  ): Promise<void> {
    const places = new Map(offsets.map(({ topic, partition, offset }) => [nameOf(topic, partition), offset]));
    const what = `a commit of ${[...places]} by ${member.id} in generation ${generation}`;
    if (due !== 'must be refused') this.ledger.committing(places);
    const codes = due === 'must be stored' ? [] : (['FENCED_MEMBER_EPOCH'] as const);
    const answer = await this.#ask(codes, async () => {
      await this.coordinator.commit(this.#group, { memberId: member.id, generation, offsets });
      if (due === 'must be refused') throw new Violation(`${what} is stored`);
      this.#checkGiven(places, member, generation);
      this.ledger.committed(places);
      this.#session(member.id).askedAt = this.#world.clock.monotonic();
    });
    if (due === 'must be refused' || answer === undefined) return;
    if (this.#isRefusal(answer)) this.ledger.refused(places);
  }

  #isRefusal(code: ErrorCode): boolean {
    return NOTHING_CHANGED.includes(code) || NOTHING_STORED.has(code);
  }

  /** The error's code where it is one that may come. */
  async #ask<T>(codes: readonly ErrorCode[], call: () => Promise<T>): Promise<T | ErrorCode> {
    try {
      return await call();
    } catch (error) {
      if (error instanceof Violation) throw error;
      if (!(error instanceof SeglogError))
        throw new Violation(`group ${this.#group}: ${(error as Error).stack}`);
      if (codes.includes(error.code)) return error.code;
      const { faulty } = this.#world;
      if (faulty && (NOTHING_STORED.has(error.code) || error.code === 'OUTCOME_UNKNOWN')) return error.code;
      throw new Violation(`group ${this.#group}: ${error.stack}`);
    }
  }

  /** Those of all topics that members are subscribed to. */
  #partitions(): string[] {
    const topics = new Set(this.ledger.present.flatMap((member) => member.topics));
    return [...topics].flatMap((topic) => {
      const { settled } = this.#world.oracle.topic(topic);
      return Array.from({ length: settled?.partitions ?? 0 }, (_, partition) => nameOf(topic, partition));
    });
  }
}
