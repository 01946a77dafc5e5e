/**
 * The work of `seglog consume -g`: reads as a member of a consumer group, and commits what it has written.
 *
 * A page is read while the one before it is written, and committed once standard output has taken all of it: what is lost
 * in between by a crash is written again by whoever gets the partitions. Partitions that the group takes away are let go of
 * by the request that comes next, so there is none before their records are committed.
 */
import { hostname } from 'node:os';
import { UsageError } from './errors.ts';
import { GroupMember, type PollLimits } from './group-member.ts';
import { describeGroup, type GroupPage } from './groups-client.ts';
import { HttpClient } from './http-client.ts';
import { type Io, writeAll } from './io.ts';
import { isDuration } from './options.ts';
import { type OutputFormatOptions, outputFormat } from './output-format.ts';
import type { Position } from './positions.ts';
import type { RecordFormat } from './record-format.ts';
import { count } from './text.ts';
import { describeTopic } from './topics-client.ts';
import { consumedRecord } from './wire-record.ts';

export interface GroupConsumeOptions extends OutputFormatOptions {
  server?: string;
  group: string;
  /** Where to begin in a partition of which nothing is committed. */
  offset: Position;
  assignor?: string;
  sessionTimeout?: number;
  count?: number;
  exitAtEnd?: boolean;
  maxBytes: number;
}

const LONG_POLL_MS = 20_000;
/** With --exit-at-end: how long to wait for partitions that other members are about to hand over. */
const SETTLING_MS = 500;
/** How long a command that is meant to end bears with a daemon that is away. */
const PATIENCE_MS = 60_000;

export async function consumeInGroup(topic: string, options: GroupConsumeOptions, io: Io): Promise<void> {
  const format = outputFormat(options);
  const autoOffsetReset = offsetReset(options.offset);
  const interruption = io.interruption();
  const client = new HttpClient(options.server, io.env);
  const { partitions } = await describeTopic(client, topic, { signal: interruption });
  const spec = {
    topics: [topic],
    clientId: `seglog-${hostname()}-${process.pid}`,
    sessionTimeoutMs: options.sessionTimeout,
    assignor: options.assignor,
    autoOffsetReset,
  };
  const patienceMs = options.exitAtEnd ? PATIENCE_MS : Number.POSITIVE_INFINITY;
  const member = new GroupMember({ client, group: options.group, spec, patienceMs, interruption, io });
  const ends = new Map(partitions.map((each) => [each.partition, each.highWatermark]));
  const consumer = new GroupConsumer({ client, member, format, options, ends, io });
  io.onOutputLost(() => member.leave());
  try {
    await consumer.run(interruption);
  } finally {
    await member.leave();
  }
  if (interruption.aborted) io.stderr.write(`seglog: ${consumer.progress()}\n`);
  await client.close();
}

/** Kafka's `auto.offset.reset` for what `--offset` says. Throws UsageError for a place that is one of a partition, not of a group. */
function offsetReset(position: Position): string {
  switch (position.at) {
    case 'beginning':
      return 'earliest';
    case 'end':
      return 'latest';
    case 'none':
      return 'none';
    case 'time':
      if (position.time === 'now') return 'latest';
      if (isDuration(position.time)) return `by_duration:${position.time}`;
  }
  throw new UsageError(
    'with -g, -o says where to begin where the group has committed nothing: beginning, end, none, or back from now (@2h); `seglog groups reset` moves a group to an offset or a time',
  );
}

interface ConsumerParts {
  client: HttpClient;
  member: GroupMember;
  format: RecordFormat;
  options: GroupConsumeOptions;
  /** By partition: the end that the log had when we began. */
  ends: ReadonlyMap<number, number>;
  io: Io;
}

/** A page on its way; `cancel` where nobody wants it any more. */
interface Fetch {
  page: Promise<GroupPage>;
  cancel(): void;
}

class GroupConsumer {
  readonly #parts: ConsumerParts;
  /** Records that may still be taken. */
  #remaining: number;
  #written = 0;
  /** By partition: what was committed last. */
  readonly #committed = new Map<number, number>();
  /** What was last said of the partitions. */
  #said: ReadonlySet<string> = new Set();
  /** Of the last page that is committed. */
  #generation = 0;
  /** The partitions are read to their ends, but others are about to come. */
  #settling = false;

  constructor(parts: ConsumerParts) {
    this.#parts = parts;
    this.#remaining = parts.options.count ?? Number.POSITIVE_INFINITY;
  }

  /** Resolves when the ends or the wanted count are reached, when `interruption` aborts, or when our output takes no more. */
  async run(interruption: AbortSignal): Promise<void> {
    try {
      await this.#consume(interruption);
    } catch (error) {
      if (!interruption.aborted) throw error;
    }
  }

