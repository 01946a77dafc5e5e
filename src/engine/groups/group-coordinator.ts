/**
 * Consumer groups: members that share the partitions of topics, and offsets that the group has committed. The coordinator
 * decides who reads what; how members are reached is its caller's matter.
 *
 * All that it promises is in the log before it is told: who the members are, what they own, what is committed. After a restart
 * the members are there again, each with a full session timeout before it.
 *
 * One coordinator per engine. All methods may be called at any time and concurrently. Besides the errors that they name they
 * throw those of an append (STORAGE_FULL, OUTCOME_UNKNOWN, …; nothing changed unless it says that this is unknown), NOT_READY
 * once it is closed, and CORRUPT_MESSAGE where what is stored of groups is damaged.
 */
import { randomUUID } from 'node:crypto';
import { systemClock } from '../common/clock.ts';
import { isSeglogError, SeglogError } from '../common/errors.ts';
import { silentLogger } from '../common/logger.ts';
import type { Engine } from '../engine.ts';
import { commitOffsets, resetOffsets } from './commits.ts';
import type { Group } from './group.ts';
import type { GroupContext } from './group-context.ts';
import { describeGroup, lagsOf, listGroup } from './group-description.ts';
import { commitFenced, fenced, unknownGroup, unknownMember } from './group-errors.ts';
import { GroupRegistry } from './group-registry.ts';
import { givesUp } from './group-state.ts';
import { MemberPoll } from './member-poll.ts';
import type { MemberSession } from './member-session.ts';
import { checkGroupId, checkJoin } from './requests.ts';
import type {
  CommitRequest,
  CoordinatorOptions,
  GroupDescription,
  GroupLag,
  GroupListing,
  HeartbeatOptions,
  JoinRequest,
  MemberView,
  OffsetChange,
  PollAnswer,
  PollOptions,
  ResetRequest,
} from './types.ts';

export class GroupCoordinator {
  readonly #engine: Engine;
  readonly #groups: GroupRegistry;
  readonly #context: GroupContext;
  #closed = false;
  /** Why there are no groups to be served: what is stored of them cannot be read. */
  #failure: SeglogError | undefined;
  #unwatchTopics = () => {};

  /** Takes up the groups that are stored. Where they cannot be read, all calls fail with the reason. */
  static async open(engine: Engine, options: CoordinatorOptions = {}): Promise<GroupCoordinator> {
    const coordinator = new GroupCoordinator(engine, options);
    await coordinator.#open();
    return coordinator;
  }

  private constructor(engine: Engine, options: CoordinatorOptions) {
    const { clock = systemClock, logger = silentLogger, observer = {} } = options;
    this.#engine = engine;
    this.#groups = new GroupRegistry({ engine, clock, logger, observer, isClosed: () => this.#closed });
    this.#context = this.#groups.context;
  }

