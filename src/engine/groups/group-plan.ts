/**
 * What becomes of a group when several things are asked of it at a time: a pure function from how it stands in the log to how
 * it is to stand there. What is asked counts in its order; partitions are spread anew once, after all of it.
 */
import type { SeglogError } from '../common/errors.ts';
import type { CommittedOffset, CommittedOffsets } from './committed-offsets.ts';
import { groupFull, notEmpty, otherAssignor, overLimit } from './group-errors.ts';
import {
  emptyGroup,
  type GroupContent,
  type GroupMember,
  givesUp,
  nextGeneration,
  release,
  type TopicLookup,
  topicsChanged,
} from './group-state.ts';
import type { AssignorName } from './types.ts';

const DEFAULT_ASSIGNOR: AssignorName = 'cooperative-sticky';

/** An offset to be set, or (null) taken away. */
export interface OffsetEntry {
  readonly topic: string;
  readonly partition: number;
  readonly committed: CommittedOffset | null;
}

/** Something that is asked of a group. */
export type GroupIntent =
  | { readonly kind: 'join'; readonly member: GroupMember; readonly assignor: AssignorName | undefined }
  | { readonly kind: 'leave'; readonly memberId: string }
  /** The member may have been silent for too long. */
  | { readonly kind: 'expire'; readonly memberId: string }
  | { readonly kind: 'confirm'; readonly memberId: string; readonly generation: number }
  /** Topics have changed. */
  | { readonly kind: 'topics' }
  | { readonly kind: 'reset'; readonly offsets: readonly OffsetEntry[] }
  | { readonly kind: 'delete' }
  /** The group may have been without members for long enough. */
  | { readonly kind: 'retention' };

export interface GroupSituation {
  readonly id: string;
  readonly content: GroupContent;
  readonly offsets: CommittedOffsets;
  lookup: TopicLookup;
  /** ms since 1970. */
  readonly now: number;
  /** Most members of the group, and of all groups; and how many these have now. */
  readonly maxSize: number;
  readonly maxMembers: number;
  readonly totalMembers: number;
  isSilent(memberId: string): boolean;
  readonly isPastRetention: boolean;
}

export interface GroupPlan {
  readonly content: GroupContent;
  /** Nothing is to be left of the group. */
  readonly deleted: boolean;
  /** Whether the log must hear of `content`. */
  readonly changed: boolean;
  readonly offsets: readonly OffsetEntry[];
  /** What is asked in vain, and why. */
  readonly refusals: ReadonlyMap<GroupIntent, SeglogError>;
}

export function planChange(situation: GroupSituation, intents: readonly GroupIntent[]): GroupPlan {
  const planner = new Planner(situation);
  for (const intent of intents) planner.take(intent);
  return planner.finish();
}

class Planner {
  readonly #situation: GroupSituation;
  #content: GroupContent;
  /** As they will be, in the order in which they joined. */
  readonly #members: Map<string, GroupMember>;
  #assignor: AssignorName | null;
  #membersChanged = false;
  #deleted = false;
  #touched = false;
  readonly #offsets = new Map<string, OffsetEntry>();
  readonly #refusals = new Map<GroupIntent, SeglogError>();

  constructor(situation: GroupSituation) {
    this.#situation = situation;
    this.#content = situation.content;
    this.#members = new Map(situation.content.members);
    this.#assignor = situation.content.assignor;
  }

  take(intent: GroupIntent): void {
    switch (intent.kind) {
      case 'join':
        this.#join(intent);
        break;
      case 'leave':
        this.#remove(intent.memberId);
        break;
      case 'expire':
        if (this.#situation.isSilent(intent.memberId)) this.#remove(intent.memberId);
        break;
      case 'confirm':
        this.#confirm(intent.memberId, intent.generation);
        break;
      case 'topics':
        this.#forgetTopics();
        break;
      case 'reset':
        if (this.#isEmpty(intent)) this.#setOffsets(intent.offsets);
        break;
      case 'delete':
        if (this.#isEmpty(intent)) this.#delete();
        break;
      case 'retention':
        if (this.#members.size === 0 && this.#situation.isPastRetention) this.#delete();
    }
  }

  finish(): GroupPlan {
    const content = this.#nextContent();
    return {
      content,
      deleted: this.#deleted,
      changed: content !== this.#situation.content || this.#touched || this.#deleted,
      offsets: [...this.#offsets.values()],
      refusals: this.#refusals,
    };
  }

  #nextContent(): GroupContent {
    const { lookup, now } = this.#situation;
    const content = this.#content;
    if (!this.#membersChanged && !topicsChanged(content, lookup)) return content;
    if (this.#members.size === 0) return emptyGroup(content.generation + 1, now);
    return nextGeneration(content, [...this.#members.values()], this.#assignor!, lookup);
  }

  #join(intent: Extract<GroupIntent, { kind: 'join' }>): void {
    const refusal = this.#refusalOf(intent);
    if (refusal !== undefined) {
      this.#refusals.set(intent, refusal);
      return;
    }
    if (this.#members.size === 0) this.#assignor = intent.assignor ?? DEFAULT_ASSIGNOR;
    this.#members.set(intent.member.id, intent.member);
    this.#membersChanged = true;
    this.#deleted = false;
  }

  #refusalOf({ assignor }: Extract<GroupIntent, { kind: 'join' }>): SeglogError | undefined {
    const { id, maxSize, maxMembers, totalMembers, content } = this.#situation;
    const { size } = this.#members;
    if (size >= maxSize) return groupFull(id, maxSize);
    if (totalMembers - content.members.size + size >= maxMembers)
      return overLimit('members of groups', 'group.max.members', maxMembers);
    if (size === 0 || assignor === undefined || assignor === this.#assignor) return undefined;
    return otherAssignor(id, this.#assignor!, assignor);
  }

  #remove(memberId: string): void {
    if (this.#members.delete(memberId)) this.#membersChanged = true;
  }

  #confirm(memberId: string, generation: number): void {
    const member = this.#members.get(memberId);
    if (member === undefined || !givesUp(member, generation)) return;
    this.#content = release(this.#content, member, generation);
    for (const id of this.#members.keys()) {
      const released = this.#content.members.get(id);
      if (released !== undefined) this.#members.set(id, released);
    }
  }

  /** What was committed for topics that are gone goes with them. */
  #forgetTopics(): void {
    const { offsets, lookup } = this.#situation;
    for (const [topic, partitions] of offsets.topics()) {
      const present = lookup(topic)?.id;
      for (const [partition, { topicId }] of partitions)
        if (topicId !== present) this.#set({ topic, partition, committed: null });
    }
  }

  #setOffsets(offsets: readonly OffsetEntry[]): void {
    for (const entry of offsets) this.#set(entry);
    this.#touched = true;
    this.#deleted = false;
  }

  #delete(): void {
    this.#offsets.clear();
    for (const [topic, partitions] of this.#situation.offsets.topics())
      for (const partition of partitions.keys()) this.#set({ topic, partition, committed: null });
    this.#deleted = true;
  }

  #set(entry: OffsetEntry): void {
    this.#offsets.set(JSON.stringify([entry.topic, entry.partition]), entry);
  }

  #isEmpty(intent: GroupIntent): boolean {
    if (this.#members.size === 0) return true;
    this.#refusals.set(intent, notEmpty(this.#situation.id));
    return false;
  }
}
