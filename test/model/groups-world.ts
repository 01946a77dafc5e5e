/**
 * A group and its clients in a random life: they join, read, process, commit, fall silent, lose answers, leave and come back, while
 * topics grow and are made again, the process is stopped and killed, and the power cut. Clients are well behaved: they commit what
 * they have processed, and stop touching what they are told to give up. All that is told to them is held against what must hold.
 */
import assert from 'node:assert/strict';
import { decodeRecords } from '../../src/engine/format/record-batch-reader.ts';
import type { CommitRequest, MemberView, OffsetChange, PollAnswer } from '../../src/engine/groups/types.ts';
import { CRASH_VARIANTS } from '../crash/sim/crash-image.ts';
import { Random } from '../crash/sim/random.ts';
import { SimGroups } from '../helpers/sim-groups.ts';
import { DIRECTORY, SimLog } from '../helpers/sim-log.ts';
import { verifyNow } from '../helpers/verify-after.ts';

const TOPICS = ['a', 'b'];
const SESSION_MS = 10_000;
/** What a call may be refused with here: whatever else fails is a fault. */
const EXPECTED = new Set([
  'UNKNOWN_MEMBER_ID',
  'FENCED_MEMBER_EPOCH',
  'NON_EMPTY_GROUP',
  'GROUP_ID_NOT_FOUND',
  'UNKNOWN_TOPIC_OR_PARTITION',
]);

/** One partition of one topic of that name, and what became of it. */
interface Ledger {
  topic: string;
  partition: number;
  produced: number;
  /** Of these, those that were acknowledged. */
  acknowledged: number;
  /** All before was processed by somebody, or a reset passed over it. */
  processed: number;
  committed: number | null;
  /** Who was told to read it in which generation. */
  owners: Map<number, string>;
}

interface Client {
  memberId: string;
  /** It says by which generation it goes: then an answer to it may be lost. */
  isExact: boolean;
  view: MemberView;
  cursor: string | undefined;
  /** Given and not processed yet, in order. */
  given: { ledger: Ledger; offset: number }[];
  /** Processed and not committed. */
  positions: Map<Ledger, number>;
  polling: boolean;
  committing: boolean;
}

export interface WorldCounts {
  joins: number;
  rebalances: number;
  expired: number;
  given: number;
  commits: number;
  fenced: number;
  restarts: number;
  crashes: number;
}

export class GroupsWorld {
  readonly counts: WorldCounts = {
    joins: 0,
    rebalances: 0,
    expired: 0,
    given: 0,
    commits: 0,
    fenced: 0,
    restarts: 0,
    crashes: 0,
  };
  readonly #random: Random;
  readonly #groups: SimGroups;
  #clients: Client[] = [];
  readonly #ledgers = new Map<string, Ledger[]>();
  /** Commits of partitions that have been another member's since. */
  #stale: CommitRequest[] = [];
  #generation = 0;
  #epoch = 0;

  private constructor(random: Random, groups: SimGroups) {
    this.#random = random;
    this.#groups = groups;
    groups.observer.rebalanced = () => void this.counts.rebalances++;
    groups.observer.memberExpired = () => void this.counts.expired++;
  }

  static async open(seed: number): Promise<GroupsWorld> {
    const random = new Random(seed, 'groups');
    const log = new SimLog({ 'group.min.session.timeout.ms': 1_000, 'housekeeping.interval.ms': 3_600_000 });
    const groups = await SimGroups.over(log);
    const world = new GroupsWorld(random, groups);
    for (const topic of TOPICS) await world.#makeTopic(topic);
    return world;
  }

