/**
 * A consumer of a group that does what consumers do: reads, processes, commits; and sometimes reads on before it commits, is
 * silent for longer than it may be, goes without a word, or leaves.
 */
import assert from 'node:assert';
import { setTimeout as delay } from 'node:timers/promises';
import type { GivenRecord, HistoryLedger, ToldMember } from './history-ledger.ts';
import type { MortalDaemon } from './mortal-daemon.ts';
import type { Random } from './sim/random.ts';

const JSON_BODY = { 'content-type': 'application/json' };
const SESSION_TIMEOUT_MS = 1000;

interface Polled extends ToldMember {
  readonly records: readonly GivenRecord[];
  readonly positions: readonly {
    readonly topic: string;
    readonly partition: number;
    readonly offset: number;
  }[];
  readonly cursor: string | null;
}

export class HistoryConsumer {
  readonly counts = { joined: 0, committed: 0, fenced: 0, stalled: 0, crashed: 0, left: 0 };
  readonly #group: string;
  readonly #topic: string;
  readonly #daemon: MortalDaemon;
  readonly #ledger: HistoryLedger;
  readonly #random: Random;

  constructor(group: string, topic: string, daemon: MortalDaemon, ledger: HistoryLedger, random: Random) {
    this.#group = group;
    this.#topic = topic;
    this.#daemon = daemon;
    this.#ledger = ledger;
    this.#random = random;
  }

  /** One membership after the other, until it is told to stop. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.#beMember(signal);
      await delay(this.#random.below(200));
    }
  }

  async #beMember(signal: AbortSignal): Promise<void> {
    const request = JSON.stringify({ topics: [this.#topic], sessionTimeoutMs: SESSION_TIMEOUT_MS });
    // Where the answer is lost, a member that nobody knows of is taken out in time.
    const joined = await this.#daemon.ask('POST', this.#members, request, JSON_BODY);
    if (joined === undefined) return;
    assert.equal(joined.status, 201, `a join was told ${joined.status} ${joined.body}`);
    let told: ToldMember = JSON.parse(joined.body);
    this.counts.joined++;
    this.#ledger.told(told);
    for (let cursor: string | null = null; !signal.aborted; ) {
      const polled = await this.#poll(told, cursor);
      if (polled === 'out') return;
      // Its answer was lost, or never came: it reads from what is committed.
      if (polled === undefined) {
        cursor = null;
        continue;
      }
      told = polled;
      const next = await this.#use(polled);
      if (next === 'gone') return;
      cursor = next;
    }
    await this.#leave(told);
  }

  get #members(): string {
    return `/api/groups/${this.#group}/members`;
  }

  async #poll({ memberId, generation }: ToldMember, cursor: string | null) {
    const { committed } = this.#ledger;
    const onward = cursor === null ? '' : `&cursor=${cursor}`;
    const query = `wait_ms=200&max_records=100&generation=${generation}${onward}`;
    const answer = await this.#daemon.ask('GET', `${this.#members}/${memberId}/records?${query}`);
    if (answer?.status === 404) return 'out';
    if (answer === undefined) return undefined;
    assert.equal(answer.status, 200, `a poll was told ${answer.status} ${answer.body}`);
    const polled: Polled = JSON.parse(answer.body);
    this.#ledger.told(polled);
    this.#ledger.given(polled.records, committed);
    return polled;
  }

  /** What the member does with what it was given: the cursor to go on with, or that it is gone. */
  async #use(polled: Polled): Promise<string | null | 'gone'> {
    const way = this.#random.below(100);
    if (way < 10) return polled.cursor;
    if (way < 13) {
      this.counts.crashed++;
      return 'gone';
    }
    if (way < 17) {
      this.counts.stalled++;
      await delay(SESSION_TIMEOUT_MS * (0.7 + this.#random.below(100) / 100));
    }
    await this.#commit(polled);
    if (way < 97) return null;
    await this.#leave(polled);
    this.counts.left++;
    return 'gone';
  }

  async #commit({ memberId, generation, positions }: Polled): Promise<void> {
    if (positions.length === 0) return;
    const body = JSON.stringify({ memberId, generation, offsets: positions });
    const answer = await this.#daemon.ask('PUT', `/api/groups/${this.#group}/offsets`, body, JSON_BODY);
    if (answer?.status === 200) {
      this.#ledger.wasCommitted(positions);
      this.counts.committed++;
    } else if (answer?.status === 409) {
      assert.equal(JSON.parse(answer.body).code, 'fenced');
      this.counts.fenced++;
    } else {
      assert.equal(answer, undefined, `a commit was told ${answer?.status} ${answer?.body}`);
    }
  }

  async #leave({ memberId }: ToldMember): Promise<void> {
    const answer = await this.#daemon.ask('DELETE', `${this.#members}/${memberId}`);
    assert([undefined, 204, 404].includes(answer?.status), `a leave was told ${answer?.status}`);
  }
}
