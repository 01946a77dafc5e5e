/**
 * What the coordinator remembers of a member while it runs: when it was last heard of, what it was told, the poll that waits.
 * Nothing of it outlives a restart, after which each member has a full session timeout again and is told everything anew.
 */
import type { GroupContent, GroupMember } from './group-state.ts';
import type { MemberView } from './types.ts';
import { viewOf } from './views.ts';

export class MemberSession {
  readonly id: string;
  /** Monotonic, ms. */
  heardAt: number;
  /** The newest generation that was told, and that was confirmed. */
  told = 0;
  confirmed: number;
  /** Ends the poll that waits: woken, or because a newer one takes its place. */
  wakePoll: (() => void) | undefined;
  /** Counts polls, so that one knows that a newer one has begun. */
  polls = 0;
  /** Polls that run. */
  polling = 0;
  /** Where the next poll begins among the member's partitions. */
  rotation = 0;
  #toldMember: GroupMember | undefined;
  #toldGeneration = 0;
  #view: MemberView | undefined;

  constructor(id: string, heardAt: number, confirmed: number) {
    this.id = id;
    this.heardAt = heardAt;
    this.confirmed = confirmed;
  }

  /** Whether the member does not know yet how things are. */
  hasNews(content: GroupContent): boolean {
    return content.generation !== this.#toldGeneration || content.members.get(this.id) !== this.#toldMember;
  }

  /** What the member is told now. */
  tell(content: GroupContent): MemberView {
    if (this.#view === undefined || this.hasNews(content)) {
      const member = content.members.get(this.id)!;
      this.#view = viewOf(content, member);
      this.#toldMember = member;
      this.#toldGeneration = content.generation;
      this.told = content.generation;
    }
    return this.#view;
  }
}
