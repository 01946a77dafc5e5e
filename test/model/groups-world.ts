/**
 * A group and its clients in a random life: they join, read, process, commit, fall silent, lose answers, leave and come back, while
 * topics grow and are made again (groups-ledger.ts), the process is stopped and killed, and the power cut. What clients know of
 * themselves, and hold what they are told against, is in group-client.ts.
 */
import assert from 'node:assert/strict';
import type { CommitRequest, MemberView, OffsetChange, PollAnswer } from '../../src/engine/groups/types.ts';
import { CRASH_VARIANTS } from '../crash/sim/crash-image.ts';
import { Random } from '../crash/sim/random.ts';
import { SimGroups } from '../helpers/sim-groups.ts';
import { DIRECTORY, SimLog } from '../helpers/sim-log.ts';
import { verifyNow } from '../helpers/verify-after.ts';
import { GroupClient } from './group-client.ts';
import { GroupsLedger, placeName, TOPICS } from './groups-ledger.ts';

const SESSION_MS = 10_000;
/** What a call may be refused with here: whatever else fails is a fault. */
const EXPECTED = new Set([
  'UNKNOWN_MEMBER_ID',
  'FENCED_MEMBER_EPOCH',
  'NON_EMPTY_GROUP',
  'GROUP_ID_NOT_FOUND',
  'UNKNOWN_TOPIC_OR_PARTITION',
]);

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
  readonly #ledger: GroupsLedger;
  #clients: GroupClient[] = [];
  /** Commits of partitions that have been another member's since. */
  #stale: CommitRequest[] = [];
  #generation = 0;
  #epoch = 0;

  private constructor(random: Random, groups: SimGroups) {
    this.#random = random;
    this.#groups = groups;
    this.#ledger = new GroupsLedger(random, groups);
    groups.observer.rebalanced = () => void this.counts.rebalances++;
    groups.observer.memberExpired = () => void this.counts.expired++;
  }

  static async open(seed: number): Promise<GroupsWorld> {
    const random = new Random(seed, 'groups');
    const log = new SimLog({ 'group.min.session.timeout.ms': 1_000, 'housekeeping.interval.ms': 3_600_000 });
    const groups = await SimGroups.over(log);
    const world = new GroupsWorld(random, groups);
    await world.#ledger.makeAll();
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
      round < 200 && this.#ledger.all().some((each) => each.processed < each.produced);
      round++
    ) {
      for (const client of [...this.#clients]) {
        await this.#poll(client, 0);
        client.process(client.given);
        await this.#commit(client);
      }
    }
    for (const ledger of this.#ledger.all())
      assert.equal(ledger.processed, ledger.produced, `${placeName(ledger)} was read to its end`);
    await this.#restart();
    await this.#groups.stop();
    await verifyNow(DIRECTORY, this.#groups.log.disk);
  }

  #act(): Promise<unknown> {
    const client = this.#clients[this.#random.below(this.#clients.length + 1)];
    const choices: [number, () => Promise<unknown>][] = [
      [4, () => this.#ledger.produce()],
      [this.#clients.length < 5 ? 2 : 0, () => this.#join()],
      [client ? 8 : 0, () => this.#poll(client!, this.#random.below(2) * 5_000)],
      [client ? 4 : 0, async () => client!.process(1 + this.#random.below(20))],
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
    else if (dice < 16) await this.#ledger.grow();
    else if (dice < 17) await this.#ledger.makeAnew();
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
    const { coordinator } = this.#groups;
    this.#ledger.takeUpAfterCrash();
    const group = await this.#ask(() => coordinator.describe('g'));
    assert.ok((group?.generation ?? 0) >= this.#generation, 'the generation is not an older one');
    for (const { topic, partition, committed } of this.#ledger.all()) {
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
    const isExact = this.#random.below(2) === 0;
    const client = new GroupClient(view, isExact, this.#ledger, (commit) => void this.#stale.push(commit));
    this.#clients.push(client);
    this.#noteGeneration(view);
  }

  #told(client: GroupClient, view: MemberView): void {
    client.told(view);
    this.#noteGeneration(view);
  }

  #noteGeneration({ generation }: MemberView): void {
    this.#generation = Math.max(this.#generation, generation);
  }

  async #heartbeat(client: GroupClient): Promise<void> {
    const { isExact } = client;
    const options = isExact ? { generation: client.view.generation } : {};
    client.dropRevoked();
    const view = await this.#ask(() => this.#groups.coordinator.heartbeat('g', client.memberId, options));
    if (view === undefined) return this.#forget(client);
    if (isExact && this.#random.below(4) === 0) return;
    this.#told(client, view);
  }

  async #poll(client: GroupClient, waitMs: number): Promise<void> {
    // Who reads again from what is committed waits until that is known.
    if (client.polling || client.committing) return;
    client.polling = true;
    const epoch = this.#epoch;
    client.dropRevoked();
    const generation = client.isExact ? client.view.generation : undefined;
    const useCursor = client.cursor !== undefined && this.#random.below(2) === 0;
    if (!useCursor) client.readAgain();
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
        else if (this.#clients.includes(client)) this.#take(client, answer);
      },
    );
    // One that waits is answered later.
    if (waitMs === 0) await polling;
  }

  #take(client: GroupClient, answer: PollAnswer): void {
    this.counts.given += client.take(answer);
    this.#noteGeneration(answer);
  }

  async #commit(client: GroupClient): Promise<void> {
    const entries = client.positions();
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
      if (!this.#ledger.all().includes(ledger)) continue;
      assert.equal(after, offset);
      const isForward = (before ?? 0) <= after;
      assert.ok(isForward, `${placeName(ledger)}: a commit went back from ${before} to ${after}`);
      assert.ok((before ?? 0) >= (ledger.committed ?? 0), 'what was committed is there');
      ledger.committed = after;
      client.committed(ledger, offset);
    }
  }

  /** A commit that was on its way for long: where another member has had the partition since, it must not get through. */
  async #commitStale(): Promise<void> {
    const [request] = this.#stale.splice(this.#random.below(this.#stale.length), 1);
    const { topic, partition } = request!.offsets[0]!;
    const ledger = this.#ledger.of(topic, partition);
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

  async #leave(client: GroupClient): Promise<void> {
    this.#forget(client);
    await this.#ask(() => this.#groups.coordinator.leave('g', client.memberId));
  }

  /** The client is gone, or knows its member no more: it says nothing further. */
  #forget(client: GroupClient): void {
    client.dropAll();
    this.#clients = this.#clients.filter((each) => each !== client);
  }

  /** Back to what nobody has processed, or before. */
  async #reset(): Promise<void> {
    const ledger = this.#ledger.any();
    const { topic, partition } = ledger;
    const offset = this.#random.below(Math.min(ledger.processed, ledger.acknowledged) + 1);
    ledger.committed = null;
    const changes = await this.#ask(() =>
      this.#groups.coordinator.reset('g', { offsets: [{ topic, partition, offset }] }),
    );
    if (changes !== undefined) ledger.committed = offset;
  }
}
