/**
 * One group while the coordinator runs: what is in the log about it, what is remembered of its members, and its changes one
 * after the other. A change is planned from the state as it is in the log, made durable, applied, and only then told.
 */
import type { Clock } from '../common/clock.ts';
import { SeglogError } from '../common/errors.ts';
import { CommittedOffsets } from './committed-offsets.ts';
import {
  countMoved,
  type GroupContent,
  givesUp,
  type NewMember,
  nextGeneration,
  release,
  type TopicLookup,
  topicsChanged,
} from './group-state.ts';
import { MemberSession } from './member-session.ts';
import type { OffsetsTopic } from './offsets-topic.ts';
import { groupRecord } from './records.ts';
import type { CheckedJoin } from './requests.ts';
import type { GroupObserver, RebalanceReport } from './types.ts';

/** What the groups of a coordinator share. */
export interface GroupContext {
  readonly clock: Clock;
  readonly log: OffsetsTopic;
  readonly observer: GroupObserver;
  readonly lookup: TopicLookup;
  readonly maxSize: number;
}

/** Something that changes who owns what. */
type Intent = { resolve(): void; reject(error: unknown): void } & (
  | { readonly kind: 'join'; readonly member: NewMember; readonly join: CheckedJoin }
  | { readonly kind: 'leave' | 'expire'; readonly memberId: string }
  | { readonly kind: 'confirm'; readonly memberId: string; readonly generation: number }
  | { readonly kind: 'topics' }
);

type IntentOf = Intent extends infer I ? (I extends Intent ? Omit<I, 'resolve' | 'reject'> : never) : never;

export class Group {
  readonly id: string;
  content: GroupContent;
  readonly offsets = new CommittedOffsets();
  readonly sessions = new Map<string, MemberSession>();
  readonly #context: GroupContext;
  #intents: Intent[] = [];
  /** Set while a change is on its way to the log; what must see its outcome waits in `#held`. */
  #changing = false;
  #held: (() => void)[] = [];
  #cancelTimer: (() => void) | undefined;

  constructor(context: GroupContext, id: string, content: GroupContent) {
    this.#context = context;
    this.id = id;
    this.content = content;
  }

