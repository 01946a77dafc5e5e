/**
 * What clients of a daemon were told, and what consumers saw, kept outside of the daemon: after a crash all of it must
 * be there, once, and in order.
 *
 * A batch of records to one partition has a producer and a number, and the text of each record names both: what is read
 * back tells by itself what it is. A producer sends one batch after the other, so in each partition its numbers rise.
 * What was read and found right is not kept, but its digest is: offsets must never name other content.
 */
import assert from 'node:assert';
import { createHash } from 'node:crypto';

export interface StoredRecord {
  readonly offset: number;
  readonly value: string;
}

interface SentBatch {
  readonly count: number;
  /** Undefined: nobody was told what became of it. */
  baseOffset: number | undefined;
}

export function recordText(
  producer: number,
  number: number,
  index: number,
  count: number,
  padding: number,
): string {
  return `${producer}.${number}.${index}.${count} ${'x'.repeat(padding)}`;
}

export class PartitionLedger {
  readonly topic: string;
  readonly partition: number;
  /** All below was read once, and was right. */
  checkedEnd = 0;
  acknowledged = 0;
  #digest = createHash('sha256');
  /** Batches at `checkedEnd` and above, by "producer.number". */
  readonly #sent = new Map<string, SentBatch>();
  readonly #seen = new Map<number, string>();
  #highWatermark = 0;
  readonly #lastNumbers = new Map<number, number>();

  constructor(topic: string, partition: number) {
    this.topic = topic;
    this.partition = partition;
  }

  get name(): string {
    return `${this.topic}-${this.partition}`;
  }

  /** The topic is another one from now on. */
  reset(): void {
    this.checkedEnd = 0;
    this.#digest = createHash('sha256');
    this.#sent.clear();
    this.#seen.clear();
    this.#highWatermark = 0;
    this.#lastNumbers.clear();
  }

  sending(producer: number, number: number, count: number): void {
    this.#sent.set(`${producer}.${number}`, { count, baseOffset: undefined });
  }

  stored(producer: number, number: number, baseOffset: number): void {
    this.#sent.get(`${producer}.${number}`)!.baseOffset = baseOffset;
    this.acknowledged++;
  }

  /** The daemon said that nothing of it was stored. */
  refused(producer: number, number: number): void {
    this.#sent.delete(`${producer}.${number}`);
  }

  /** The highest high watermark that anybody was told. */
  get highWatermark(): number {
    return this.#highWatermark;
  }

  /** A consumer got these. It asked when `known` had been told: of two that ask at once, either may be answered first. */
  saw(records: readonly StoredRecord[], highWatermark: number, known: number): void {
    for (const { offset, value } of records) if (offset >= this.checkedEnd) this.#seen.set(offset, value);
    assert(
      highWatermark >= known,
      `${this.name}: the high watermark went back from ${known} to ${highWatermark}`,
    );
    this.#highWatermark = Math.max(this.#highWatermark, highWatermark);
  }

  /** Nothing is under way: the partition holds these records from `checkedEnd` on, and ends at `highWatermark`. */
  check(records: readonly StoredRecord[], highWatermark: number): void {
    this.saw([], highWatermark, this.#highWatermark);
    for (let at = 0; at < records.length; ) at += this.#checkBatch(records, at);
    assert.equal(this.checkedEnd, highWatermark, `${this.name} was not read to its end`);
    for (const [batch, { baseOffset }] of this.#sent) {
      assert(baseOffset === undefined, `${this.name}: batch ${batch} at offset ${baseOffset} is lost`);
    }
    // What nobody was told about and is not there now must not come later.
    this.#sent.clear();
    assert.equal(this.#seen.size, 0, `${this.name}: records that were read are gone`);
  }

  #checkBatch(records: readonly StoredRecord[], at: number): number {
    const { offset, value } = records[at]!;
    const [producer, number] = value.split('.', 2).map(Number) as [number, number];
    const key = `${producer}.${number}`;
    const batch = this.#sent.get(key);
    const where = `${this.name}: offset ${offset} holds batch ${key}`;
    assert(batch !== undefined, `${where}, which was never sent, or was refused, or is there twice`);
    this.#sent.delete(key);
    assert.equal(
      offset,
      batch.baseOffset ?? offset,
      `${where}, which was acknowledged at ${batch.baseOffset}`,
    );
    assert((this.#lastNumbers.get(producer) ?? -1) < number, `${where} behind a later one of its producer`);
    this.#lastNumbers.set(producer, number);
    for (let index = 0; index < batch.count; index++)
      this.#checkRecord(records[at + index], key, index, batch);
    return batch.count;
  }

  #checkRecord(record: StoredRecord | undefined, key: string, index: number, { count }: SentBatch): void {
    const prefix = `${key}.${index}.${count} `;
    const offset = this.checkedEnd;
    const isWhole = record?.offset === offset && record.value.startsWith(prefix);
    assert(isWhole, `${this.name}: batch ${key} is not whole at offset ${offset}`);
    const seen = this.#seen.get(offset);
    assert(seen === undefined || seen === record.value, `${this.name}: offset ${offset} was something else`);
    this.#seen.delete(offset);
    this.#digest.update(`${offset} ${record.value}\n`);
    this.checkedEnd++;
  }

  /** All records, from the first one: they are those that were found right before. */
  checkAgain(records: Iterable<StoredRecord>): void {
    const digest = createHash('sha256');
    for (const { offset, value } of records) digest.update(`${offset} ${value}\n`);
    assert.equal(digest.digest('hex'), this.#digest.copy().digest('hex'), `${this.name} has changed`);
  }
}
