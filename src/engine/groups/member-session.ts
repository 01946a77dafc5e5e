/**
 * What the coordinator remembers of a member while it runs: when it was last heard of, what it was told, the poll that waits.
 * Nothing of it outlives a restart, after which each member has a full session timeout again and is told everything anew.
 */
import type { GroupContent, GroupMember } from './group-state.ts';
import type { MemberView } from './types.ts';
import { viewOf } from './views.ts';

export class MemberSession {
  readonly id: string;
  readonly timeoutMs: number;
  /** Monotonic, ms. */
  heardAt: number;
  /** The newest generation that the member was told, and that it has confirmed. */
  told = 0;
  confirmed: number;
  /** Ends the wait of its poll. */
  wakePoll: (() => void) | undefined;
  /** Counts its polls, so that one knows that a newer one has begun. */
  polls = 0;
  /** How many of them run. */
  polling = 0;
  /** Where the next one begins among the member's partitions. */
  rotation = 0;
  #toldMember: GroupMember | undefined;
  #view: MemberView | undefined;

  constructor(member: GroupMember, heardAt: number, confirmed: number) {
    this.id = member.id;
    this.timeoutMs = member.sessionTimeoutMs;
    this.heardAt = heardAt;
    this.confirmed = confirmed;
  }

  /** Whether the member has to be told of something else to read, or to give up. What it has given up it knows. */
  hasNews(member: GroupMember): boolean {
    const told = this.#toldMember;
    if (told === undefined || member.target !== told.target) return true;
    for (const [topic, partitions] of member.revoking)
      for (const partition of partitions.keys()) if (!told.revoking.get(topic)?.has(partition)) return true;
    return false;
  }

  /** What the member is told now: from here on it is taken to know it. */
  tell({ generation }: GroupContent, member: GroupMember): MemberView {
    if (this.#view === undefined || this.told !== generation || this.#toldMember !== member) {
      this.#view = viewOf(generation, member);
      this.#toldMember = member;
      this.told = generation;
    }
    return this.#view;
  }
}
