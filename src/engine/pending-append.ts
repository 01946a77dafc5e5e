/**
 * One append while it is filled: records are encoded as they are added, one batch for each partition, and `commit`
 * hands the batches to the group commit. Not to be used again after `commit`.
 */
import { SeglogError } from './errors.ts';
import type { PartitionLog } from './partition-log.ts';
import { unknownPartition } from './partition-log.ts';
import { partitionForKey } from './partitioner.ts';
import { BATCH_HEADER_BYTES, type EncodedBatch } from './record-batch.ts';
import { RecordBatchBuilder } from './record-batch-builder.ts';
import type { TopicSettings } from './settings.ts';
import type {
  Acks,
  AppendOptions,
  BytesLike,
  PartitionAppend,
  ProduceHeader,
  ProduceRecord,
} from './types.ts';

/** A topic as an append sees it. */
export interface AppendTarget {
  readonly topicName: string;
  readonly partitions: readonly PartitionLog[];
  readonly settings: TopicSettings;
  /** The partition of records without a key and without a partition: the same for one append. */
  stickyPartition(): number;
  /** Queues a batch; resolves with its base offset. */
  submit(partition: PartitionLog, batch: EncodedBatch, acks: Acks, signal?: AbortSignal): Promise<number>;
}

export class PendingAppend {
  readonly #target: AppendTarget;
  readonly #options: AppendOptions;
  readonly #maxBatchBytes: number;
  /** The time of records without one. */
  readonly #now: number;
  /** For the first batch: most appends go to one partition. */
  #expectedBytes = 0;
  #sticky = -1;
  #count = 0;
  /** The builder of the last record: records of one append mostly share a partition. */
  #partition = -1;
  #builder: RecordBatchBuilder | undefined;
  /** All builders, once there are two. */
  #builders: Map<number, RecordBatchBuilder> | undefined;

  constructor(target: AppendTarget, options: AppendOptions, now: number) {
    this.#target = target;
    this.#options = options;
    this.#now = now;
    this.#maxBatchBytes = target.settings['max.message.bytes'];
    if (options.partition !== undefined) this.#check(options.partition);
  }

  /** About how many bytes of keys and values will be added; spares copying while the batch grows. */
  expect(bytes: number): void {
    this.#expectedBytes = Math.min(Math.ceil(bytes), this.#maxBatchBytes);
  }

  get recordCount(): number {
    return this.#count;
  }

  /** Adds a record; throws INVALID_RECORD, MESSAGE_TOO_LARGE or UNKNOWN_TOPIC_OR_PARTITION, and the append is void. */
  add(record: ProduceRecord): void {
    const { key = null, value, headers, timestamp = this.#now } = record;
    if (record.partition !== undefined) this.#check(record.partition);
    this.#add(record.partition ?? this.#choose(key), timestamp, key, value, headers);
  }

  /** As `add`, for a record without headers and without a partition of its own: no object is needed. */
  addBytes(key: BytesLike | null, value: BytesLike | null, timestamp = this.#now): void {
    this.#add(this.#choose(key), timestamp, key, value, undefined);
  }

  /** Appends what was added: in each partition all of it or nothing. */
  commit(): Promise<PartitionAppend[]> {
    if (this.#builders === undefined) {
      if (this.#builder === undefined) return Promise.resolve([]);
      return this.#submit(this.#partition, this.#builder).then((append) => [append]);
    }
    return this.#commitAll([...this.#builders]);
  }

  async #commitAll(builders: [number, RecordBatchBuilder][]): Promise<PartitionAppend[]> {
    // All come to their end before the outcome counts, so that no failure goes unseen.
    const outcomes = await Promise.allSettled(
      builders.map(([partition, builder]) => this.#submit(partition, builder)),
    );
    return outcomes.map((outcome) => {
      if (outcome.status === 'rejected') throw outcome.reason as SeglogError;
      return outcome.value;
    });
  }

  #submit(partition: number, builder: RecordBatchBuilder): Promise<PartitionAppend> {
    const { acks = 'all', signal, compression = 'none' } = this.#options;
    const configured = this.#target.settings['compression.type'];
    const batch = builder.finish(configured === 'producer' ? compression : configured);
    const { recordCount: count, maxTimestamp: timestamp } = batch;
    return this.#target
      .submit(this.#target.partitions[partition]!, batch, acks, signal)
      .then((baseOffset) => {
        const lastOffset = baseOffset < 0 ? -1 : baseOffset + count - 1;
        return { partition, baseOffset, lastOffset, count, timestamp };
      });
  }

  #add(
    partition: number,
    timestamp: number,
    key: BytesLike | null,
    value: BytesLike | null,
    headers: readonly ProduceHeader[] | undefined,
  ): void {
    if (!Number.isSafeInteger(timestamp) || timestamp < 0) {
      throw new SeglogError(
        'INVALID_RECORD',
        `a timestamp is a whole number of ms since 1970, not ${timestamp}`,
      );
    }
    const builder = partition === this.#partition ? this.#builder! : this.#builderFor(partition);
    builder.add(timestamp, key, value, headers);
    this.#count++;
    if (builder.bytes > this.#maxBatchBytes) throw tooLarge(this.#maxBatchBytes);
  }

  #builderFor(partition: number): RecordBatchBuilder {
    let builder = this.#builders?.get(partition);
    if (builder === undefined) {
      builder = new RecordBatchBuilder(BATCH_HEADER_BYTES + this.#expectedBytes);
      this.#expectedBytes = 0;
      if (this.#builder !== undefined) {
        this.#builders ??= new Map([[this.#partition, this.#builder]]);
        this.#builders.set(partition, builder);
      }
    }
    this.#partition = partition;
    this.#builder = builder;
    return builder;
  }

  #choose(key: BytesLike | null): number {
    if (this.#options.partition !== undefined) return this.#options.partition;
    const { partitions } = this.#target;
    if (partitions.length === 1) return 0;
    if (key !== null) return partitionForKey(key, partitions.length);
    if (this.#sticky < 0) this.#sticky = this.#target.stickyPartition();
    return this.#sticky;
  }

  #check(partition: number): void {
    if (this.#target.partitions[partition] === undefined)
      throw unknownPartition(this.#target.topicName, partition);
  }
}

/** Lengths, deltas and counts of a record without headers, at the most. */
const RECORD_OVERHEAD_BYTES = 32;

/** What the records take when encoded, roughly; text counts as ASCII. */
export function encodedBytes(records: readonly ProduceRecord[]): number {
  let bytes = 0;
  for (const { key, value } of records)
    bytes += (key?.length ?? 0) + (value?.length ?? 0) + RECORD_OVERHEAD_BYTES;
  return bytes;
}

export function tooLarge(maxBatchBytes: number): SeglogError {
  return new SeglogError(
    'MESSAGE_TOO_LARGE',
    `a batch of more than ${maxBatchBytes} bytes (max.message.bytes): send fewer records at once, or raise the topic's setting`,
    { setting: 'max.message.bytes', limit: maxBatchBytes },
  );
}
