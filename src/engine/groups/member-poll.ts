/**
 * One poll of a member: reads on from where its group is in all partitions that it owns, and waits while there is nothing. A
 * wait costs no timer but one, and ends with records, with other partitions to read, or when nobody wants the answer any more.
 *
 * Nothing is remembered of what was given: the group goes on at what is committed, or the member at the cursor that it brings.
 */
import { isSeglogError } from '../common/errors.ts';
import type { Group } from './group.ts';
import type { GroupContext } from './group-context.ts';
import { beginningNotStored, beyondEnd, noCommittedOffset, unknownMember } from './group-errors.ts';
import { type GroupMember, ownedSince } from './group-state.ts';
import type { MemberSession } from './member-session.ts';
import { committedFor, offsetEntry, resetOffset } from './offset-reset.ts';
import { decodeCursor, encodeCursor } from './poll-cursor.ts';
import { type FairReading, readFairly } from './poll-reader.ts';
import { checkPoll, parseAutoOffsetReset } from './requests.ts';
import type { PartitionOffset, PollAnswer, PollOptions } from './types.ts';
import { isOwned, partitionsOf } from './views.ts';

const DEFAULT_READ_BYTES = 1024 * 1024;
/** What a timer takes. */
const MAX_WAIT_MS = 2 ** 31 - 1;

export class MemberPoll {
  readonly #context: GroupContext;
  readonly #group: Group;
  readonly #session: MemberSession;
  readonly #options: PollOptions;
  readonly #number: number;
  readonly #deadline: number;
  /** How far the member is beyond what is committed, by its cursor or because nothing lies between, while the partition is its own. */
  readonly #ahead = new Map<string, { readonly offset: number; readonly since: number }>();

  /** Ends the poll of the member that waits: its answer would go nowhere. Throws INVALID_REQUEST, INVALID_CURSOR. */
  constructor(context: GroupContext, group: Group, session: MemberSession, options: PollOptions) {
    checkPoll(options);
    this.#context = context;
    this.#group = group;
    this.#session = session;
    this.#options = options;
    this.#takeCursor();
    this.#number = ++session.polls;
    this.#deadline = context.clock.monotonic() + (options.waitMs ?? 0);
    session.wakePoll?.();
  }

