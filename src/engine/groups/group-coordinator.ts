/**
 * Consumer groups: members that share the partitions of topics, and offsets that the group has committed. The coordinator
 * decides who reads what; where and how members are reached is its caller's matter.
 *
 * One coordinator per engine. All methods may be called at any time and concurrently.
 */
import { randomUUID } from 'node:crypto';
import { type Clock, systemClock } from '../common/clock.ts';
import { SeglogError } from '../common/errors.ts';
import type { Engine } from '../engine.ts';
import { Group, type GroupContext } from './group.ts';
import { describeGroup } from './group-description.ts';
import { fenced, notEmpty, unknownGroup, unknownMember } from './group-errors.ts';
import { emptyGroup, type GroupMember, ownedSince } from './group-state.ts';
import type { MemberSession } from './member-session.ts';
import { OffsetsTopic } from './offsets-topic.ts';
import { decodeCursor, encodeCursor } from './poll-cursor.ts';
import { readFairly } from './poll-reader.ts';
import { offsetRecord } from './records.ts';
import { checkGroupId, checkJoin, checkOffsets, parseAutoOffsetReset } from './requests.ts';
import type {
  CommitRequest,
  CoordinatorOptions,
  GroupDescription,
  GroupListing,
  GroupObserver,
  HeartbeatOptions,
  JoinRequest,
  MemberView,
  OffsetChange,
  OffsetToCommit,
  PartitionOffset,
  PollAnswer,
  PollOptions,
  ResetRequest,
} from './types.ts';
import { isOwned, partitionsOf, stateOf } from './views.ts';

export class GroupCoordinator {
  readonly #engine: Engine;
  readonly #clock: Clock;
  readonly #observer: GroupObserver;
  readonly #groups = new Map<string, Group>();
  readonly #context: GroupContext;
  readonly #log: OffsetsTopic;
  #closed = false;
  readonly #unwatch: () => void;

  static async open(engine: Engine, options: CoordinatorOptions = {}): Promise<GroupCoordinator> {
    return new GroupCoordinator(engine, options);
  }