  async #open(): Promise<void> {
    try {
      await this.#groups.open();
    } catch (error) {
      if (!isSeglogError(error)) throw error;
      this.#context.logger.error({ err: error }, 'groups cannot be served');
      this.#failure = error;
      return;
    }
    this.#unwatchTopics = this.#engine.onTopicsChanged((topic) => {
      for (const group of this.#groups.all())
        if (group.isAbout(topic)) group.changeBehind({ kind: 'topics' });
    });
  }

  /**
   * Makes a member, and resolves with what it is to read. Throws INVALID_GROUP_ID, INVALID_REQUEST, INVALID_TOPIC_EXCEPTION,
   * INCONSISTENT_GROUP_PROTOCOL, GROUP_MAX_SIZE_REACHED, THROTTLED.
   */
  async join(groupId: string, request: JoinRequest): Promise<MemberView> {
    this.#checkOpen();
    checkGroupId(groupId);
    const { assignor, ...rest } = checkJoin(request, this.#engine.settings);
    const member = { id: newMemberId(rest.clientId), ...rest, target: new Map(), revoking: new Map() };
    return this.#groups.with(groupId, async (group) => {
      await group.change({ kind: 'join', member, assignor });
      return this.#tell(group, member.id);
    });
  }

  /** Says that the member is there, confirms what it was told, and resolves with how things are. Throws UNKNOWN_MEMBER_ID, FENCED_MEMBER_EPOCH. */
  async heartbeat(groupId: string, memberId: string, options: HeartbeatOptions = {}): Promise<MemberView> {
    const { group, session } = this.#find(groupId, memberId);
    await this.#hear(group, session, options.generation);
    return this.#tell(group, memberId);
  }

  /** The member goes, and its partitions to the others. Throws UNKNOWN_MEMBER_ID. */
  async leave(groupId: string, memberId: string): Promise<void> {
    const { group } = this.#find(groupId, memberId);
    await group.change({ kind: 'leave', memberId });
  }

  /**
   * Records of all partitions that the member owns, from where the group is; also a heartbeat. While there are none, it waits,
   * but not longer than until the member has something else to read. A later poll of the member ends it.
   *
   * Throws UNKNOWN_MEMBER_ID, FENCED_MEMBER_EPOCH, INVALID_REQUEST, INVALID_CURSOR, NO_COMMITTED_OFFSET, OFFSET_OUT_OF_RANGE,
   * and what a read throws where no other partition has anything.
   */
  async poll(groupId: string, memberId: string, options: PollOptions = {}): Promise<PollAnswer> {
    const { group, session } = this.#find(groupId, memberId);
    const poll = new MemberPoll(this.#context, group, session, options);
    session.polling++;
    try {
      await this.#hear(group, session, options.generation);
      return await poll.run();
    } finally {
      session.polling--;
      session.heardAt = this.#context.clock.monotonic();
    }
  }

  /**
   * Resolves once the offsets are as safe as records with acks=all: all of them, or none where it throws. Throws
   * FENCED_MEMBER_EPOCH, INVALID_REQUEST, OFFSET_OUT_OF_RANGE, UNKNOWN_TOPIC_OR_PARTITION, THROTTLED.
   */
  async commit(groupId: string, request: CommitRequest): Promise<OffsetChange[]> {
    this.#checkOpen();
    const group = this.#groups.get(groupId);
    const session = group?.sessions.get(request.memberId);
    if (group === undefined || session === undefined)
      throw commitFenced(groupId, 'it has no such member (any more)');
    const { clock, observer } = this.#context;
    const start = clock.monotonic();
    session.heardAt = start;
    const changes = await commitOffsets(this.#context, group, session, request);
    observer.committed?.(groupId, changes.length, clock.monotonic() - start);
    return changes;
  }

  /**
   * Sets offsets of a group without members, which need not have existed. Throws NON_EMPTY_GROUP, INVALID_GROUP_ID,
   * INVALID_REQUEST, OFFSET_OUT_OF_RANGE, UNKNOWN_TOPIC_OR_PARTITION, THROTTLED.
   */
  async reset(groupId: string, request: ResetRequest): Promise<OffsetChange[]> {
    this.#checkOpen();
    checkGroupId(groupId);
    return this.#groups.with(groupId, (group) => resetOffsets(this.#context, group, request));
  }

  /** By name. */
  list(): GroupListing[] {
    this.#checkOpen();
    return [...this.#groups.all()].map(listGroup).sort((a, b) => (a.groupId < b.groupId ? -1 : 1));
  }

  /** Throws GROUP_ID_NOT_FOUND. */
  async describe(groupId: string): Promise<GroupDescription> {
    return describeGroup(this.#group(groupId), this.#context);
  }

  /** How far each group is behind in each topic that it has committed offsets of. */
  lags(): GroupLag[] {
    return [...this.#groups.all()].flatMap((group) => lagsOf(group, this.#engine));
  }

  /** Forgets a group without members, and all that it has committed. Throws GROUP_ID_NOT_FOUND, NON_EMPTY_GROUP. */
  async delete(groupId: string): Promise<void> {
    await this.#group(groupId).change({ kind: 'delete' });
  }

  /** Ends polls that wait, takes no more calls, and resolves once all that was begun is answered. Close it before the engine. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#unwatchTopics();
    for (const group of this.#groups.all()) group.stop();
    await this.#context.log.settle();
  }

  #checkOpen(): void {
    if (this.#closed)
      throw new SeglogError('NOT_READY', 'groups are not served any more: the log is closing');
    if (this.#failure !== undefined) throw this.#failure;
  }

  #group(groupId: string): Group {
    this.#checkOpen();
    const group = this.#groups.get(groupId);
    if (group === undefined) throw unknownGroup(groupId);
    return group;
  }

  #find(groupId: string, memberId: string): { group: Group; session: MemberSession } {
    this.#checkOpen();
    const group = this.#groups.get(groupId);
    const session = group?.sessions.get(memberId);
    if (group === undefined || session === undefined) throw unknownMember(groupId, memberId);
    return { group, session };
  }

  #tell(group: Group, memberId: string): MemberView {
    const member = group.content.members.get(memberId);
    const session = group.sessions.get(memberId);
    if (member === undefined || session === undefined) throw unknownMember(group.id, memberId);
    return session.tell(group.content, member);
  }

  /** The member is there, and goes by the generation that it says, or that it was told. */
  async #hear(group: Group, session: MemberSession, said: number | undefined): Promise<void> {
    const { clock, logger } = this.#context;
    session.heardAt = clock.monotonic();
    const generation = said ?? session.told;
    if (!(generation <= group.content.generation))
      throw fenced(group.id, `there is no generation ${generation} yet`, { generation });
    session.confirmed = Math.max(session.confirmed, generation);
    const member = group.content.members.get(session.id);
    if (member === undefined || !givesUp(member, session.confirmed)) return;
    try {
      await group.change({ kind: 'confirm', memberId: session.id, generation: session.confirmed });
    } catch (error) {
      // What it gives up stays with it for now: the next time it is heard of counts as well.
      logger.warn({ group: group.id, err: error }, 'what a member gives up could not be passed on');
    }
  }
}

/** As Kafka's: what the client is called, for people, and what makes it the only one. */
function newMemberId(clientId: string): string {
  const name = clientId.replace(/[^\w.-]/g, '').slice(0, 64);
  return `${name || 'member'}-${randomUUID()}`;
}