  /** Resolves once the change is durable and applied. */
  change(intent: IntentOf): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#intents.push({ ...intent, resolve, reject } as Intent);
      if (!this.#changing) void this.#runChanges();
    });
  }

  /** Runs `action` now, or after the change that is on its way: it sees the state that the log has. */
  whenSettled(action: () => void): void {
    if (this.#changing) this.#held.push(action);
    else action();
  }

  async #runChanges(): Promise<void> {
    this.#changing = true;
    while (this.#intents.length > 0) {
      const intents = this.#intents;
      this.#intents = [];
      await this.#runChange(intents);
      for (const action of this.#held.splice(0)) action();
    }
    this.#changing = false;
    this.#armTimer();
  }

  async #runChange(all: readonly Intent[]): Promise<void> {
    const intents = all.filter((intent) => this.#admits(intent, all));
    const before = this.content;
    const after = this.#plan(intents);
    try {
      if (after !== before) {
        const confirmed = (id: string) => this.sessions.get(id)?.confirmed ?? after.generation;
        const record = groupRecord(this.id, after, confirmed);
        await this.#context.log.append([record], () => this.#apply(after));
        if (after.generation !== before.generation) this.#report(before, after, intents);
      }
      for (const intent of intents) intent.resolve();
    } catch (error) {
      for (const intent of intents) intent.reject(error);
    }
  }

  /** Refuses joins that the group cannot take. */
  #admits(intent: Intent, all: readonly Intent[]): boolean {
    if (intent.kind !== 'join') return true;
    const refusal = this.#refusal(intent, all);
    if (refusal === undefined) return true;
    intent.reject(refusal);
    return false;
  }

  #refusal(intent: Extract<Intent, { kind: 'join' }>, all: readonly Intent[]): SeglogError | undefined {
    const { members } = this.content;
    const joins = all.filter((each) => each.kind === 'join');
    if (members.size + joins.indexOf(intent) >= this.#context.maxSize) {
      return new SeglogError(
        'GROUP_MAX_SIZE_REACHED',
        `the group has ${this.#context.maxSize} members (group.max.size)`,
        { group: this.id, setting: 'group.max.size', limit: this.#context.maxSize },
      );
    }
    const removed = removals(all);
    const stays = [...members.keys()].some((id) => !removed.has(id));
    const present = stays ? this.content.assignor : assignorOf(joins);
    const { assignor } = intent.join;
    if (assignor === undefined || present === null || assignor === present) return undefined;
    return new SeglogError(
      'INCONSISTENT_GROUP_PROTOCOL',
      `the members of the group share out by ${present}, not ${assignor}`,
      { group: this.id, assignor: present },
    );
  }

  #plan(intents: readonly Intent[]): GroupContent {
    const { lookup, clock } = this.#context;
    let content = this.content;
    for (const intent of intents) {
      if (intent.kind !== 'confirm') continue;
      const member = content.members.get(intent.memberId);
      if (member !== undefined && givesUp(member, intent.generation))
        content = release(content, intent.memberId, intent.generation);
    }
    const joins = intents.filter((intent) => intent.kind === 'join');
    const removed = removals(intents);
    const leaves = [...removed].some((id) => content.members.has(id));
    if (joins.length === 0 && !leaves && !topicsChanged(content, lookup)) return content;
    const change = { joins: joins.map(({ member }) => member), removed, assignor: assignorOf(joins) };
    return nextGeneration(content, change, lookup, clock.now());
  }

  #apply(content: GroupContent): void {
    const before = this.content;
    this.content = content;
    const now = this.#context.clock.monotonic();
    for (const id of content.members.keys())
      if (!this.sessions.has(id)) this.sessions.set(id, new MemberSession(id, now, 0));
    for (const [id, session] of this.sessions) {
      const isMember = content.members.has(id);
      if (!isMember) this.sessions.delete(id);
      if (!isMember || before.members.get(id) !== content.members.get(id)) session.wakePoll?.();
    }
  }

  #report(before: GroupContent, after: GroupContent, intents: readonly Intent[]): void {
    const { observer } = this.#context;
    const kinds = new Set(intents.map(({ kind }) => kind));
    const reasons = ['join', 'leave', 'expire'] as const;
    const reason: RebalanceReport['reason'] = reasons.find((kind) => kinds.has(kind)) ?? 'topics';
    const { generation, members } = after;
    const moved = countMoved(before, after);
    observer.rebalanced?.({ groupId: this.id, generation, reason, members: members.size, moved });
    for (const intent of intents)
      if (intent.kind === 'expire' && before.members.has(intent.memberId)) observer.memberExpired?.(this.id);
  }

  stop(): void {
    this.#cancelTimer?.();
    for (const session of this.sessions.values()) session.wakePoll?.();
  }

  /** One timer for all members: it looks again when the first of them would have been silent for too long. */
  #armTimer(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    const { clock } = this.#context;
    let due = Number.POSITIVE_INFINITY;
    for (const session of this.sessions.values()) due = Math.min(due, this.#deadline(session));
    if (due === Number.POSITIVE_INFINITY) return;
    this.#cancelTimer = clock.after(Math.max(1, due - clock.monotonic()), () => this.#takeOutSilent());
  }

  #deadline(session: MemberSession): number {
    const heardAt = session.polling > 0 ? this.#context.clock.monotonic() : session.heardAt;
    return heardAt + this.content.members.get(session.id)!.sessionTimeoutMs;
  }

  #takeOutSilent(): void {
    const now = this.#context.clock.monotonic();
    for (const session of this.sessions.values())
      if (this.#deadline(session) <= now)
        this.change({ kind: 'expire', memberId: session.id }).catch(() => {});
    if (!this.#changing) this.#armTimer();
  }
}

function removals(intents: readonly Intent[]): ReadonlySet<string> {
  const ids = intents.flatMap((each) =>
    each.kind === 'leave' || each.kind === 'expire' ? [each.memberId] : [],
  );
  return new Set(ids);
}

function assignorOf(joins: readonly { readonly join: CheckedJoin }[]) {
  return joins.find(({ join }) => join.assignor !== undefined)?.join.assignor ?? 'cooperative-sticky';
}
