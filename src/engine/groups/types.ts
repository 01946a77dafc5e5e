/**
 * The shapes that cross the group coordinator's door. Generations, offsets and timestamps are safe integers; timestamps are
 * ms since 1970.
 */
import type { Clock } from '../common/clock.ts';
import type { ErrorCode, ErrorDetails } from '../common/errors.ts';
import type { Logger } from '../common/logger.ts';

/** How the partitions of a group are spread over its members; names as in Kafka. */
export type AssignorName = 'range' | 'roundrobin' | 'cooperative-sticky';

/** Partitions of one topic, in ascending order. */
export interface TopicPartitions {
  topic: string;
  partitions: number[];
}

/** A place in a partition: the offset of the next record. */
export interface PartitionOffset {
  topic: string;
  partition: number;
  offset: number;
}

export interface CoordinatorOptions {
  /** Best the one that the engine has. */
  clock?: Clock;
  logger?: Logger;
  observer?: GroupObserver;
}

export interface JoinRequest {
  /** One that does not exist counts as soon as it does. */
  topics: readonly string[];
  /** For people who look at the group. */
  clientId?: string;
  /** Within group.min.session.timeout.ms and group.max.session.timeout.ms; default group.consumer.session.timeout.ms. */
  sessionTimeoutMs?: number;
  /** Default: what the group has; `cooperative-sticky` where it has no members. */
  assignor?: AssignorName;
  /** Where to begin without a committed offset, or with one that is gone: earliest (default), latest, none, by_duration:PT1H. */
  autoOffsetReset?: string;
}

/** What a member is told each time it is heard of. */
export interface MemberView {
  memberId: string;
  /** Of the group. Commits carry it. */
  generation: number;
  /** What the member owns and may read. */
  assignment: TopicPartitions[];
  /**
   * What it owned and is to give up: it may still commit these, and confirms by its next heartbeat or poll that it does not
   * touch them any more. Only then somebody else gets them.
   */
  revoking: TopicPartitions[];
  sessionTimeoutMs: number;
}

export interface HeartbeatOptions {
  /**
   * The generation that the member goes by. The present one confirms it at once, an older one confirms nothing newer. Missing:
   * what an earlier answer told is confirmed.
   */
  generation?: number;
}

export interface PollOptions extends HeartbeatOptions {
  /** Of the answer before: reads on behind it, also where that is not committed. */
  cursor?: string;
  /** About how many bytes of batches; default 1 MiB. The first batch comes whatever its size. */
  maxBytes?: number;
  maxRecords?: number;
  /** How long to wait while there is nothing to read; default 0. */
  waitMs?: number;
  /** Ends the wait; the answer is empty then. */
  signal?: AbortSignal;
  reader?: RecordReader;
}

/** How much is to be read at most. */
export interface RecordShare {
  bytes: number;
  records: number;
}

/** What was read: `position` is the end of what was looked at, records or not. */
export interface ShareRead extends RecordShare {
  position: number;
}

/** Reads for a poll whose caller makes something else of records than batches in memory: `chunks` stay empty then. */
export interface RecordReader {
  /** Called before each reading: what an earlier one gave counts no more. */
  begin(): void;
  /**
   * Reads a share of a partition from a place on; its bytes are those of what is made of the records. The first record since
   * `begin` comes whatever its size. One that does not fit into a later share is left (then `position` is the place), and its
   * partition comes first the next time. What it throws, unless a SeglogError, ends the poll.
   */
  read(place: PartitionOffset, share: RecordShare): Promise<ShareRead>;
}

/** What a poll gives of one partition: the records from `offset` to `endOffset` (exclusive) in `chunks`. */
export interface PolledPartition {
  topic: string;
  partition: number;
  offset: number;
  endOffset: number;
  /** Whole, checked batches in offset order; records outside of the range are to be skipped. */
  chunks: Buffer[];
  highWatermark: number;
}

/** Why a partition gives nothing although there is something. */
export interface PollError {
  topic: string;
  partition: number;
  code: ErrorCode;
  message: string;
  details: ErrorDetails;
}

