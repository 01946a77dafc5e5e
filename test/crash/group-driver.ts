/**
 * Members of consumer groups in the crash tests: each asks one thing at a time, as a consumer does, and all that they are told
 * is compared with what the group owes (group-ledger.ts).
 */
import { type ErrorCode, errnoOf, SeglogError } from '../../src/engine/common/errors.ts';
import { GROUPS_TOPIC } from '../../src/engine/directory/internal-topics.ts';
import type { GroupCoordinator } from '../../src/engine/groups/group-coordinator.ts';
import type { JoinRequest, MemberView, PartitionOffset, PollAnswer } from '../../src/engine/groups/types.ts';
import { decodeObserved } from './driver-records.ts';
import { type EngineDriver, NOTHING_STORED } from './engine-driver.ts';
import { GroupLedger, type MemberClient, nameOf, namesOf } from './group-ledger.ts';
import type { World } from './harness.ts';
import { Violation } from './oracle.ts';
import type { Operation } from './sim/kernel.ts';

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

/** Whether an error says that nothing was changed. */
export const isRefusal = (code: ErrorCode): boolean =>
  NOTHING_CHANGED.includes(code) || NOTHING_STORED.has(code);

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

  constructor(world: World, driver: EngineDriver, coordinator: GroupCoordinator, group: string) {
    this.#world = world;
    this.#driver = driver;
    this.coordinator = coordinator;
    this.ledger = new GroupLedger(world.oracle, group);
    this.#openedAt = world.clock.monotonic();
  }

  get #group(): string {
    return this.ledger.group;
  }

  /** Joins; who does not get an answer does not come back. */
  async join(request: JoinRequest): Promise<string | undefined> {
    const since = this.ledger.state.generation;
    const { sessionTimeoutMs = 10_000, topics, autoOffsetReset: reset = 'earliest' } = request;
    let id: string | undefined;
    await this.ask([], async () => {
      const view = await this.coordinator.join(this.#group, { ...request, sessionTimeoutMs });
      id = view.memberId;
      this.ledger.joined({ id, topics, sessionTimeoutMs, reset });
      this.#told(id, view, since);
    });
    return id;
  }

  /** `confirming`: what it was told; else it may say that it knows of nothing new. */
  heartbeat(id: string, { confirming = false } = {}): Promise<void> {
    return this.#inTurn(id, (member) =>
      this.ask(this.mayBeOut(member) ? ['UNKNOWN_MEMBER_ID'] : [], async () => {
        const { generation } = this.ledger.state;
        // Who says nothing of a generation confirms what it was told; an older one confirms nothing new.
        const former = confirming ? member.generation : member.formerGeneration;
        const given = this.#world.random.pick([undefined, member.generation, former]);
        this.ledger.confirming(id, given ?? member.generation);
        const options = given === undefined ? {} : { generation: given };
        this.#told(id, await this.coordinator.heartbeat(this.#group, id, options), generation);
      }).then((answer) => this.#lost(id, answer)),
    );
  }

  /** Reads on from what is committed; with `onward` behind what it was given before. */
  poll(id: string, { waitMs = 0, onward = false } = {}): Promise<void> {
    return this.#inTurn(id, (member, session) => {
      const codes: ErrorCode[] = this.mayBeOut(member) ? ['UNKNOWN_MEMBER_ID'] : [];
      if (member.reset === 'none') codes.push('NO_COMMITTED_OFFSET');
      return this.ask(codes, async () => {
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
      const mayBeFenced = this.mayBeOut(member) || member.generation === 0;
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
    const present = this.ledger.present.filter((member) => !this.mayBeOut(member));
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
      return this.ask(['UNKNOWN_MEMBER_ID'], async () => {
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
      const leaving = this.ask(['UNKNOWN_MEMBER_ID'], async () => {
        await this.coordinator.leave(this.#group, id);
        this.#out(id);
      });
      for (let turns = 10 + this.#world.random.below(50); turns > 0; turns--) await null;
      const committing =
        offsets.length > 0 && this.#commit(member, member.generation, offsets, 'may be refused');
      this.#lost(id, (await Promise.all([leaving, committing]))[0]);
    });
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

  mayBeOut(member: MemberClient): boolean {
    const silentMs = this.#world.clock.monotonic() - this.#session(member.id).askedAt;
    return member.state !== 'in' || silentMs >= member.sessionTimeoutMs;
  }

  #told(id: string, view: MemberView, since: number): void {
    this.ledger.told(id, view, since, (other) => this.mayBeOut(other));
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
    const answer = await this.ask(codes, async () => {
      await this.coordinator.commit(this.#group, { memberId: member.id, generation, offsets });
      if (due === 'must be refused') throw new Violation(`${what} is stored`);
      this.#checkGiven(places, member, generation);
      this.ledger.committed(places);
      this.#session(member.id).askedAt = this.#world.clock.monotonic();
    });
    if (due === 'must be refused' || answer === undefined) return;
    if (isRefusal(answer)) this.ledger.refused(places);
  }

  /** The error's code where it is one that may come. */
  async ask<T>(codes: readonly ErrorCode[], call: () => Promise<T>): Promise<T | ErrorCode> {
    try {
      return await call();
    } catch (error) {
      if (error instanceof Violation) throw error;
      const { faulty } = this.#world;
      // The topic of the groups could not be made.
      if (faulty && errnoOf(error) !== undefined) return 'OUTCOME_UNKNOWN';
      if (!(error instanceof SeglogError))
        throw new Violation(`group ${this.#group}: ${(error as Error).stack}`);
      if (codes.includes(error.code)) return error.code;
      if (faulty && (NOTHING_STORED.has(error.code) || error.code === 'OUTCOME_UNKNOWN')) return error.code;
      throw new Violation(`group ${this.#group}: ${error.stack}`);
    }
  }
}
