/** The answer to an append: what becomes of its part in each partition, and of all of them together. */
import type { SeglogError } from '../common/errors.ts';
import type { TopicSettings } from '../common/settings.ts';
import type { Acks, PartitionAppend } from '../common/types.ts';
import type { EncodedBatch } from '../format/record-batch.ts';
import type { AppendConditions, RequestMark, StoredAppend } from '../partition/append-conditions.ts';
import type { PartitionLog, QueuedBatch } from '../partition/partition-log.ts';
import type { RequestsInFlight } from './requests-in-flight.ts';

/** A topic as an append sees it. */
export interface AppendTarget {
  readonly topicName: string;
  readonly partitions: readonly PartitionLog[];
  readonly settings: TopicSettings;
  /** The partition of records without a key and without a partition: the same for one append. */
  stickyPartition(): number;
  /** Requests with an idempotency key. */
  readonly requests: RequestsInFlight;
  /** Queues a batch for the group commit, which answers it. */
  submit(partition: PartitionLog, queued: QueuedBatch, signal?: AbortSignal): void;
  /** A batch of so many records is lost for which nobody waits (acks=0). */
  lost(partition: PartitionLog, records: number, error: SeglogError): void;
}

/**
 * The answer to a whole append: given once all its shares have theirs, so that no failure goes unseen. One promise for all
 * of them: promises cost more than anything else that is done for a small batch.
 */
export class AppendOutcome {
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

  /** Of several failures one counts by which it is not known what became of the append: the others say that nothing was stored. */
  failed(error: SeglogError): void {
    if (this.#failure === undefined || error.code === 'OUTCOME_UNKNOWN') this.#failure = error;
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
export class AppendShare implements QueuedBatch {
  readonly batch: EncodedBatch;
  readonly acks: Acks;
  readonly conditions: AppendConditions | undefined;
  unfit: SeglogError | undefined;
  readonly #target: AppendTarget;
  readonly #partition: number;
  /** Where its answer stands among those of the append. */
  readonly #place: number;
  #outcome: AppendOutcome | undefined;
  /** As long as it is on its way. */
  #request: RequestMark | undefined;

  constructor(
    batch: EncodedBatch,
    acks: Acks,
    conditions: AppendConditions | undefined,
    target: AppendTarget,
    partition: number,
    outcome: AppendOutcome,
    place: number,
  ) {
    this.batch = batch;
    this.acks = acks;
    this.conditions = conditions;
    this.unfit = undefined;
    this.#request = conditions?.request;
    this.#target = target;
    this.#partition = partition;
    this.#outcome = outcome;
    this.#place = place;
  }

  acknowledge(baseOffset: number): void {
    const { recordCount: count, maxTimestamp } = this.batch;
    this.#succeeded(baseOffset, count, maxTimestamp, false);
  }

  repeat({ baseOffset, count, maxTimestamp }: StoredAppend): void {
    this.#succeeded(baseOffset, count, maxTimestamp, true);
  }

  refuse(error: SeglogError): void {
    const partition = this.#target.partitions[this.#partition]!;
    const outcome = this.#takeOutcome();
    if (outcome !== undefined) outcome.failed(error);
    else if (this.acks === 0) this.#target.lost(partition, this.batch.recordCount, error);
    // Where nobody knows what became of it, it stays on its way for its retries, until the next start; but it is not noted any more.
    const { fenced, inDoubt } = partition;
    const wasUnderWay = inDoubt !== 'all' && inDoubt.includes(this);
    const isInDoubt = error.code === 'OUTCOME_UNKNOWN' && fenced !== null && wasUnderWay;
    if (isInDoubt) this.conditions?.room?.giveOne();
    else this.#endRequest();
  }

  #succeeded(baseOffset: number, count: number, timestamp: number, duplicate: boolean): void {
    const lastOffset = baseOffset < 0 ? -1 : baseOffset + count - 1;
    const append = { partition: this.#partition, baseOffset, lastOffset, count, timestamp, duplicate };
    this.#takeOutcome()?.succeeded(this.#place, append);
    if (baseOffset >= 0) this.#endRequest();
  }

  #endRequest(): void {
    if (this.#request === undefined) return;
    this.#target.requests.end(this.#request);
    this.#request = undefined;
  }

  #takeOutcome(): AppendOutcome | undefined {
    const outcome = this.#outcome;
    this.#outcome = undefined;
    return outcome;
  }
}
