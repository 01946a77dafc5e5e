/**
 * What consumer groups came to: rebalances, commits, members that were taken out. So many groups have figures of their own,
 * the first ones; the others share theirs, so that a scrape stays small whatever clients make.
 */
import type { GroupObserver } from '../engine/index.ts';
import { Histogram } from './histogram.ts';

/** A group may have this name as well: it is then among those. */
const OTHER_GROUPS = '(other)';

export interface GroupCounts {
  rebalances: number;
  movedPartitions: number;
  expiredMembers: number;
  commits: number;
}

export class GroupFigures {
  /** By the label of the group. */
  readonly counts = new Map<string, GroupCounts>();
  readonly commitSeconds: Histogram;
  readonly #maxGroups: number;

  constructor(maxGroups: number, seconds: readonly number[]) {
    this.#maxGroups = maxGroups;
    this.commitSeconds = new Histogram(seconds);
  }

  /** What the coordinator reports to. */
  readonly observer: GroupObserver = {
    rebalanced: ({ groupId, moved }) => {
      const counts = this.#countsOf(groupId);
      counts.rebalances++;
      counts.movedPartitions += moved;
    },
    committed: (groupId, _offsets, durationMs) => {
      this.#countsOf(groupId).commits++;
      this.commitSeconds.observe(durationMs / 1000);
    },
    memberExpired: (groupId) => {
      this.#countsOf(groupId).expiredMembers++;
    },
    groupRemoved: (groupId) => {
      this.counts.delete(groupId);
    },
  };

  /** The group itself, or what it is counted under. */
  labelOf(groupId: string): string {
    if (this.counts.has(groupId)) return groupId;
    const label = this.counts.size < this.#maxGroups ? groupId : OTHER_GROUPS;
    if (!this.counts.has(label))
      this.counts.set(label, { rebalances: 0, movedPartitions: 0, expiredMembers: 0, commits: 0 });
    return label;
  }

  #countsOf(groupId: string): GroupCounts {
    return this.counts.get(this.labelOf(groupId))!;
  }
}
