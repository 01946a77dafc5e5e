/**
 * One group while the coordinator runs: what the log says of it, and what is remembered of its members.
 *
 * A change of who is in the group, or owns what, is planned from the state that the log has, made durable, applied, and only
 * then told; one is on its way at a time, and what is asked for meanwhile is the next. Commits go to the log many at a time, but
 * never beside a change: it waits for those that were begun before, and those that come meanwhile wait for it, to be judged by
 * what has become of it.
 */
import { CommittedOffsets, weightOf } from './committed-offsets.ts';
import type { GroupContext } from './group-context.ts';
import { changedMeanwhile, overLimit } from './group-errors.ts';
import { type GroupIntent, type GroupPlan, type OffsetEntry, planChange } from './group-plan.ts';
import { countMoved, emptyGroup, type GroupContent } from './group-state.ts';
import { MemberSession } from './member-session.ts';
import { startingOffsets } from './offset-reset.ts';
import type { OffsetsRecord } from './offsets-topic.ts';
import { generationRecord, groupRecord, offsetRecord } from './records.ts';
import { SilenceWatch, type Watched } from './silence-watch.ts';
import type { RebalanceReport } from './types.ts';

interface Asked {
  readonly intent: GroupIntent;
  resolve(): void;
  reject(error: unknown): void;
}

export class Group implements Watched {
  readonly id: string;
  readonly offsets = new CommittedOffsets();
  readonly sessions = new Map<string, MemberSession>();
  /** Calls that may make something of it. */
  users = 0;
  readonly #context: GroupContext;
  /** Called after a change that leaves nothing of the group. */
  readonly #vanished: (group: Group) => void;
  readonly #watch: SilenceWatch;
  #content: GroupContent;
  /** Whether the log has a record of the group itself. */
  #recorded = false;
  #asked: Asked[] = [];
  #sections: (() => Promise<void>)[] = [];
  /** Set while a change is on its way; commits wait in `#held`. */
  #changing = false;
  #held: (() => void)[] = [];
  /** Settles once no commit is on its way that was begun so far. */
  #lastStore: Promise<unknown> = Promise.resolve();

  constructor(context: GroupContext, id: string, vanished: (group: Group) => void) {
    this.#context = context;
    this.id = id;
    this.#vanished = vanished;
    this.#content = emptyGroup(context.totals.lastGeneration, context.clock.now());
    this.#watch = new SilenceWatch(context, this);
  }

  /** Milliseconds until a group without members expires. */
  get retentionLeftMs(): number {
    return this.#watch.retentionLeftMs;
  }

  get content(): GroupContent {
    return this.#content;
  }

  /** Nothing is stored of it, and nobody is about to change that. */
  get isBlank(): boolean {
    return !this.#recorded && this.offsets.size === 0 && !this.#changing;
  }