  async run(): Promise<PollAnswer> {
    const { maxBytes = DEFAULT_READ_BYTES, maxRecords = Number.POSITIVE_INFINITY } = this.#options;
    const allowance = { bytes: maxBytes, records: maxRecords };
    for (;;) {
      const member = this.#member();
      const { places, missing } = this.#placesOf(member);
      if (missing.length > 0) {
        await this.#chooseOffsets(member, missing);
        continue;
      }
      const { rotation } = this.#session;
      const { reader } = this.#options;
      const reading = await readFairly(this.#context.engine, places, rotation, allowance, reader);
      // What has changed hands meanwhile is not the member's to see.
      if (this.#member() !== member) continue;
      this.#session.rotation = reading.next;
      this.#noteAhead(member, reading.positions);
      if (reading.partitions.length > 0 || this.#session.hasNews(member))
        return this.#answer(member, reading);
      if (reading.failure !== undefined) throw reading.failure;
      if (this.#isOver) return this.#answer(member, reading);
      await this.#wait(reading.positions);
    }
  }

  #member(): GroupMember {
    const member = this.#group.content.members.get(this.#session.id);
    if (member === undefined) throw unknownMember(this.#group.id, this.#session.id);
    return member;
  }

  get #isOver(): boolean {
    return (
      this.#context.clock.monotonic() >= this.#deadline ||
      this.#session.polls !== this.#number ||
      this.#options.signal?.aborted === true ||
      this.#context.isClosed()
    );
  }

  /** A place counts only where the partition has been the member's ever since. */
  #takeCursor(): void {
    if (this.#options.cursor === undefined) return;
    const { generation, positions } = decodeCursor(this.#options.cursor, this.#session.id);
    const member = this.#member();
    for (const { topic, partition, offset } of positions) {
      const since = ownedSince(member, topic, partition);
      if (since !== undefined && since <= generation)
        this.#ahead.set(placeKey(topic, partition), { offset, since });
    }
  }

  #noteAhead(member: GroupMember, positions: readonly PartitionOffset[]): void {
    for (const { topic, partition, offset } of positions)
      this.#ahead.set(placeKey(topic, partition), { offset, since: ownedSince(member, topic, partition)! });
  }

  /** Where the member is to read on; `missing` are partitions where that must be chosen and committed first. */
  #placesOf(member: GroupMember): { places: PartitionOffset[]; missing: PartitionOffset[] } {
    const places: PartitionOffset[] = [];
    const missing: PartitionOffset[] = [];
    for (const { topic, partitions } of partitionsOf(member.target, isOwned)) {
      if (!this.#isThere(topic)) continue;
      for (const partition of partitions) {
        const offset = this.#position(member, topic, partition);
        if (offset === undefined) missing.push({ topic, partition, offset: 0 });
        else places.push({ topic, partition, offset });
      }
    }
    return { places, missing };
  }

  /** A topic that was deleted, or made again, is about to be taken from the member. */
  #isThere(topic: string): boolean {
    const known = this.#group.content.topics.get(topic);
    return known !== undefined && this.#context.engine.findTopic(topic)?.id === known.id;
  }

  /** Undefined where it is to be chosen and committed; throws where nobody may choose. */
  #position(member: GroupMember, topic: string, partition: number): number | undefined {
    const { engine } = this.#context;
    const bounds = engine.offsets(topic, partition);
    const committed = committedFor(engine, this.#group.offsets, topic, partition)?.offset;
    const isWithin =
      committed !== undefined && committed >= bounds.logStartOffset && committed <= bounds.logEndOffset;
    const ahead = this.#ahead.get(placeKey(topic, partition));
    if (ahead !== undefined && ahead.since === ownedSince(member, topic, partition)) {
      const { offset } = ahead;
      const counts = isWithin ? offset > committed : offset >= bounds.logStartOffset;
      if (counts && offset <= bounds.logEndOffset) return offset;
    }
    if (isWithin) return committed;
    const { kind } = parseAutoOffsetReset(member.autoOffsetReset);
    if (kind === 'earliest') return bounds.logStartOffset;
    if (kind !== 'none') return undefined;
    if (committed === undefined) throw noCommittedOffset(this.#group.id, topic, partition);
    throw beyondEnd({ topic, partition, offset: committed }, bounds);
  }

  async #chooseOffsets(member: GroupMember, missing: readonly PartitionOffset[]): Promise<void> {
    const reset = parseAutoOffsetReset(member.autoOffsetReset);
    const chosen: PartitionOffset[] = [];
    for (const { topic, partition } of missing) {
      const offset = await resetOffset(this.#context, reset, topic, partition);
      if (offset !== undefined) chosen.push({ topic, partition, offset });
    }
    await this.#group.exclusive(async () => {
      if (this.#member() !== member) return;
      // What was committed meanwhile stands.
      const missed = chosen.filter(
        (place) => this.#position(member, place.topic, place.partition) === undefined,
      );
      const entries = missed.flatMap((place) => offsetEntry(this.#context, place) ?? []);
      await this.#group.store(entries).catch((error: unknown) => {
        throw isSeglogError(error) ? beginningNotStored(this.#group.id, error) : error;
      });
    });
  }

  #answer(member: GroupMember, { partitions, errors, positions }: FairReading): PollAnswer {
    const { engine } = this.#context;
    const uncommitted = positions.filter(({ topic, partition, offset }) => {
      if (!this.#isThere(topic)) return false;
      const committed = committedFor(engine, this.#group.offsets, topic, partition)?.offset;
      return offset > (committed ?? engine.offsets(topic, partition).logStartOffset);
    });
    const given = new Set(partitions.map(({ topic, partition }) => placeKey(topic, partition)));
    // Last of all: what fails before has told the member nothing.
    const view = this.#session.tell(this.#group.content, member);
    const { memberId, generation } = view;
    return {
      ...view,
      partitions,
      positions: uncommitted.filter(({ topic, partition }) => given.has(placeKey(topic, partition))),
      cursor:
        uncommitted.length === 0 ? null : encodeCursor({ memberId, generation, positions: uncommitted }),
      errors,
    };
  }

  #wait(positions: readonly PartitionOffset[]): Promise<void> {
    const { clock, engine } = this.#context;
    const { signal } = this.#options;
    const { promise, resolve } = Promise.withResolvers<void>();
    const wake = () => resolve();
    const cancels = [clock.after(Math.min(this.#deadline - clock.monotonic(), MAX_WAIT_MS), wake)];
    for (const { topic, partition, offset } of positions)
      if (engine.findTopic(topic) !== undefined)
        cancels.push(engine.onRecords(topic, partition, offset, wake));
    signal?.addEventListener('abort', wake, { once: true });
    this.#session.wakePoll = wake;
    return promise.then(() => {
      for (const cancel of cancels) cancel();
      signal?.removeEventListener('abort', wake);
      if (this.#session.wakePoll === wake) this.#session.wakePoll = undefined;
    });
  }
}

function placeKey(topic: string, partition: number): string {
  return `${topic}/${partition}`;
}
