/**
 * One append while it is filled: records are encoded as they are added, one batch for each partition, and `commit`
 * hands the batches to the group commit. Not to be used again after `commit`.
 */
import assert from 'node:assert';
import { SeglogError } from '../common/errors.ts';
import type {
  AppendOptions,
  BytesLike,
  PartitionAppend,
  ProduceHeader,
  ProduceRecord,
} from '../common/types.ts';
import { BATCH_HEADER_BYTES, type EncodedBatch } from '../format/record-batch.ts';
import { RecordBatchBuilder } from '../format/record-batch-builder.ts';
import { type AppendConditions, type RequestMark, stampConditions } from '../partition/append-conditions.ts';
import { isCompacted } from '../partition/cleanup-policy.ts';
import { unknownPartition } from '../partition/partition-log.ts';
import type { Room } from '../partition/producer-memory.ts';
import { check, checkAppendOptions, checkFingerprint, requestId } from './append-options.ts';
import { AppendOutcome, AppendShare, type AppendTarget } from './append-share.ts';
import { partitionForHash, partitionForKey } from './partitioner.ts';

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
  /** Over how many partitions records are spread. */
  readonly #spread: number;
  readonly #requestId: number | undefined;
  #fingerprint: number | undefined;
  /** Why nothing of it may be stored, should it turn out to be new. */
  #unfit: SeglogError | undefined;
  /** The builder of the last record: records of one append mostly share a partition. */
  #partition = -1;
  #builder: RecordBatchBuilder | undefined;
  /** All builders, once there are two. */
  #builders: Map<number, RecordBatchBuilder> | undefined;
  /** The batch of each partition, once they are encoded. */
  #sealed: (readonly [partition: number, batch: EncodedBatch])[] | undefined;

  /** Throws INVALID_REQUEST where the options do not go together. */
  constructor(target: AppendTarget, options: AppendOptions, now: number) {
    checkAppendOptions(options);
    this.#target = target;
    this.#options = options;
    this.#now = now;
    this.#maxBatchBytes = target.settings['max.message.bytes'];
    this.#needsKeys = isCompacted(target.settings);
    const { partition, idempotency } = options;
    if (partition !== undefined) this.#check(partition);
    if (idempotency === undefined) {
      this.#spread = target.partitions.length;
    } else {
      this.#requestId = requestId(idempotency.key);
      this.#fingerprint = idempotency.fingerprint;
      this.#spread = target.requests.spreadOf(this.#requestId, now);
    }
  }

  /** About how many bytes of keys and values will be added; spares copying while the batches grow. */
  expect(bytes: number): void {
    this.#expectedBytes = bytes;
  }

  /** Sets the fingerprint of an idempotency key, where it is known only once the request has been read. */
  setFingerprint(fingerprint: number): void {
    checkFingerprint(fingerprint);
    this.#fingerprint = fingerprint;
  }

  get recordCount(): number {
    return this.#count;
  }

  /** What `commit` rejects with unless it repeats an append that was stored. */
  get unfit(): SeglogError | undefined {
    return this.#unfit;
  }

  /**
   * Adds a record; throws INVALID_RECORD, MESSAGE_TOO_LARGE or UNKNOWN_TOPIC_OR_PARTITION, and the append is void. What only the
   * topic's present settings speak against is no matter for a retry: of an append that may be one, `commit` says so.
   */
  add(record: ProduceRecord): void {
    const { key = null, value, headers, timestamp = this.#now } = record;
    if (record.partition !== undefined) this.#check(record.partition);
    this.#add(record.partition ?? this.#choose(key), timestamp, key, value, headers);
  }

  /** As `add`, for a record without headers and without a partition of its own: no object is needed. */
  addBytes(key: BytesLike | null, value: BytesLike | null, timestamp = this.#now): void {
    this.#add(this.#choose(key), timestamp, key, value, undefined);
  }

  /**
   * As `addBytes`, for a key and a value that lie in the same bytes, from their starts to their ends; `keyHash` is murmur2 of the
   * key. Of many records in a piece of input none needs a view of it.
   */
  addSlices(
    bytes: Buffer,
    keyStart: number,
    keyEnd: number,
    keyHash: number,
    valueStart: number,
    valueEnd: number,
    timestamp = this.#now,
  ): void {
    const { partition = partitionForHash(keyHash, this.#spread) } = this.#options;
    this.#checkTimestamp(timestamp);
    const builder = partition === this.#partition ? this.#builder! : this.#builderFor(partition);
    builder.addSlices(timestamp, bytes, keyStart, keyEnd, valueStart, valueEnd);
    this.#noteAdded(builder);
  }

  /**
   * Encodes what was added, after which nothing can be added: whatever is too large is known then, before any of it is stored.
   * Throws MESSAGE_TOO_LARGE, as `add`; `commit` does it where nobody has.
   */
  seal(): void {
    if (this.#sealed !== undefined || this.#builder === undefined) return;
    const builders = [...(this.#builders ?? [[this.#partition, this.#builder] as const])];
    const sealed = builders.map(([partition, builder]) => [partition, this.#finish(builder)] as const);
    // Records that are older than the first one make a batch larger in the end than it was while it grew.
    const limit = this.#target.settings['max.message.bytes'];
    if (sealed.some(([, { bytes }]) => bytes.length > limit)) this.#noteUnfit(tooLarge(limit));
    this.#sealed = sealed;
    // What is added from now on is found out.
    this.#partition = -1;
  }

  /** Appends what was added: in each partition all of it or nothing. */
  commit(): Promise<PartitionAppend[]> {
    try {
      // Not async: that would be one more promise for each append.
      return this.#builder === undefined ? Promise.resolve([]) : this.#commit();
    } catch (error) {
      return Promise.reject(error);
    }
  }

  #commit(): Promise<PartitionAppend[]> {
    this.seal();
    const sealed = this.#sealed!;
    const { producer, idempotency, expectedEndOffset } = this.#options;
    const isPlain = producer === undefined && idempotency === undefined && expectedEndOffset === undefined;
    const conditions = isPlain ? undefined : this.#conditions(sealed.map(([partition]) => partition));
    const outcome = new AppendOutcome(sealed.length);
    for (let place = 0; place < sealed.length; place++) {
      const [partition, batch] = sealed[place]!;
      if (conditions !== undefined) stampConditions(batch.bytes, conditions);
      this.#submit(partition, batch, conditions, outcome, place);
    }
    return outcome.promise;
  }

  #conditions(partitions: readonly number[]): AppendConditions {
    const { producer, expectedEndOffset, partition } = this.#options;
    if (producer !== undefined || expectedEndOffset !== undefined) {
      const isThere = partitions.length === 1 && partitions[0] === partition;
      check(isThere, 'all records of such an append go to the partition that it names');
    }
    let request: RequestMark | undefined;
    let room: Room | undefined;
    if (this.#requestId !== undefined) {
      const fingerprint = this.#fingerprint;
      check(fingerprint !== undefined, 'an idempotency key comes with a fingerprint of its request');
      request = { id: this.#requestId, fingerprint, partitions: this.#spread };
      room = this.#target.requests.begin(request, partitions, this.#now, this.#unfit !== undefined);
    }
    return { producer, request, expectedEndOffset, room };
  }

  #finish(builder: RecordBatchBuilder): EncodedBatch {
    const { compression = 'none' } = this.#options;
    const configured = this.#target.settings['compression.type'];
    return builder.finish(configured === 'producer' ? compression : configured);
  }

  #submit(
    partition: number,
    batch: EncodedBatch,
    conditions: AppendConditions | undefined,
    outcome: AppendOutcome,
    place: number,
  ): void {
    const { acks = 'all', signal } = this.#options;
    const { partitions, submit } = this.#target;
    const share = new AppendShare(batch, acks, conditions, this.#target, partition, outcome, place);
    share.unfit = this.#unfit;
    submit(partitions[partition]!, share, signal);
  }

  #add(
    partition: number,
    timestamp: number,
    key: BytesLike | null,
    value: BytesLike | null,
    headers: readonly ProduceHeader[] | undefined,
  ): void {
    this.#checkTimestamp(timestamp);
    if (key === null && this.#needsKeys) this.#noteUnfit(withoutKey(this.#target.topicName));
    const builder = partition === this.#partition ? this.#builder! : this.#builderFor(partition);
    builder.add(timestamp, key, value, headers);
    this.#noteAdded(builder);
  }

  #checkTimestamp(timestamp: number): void {
    if (Number.isSafeInteger(timestamp) && timestamp >= 0) return;
    throw new SeglogError(
      'INVALID_RECORD',
      `a timestamp is a whole number of ms since 1970, not ${timestamp}`,
    );
  }

  #noteAdded(builder: RecordBatchBuilder): void {
    this.#count++;
    if (builder.bytes > this.#maxBatchBytes) this.#noteUnfit(tooLarge(this.#maxBatchBytes));
  }

  #noteUnfit(error: SeglogError): void {
    const { producer, idempotency } = this.#options;
    if (producer === undefined && idempotency === undefined) throw error;
    this.#unfit ??= error;
  }

  #builderFor(partition: number): RecordBatchBuilder {
    assert(this.#sealed === undefined, 'nothing is added to an append that is sealed');
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
    const isOnly = this.#options.partition !== undefined || partition === this.#sticky || this.#spread === 1;
    const bytes = Math.ceil(this.#expectedBytes / (isOnly ? 1 : this.#spread));
    return BATCH_HEADER_BYTES + Math.min(bytes, this.#maxBatchBytes);
  }

  #choose(key: BytesLike | null): number {
    if (this.#options.partition !== undefined) return this.#options.partition;
    if (this.#spread === 1) return 0;
    if (key !== null) return partitionForKey(key, this.#spread);
    if (this.#sticky < 0) this.#sticky = this.#stickyPartition();
    return this.#sticky;
  }

  /** A retry is to find what was stored under its key. */
  #stickyPartition(): number {
    const { idempotency } = this.#options;
    return idempotency === undefined
      ? this.#target.stickyPartition()
      : partitionForKey(idempotency.key, this.#spread);
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