  /** All that is stored of it has been applied: begins to watch. */
  start(): void {
    const { totals, clock } = this.#context;
    if (!this.#recorded) this.#content = emptyGroup(totals.lastGeneration, clock.now());
    this.#watch.start();
  }

  stop(): void {
    this.#watch.stop();
    for (const session of this.sessions.values()) session.wakePoll?.();
  }

  /** Resolves once the change is durable and applied, or where there is nothing to change. */
  change(intent: GroupIntent): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#asked.push({ intent, resolve, reject });
      if (!this.#changing) void this.#runChanges();
    });
  }

  /** Runs `section` while neither a change nor a commit is on its way. */
  exclusive<T>(section: () => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#sections.push(() => section().then(resolve, reject));
      if (!this.#changing) void this.#runChanges();
    });
  }

  /** A change that nobody waits for: where it fails, it is tried again later. */
  changeBehind(intent: GroupIntent): void {
    this.change(intent).then(
      () => this.#watch.arm(),
      (error) => {
        const fields = { group: this.id, change: intent.kind, err: error };
        this.#context.logger.warn(fields, 'a group could not be changed, to be tried again');
        this.#watch.failed();
      },
    );
  }

  expire(memberId: string): void {
    this.changeBehind({ kind: 'expire', memberId });
  }

  expireGroup(): void {
    this.changeBehind({ kind: 'retention' });
  }

  retry(): void {
    this.changeBehind({ kind: 'topics' });
    for (const id of this.sessions.keys()) if (this.#watch.isSilent(id)) this.expire(id);
    if (this.#content.members.size === 0) this.expireGroup();
  }

  /** Runs `action` now, or at the end of the change that is on its way: it sees the state that the log has. */
  afterChange<T>(action: () => Promise<T>): Promise<T> {
    if (!this.#changing) return action();
    return new Promise((resolve, reject) => {
      this.#held.push(() => void action().then(resolve, reject));
    });
  }

  /** Makes offsets durable and applies them, right after `applying` was called. Throws THROTTLED. */
  async store(entries: readonly OffsetEntry[], applying?: () => void): Promise<void> {
    if (entries.length === 0) return;
    this.checkRoom(entries);
    const stored = this.#context.log.append(this.#records(entries), () => {
      applying?.();
      this.applyOffsets(entries);
    });
    // The log keeps the order: with the last one, those before have come to their end.
    this.#lastStore = stored.catch(() => {});
    await stored;
  }

  /** Throws THROTTLED where all groups together would have more offsets than they may. */
  checkRoom(entries: readonly OffsetEntry[]): void {
    const { engine, totals } = this.#context;
    const limit = engine.settings['group.max.offsets'];
    const growth = entries.reduce((sum, entry) => sum + this.#growth(entry), 0);
    if (growth > 0 && totals.offsets + growth > limit)
      throw overLimit('committed offsets', 'group.max.offsets', limit);
  }

  #growth({ topic, partition, committed }: OffsetEntry): number {
    return weightOf(committed) - weightOf(this.offsets.get(topic, partition) ?? null);
  }

  /** Whether a change of the topic is one for the group. */
  isAbout(topic: string): boolean {
    if (this.offsets.has(topic)) return true;
    for (const member of this.#content.members.values()) if (member.topics.includes(topic)) return true;
    return false;
  }

  applyOffsets(entries: readonly OffsetEntry[]): void {
    const { totals } = this.#context;
    for (const entry of entries) {
      const { topic, partition, committed } = entry;
      totals.offsets += this.#growth(entry);
      if (committed === null) this.offsets.delete(topic, partition);
      else this.offsets.set(topic, partition, committed);
    }
  }

  /** What the log says of the group from now on; null: nothing. `confirmed` is for members that were not known. */
  applyContent(content: GroupContent | null, confirmed: ReadonlyMap<string, number> = new Map()): void {
    const { clock, totals } = this.#context;
    const before = this.#content;
    this.#recorded = content !== null;
    this.#content = content ?? emptyGroup(Math.max(before.generation, totals.lastGeneration), clock.now());
    totals.members += this.#content.members.size - before.members.size;
    for (const [id, member] of this.#content.members) {
      if (!this.sessions.has(id))
        this.sessions.set(id, new MemberSession(member, clock.monotonic(), confirmed.get(id) ?? 0));
    }
    for (const [id, session] of this.sessions) {
      const member = this.#content.members.get(id);
      if (member === undefined) this.sessions.delete(id);
      if (member !== before.members.get(id)) session.wakePoll?.();
    }
    this.#watch.changed();
  }

  async #runChanges(): Promise<void> {
    this.#changing = true;
    while (this.#asked.length > 0 || this.#sections.length > 0) {
      await this.#lastStore;
      for (const section of this.#sections.splice(0)) await section();
      if (this.#asked.length > 0) await this.#runChange(this.#asked.splice(0));
      for (const action of this.#held.splice(0)) action();
    }
    this.#changing = false;
    this.#vanished(this);
  }

  async #runChange(asked: readonly Asked[]): Promise<void> {
    try {
      const intents = asked.map(({ intent }) => intent);
      const before = this.#content;
      const plan = planChange(this.#situation(), intents);
      if (plan.changed || plan.offsets.length > 0) {
        await this.#carryOut(plan);
        this.#report(before, plan, intents);
      }
      for (const { intent, resolve, reject } of asked) {
        const refusal = plan.refusals.get(intent);
        if (refusal === undefined) resolve();
        else reject(refusal);
      }
    } catch (error) {
      for (const { reject } of asked) reject(error);
    }
  }

  async #carryOut(plan: GroupPlan): Promise<void> {
    const { log, totals } = this.#context;
    const { rereads } = log;
    const starting = await startingOffsets(this.#context, this, plan);
    if (log.rereads !== rereads) throw changedMeanwhile(this.id);
    const offsets = [...plan.offsets, ...starting];
    const records = this.#records(offsets);
    const confirmed = (id: string) => this.sessions.get(id)?.confirmed ?? 0;
    if (plan.changed) records.push(groupRecord(this.id, plan.deleted ? null : plan.content, confirmed));
    if (plan.deleted) {
      // Other groups may be deleted at the same time: whichever record comes last, it tells the highest one of all.
      totals.lastGeneration = Math.max(totals.lastGeneration, plan.content.generation);
      records.push(generationRecord(totals.lastGeneration));
    }
    await log.append(records, () => {
      this.applyOffsets(offsets);
      if (plan.changed) this.applyContent(plan.deleted ? null : plan.content);
    });
  }

  #records(entries: readonly OffsetEntry[]): OffsetsRecord[] {
    return entries.map(({ topic, partition, committed }) =>
      offsetRecord(this.id, topic, partition, committed),
    );
  }

  #situation() {
    const { engine, clock, totals } = this.#context;
    const { settings } = engine;
    return {
      id: this.id,
      content: this.#content,
      offsets: this.offsets,
      lookup: (name: string) => engine.findTopic(name),
      now: clock.now(),
      maxSize: settings['group.max.size'],
      maxMembers: settings['group.max.members'],
      totalMembers: totals.members,
      isSilent: (id: string) => this.#watch.isSilent(id),
      isPastRetention: this.#watch.retentionLeftMs <= 0,
    };
  }

  #report(before: GroupContent, { content, deleted }: GroupPlan, intents: readonly GroupIntent[]): void {
    const { observer } = this.#context;
    if (deleted) observer.groupRemoved?.(this.id);
    if (content.generation === before.generation) return;
    const reasons = ['join', 'leave', 'expire'] as const;
    const reason: RebalanceReport['reason'] =
      reasons.find((kind) => intents.some((intent) => intent.kind === kind)) ?? 'topics';
    const moved = countMoved(before, content);
    const { generation, members } = content;
    observer.rebalanced?.({ groupId: this.id, generation, reason, members: members.size, moved });
    for (const intent of intents) {
      if (intent.kind === 'expire' && before.members.has(intent.memberId) && !members.has(intent.memberId))
        observer.memberExpired?.(this.id);
    }
  }
}
