/**
 * What a consumer group owes its members, in the crash tests: told of each question before it is asked and of each answer, it
 * finds a generation that went back or has two owners for a partition, a partition that is given away before it was given up,
 * and a committed offset that is lost, goes back, or was refused and is there.
 *
 * It outlives the log's crashes: values that do not change, kept by the oracle.
 */
import type { MemberView, TopicPartitions } from '../../src/engine/groups/types.ts';
import { type LogOracle, Violation } from './oracle.ts';

interface Revocation {
  /** The generation in which it was told so first. */
  readonly toldIn: number;
  /** It has said since that it goes by that generation. */
  readonly isGiven: boolean;
}

/** A member as it was told about itself. */
export interface MemberClient {
  readonly id: string;
  readonly topics: readonly string[];
  readonly sessionTimeoutMs: number;
  /** Where it begins without a committed offset. */
  readonly reset: string;
  /** `unsure`: it may have been taken out, or be about to leave; `out`: it is none, and will not be. */
  readonly state: 'in' | 'unsure' | 'out';
  readonly generation: number;
  /** The one that it was told before. */
  readonly formerGeneration: number;
  readonly assignment: ReadonlySet<string>;
  /** It was told to give these up. */
  readonly revoking: ReadonlyMap<string, Revocation>;
}

/** Undefined: nothing. */
type Offset = number | undefined;

/** What the group has committed for a partition. */
interface CommittedClient {
  /** What was answered, or seen. */
  readonly settled: Offset;
  /** What may have been stored since, in order. */
  readonly pending: readonly Offset[];
}

export interface GroupClient {
  readonly kind: 'group';
  /** The highest one that anybody was told. */
  readonly generation: number;
  readonly members: ReadonlyMap<string, MemberClient>;
  /** By generation and partition: whom it was given to. */
  readonly owners: ReadonlyMap<string, string>;
  /** By partition; another one once the topic is made again. */
  readonly committed: ReadonlyMap<string, CommittedClient>;
  /** Topics that are about to be deleted: whoever has partitions of them may lose them at any time. */
  readonly deleting: ReadonlySet<string>;
}

const NOBODY: GroupClient = {
  kind: 'group',
  generation: 0,
  members: new Map(),
  owners: new Map(),
  committed: new Map(),
  deleting: new Set(),
};
const NOTHING: CommittedClient = { settled: undefined, pending: [] };

export const nameOf = (topic: string, partition: number) => `${topic}/${partition}`;

export const namesOf = (list: readonly TopicPartitions[]): Set<string> =>
  new Set(list.flatMap(({ topic, partitions }) => partitions.map((partition) => nameOf(topic, partition))));

/** What a member has, until it says that it has given it up. */
const partitionsOf = ({ assignment, revoking }: MemberClient): string[] => [
  ...assignment,
  ...[...revoking].filter(([, { isGiven }]) => !isGiven).map(([partition]) => partition),
];

export class GroupLedger {
  readonly group: string;
  readonly #oracle: LogOracle;

  constructor(oracle: LogOracle, group: string) {
    this.#oracle = oracle;
    this.group = group;
  }

  get state(): GroupClient {
    return this.#oracle.client<GroupClient>(this.#name) ?? NOBODY;
  }

