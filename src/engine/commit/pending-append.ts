/**
 * One append while it is filled: records are encoded as they are added, one batch for each partition, and `commit`
 * hands the batches to the group commit. Not to be used again after `commit`.
 */
import { SeglogError } from '../common/errors.ts';
import type { TopicSettings } from '../common/settings.ts';
import type {
  Acks,
  AppendOptions,
  BytesLike,
  PartitionAppend,
  ProduceHeader,
  ProduceRecord,
} from '../common/types.ts';
import { BATCH_HEADER_BYTES, type EncodedBatch } from '../format/record-batch.ts';
import { RecordBatchBuilder } from '../format/record-batch-builder.ts';
import { isCompacted } from '../partition/cleanup-policy.ts';
import type { PartitionLog, QueuedBatch } from '../partition/partition-log.ts';
import { unknownPartition } from '../partition/partition-log.ts';
import { partitionForKey } from './partitioner.ts';

/** A topic as an append sees it. */
export interface AppendTarget {
  readonly topicName: string;
  readonly partitions: readonly PartitionLog[];
  readonly settings: TopicSettings;
  /** The partition of records without a key and without a partition: the same for one append. */
  stickyPartition(): number;
  /** Queues a batch for the group commit, which answers it. */
  submit(partition: PartitionLog, queued: QueuedBatch, signal?: AbortSignal): void;
}

/**
 * The answer to a whole append: given once all its shares have theirs, so that no failure goes unseen. One promise for all
 * of them: promises cost more than anything else that is done for a small batch.
 */
class AppendOutcome {
  readonly promise: Promise<PartitionAppend[]>;
  readonly #appends: PartitionAppend[];
  #left: number;
  #failure: SeglogError | undefined;
  #resolve!: (appends: PartitionAppend[]) => void;
  #reject!: (error: SeglogError) => void;

  constructor(shares: number) {
    this.#appends = new Array(shares);
    this.#left = shares;
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  succeeded(place: number, append: PartitionAppend): void {
    this.#appends[place] = append;
    this.#countDown();
  }

  failed(error: SeglogError): void {
    this.#failure ??= error;
    this.#countDown();
  }

  #countDown(): void {
    this.#left--;
    if (this.#left > 0) return;
    if (this.#failure === undefined) this.#resolve(this.#appends);
    else this.#reject(this.#failure);
  }
}

/** What of an append goes to one partition. Of several answers the first one counts. */
class AppendShare implements QueuedBatch {
  readonly batch: EncodedBatch;
  readonly acks: Acks;
  readonly #partition: number;
  /** Where its answer stands among those of the append. */
  readonly #place: number;
  #outcome: AppendOutcome | undefined;

  constructor(batch: EncodedBatch, acks: Acks, partition: number, outcome: AppendOutcome, place: number) {
    this.batch = batch;
    this.acks = acks;
    this.#partition = partition;
    this.#outcome = outcome;
    this.#place = place;
  }

  acknowledge(baseOffset: number): void {
    const { recordCount: count, maxTimestamp: timestamp } = this.batch;
    const lastOffset = baseOffset < 0 ? -1 : baseOffset + count - 1;
    const append = { partition: this.#partition, baseOffset, lastOffset, count, timestamp };
    this.#takeOutcome()?.succeeded(this.#place, append);
  }

  refuse(error: SeglogError): void {
    this.#takeOutcome()?.failed(error);
  }

  #takeOutcome(): AppendOutcome | undefined {
    const outcome = this.#outcome;
    this.#outcome = undefined;
    return outcome;
  }
}

export class PendingAppend {
  readonly #target: AppendTarget;
  readonly #options: AppendOptions;
  readonly #maxBatchBytes: number;
  readonly #needsKeys: boolean;
  /** The time of records without one. */
  readonly #now: number;
  /** Of all records together. */
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
    this.#needsKeys = isCompacted(target.settings);
    if (options.partition !== undefined) this.#check(options.partition);
  }

  /** About how many bytes of keys and values will be added; spares copying while the batches grow. */
  expect(bytes: number): void {
    this.#expectedBytes = bytes;
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
    if (this.#builder === undefined) return Promise.resolve([]);
    const outcome = new AppendOutcome(this.#builders?.size ?? 1);
    if (this.#builders === undefined) this.#submit(this.#partition, this.#builder, outcome, 0);
    let place = 0;
    for (const [partition, builder] of this.#builders ?? [])
      this.#submit(partition, builder, outcome, place++);
    return outcome.promise;
  }

  #submit(partition: number, builder: RecordBatchBuilder, outcome: AppendOutcome, place: number): void {
    const { acks = 'all', signal, compression = 'none' } = this.#options;
    const { settings, partitions, submit } = this.#target;
    const configured = settings['compression.type'];
    const batch = builder.finish(configured === 'producer' ? compression : configured);
    submit(partitions[partition]!, new AppendShare(batch, acks, partition, outcome, place), signal);
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
    if (key === null && this.#needsKeys) throw withoutKey(this.#target.topicName);
    const builder = partition === this.#partition ? this.#builder! : this.#builderFor(partition);
    builder.add(timestamp, key, value, headers);
    this.#count++;
    if (builder.bytes > this.#maxBatchBytes) throw tooLarge(this.#maxBatchBytes);
  }

  #builderFor(partition: number): RecordBatchBuilder {
    let builder = this.#builders?.get(partition);
    if (builder === undefined) {
      builder = new RecordBatchBuilder(this.#expectedBatchBytes(partition));
      if (this.#builder !== undefined) {
        this.#builders ??= new Map([[this.#partition, this.#builder]]);
        this.#builders.set(partition, builder);
      }
    }
    this.#partition = partition;
    this.#builder = builder;
    return builder;
  }

  /** Records without keys mostly go to one partition, those with keys to all. */
  #expectedBatchBytes(partition: number): number {
    const { length: partitions } = this.#target.partitions;
    const isOnly = this.#options.partition !== undefined || partition === this.#sticky || partitions === 1;
    const bytes = Math.ceil(this.#expectedBytes / (isOnly ? 1 : partitions));
    return BATCH_HEADER_BYTES + Math.min(bytes, this.#maxBatchBytes);
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

function withoutKey(topic: string): SeglogError {
  return new SeglogError(
    'INVALID_RECORD',
    `a record without a key: topic "${topic}" is compacted (cleanup.policy), which keeps the newest record of each key; send a key`,
    { topic },
  );
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
