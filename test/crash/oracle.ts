/**
 * What a log owes its users: the oracle is told what was asked for, what was acknowledged and what was read, each at
 * its place between the operations of the disk, so that for a crash at any place it knows what must be there, what
 * may be there and what must not.
 *
 * Every batch has a number, and every record's value names its batch and its place in it: what is read back tells by
 * itself what it is. A batch that is sent again keeps its number. Topic operations on one name come one after the other.
 */
import type { CrashVariant } from './sim/crash-image.ts';

/** A promise of the log that was not kept. */
export class Violation extends Error {}

export interface OracleRecord {
  readonly timestamp: number;
  readonly key: string | null;
  readonly value: string;
  /** Its value is null; what `value` says is in a header. */
  readonly tombstone?: boolean;
}

export interface TopicState {
  /** Another one each time a topic of this name is created. */
  readonly incarnation: number;
  readonly partitions: number;
  readonly config: Readonly<Record<string, string | number>>;
}

export interface TopicEntry {
  /** What was acknowledged or seen; undefined: there is no such topic. */
  settled: TopicState | undefined;
  /** What an operation under way would make of it. */
  pending: { readonly state: TopicState | undefined } | undefined;
}

export interface OracleBatch {
  readonly number: number;
  /** "topic/incarnation/partition" */
  readonly log: string;
  readonly records: readonly OracleRecord[];
  readonly acks: 'all' | 1 | 0;
  /** Visible and acknowledged only when synced (flush=sync). */
  readonly synchronous: boolean;
  /** `open`: nobody was told; `stored`: must be there at `baseOffset`; `refused`: must not be there. */
  state: 'open' | 'stored' | 'refused';
  /** It was sent again although an earlier try may have been stored. */
  doubtful: boolean;
  /** Of its last try among the tries of all batches. */
  order: number;
  baseOffset: number | undefined;
  /** It must survive a power cut, not only the death of the process. */
  durable: boolean;
}

/** Where a log may begin. */
export interface LogStart {
  /** Deleted for good: acknowledged, or a reader saw that it was gone. */
  readonly gone: number;
  /** Asked for: all below may be gone. */
  readonly asked: number;
}

/** Records that one swap of segments takes out: all of them or none. */
export interface Removal {
  readonly log: string;
  readonly offsets: ReadonlySet<number>;
  /** `asked`: they may be gone; `done`: they are, for good; `withdrawn`: they must be there. */
  readonly state: 'asked' | 'done' | 'withdrawn';
}

/** A rewriting of segments by a pass that compacts: it may take out what a newer record of the same key makes old. */
export interface Compaction {
  readonly log: string;
  /** The offsets that it goes through. */
  readonly from: number;
  readonly end: number;
  /** Below, it knows the newest record of each key. */
  readonly mappedEnd: number;
  /** ms since 1970. */
  readonly now: number;
  readonly deleteRetentionMs: number;
}

interface Snapshot {
  readonly topics: Map<string, TopicEntry>;
  readonly batches: Map<number, OracleBatch>;
  /** Highest high watermark that was seen, by log. */
  readonly highWatermarks: Map<string, { offset: number; synchronous: boolean }>;
  /** By log; from 0 where nothing was deleted. */
  readonly starts: Map<string, LogStart>;
  /** In the order in which they were asked for. */
  readonly removals: Removal[];
  /** Also in that order. */
  readonly compactions: Compaction[];
  /** What those who use the log know of themselves, by name; values that do not change. */
  readonly clients: Map<string, unknown>;
  tries: number;
}

const FROM_ZERO: LogStart = { gone: 0, asked: 0 };

export class LogOracle {
  readonly #first: Snapshot;
  readonly #events: { readonly at: number; readonly apply: (state: Snapshot) => void }[] = [];
  /** Where the disk stands: how many operations have completed. */
  readonly #position: () => number;
  readonly state: Snapshot;

  constructor(position: () => number, first: Snapshot = emptySnapshot()) {
    this.#position = position;
    this.#first = first;
    this.state = copySnapshot(first);
  }

