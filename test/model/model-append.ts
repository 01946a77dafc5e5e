/** One append of the model test: made from its plan, given to the log, and taken over to the arrays. */
import assert from 'node:assert';
import { isSeglogError } from '../../src/engine/common/errors.ts';
import type { PartitionAppend, ProduceRecord } from '../../src/engine/common/types.ts';
import { Random } from '../crash/sim/random.ts';
import { type ModelRecord, type ModelTopic, partitionOfKey } from './log-model.ts';
import type { LogUnderTest } from './log-under-test.ts';
import type { AppendPlan, RecordPlan } from './plans.ts';

/** A record as it is given to the log, and as it is to come back. */
interface MadeRecord {
  readonly given: ProduceRecord;
  readonly kept: ModelRecord;
}

let lastNumber = 0;

function makeRecord(plan: RecordPlan, partition: number | undefined, now: number): MadeRecord {
  const number = ++lastNumber;
  const { key, size, headers, time } = plan;
  const padding = number % 2 === 0 ? new Random(number).bytes(size ?? 0) : Buffer.alloc(size ?? 0, 'a');
  const value = size === null ? null : Buffer.concat([Buffer.from(`${number}/`), padding]);
  const timestamp = time === null ? undefined : Math.max(0, now + time);
  return {
    given: { key, value, headers, timestamp, partition },
    kept: {
      timestamp: timestamp ?? now,
      key: key === null ? null : Buffer.from(key),
      value,
      headers: headers.map((header) => ({
        key: header.key,
        value: header.value === null ? null : Buffer.from(header.value),
      })),
    },
  };
}

export class ModelAppend {
  readonly #plan: AppendPlan;
  readonly #topic: ModelTopic;
  /** The partition of all records, when the append names one. */
  readonly #partition: number | undefined;
  readonly #records: MadeRecord[];
  #answers: PartitionAppend[] = [];
  #answeredAt = 0;

  constructor(plan: AppendPlan, topic: ModelTopic, now: number) {
    const count = topic.partitions.length;
    this.#plan = plan;
    this.#topic = topic;
    this.#partition = plan.to === 'partition' ? plan.partition % count : undefined;
    this.#records = plan.records.map((record, i) =>
      makeRecord(record, plan.to === 'each' ? (plan.partition + i) % count : undefined, now),
    );
  }

  get topic(): string {
    return this.#plan.topic;
  }

  /** `deleting`: the topic is being deleted meanwhile, and need not take it. */
  async give(log: LogUnderTest, deleting: boolean): Promise<void> {
    const { topic, acks, compression } = this.#plan;
    const records = this.#records.map(({ given }) => given);
    try {
      this.#answers = await log.engine.append(topic, records, {
        acks,
        compression,
        partition: this.#partition,
      });
      this.#answeredAt = log.at;
      log.counts.records += records.length;
    } catch (error) {
      if (!deleting || !isSeglogError(error, 'UNKNOWN_TOPIC_OR_PARTITION')) throw error;
    }
  }

  /** To be called in the order in which the appends were given: that is their order in the log. */
  takeOver(): void {
    const places = this.#records.map(({ given, kept }) =>
      given.partition === undefined
        ? (this.#partition ?? partitionOfKey(this.#topic, kept.key))
        : given.partition,
    );
    // Records that leave it to the log where they go, all go to one partition.
    const chosen = this.#answers.find(
      ({ partition, count }) => count > places.filter((place) => place === partition).length,
    )?.partition;
    for (const answer of this.#answers) {
      const records = this.#records.filter((_, i) => (places[i] ?? chosen) === answer.partition);
      this.#take(
        answer,
        records.map(({ kept }) => kept),
      );
    }
  }

  #take(answer: PartitionAppend, records: readonly ModelRecord[]): void {
    const { acks } = this.#plan;
    const partition = this.#topic.partitions[answer.partition]!;
    const base = partition.append(records);
    const count = records.length;
    const known =
      acks === 0 ? { baseOffset: -1, lastOffset: -1 } : { baseOffset: base, lastOffset: base + count - 1 };
    const timestamp = Math.max(...records.map((record) => record.timestamp));
    const { partition: number } = answer;
    assert.deepEqual(answer, { partition: number, ...known, count, timestamp, duplicate: false });
    if (acks !== 0) {
      partition.promise(this.#answeredAt, base + count, acks === 'all' ? 'durable' : 'written');
    }
  }
}
