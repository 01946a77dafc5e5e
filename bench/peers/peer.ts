/**
 * A Peer is a server that somebody may pick instead of seglog, or seglog itself: how it is found and started, and how a
 * program talks to it, each in its own best way. One file is one peer.
 *
 * A peer runs in one of its variants. Those with the same `durability` promise the same and are compared with each other.
 */
import type { LogEvent, TimeRange } from './events.ts';
import type { ServerProcess } from './server-process.ts';

/** What an answer to a producer says of the disk, from the strongest promise on. */
export const DURABILITIES = {
  synced: 'synced before the answer',
  second: 'synced within a second',
  later: 'synced some time later',
} as const;

export type Durability = keyof typeof DURABILITIES;

export interface Variant {
  durability: Durability;
  /** The setting that makes it so. */
  setting: string;
  /** What may be lost, and of what. */
  means: string;
}

export interface Found {
  version: string;
  /** Why it cannot be measured. */
  missing?: string;
}

/** Where a server listens and keeps its data: an empty directory that only the benchmark uses. */
export interface Place {
  port: number;
  directory: string;
}

export interface Peer {
  name: string;
  /** How records are stored and asked for: what its numbers are the numbers of. */
  layout: string;
  variants: readonly Variant[];
  /** The directory of its write-ahead log, below the directory of its data. */
  writeAhead?: string;
  find(): Found;
  start(durability: Durability, place: Place): Promise<ServerProcess>;
  connect(port: number, durability: Durability): Promise<PeerClient>;
}

/** A time of arrival, in milliseconds since 1970, and the event's own times that it stands for. */
export interface QueriedRange {
  source: string;
  /** By the events' own times, where the peer knows them. */
  own: TimeRange;
  /** The same events by when they arrived: for a peer that knows no other time. */
  arrival: TimeRange;
}

/** What comes back of a query, as a program has it in hand. */
export interface FoundEvent {
  timestamp: string;
  source: string;
  level: string;
  message: string;
}

export interface PeerClient {
  /** Makes what events are stored in anew, with nothing in it. */
  empty(): Promise<void>;
  /** Makes sure of so many connections to produce over; to be called before each load. */
  openLanes(count: number): Promise<void>;
  /** Resolves when the batch is as safe as the variant promises. A lane is a connection, and carries one request at a time. */
  produce(lane: number, events: readonly LogEvent[]): Promise<void>;
  /** Brings to disk what is not there, and lets work in the background come to its end. */
  settle(): Promise<void>;
  /** Reads everything in order, in one pass; resolves with the number of records that were taken apart. */
  replay(): Promise<number>;
  /** The newest events of all sources. In any order, as the following. */
  newest(count: number): Promise<FoundEvent[]>;
  /** All events of a source in a range. */
  range(asked: QueriedRange): Promise<FoundEvent[]>;
  /** The newest events of a source in a range. */
  newestOf(asked: QueriedRange, count: number): Promise<FoundEvent[]>;
  close(): Promise<void>;
}
