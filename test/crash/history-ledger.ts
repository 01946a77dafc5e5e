/**
 * What producers have sent and members of a consumer group were told and given, over all lives of a daemon, kept outside of it.
 * Each record's text is its own: what is read tells by itself what it is.
 */
import assert from 'node:assert';
import type { TopicPartitions } from '../../src/engine/groups/types.ts';

export interface GivenRecord {
  readonly partition: number;
  readonly offset: number;
  readonly value: string;
}

/** What a member is told each time it asks something. */
export interface ToldMember {
  readonly memberId: string;
  readonly generation: number;
  readonly assignment: readonly TopicPartitions[];
}

export class HistoryLedger {
  readonly partitions: number;
  /** Where each record is; undefined while nobody knows whether it is there. */
  readonly #sent = new Map<string, { partition: number; offset: number | undefined }>();
  /** By partition and offset: what members were given. */
  readonly #given = new Map<string, string>();
  /** By generation and partition: who reads it. */
  readonly #owners = new Map<string, string>();
  /** By partition: all below was given to somebody. */
  readonly #givenEnd: number[];
  /** By partition: the highest offset of which somebody was told that it is committed. */
  readonly #committed: number[];

  constructor(partitions: number) {
    this.partitions = partitions;
    this.#givenEnd = new Array(partitions).fill(0);
    this.#committed = new Array(partitions).fill(0);
  }

  get size(): number {
    return this.#sent.size;
  }

  sending(partition: number, values: readonly string[]): void {
    for (const value of values) {
      assert(!this.#sent.has(value));
      this.#sent.set(value, { partition, offset: undefined });
    }
  }

  stored(values: readonly string[], baseOffset: number): void {
    for (const [index, value] of values.entries()) {
      const sent = this.#sent.get(value)!;
      const offset = baseOffset + index;
      assert(
        sent.offset === undefined || sent.offset === offset,
        `${value} was stored at ${sent.offset}, now at ${offset}`,
      );
      sent.offset = offset;
    }
  }

  told({ memberId, generation, assignment }: ToldMember): void {
    for (const { partitions } of assignment) {
      for (const partition of partitions) {
        const key = `${generation}/${partition}`;
        const owner = this.#owners.get(key) ?? memberId;
        assert.equal(owner, memberId, `generation ${generation} has two owners of partition ${partition}`);
        this.#owners.set(key, memberId);
      }
    }
  }

  /** What is committed for certain when a member asks. */
  get committed(): readonly number[] {
    return [...this.#committed];
  }

  wasCommitted(offsets: readonly { readonly partition: number; readonly offset: number }[]): void {
    for (const { partition, offset } of offsets)
      this.#committed[partition] = Math.max(this.#committed[partition]!, offset);
  }

  /**
   * A member was given these, when it had asked with so much committed: none is passed over, and what is committed does not come
   * again. It may have read on behind what it had been given before.
   */
  given(records: readonly GivenRecord[], committed: readonly number[]): void {
    const last = new Map<number, number>();
    for (const { partition, offset, value } of records) {
      const where = `offset ${offset} of partition ${partition}`;
      const before = last.get(partition);
      assert(before === undefined || offset === before + 1, `${where} was given after ${before}`);
      last.set(partition, offset);
      assert(offset >= committed[partition]!, `${where} was given, and ${committed[partition]} is committed`);
      const end = this.#givenEnd[partition]!;
      assert(offset <= end, `${where} was given, and nobody has been given ${end}`);
      this.#givenEnd[partition] = Math.max(end, offset + 1);
      this.#checkContent(partition, offset, value);
    }
  }

  #checkContent(partition: number, offset: number, value: string): void {
    const key = `${partition}/${offset}`;
    const known = this.#given.get(key) ?? value;
    assert.equal(value, known, `offset ${offset} of partition ${partition} was ${known}`);
    this.#given.set(key, value);
  }

  /** Whether all below these offsets was given to somebody. */
  isGiven(ends: readonly number[]): boolean {
    return ends.every((end, partition) => this.#givenEnd[partition]! >= end);
  }

  /** The whole of a partition: each record that was sent there, once, in the order in which its producer sent it. */
  check(partition: number, records: readonly { readonly offset: number; readonly value: string }[]): void {
    const found = new Set<string>();
    const lastNumbers = new Map<string, number>();
    for (const [place, { offset, value }] of records.entries()) {
      assert.equal(offset, place, `partition ${partition} has a hole`);
      const sent = this.#sent.get(value);
      assert(sent?.partition === partition, `"${value}" was not sent to partition ${partition}`);
      assert(!found.has(value), `"${value}" is there twice, again at offset ${offset}`);
      found.add(value);
      assert.equal(sent.offset ?? offset, offset, `"${value}" was acknowledged at another offset`);
      this.#checkContent(partition, offset, value);
      const [producer, number] = value.split('.') as [string, string];
      const last = lastNumbers.get(producer) ?? -1;
      assert(Number(number) >= last, `"${value}" comes behind number ${last} of its producer`);
      lastNumbers.set(producer, Number(number));
    }
    for (const [value, sent] of this.#sent)
      assert(sent.partition !== partition || found.has(value), `"${value}" is lost`);
  }
}