  private constructor(engine: Engine, options: CoordinatorOptions) {
    this.#engine = engine;
    this.#clock = options.clock ?? systemClock;
    this.#observer = options.observer ?? {};
    this.#log = new OffsetsTopic(engine, this.#clock);
    this.#context = {
      clock: this.#clock,
      log: this.#log,
      observer: this.#observer,
      lookup: (name) => engine.findTopic(name),
      maxSize: engine.settings['group.max.size'],
    };
    this.#unwatch = engine.onTopicsChanged(() => {
      for (const group of this.#groups.values())
        if (group.content.members.size > 0) group.change({ kind: 'topics' }).catch(() => {});
    });
  }

  /** Makes a member, and resolves with what it is to read. */
  async join(groupId: string, request: JoinRequest): Promise<MemberView> {
    checkGroupId(groupId);
    const join = checkJoin(request, this.#engine.settings);
    this.#checkOpen();
    const group = this.#groupFor(groupId);
    const { assignor: _, ...rest } = join;
    const member = { id: randomUUID(), ...rest };
    await group.change({ kind: 'join', member, join });
    return this.#session(group, member.id).tell(group.content);
  }

  /** Says that the member is there, confirms what it was told, and resolves with how things are now. */
  async heartbeat(groupId: string, memberId: string, options: HeartbeatOptions = {}): Promise<MemberView> {
    this.#checkOpen();
    const { group, session } = this.#find(groupId, memberId);
    await this.#hear(group, session, options.generation);
    return this.#session(group, memberId).tell(group.content);
  }

  /** Gives the member's partitions back. */
  async leave(groupId: string, memberId: string): Promise<void> {
    this.#checkOpen();
    const { group } = this.#find(groupId, memberId);
    await group.change({ kind: 'leave', memberId });
  }

  /** Records of all partitions of the member, from where the group is on. Waits while there are none. */
  async poll(groupId: string, memberId: string, options: PollOptions = {}): Promise<PollAnswer> {
    this.#checkOpen();
    const { group, session } = this.#find(groupId, memberId);
    const cursor = options.cursor === undefined ? undefined : decodeCursor(options.cursor, memberId);
    const poll = ++session.polls;
    session.wakePoll?.();
    session.polling++;
    try {
      await this.#hear(group, session, options.generation);
      const deadline = this.#clock.monotonic() + (options.waitMs ?? 0);
      for (;;) {
        const hadNews = session.hasNews(group.content);
        const view = this.#session(group, memberId).tell(group.content);
        const places = await this.#places(group, memberId, cursor);
        const limits = {
          maxBytes: options.maxBytes ?? 1024 * 1024,
          maxRecords: options.maxRecords ?? Number.POSITIVE_INFINITY,
        };
        const reading = await readFairly(this.#engine, places, session.rotation, limits);
        session.rotation = reading.next;
        const left = deadline - this.#clock.monotonic();
        const isOver = left <= 0 || session.polls !== poll || options.signal?.aborted || this.#closed;
        if (reading.partitions.length > 0 || hadNews || isOver) {
          const { partitions, errors, moved } = reading;
          const ahead = places.filter(
            ({ topic, partition, offset }) =>
              offset !== group.offsets.get(topic, partition)?.offset &&
              !moved.some((other) => other.topic === topic && other.partition === partition),
          );
          const positions = [...ahead, ...moved];
          return {
            ...view,
            partitions,
            cursor: encodeCursor({ memberId, generation: view.generation, positions }),
            positions: moved,
            errors,
          };
        }
        if (reading.failure !== undefined) throw reading.failure;
        await this.#wait(session, places, left, options.signal);
      }
    } finally {
      session.polling--;
      session.heardAt = this.#clock.monotonic();
    }
  }

  /** Resolves once the offsets are as safe as records with acks=all. All of them are committed, or none. */
  async commit(groupId: string, request: CommitRequest): Promise<OffsetChange[]> {
    this.#checkOpen();
    const { memberId, generation, offsets } = request;
    checkOffsets(offsets, this.#engine.settings['offset.metadata.max.bytes']);
    const group = this.#groups.get(groupId);
    const session = group?.sessions.get(memberId);
    if (group === undefined || session === undefined) throw fenced(groupId, 'it is no member any more', {});
    session.heardAt = this.#clock.monotonic();
    const start = this.#clock.monotonic();
    const changes = await new Promise<OffsetChange[]>((resolve, reject) => {
      group.whenSettled(() => {
        try {
          this.#checkCommit(group, session, generation, offsets);
          resolve(this.#store(group, offsets));
        } catch (error) {
          reject(error);
        }
      });
    });
    this.#observer.committed?.(groupId, offsets.length, this.#clock.monotonic() - start);
    return changes;
  }

  /** Sets offsets of a group without members. */
  async reset(groupId: string, request: ResetRequest): Promise<OffsetChange[]> {
    checkGroupId(groupId);
    this.#checkOpen();
    const group = this.#groupFor(groupId);
    if (group.content.members.size > 0) throw notEmpty(groupId);
    const offsets = request.offsets ?? [];
    checkOffsets(offsets, this.#engine.settings['offset.metadata.max.bytes']);
    if (request.dryRun) return offsets.map((each) => changeOf(group, each));
    return this.#store(group, offsets);
  }

  list(): GroupListing[] {
    return [...this.#groups.values()].map((group) => ({
      groupId: group.id,
      state: stateOf(group.content, (id) => group.sessions.get(id)?.confirmed ?? 0),
      generation: group.content.generation,
      assignor: group.content.assignor,
      members: group.content.members.size,
    }));
  }

  async describe(groupId: string): Promise<GroupDescription> {
    const group = this.#groups.get(groupId);
    if (group === undefined) throw unknownGroup(groupId);
    return describeGroup(group, this.#engine, this.#clock.monotonic());
  }

  /** Forgets a group without members, and all that it has committed. */
  async delete(groupId: string): Promise<void> {
    const group = this.#groups.get(groupId);
    if (group === undefined) throw unknownGroup(groupId);
    if (group.content.members.size > 0) throw notEmpty(groupId);
    this.#groups.delete(groupId);
  }

  /** Ends polls that wait, and takes no more calls. Close it before the engine. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#unwatch();
    for (const group of this.#groups.values()) group.stop();
  }

  #checkOpen(): void {
    if (this.#closed) throw new SeglogError('NOT_READY', 'the group coordinator is closed');
  }

  #groupFor(groupId: string): Group {
    let group = this.#groups.get(groupId);
    if (group === undefined) {
      group = new Group(this.#context, groupId, emptyGroup(0, this.#clock.now()));
      this.#groups.set(groupId, group);
    }
    return group;
  }

  #find(groupId: string, memberId: string): { group: Group; session: MemberSession } {
    const group = this.#groups.get(groupId);
    if (group === undefined) throw unknownMember(groupId, memberId);
    return { group, session: this.#session(group, memberId) };
  }

  #session(group: Group, memberId: string): MemberSession {
    const session = group.sessions.get(memberId);
    if (session === undefined) throw unknownMember(group.id, memberId);
    return session;
  }

  async #hear(group: Group, session: MemberSession, given: number | undefined): Promise<void> {
    session.heardAt = this.#clock.monotonic();
    const generation = given ?? session.told;
    if (generation > group.content.generation) throw fenced(group.id, 'there is no such generation yet', {});
    session.confirmed = Math.max(session.confirmed, generation);
    const member = group.content.members.get(session.id);
    if (member !== undefined && member.revoking.size > 0)
      await group.change({ kind: 'confirm', memberId: session.id, generation: session.confirmed });
  }

  async #places(
    group: Group,
    memberId: string,
    cursor: ReturnType<typeof decodeCursor> | undefined,
  ): Promise<PartitionOffset[]> {
    const member = group.content.members.get(memberId)!;
    const places: PartitionOffset[] = [];
    for (const { topic, partitions } of partitionsOf(member.target, isOwned)) {
      for (const partition of partitions) {
        const offset = await this.#position(group, member, topic, partition);
        const given = cursor?.positions.find((each) => each.topic === topic && each.partition === partition);
        const isValid = given !== undefined && ownedSince(member, topic, partition)! <= cursor!.generation;
        places.push({ topic, partition, offset: isValid ? Math.max(offset, given.offset) : offset });
      }
    }
    return places;
  }

  async #position(group: Group, member: GroupMember, topic: string, partition: number): Promise<number> {
    const { logStartOffset, highWatermark, logEndOffset } = this.#engine.offsets(topic, partition);
    const committed = group.offsets.get(topic, partition);
    const isOfTopic = committed?.topicId === group.content.topics.get(topic)?.id;
    if (
      committed !== undefined &&
      isOfTopic &&
      committed.offset >= logStartOffset &&
      committed.offset <= logEndOffset
    )
      return committed.offset;
    const reset = parseAutoOffsetReset(member.autoOffsetReset);
    if (reset.kind === 'earliest') return logStartOffset;
    if (reset.kind === 'none') {
      throw new SeglogError(
        'NO_COMMITTED_OFFSET',
        `the group has committed no offset in partition ${partition} of topic "${topic}"`,
        { group: group.id, topic, partition },
      );
    }
    const offset =
      reset.kind === 'by_duration'
        ? await this.#engine.offsetForTimestamp(topic, partition, this.#clock.now() - reset.durationMs)
        : highWatermark;
    await this.#store(group, [{ topic, partition, offset }]);
    return offset;
  }

  #wait(
    session: MemberSession,
    places: readonly PartitionOffset[],
    waitMs: number,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    return new Promise((resolve) => {
      const cancels: (() => void)[] = [];
      const wake = () => {
        for (const cancel of cancels) cancel();
        signal?.removeEventListener('abort', wake);
        session.wakePoll = undefined;
        resolve();
      };
      session.wakePoll = wake;
      signal?.addEventListener('abort', wake, { once: true });
      cancels.push(this.#clock.after(waitMs, wake));
      for (const { topic, partition, offset } of places)
        cancels.push(this.#engine.onRecords(topic, partition, offset, wake));
    });
  }

  #checkCommit(
    group: Group,
    session: MemberSession,
    generation: number,
    offsets: readonly OffsetToCommit[],
  ): void {
    const member = group.content.members.get(session.id);
    if (member === undefined) throw fenced(group.id, 'it is no member any more', {});
    if (generation < session.confirmed || generation > group.content.generation)
      throw fenced(
        group.id,
        `its generation is ${generation}, the present one ${group.content.generation}`,
        {},
      );
    for (const { topic, partition, offset } of offsets) {
      const since = ownedSince(member, topic, partition);
      if (since === undefined || since > generation)
        throw fenced(group.id, `partition ${partition} of topic "${topic}" is not its own`, {
          topic,
          partition,
        });
      const { logStartOffset, highWatermark } = this.#engine.offsets(topic, partition);
      if (offset > highWatermark)
        throw new SeglogError(
          'OFFSET_OUT_OF_RANGE',
          `offset ${offset} lies beyond the end of partition ${topic}-${partition}, ${highWatermark}`,
          { topic, partition, offset, logStartOffset, highWatermark },
        );
    }
  }

  async #store(group: Group, offsets: readonly OffsetToCommit[]): Promise<OffsetChange[]> {
    const committedAt = this.#clock.now();
    const entries = offsets.map(({ topic, partition, offset, metadata = null }) => {
      const topicId = this.#engine.findTopic(topic)?.id;
      if (topicId === undefined)
        throw new SeglogError('UNKNOWN_TOPIC_OR_PARTITION', `there is no topic "${topic}"`, { topic });
      return { topic, partition, committed: { offset, metadata, topicId, committedAt } };
    });
    let changes: OffsetChange[] = [];
    const records = entries.map(({ topic, partition, committed }) =>
      offsetRecord(group.id, topic, partition, committed),
    );
    await this.#log.append(records, () => {
      changes = offsets.map((each) => changeOf(group, each));
      for (const { topic, partition, committed } of entries) group.offsets.set(topic, partition, committed);
    });
    return changes;
  }
}

function changeOf(group: Group, { topic, partition, offset }: OffsetToCommit): OffsetChange {
  return {
    topic,
    partition,
    before: group.offsets.get(topic, partition)?.offset ?? null,
    after: offset,
  };
}