  get #name(): string {
    return `group ${this.group}`;
  }

  #change(change: Partial<GroupClient>): void {
    this.#oracle.clientChanged(this.#name, { ...this.state, ...change } satisfies GroupClient);
  }

  member(id: string): MemberClient | undefined {
    return this.state.members.get(id);
  }

  /** Members that were told that they are some, and not that they are none. */
  get present(): MemberClient[] {
    return [...this.state.members.values()].filter(({ state }) => state === 'in');
  }

  joined(member: Pick<MemberClient, 'id' | 'topics' | 'sessionTimeoutMs' | 'reset'>): void {
    const nothing = {
      generation: 0,
      formerGeneration: 0,
      assignment: new Set<string>(),
      revoking: new Map(),
    };
    this.memberChanged({ ...member, ...nothing, state: 'in' });
  }

  memberChanged(member: MemberClient): void {
    this.#change({ members: new Map(this.state.members).set(member.id, member) });
  }

  /** The member is about to say by which generation it goes: what it was told to give up until then, it has. */
  confirming(id: string, generation: number): void {
    const member = this.member(id)!;
    const revoking = new Map<string, Revocation>();
    for (const [partition, { toldIn, isGiven }] of member.revoking)
      revoking.set(partition, { toldIn, isGiven: isGiven || toldIn <= generation });
    if (revoking.size > 0) this.memberChanged({ ...member, revoking });
  }

  /**
   * A member got an answer. `since`: the generation when it asked. `mayBeOut`: who may have been taken out, because it was silent
   * for so long.
   */
  told(id: string, view: MemberView, since: number, mayBeOut: (member: MemberClient) => boolean): void {
    const { generation } = view;
    const assignment = namesOf(view.assignment);
    const what = `group ${this.group}: generation ${generation} gives ${id} ${[...assignment]}`;
    if (generation < since) throw new Violation(`${what}, after generation ${since}`);
    const owners = new Map(this.state.owners);
    for (const partition of assignment) {
      const key = `${generation} ${partition}`;
      const owner = owners.get(key) ?? id;
      if (owner !== id) throw new Violation(`${what}, and it gave ${partition} to ${owner}`);
      owners.set(key, id);
      for (const other of this.present) {
        if (this.state.deleting.has(partition.split('/')[0]!)) continue;
        const holds = partitionsOf(other).includes(partition);
        if (other.id !== id && holds && !mayBeOut(other))
          throw new Violation(`${what}, but ${other.id} has ${partition} since ${other.generation}`);
      }
    }
    this.#change({ owners, generation: Math.max(generation, this.state.generation) });
    const member = this.member(id)!;
    const revoking = new Map<string, Revocation>();
    for (const partition of namesOf(view.revoking)) {
      const { toldIn } = member.revoking.get(partition) ?? { toldIn: generation };
      revoking.set(partition, { toldIn, isGiven: false });
    }
    for (const partition of partitionsOf(member)) {
      const isDeleting = this.state.deleting.has(partition.split('/')[0]!);
      if (!isDeleting && !assignment.has(partition) && !revoking.has(partition))
        throw new Violation(`${what}, and has taken ${partition} away, which it had not given up`);
    }
    const formerGeneration = generation > member.generation ? member.generation : member.formerGeneration;
    this.memberChanged({ ...member, generation, formerGeneration, assignment, revoking });
  }

  committedOf(partition: string): CommittedClient {
    return this.state.committed.get(partition) ?? NOTHING;
  }

  committing(offsets: ReadonlyMap<string, Offset>): void {
    this.#changeCommitted(offsets, (committed, offset) => ({
      ...committed,
      pending: [...committed.pending, offset],
    }));
  }

  committed(offsets: ReadonlyMap<string, Offset>): void {
    this.#changeCommitted(offsets, (_, offset) => ({ settled: offset, pending: [] }));
  }

  refused(offsets: ReadonlyMap<string, Offset>): void {
    this.#changeCommitted(offsets, (committed, offset) => ({
      ...committed,
      pending: committed.pending.toSpliced(committed.pending.lastIndexOf(offset), 1),
    }));
  }

  /**
   * Somebody was told that so much is committed. `mayBegin`: the group may have decided by itself where it begins, where nothing
   * was committed before.
   */
  seen(partition: string, offset: Offset, mayBegin = false): void {
    const { settled, pending } = this.committedOf(partition);
    if (offset === settled) return;
    const place = pending.indexOf(offset);
    if (place < 0 && !(mayBegin && settled === undefined)) {
      const owed = [settled, ...pending].map(String);
      throw new Violation(`group ${this.group}: ${offset} is committed for ${partition}, not ${owed}`);
    }
    this.#changeCommitted(new Map([[partition, offset]]), () => ({
      settled: offset,
      pending: pending.slice(place + 1),
    }));
  }

  /** Of all partitions that something may be committed for, or of one topic: nothing. */
  nothing(topic?: string): ReadonlyMap<string, Offset> {
    const names = [...this.state.committed.keys()];
    const ofTopic = names.filter((name) => topic === undefined || name.startsWith(`${topic}/`));
    return new Map(ofTopic.map((name) => [name, undefined]));
  }

  topicDeleting(topic: string): void {
    this.#change({ deleting: new Set(this.state.deleting).add(topic) });
    this.committing(this.nothing(topic));
  }

  /** Whoever had partitions of it has none of one that is made under its name. */
  topicDeleted(topic: string): void {
    const deleting = new Set(this.state.deleting);
    deleting.delete(topic);
    this.#change({ deleting });
    const isOther = (name: string) => !name.startsWith(`${topic}/`);
    for (const member of this.state.members.values()) {
      const assignment = new Set([...member.assignment].filter(isOther));
      const revoking = new Map([...member.revoking].filter(([name]) => isOther(name)));
      this.memberChanged({ ...member, assignment, revoking });
    }
  }

  #changeCommitted(
    offsets: ReadonlyMap<string, Offset>,
    change: (committed: CommittedClient, offset: Offset) => CommittedClient,
  ): void {
    const committed = new Map(this.state.committed);
    for (const [partition, offset] of offsets)
      committed.set(partition, change(committed.get(partition) ?? NOTHING, offset));
    this.#change({ committed });
  }
}
