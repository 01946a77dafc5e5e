/** What recovering a partition needs, and what it settles. */
import type { OffsetGap } from '../common/types.ts';
import type { CleanPartition } from '../directory/clean-marker.ts';
import type { EngineContext, PartitionState, TopicIdentity } from '../partition/partition-log.ts';
import type { JournalReplay } from './journal-recovery.ts';

export interface RecoveryRequest {
  context: EngineContext;
  topic: TopicIdentity;
  partition: number;
  directory: string;
  clean: CleanPartition | undefined;
  journal: JournalReplay;
  keepJournal(): void;
  /** Base offsets of the segment files, in order. */
  bases: readonly number[];
  gaps: OffsetGap[];
}

/** The log after recovery: its files, what is not in them, and whether it may be appended to. */
export type SettledLog = Pick<
  PartitionState,
  'segments' | 'syncedOffset' | 'durableOffset' | 'tail' | 'fenced'
>;
