/** What the groups of a coordinator share. */
import type { Clock } from '../common/clock.ts';
import type { Logger } from '../common/logger.ts';
import type { Engine } from '../engine.ts';
import type { OffsetsTopic } from './offsets-topic.ts';
import type { GroupObserver } from './types.ts';

export interface GroupContext {
  readonly engine: Engine;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly observer: GroupObserver;
  readonly log: OffsetsTopic;
  readonly totals: GroupTotals;
  isClosed(): boolean;
}

/** Over all groups. */
export interface GroupTotals {
  members: number;
  /** Committed offsets, and what their metadata weighs; see weightOf. */
  offsets: number;
  /** The highest generation of a group that was deleted: one that is made again goes on from there. */
  lastGeneration: number;
}