  /** What is owed after a crash that came after `at` operations, to a new disk whose operations start at 0. */
  afterCrash(at: number, variant: CrashVariant, position: () => number): LogOracle {
    const state = copySnapshot(this.#first);
    for (const event of this.#events) if (event.at <= at) event.apply(state);
    if (variant !== 'kill') forgetUnsynced(state);
    return new LogOracle(position, state);
  }

  #note(apply: (state: Snapshot) => void): void {
    this.#events.push({ at: this.#position(), apply });
    apply(this.state);
  }

  topic(name: string): TopicEntry {
    return entryOf(this.state, name);
  }

  /** An operation on a topic begins that would leave it like this. */
  topicChanging(name: string, state: TopicState | undefined): void {
    this.#note((snapshot) => {
      entryOf(snapshot, name).pending = { state };
    });
  }

  /** The topic was acknowledged or seen to be like this: from now on it must be. */
  topicSettled(name: string, state: TopicState | undefined): void {
    this.#note((snapshot) => {
      snapshot.topics.set(name, { settled: state, pending: undefined });
    });
  }

  /** Batches are numbered over all lives of the log. */
  get nextBatch(): number {
    return this.state.batches.size;
  }

  /** Topics are numbered over all lives as well, in the order of their creation. */
  get nextIncarnation(): number {
    let last = 0;
    for (const { settled, pending } of this.state.topics.values()) {
      last = Math.max(last, settled?.incarnation ?? 0, pending?.state?.incarnation ?? 0);
    }
    for (const { log } of this.state.batches.values()) last = Math.max(last, Number(log.split('/')[1]));
    return last + 1;
  }

  appending(batch: Pick<OracleBatch, 'number' | 'log' | 'records' | 'acks' | 'synchronous'>): void {
    this.#note((snapshot) => {
      const order = snapshot.tries++;
      const open = { state: 'open', doubtful: false, order, baseOffset: undefined, durable: false } as const;
      snapshot.batches.set(batch.number, { ...batch, ...open });
    });
  }

  /** It is sent again: it may come to stand in the log now, unless it does already. */
  appendingAgain(number: number): void {
    this.#note((snapshot) => {
      const batch = snapshot.batches.get(number)!;
      batch.order = snapshot.tries++;
      if (batch.state === 'refused') batch.state = 'open';
      else batch.doubtful = true;
    });
  }

  acknowledged(number: number, baseOffset: number, acks = this.state.batches.get(number)!.acks): void {
    this.#note((snapshot) => {
      const batch = snapshot.batches.get(number)!;
      if (acks === 0) return;
      batch.state = 'stored';
      batch.baseOffset = baseOffset;
      batch.durable ||= acks === 'all';
    });
  }

  /** The log said that nothing of this batch was stored by the last try. */
  refused(number: number): void {
    this.#note((snapshot) => {
      const batch = snapshot.batches.get(number)!;
      if (!batch.doubtful) batch.state = 'refused';
    });
  }

  client<T>(name: string): T | undefined {
    return this.state.clients.get(name) as T | undefined;
  }

  clientChanged(name: string, client: unknown): void {
    this.#note((snapshot) => void snapshot.clients.set(name, client));
  }

  /** A reader got this batch: from now on its offsets name this content and no other. */
  seen(number: number, baseOffset: number): void {
    this.#note((snapshot) => {
      const batch = snapshot.batches.get(number)!;
      batch.state = 'stored';
      batch.baseOffset = baseOffset;
      batch.durable ||= batch.synchronous;
    });
  }

  startOf(log: string): LogStart {
    return this.state.starts.get(log) ?? FROM_ZERO;
  }

  /** What lies below `offset` may go from now on. */
  deleting(log: string, offset: number): void {
    const { gone, asked } = this.startOf(log);
    if (offset > asked) this.#note((snapshot) => void snapshot.starts.set(log, { gone, asked: offset }));
  }

  /** What lies below `offset` is gone, and does not come back. */
  deleted(log: string, offset: number): void {
    const { gone, asked } = this.startOf(log);
    if (offset > gone) this.#note((snapshot) => void snapshot.starts.set(log, { gone: offset, asked }));
  }

  /** A swap is going to take these records out; a number for it. */
  removing(log: string, offsets: ReadonlySet<number>): number {
    this.#note((snapshot) => void snapshot.removals.push({ log, offsets, state: 'asked' }));
    return this.state.removals.length - 1;
  }

  /** What became of it. */
  removalSettled(number: number, state: 'done' | 'withdrawn'): void {
    if (this.state.removals[number]!.state === state) return;
    this.#note((snapshot) => {
      snapshot.removals[number] = { ...snapshot.removals[number]!, state };
    });
  }

  /** These records are seen to be gone: they do not come back. */
  removed(log: string, offsets: ReadonlySet<number>): void {
    this.#note((snapshot) => void snapshot.removals.push({ log, offsets, state: 'done' }));
  }

  /** Compaction begins to rewrite some segments. */
  compacting(compaction: Compaction): void {
    this.#note((snapshot) => void snapshot.compactions.push(compaction));
  }

  /** Whether a record may be taken out by a swap that was asked for. */
  mayBeRemoved(log: string, offset: number): boolean {
    return this.state.removals.some(
      (removal) => removal.log === log && removal.state !== 'withdrawn' && removal.offsets.has(offset),
    );
  }

  /** Offsets of the records that are gone for good. */
  removedOf(log: string): Set<number> {
    const done = this.state.removals.filter((removal) => removal.log === log && removal.state === 'done');
    return new Set(done.flatMap(({ offsets }) => [...offsets]));
  }

  highWatermarkSeen(log: string, offset: number, synchronous: boolean): void {
    if ((this.state.highWatermarks.get(log)?.offset ?? 0) >= offset) return;
    this.#note((snapshot) => void snapshot.highWatermarks.set(log, { offset, synchronous }));
  }
}

function emptySnapshot(): Snapshot {
  return {
    topics: new Map(),
    batches: new Map(),
    highWatermarks: new Map(),
    starts: new Map(),
    removals: [],
    compactions: [],
    clients: new Map(),
    tries: 0,
  };
}

function copySnapshot(snapshot: Snapshot): Snapshot {
  const { topics, batches, highWatermarks, starts, removals, compactions, clients, tries } = snapshot;
  return {
    topics: new Map([...topics].map(([name, entry]) => [name, { ...entry }])),
    batches: new Map([...batches].map(([number, batch]) => [number, { ...batch }])),
    highWatermarks: new Map(highWatermarks),
    starts: new Map(starts),
    removals: [...removals],
    compactions: [...compactions],
    clients: new Map(clients),
    tries,
  };
}

function entryOf(snapshot: Snapshot, name: string): TopicEntry {
  let entry = snapshot.topics.get(name);
  if (entry === undefined) {
    entry = { settled: undefined, pending: undefined };
    snapshot.topics.set(name, entry);
  }
  return entry;
}

/** A power cut takes what was only promised to be in the OS. */
function forgetUnsynced(state: Snapshot): void {
  for (const batch of state.batches.values()) {
    if (batch.state !== 'stored' || batch.durable) continue;
    batch.state = 'open';
    batch.baseOffset = undefined;
  }
  for (const [log, { synchronous }] of state.highWatermarks)
    if (!synchronous) state.highWatermarks.delete(log);
}