  /** How far it came, in a sentence. */
  progress(): string {
    const places = [...this.#committed].map(([partition, offset]) => `partition ${partition}: ${offset}`);
    const committed = places.length === 0 ? 'nothing was committed' : `committed up to ${places.join(', ')}`;
    return `interrupted after ${count(this.#written, 'record')}; ${committed}`;
  }

  async #consume(stop: AbortSignal): Promise<void> {
    let fetch = this.#fetch(undefined, stop);
    for (;;) {
      const page = await fetch.page;
      this.#tell(page);
      this.#remaining -= page.records.length;
      // The next request lets go of what is revoked: before that its records are committed.
      const readsAhead = this.#remaining > 0 && page.records.length > 0 && page.revoking.length === 0;
      const ahead = readsAhead ? this.#fetch(page, stop) : undefined;
      const outcome = await this.#deliver(page, stop);
      const isLast = stop.aborted || outcome === 'unwritten' || this.#remaining === 0;
      if (isLast || (outcome === 'committed' && (await this.#atEnd(page, stop)))) {
        ahead?.cancel();
        return;
      }
      if (outcome === 'committed') {
        this.#generation = page.generation;
        fetch = ahead ?? this.#fetch(page, stop);
      } else {
        ahead?.cancel();
        fetch = this.#fetch(undefined, stop);
      }
    }
  }

  #fetch(after: GroupPage | undefined, stop: AbortSignal): Fetch {
    const cancelled = new AbortController();
    const { member, options } = this.#parts;
    const limits: PollLimits = {
      maxBytes: options.maxBytes,
      maxRecords: this.#remaining === Number.POSITIVE_INFINITY ? undefined : this.#remaining,
      waitMs: options.exitAtEnd ? (this.#settling ? SETTLING_MS : 0) : LONG_POLL_MS,
    };
    const page = member.poll(limits, after, AbortSignal.any([stop, cancelled.signal]));
    // It may fail while the page before it is being written; the failure is met in the next turn.
    page.catch(() => {});
    return { page, cancel: () => cancelled.abort() };
  }

  /** Writes a page and commits it, unless the group has moved on meanwhile (fenced). */
  async #deliver(page: GroupPage, stop: AbortSignal): Promise<'committed' | 'fenced' | 'unwritten'> {
    if (page.records.length === 0) return 'committed';
    const { member, io } = this.#parts;
    if (!(await this.#write(page, stop))) return 'unwritten';
    this.#written += page.records.length;
    if (!(await member.commit(page, stop))) {
      io.stderr.write(
        'seglog: the group took partitions over before all was committed: some records are written again\n',
      );
      return 'fenced';
    }
    for (const { partition, offset } of page.positions) this.#committed.set(partition, offset);
    return 'committed';
  }

  /** Meanwhile the member says that it is alive, and still has what is revoked. */
  async #write(page: GroupPage, stop: AbortSignal): Promise<boolean> {
    const { member, format, io } = this.#parts;
    const output: Uint8Array[] = [];
    for (const record of page.records) format(consumedRecord(record.topic, record.partition, record), output);
    const generation = page.revoking.length === 0 ? page.generation : this.#generation;
    const beat = () => void member.heartbeat(page, generation);
    const heartbeats = setInterval(beat, page.sessionTimeoutMs / 3);
    try {
      return await writeAll(io.stdout, Buffer.concat(output), stop);
    } finally {
      clearInterval(heartbeats);
    }
  }

  /** With --exit-at-end: whether all partitions that this member has are read, and no others are about to come. */
  async #atEnd(page: GroupPage, stop: AbortSignal): Promise<boolean> {
    const { client, options, ends } = this.#parts;
    if (!options.exitAtEnd) return false;
    const owned = page.assignment.flatMap(({ partitions }) => partitions);
    const behind = owned.some((each) => (this.#committed.get(each) ?? 0) < (ends.get(each) ?? 0));
    if (page.records.length > 0 && behind) return false;
    const { members } = await describeGroup(client, options.group, { signal: stop });
    const self = members.find(({ memberId }) => memberId === page.memberId);
    // What it got since the page was made has not been looked at.
    const ownsMore = self?.assignment.some(({ partitions }) =>
      partitions.some((each) => !owned.includes(each)),
    );
    this.#settling = ownsMore === true || (self !== undefined && self.pending.length > 0);
    return !this.#settling;
  }

  /** What the member reads, and what it cannot read, each time that it is something else. */
  #tell({ assignment, errors }: GroupPage): void {
    const partitions = assignment.flatMap((each) => each.partitions);
    const reading =
      partitions.length === 0
        ? 'the other members of the group have all partitions; this one waits'
        : `reading ${partitions.length === 1 ? 'partition' : 'partitions'} ${partitions.join(', ')}`;
    const failing = errors.map(
      ({ partition, error }) => `partition ${partition} cannot be read: ${error.detail}`,
    );
    for (const text of [reading, ...failing].filter((each) => !this.#said.has(each)))
      this.#parts.io.stderr.write(`seglog: ${text}\n`);
    this.#said = new Set([reading, ...failing]);
  }
}