export interface PollAnswer extends MemberView {
  partitions: PolledPartition[];
  /** For the next poll of a member that does not commit before; null where nothing was given that is not committed. */
  cursor: string | null;
  /** What to commit once all of it is processed. */
  positions: PartitionOffset[];
  /** Partitions that failed while others gave something. Where none does, the poll itself fails. */
  errors: PollError[];
}

export interface OffsetToCommit extends PartitionOffset {
  /** At most offset.metadata.max.bytes of UTF-8. */
  metadata?: string | null;
}

export interface CommitRequest {
  memberId: string;
  /** One that the member was told, no older than the one that it has confirmed. */
  generation: number;
  offsets: readonly OffsetToCommit[];
}

/** An offset of a group, before and after; null: none was committed. */
export interface OffsetChange {
  topic: string;
  partition: number;
  before: number | null;
  after: number;
}

/** Where to: offsets outside of the log become the nearest one in it. */
export type ResetTarget =
  | 'earliest'
  | 'latest'
  | { offset: number }
  /** The first record that is not older. */
  | { timestamp: number }
  /** So many records on, or back. */
  | { shift: number }
  /** So long ago. */
  | { durationMs: number };

export interface ResetRequest {
  /** Exactly these; OFFSET_OUT_OF_RANGE where one lies outside of the log. */
  offsets?: readonly OffsetToCommit[];
  /** Instead: these partitions to one place. */
  to?: ResetTarget;
  /** Without `topics` and `partitions`: all that the group has committed offsets of. */
  topics?: readonly string[];
  partitions?: readonly TopicPartitions[];
  /** Says what would come of it, and changes nothing. */
  dryRun?: boolean;
}

/** Reconciling: some member is to give partitions up or to get some, or has not confirmed yet that it knows of those that are new to it. */
export type GroupState = 'Empty' | 'Stable' | 'Reconciling';

export interface GroupListing {
  groupId: string;
  state: GroupState;
  generation: number;
  /** Null while it has no members. */
  assignor: AssignorName | null;
  members: number;
}

export interface MemberDescription {
  memberId: string;
  clientId: string;
  topics: string[];
  sessionTimeoutMs: number;
  autoOffsetReset: string;
  /** The generation that it has confirmed. */
  generation: number;
  assignment: TopicPartitions[];
  revoking: TopicPartitions[];
  /** Is to be its own as soon as others have given it up. */
  pending: TopicPartitions[];
  /** Since it was last heard of; 0 while it waits in a poll. */
  idleMs: number;
}

/** A partition that the group has committed, or that is assigned to a member. */
export interface GroupOffset {
  topic: string;
  partition: number;
  /** Null: nothing is committed. */
  committed: number | null;
  metadata: string | null;
  committedAt: number | null;
  logStartOffset: number;
  /** The end of what can be read. */
  logEndOffset: number;
  /** Records between the two; null without a committed offset. */
  lag: number | null;
  /** Who owns it. */
  memberId: string | null;
}

export interface GroupDescription {
  groupId: string;
  state: GroupState;
  generation: number;
  assignor: AssignorName | null;
  members: MemberDescription[];
  offsets: GroupOffset[];
  /** When its offsets expire if nobody joins; null while it has members. */
  expiresAt: number | null;
}

/** How far a group is behind in a topic. */
export interface GroupLag {
  groupId: string;
  topic: string;
  /** Over all partitions with a committed offset. */
  sum: number;
  max: number;
}

/** A change of who owns what, as it went. */
export interface RebalanceReport {
  groupId: string;
  generation: number;
  reason: 'join' | 'leave' | 'expire' | 'topics';
  members: number;
  /** Partitions that go from one member that is still there to another one. */
  moved: number;
}

/** What the coordinator tells whoever measures it. Called on hot paths: must be quick and must not throw. */
export interface GroupObserver {
  rebalanced?(report: RebalanceReport): void;
  /** One commit of so many offsets, answered. */
  committed?(groupId: string, offsets: number, durationMs: number): void;
  /** A member was taken out because it was silent. */
  memberExpired?(groupId: string): void;
  /** A group was deleted, or its last offset expired: figures about it may go. */
  groupRemoved?(groupId: string): void;
}