  /** One step: some things at a time, sometimes while a change is on its way to the disk. */
  async step(): Promise<void> {
    const { log } = this.#groups;
    const isHeld = this.#random.below(4) === 0;
    if (isHeld) log.syncs.hold(/__consumer_offsets/);
    const work = Array.from({ length: 1 + this.#random.below(3) }, () => this.#act());
    await log.settle(isHeld ? 5 : 1);
    if (this.#random.below(20) === 0) {
      await this.#crash();
      return;
    }
    log.syncs.release();
    await Promise.all(work);
    await this.#between();
  }

  /** Everybody reads on until nothing is left: then all that was produced has been processed. */
  async finish(): Promise<void> {
    await this.#pass(2 * SESSION_MS);
    this.#clients = [];
    for (let i = 0; i < 3; i++) await this.#join(TOPICS);
    for (
      let round = 0;
      round < 200 && this.#ledgersNow().some((each) => each.processed < each.produced);
      round++
    ) {
      for (const client of [...this.#clients]) {
        await this.#poll(client, 0);
        this.#process(client, client.given.length);
        await this.#commit(client);
      }
    }
    for (const ledger of this.#ledgersNow())
      assert.equal(
        ledger.processed,
        ledger.produced,
        `${ledger.topic}-${ledger.partition} was read to its end`,
      );
    await this.#restart();
    await this.#groups.stop();
    await verifyNow(DIRECTORY, this.#groups.log.disk);
  }

  #act(): Promise<unknown> {
    const client = this.#clients[this.#random.below(this.#clients.length + 1)];
    const choices: [number, () => Promise<unknown>][] = [
      [4, () => this.#produce()],
      [this.#clients.length < 5 ? 2 : 0, () => this.#join()],
      [client ? 8 : 0, () => this.#poll(client!, this.#random.below(2) * 5_000)],
      [client ? 4 : 0, async () => this.#process(client!, 1 + this.#random.below(20))],
      [client ? 5 : 0, () => this.#commit(client!)],
      [client ? 3 : 0, () => this.#heartbeat(client!)],
      [client ? 1 : 0, () => this.#leave(client!)],
      [client ? 1 : 0, async () => this.#forget(client!)],
      [this.#stale.length > 0 ? 2 : 0, () => this.#commitStale()],
      [this.#clients.length === 0 ? 2 : 0, () => this.#reset()],
    ];
    const actions = choices.flatMap(([weight, action]) => new Array<typeof action>(weight).fill(action));
    return actions[this.#random.below(actions.length)]!();
  }

  /** Nobody has been given what another member does not know to be no longer its own. */
  async #checkOwners(): Promise<void> {
    await this.#groups.log.settle();
    const group = await this.#ask(() => this.#groups.coordinator.describe('g'));
    const owners = new Map<string, string>();
    for (const { memberId, assignment } of group?.members ?? [])
      for (const { topic, partitions } of assignment)
        for (const partition of partitions) owners.set(`${topic}-${partition}`, memberId);
    for (const { memberId, view } of this.#clients) {
      if (!group?.members.some((member) => member.memberId === memberId)) continue;
      for (const { topic, partitions } of view.assignment)
        for (const partition of partitions) {
          const owner = owners.get(`${topic}-${partition}`) ?? memberId;
          assert.equal(owner, memberId, `${topic}-${partition} was taken before it was given up`);
        }
    }
  }

  /** What is not done beside other things. */
  async #between(): Promise<void> {
    await this.#checkOwners();
    const dice = this.#random.below(60);
    if (dice < 12) await this.#pass(this.#random.below(SESSION_MS / 2));
    else if (dice < 13) await this.#pass(SESSION_MS + 1);
    else if (dice < 15) await this.#restart();
    else if (dice < 16) await this.#grow();
    else if (dice < 17) await this.#makeAnew();
    else if (dice < 20) await this.#compareWithLog();
  }

  /** Most clients say that they are there meanwhile. */
  async #pass(ms: number): Promise<void> {
    for (const client of [...this.#clients]) if (this.#random.below(4) > 0) await this.#heartbeat(client);
    await this.#groups.advance(ms);
  }

  async #restart(): Promise<void> {
    this.counts.restarts++;
    await this.#groups.log.settle();
    const before = await this.#described();
    for (const client of this.#clients) client.polling = client.committing = false;
    this.#epoch++;
    if (this.#random.below(2) === 0) await this.#groups.reopen();
    else await this.#groups.reopenAfterKill();
    assert.deepEqual(await this.#described(), before, 'all is as it was before the restart');
  }

  /** Whatever is on its way may be lost, or not; what was answered, or told, is there. */
  async #crash(): Promise<void> {
    this.counts.crashes++;
    this.#epoch++;
    for (const client of this.#clients) client.polling = client.committing = false;
    const variant = CRASH_VARIANTS[this.#random.below(CRASH_VARIANTS.length)]!;
    await this.#groups.reopenAfterCrash(variant, this.#random.below(1_000_000));
    const { coordinator, engine } = this.#groups;
    for (const ledger of this.#ledgersNow()) {
      const { topic, partition, acknowledged } = ledger;
      const { highWatermark } = engine.offsets(topic, partition);
      assert.ok(highWatermark >= acknowledged);
      ledger.produced = highWatermark;
      ledger.acknowledged = highWatermark;
    }
    const group = await this.#ask(() => coordinator.describe('g'));
    assert.ok((group?.generation ?? 0) >= this.#generation, 'the generation is not an older one');
    for (const { topic, partition, committed } of this.#ledgersNow()) {
      const found = group?.offsets.find((each) => each.topic === topic && each.partition === partition);
      assert.ok(
        (found?.committed ?? -1) >= (committed ?? -1),
        `${topic}-${partition}: ${committed} was committed`,
      );
    }
  }

  /** The state in memory is what the log says: a second coordinator that reads it comes to the same. */
  async #compareWithLog(): Promise<void> {
    await this.#groups.log.settle();
    const before = await this.#described();
    const other = await this.#groups.second();
    assert.deepEqual(await this.#described(other), before, 'the log says what memory says');
    await other.close();
  }

  async #described(coordinator = this.#groups.coordinator): Promise<unknown> {
    const groups = await Promise.all(coordinator.list().map(({ groupId }) => coordinator.describe(groupId)));
    return groups.map(({ state, expiresAt, members, ...rest }) => ({
      ...rest,
      isEmpty: state === 'Empty',
      members: members.map(({ idleMs, generation, ...member }) => member),
    }));
  }

  async #makeTopic(topic: string): Promise<void> {
    const partitions = 1 + this.#random.below(4);
    await this.#groups.engine.createTopic(topic, { partitions });
    this.#ledgers.set(
      topic,
      Array.from({ length: partitions }, (_, partition) => newLedger(topic, partition)),
    );
  }

  async #makeAnew(): Promise<void> {
    const topic = TOPICS[this.#random.below(TOPICS.length)]!;
    await this.#groups.engine.deleteTopic(topic);
    if (this.#random.below(2) === 0) await this.#groups.log.settle();
    await this.#makeTopic(topic);
    await this.#groups.log.settle();
  }

  async #grow(): Promise<void> {
    const topic = TOPICS[this.#random.below(TOPICS.length)]!;
    const ledgers = this.#ledgers.get(topic)!;
    if (ledgers.length >= 6) return;
    await this.#groups.engine.alterTopic(topic, { partitions: ledgers.length + 1 });
    ledgers.push(newLedger(topic, ledgers.length));
    await this.#groups.log.settle();
  }

  #ledgersNow(): Ledger[] {
    return [...this.#ledgers.values()].flat();
  }

  async #produce(): Promise<void> {
    const ledgers = this.#ledgersNow();
    const ledger = ledgers[this.#random.below(ledgers.length)]!;
    const count = 1 + this.#random.below(5);
    const records = Array.from({ length: count }, (_, i) => ({ value: `${ledger.produced + i}` }));
    ledger.produced += count;
    const [{ lastOffset } = { lastOffset: -1 }] = await this.#groups.engine.append(ledger.topic, records, {
      partition: ledger.partition,
    });
    ledger.acknowledged = Math.max(ledger.acknowledged, lastOffset + 1);
  }

  /** What came of a call; undefined when it was refused for a reason that is to be expected. */
  async #ask<T>(call: () => Promise<T>): Promise<T | undefined> {
    const epoch = this.#epoch;
    try {
      return await call();
    } catch (error) {
      const { code } = error as { code?: string };
      // What was on its way when the process ended has no answer that counts.
      if (epoch !== this.#epoch) return undefined;
      if (code === undefined || !EXPECTED.has(code)) throw error;
      return undefined;
    }
  }

  async #join(
    topics = this.#random.below(3) === 0 ? [TOPICS[this.#random.below(2)]!] : TOPICS,
  ): Promise<void> {
    const view = await this.#ask(() =>
      this.#groups.coordinator.join('g', { topics, sessionTimeoutMs: SESSION_MS }),
    );
    if (view === undefined) return;
    this.counts.joins++;
    const client: Client = {
      memberId: view.memberId,
      isExact: this.#random.below(2) === 0,
      view,
      cursor: undefined,
      given: [],
      positions: new Map(),
      polling: false,
      committing: false,
    };
    this.#clients.push(client);
    this.#told(client, view);
  }

  async #heartbeat(client: Client): Promise<void> {
    const { isExact } = client;
    const options = isExact ? { generation: client.view.generation } : {};
    this.#dropRevoked(client);
    const view = await this.#ask(() => this.#groups.coordinator.heartbeat('g', client.memberId, options));
    if (view === undefined) return this.#forget(client);
    if (isExact && this.#random.below(4) === 0) return;
    this.#told(client, view);
  }

  async #poll(client: Client, waitMs: number): Promise<void> {
    // Who reads again from what is committed waits until that is known.
    if (client.polling || client.committing) return;
    client.polling = true;
    const epoch = this.#epoch;
    this.#dropRevoked(client);
    const generation = client.isExact ? client.view.generation : undefined;
    const useCursor = client.cursor !== undefined && this.#random.below(2) === 0;
    if (!useCursor) {
      client.given = [];
      client.positions.clear();
    }
    const options = {
      generation,
      waitMs,
      cursor: useCursor ? client.cursor : undefined,
      maxRecords: 1 + this.#random.below(10),
    };
    const polling = this.#ask(() => this.#groups.coordinator.poll('g', client.memberId, options)).then(
      (answer) => {
        if (epoch !== this.#epoch) return;
        client.polling = false;
        if (answer === undefined) this.#forget(client);
        else this.#take(client, answer);
      },
    );
    // One that waits is answered later.
    if (waitMs === 0) await polling;
  }

  #take(client: Client, answer: PollAnswer): void {
    if (!this.#clients.includes(client)) return;
    this.#told(client, answer);
    client.cursor = answer.cursor ?? undefined;
    for (const { topic, partition, offset, endOffset, chunks } of answer.partitions) {
      const ledger = this.#ledgers.get(topic)?.[partition];
      assert.ok(ledger !== undefined, `${topic}-${partition} exists`);
      assert.ok(isAssigned(answer, topic, partition), 'records are of partitions that are assigned');
      const records = decodeRecords(chunks, offset).filter((record) => record.offset < endOffset);
      assert.deepEqual(
        records.map((record) => [record.offset, `${record.value}`]),
        records.map((_, i) => [offset + i, `${offset + i}`]),
      );
      for (const record of records) client.given.push({ ledger, offset: record.offset });
      this.counts.given += records.length;
    }
  }

  /** A member was told something: no partition is two members' in one generation, and generations do not go back. */
  #told(client: Client, view: MemberView): void {
    assert.equal(view.memberId, client.memberId);
    assert.ok(view.generation >= client.view.generation, 'a member is not told an older generation');
    this.#generation = Math.max(this.#generation, view.generation);
    for (const { topic, partitions } of view.assignment) {
      for (const partition of partitions) {
        const ledger = this.#ledgers.get(topic)?.[partition];
        if (ledger === undefined) continue;
        const owner = ledger.owners.get(view.generation);
        assert.ok(
          owner === undefined || owner === client.memberId,
          `${topic}-${partition} is two members' in generation ${view.generation}`,
        );
        ledger.owners.set(view.generation, client.memberId);
      }
    }
    client.view = view;
    const isOwn = (ledger: Ledger) =>
      isAssigned(view, ledger.topic, ledger.partition) ||
      view.revoking.some((each) => each.topic === ledger.topic && each.partitions.includes(ledger.partition));
    this.#dropUnless(client, isOwn);
  }

  /** The client stops with what it is to give up, and commits no more of it. */
  #dropRevoked(client: Client): void {
    this.#dropUnless(client, (ledger) => isAssigned(client.view, ledger.topic, ledger.partition));
  }

  #dropUnless(client: Client, keep: (ledger: Ledger) => boolean): void {
    client.given = client.given.filter(({ ledger }) => keep(ledger));
    for (const [ledger, offset] of client.positions) {
      if (keep(ledger)) continue;
      client.positions.delete(ledger);
      const { topic, partition } = ledger;
      const { memberId, view } = client;
      this.#stale.push({
        memberId,
        generation: view.generation - 1,
        offsets: [{ topic, partition, offset }],
      });
    }
  }

  /** In order: nothing is processed for the first time before all that comes before it. */
  #process(client: Client, count: number): void {
    for (const { ledger, offset } of client.given.splice(0, count)) {
      assert.ok(
        offset <= ledger.processed,
        `${ledger.topic}-${ledger.partition}: ${offset} came before ${ledger.processed}`,
      );
      ledger.processed = Math.max(ledger.processed, offset + 1);
      client.positions.set(ledger, offset + 1);
    }
  }

  async #commit(client: Client): Promise<void> {
    const entries = [...client.positions];
    if (entries.length === 0 || client.committing) return;
    client.committing = true;
    const offsets = entries.map(([{ topic, partition }, offset]) => ({ topic, partition, offset }));
    const { memberId, view } = client;
    const changes = await this.#ask(() =>
      this.#groups.coordinator.commit('g', { memberId, generation: view.generation, offsets }),
    );
    client.committing = false;
    if (changes === undefined) {
      this.counts.fenced++;
      return;
    }
    this.counts.commits++;
    for (const [at, [ledger, offset]] of entries.entries()) {
      const { before, after }: OffsetChange = changes[at]!;
      if (!this.#ledgersNow().includes(ledger)) continue;
      assert.equal(after, offset);
      assert.ok(
        (before ?? 0) <= after,
        `${ledger.topic}-${ledger.partition}: a commit went back from ${before} to ${after}`,
      );
      assert.ok((before ?? 0) >= (ledger.committed ?? 0), 'what was committed is there');
      ledger.committed = after;
      if (client.positions.get(ledger) === offset) client.positions.delete(ledger);
    }
  }

  /** A commit that was on its way for long: where another member has had the partition since, it must not get through. */
  async #commitStale(): Promise<void> {
    const [request] = this.#stale.splice(this.#random.below(this.#stale.length), 1);
    const { topic, partition } = request!.offsets[0]!;
    const ledger = this.#ledgers.get(topic)?.[partition];
    const since = [...(ledger?.owners ?? [])].some(
      ([generation, id]) => generation > request!.generation && id !== request!.memberId,
    );
    if (!since) return;
    const outcome = await this.#groups.coordinator.commit('g', request!).then(
      () => 'stored',
      ({ code }) => code as string,
    );
    assert.ok(outcome === 'FENCED_MEMBER_EPOCH' || outcome === 'NOT_READY', `a stale commit is ${outcome}`);
  }

  async #leave(client: Client): Promise<void> {
    this.#forget(client);
    await this.#ask(() => this.#groups.coordinator.leave('g', client.memberId));
  }

  /** The client is gone, or knows its member no more: it says nothing further. */
  #forget(client: Client): void {
    this.#dropUnless(client, () => false);
    this.#clients = this.#clients.filter((each) => each !== client);
  }

  /** Back to what nobody has processed, or before. */
  async #reset(): Promise<void> {
    const ledgers = this.#ledgersNow();
    const ledger = ledgers[this.#random.below(ledgers.length)]!;
    const { topic, partition } = ledger;
    const offset = this.#random.below(Math.min(ledger.processed, ledger.acknowledged) + 1);
    ledger.committed = null;
    const changes = await this.#ask(() =>
      this.#groups.coordinator.reset('g', { offsets: [{ topic, partition, offset }] }),
    );
    if (changes !== undefined) ledger.committed = offset;
  }
}

function newLedger(topic: string, partition: number): Ledger {
  return {
    topic,
    partition,
    produced: 0,
    acknowledged: 0,
    processed: 0,
    committed: null,
    owners: new Map(),
  };
}

function isAssigned(view: MemberView, topic: string, partition: number): boolean {
  return view.assignment.some((each) => each.topic === topic && each.partitions.includes(partition));
}
