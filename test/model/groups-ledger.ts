/**
 * The topics that the groups of the model read, and a ledger of each partition: what was produced, what was acknowledged, what
 * somebody has processed, what is committed, and who was told to read it. They grow, and are made again under the same names.
 */
import assert from 'node:assert/strict';
import type { Random } from '../crash/sim/random.ts';
import type { SimGroups } from '../helpers/sim-groups.ts';

export const TOPICS = ['a', 'b'];
const MAX_PARTITIONS = 6;

/** One partition of one topic of that name, and what became of it. */
export interface Ledger {
  readonly topic: string;
  readonly partition: number;
  produced: number;
  /** Of these, those that were acknowledged. */
  acknowledged: number;
  /** All before was processed by somebody, or a reset passed over it. */
  processed: number;
  committed: number | null;
  /** Who was told to read it in which generation. */
  readonly owners: Map<number, string>;
}

export class GroupsLedger {
  readonly #random: Random;
  readonly #groups: SimGroups;
  readonly #topics = new Map<string, Ledger[]>();

  constructor(random: Random, groups: SimGroups) {
    this.#random = random;
    this.#groups = groups;
  }

  async makeAll(): Promise<void> {
    for (const topic of TOPICS) await this.#make(topic);
  }

  /** Undefined for a partition that is not there (any more). */
  of(topic: string, partition: number): Ledger | undefined {
    return this.#topics.get(topic)?.[partition];
  }

  /** Of the topics as they are now. */
  all(): Ledger[] {
    return [...this.#topics.values()].flat();
  }

  any(): Ledger {
    return this.#random.pick(this.all());
  }

  async produce(): Promise<void> {
    const ledger = this.any();
    const count = 1 + this.#random.below(5);
    const records = Array.from({ length: count }, (_, i) => ({ value: `${ledger.produced + i}` }));
    ledger.produced += count;
    const { topic, partition } = ledger;
    const [{ lastOffset } = { lastOffset: -1 }] = await this.#groups.engine.append(topic, records, {
      partition,
    });
    ledger.acknowledged = Math.max(ledger.acknowledged, lastOffset + 1);
  }

  async grow(): Promise<void> {
    const topic = this.#random.pick(TOPICS);
    const ledgers = this.#topics.get(topic)!;
    if (ledgers.length >= MAX_PARTITIONS) return;
    await this.#groups.engine.alterTopic(topic, { partitions: ledgers.length + 1 });
    ledgers.push(newLedger(topic, ledgers.length));
    await this.#groups.log.settle();
  }

  async makeAnew(): Promise<void> {
    const topic = this.#random.pick(TOPICS);
    await this.#groups.engine.deleteTopic(topic);
    if (this.#random.below(2) === 0) await this.#groups.log.settle();
    await this.#make(topic);
    await this.#groups.log.settle();
  }

  /** What was acknowledged is there; of the rest, what is there counts from now on. */
  takeUpAfterCrash(): void {
    for (const ledger of this.all()) {
      const { highWatermark } = this.#groups.engine.offsets(ledger.topic, ledger.partition);
      assert.ok(highWatermark >= ledger.acknowledged);
      ledger.produced = highWatermark;
      ledger.acknowledged = highWatermark;
    }
  }

  async #make(topic: string): Promise<void> {
    const partitions = 1 + this.#random.below(4);
    await this.#groups.engine.createTopic(topic, { partitions });
    const ledgers = Array.from({ length: partitions }, (_, partition) => newLedger(topic, partition));
    this.#topics.set(topic, ledgers);
  }
}

function newLedger(topic: string, partition: number): Ledger {
  const counts = { produced: 0, acknowledged: 0, processed: 0, committed: null };
  return { topic, partition, ...counts, owners: new Map() };
}

export const placeName = ({ topic, partition }: Pick<Ledger, 'topic' | 'partition'>) =>
  `${topic}-${partition}`;
