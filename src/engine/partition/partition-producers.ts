/**
 * What a partition remembers of the appends that may be sent again: its producers (producer-states.ts) and its idempotency keys
 * (idempotency-keys.ts). It speaks of the log below its end: it changes exactly where the log end offset moves.
 *
 * The headers of the batches say all of it but when they were appended. A snapshot (producers-file.ts), replaced from time to
 * time, spares looking for them at the next open, and says when they were.
 */
import { SeglogError } from '../common/errors.ts';
import type { FileContent } from '../files/file-operations.ts';
import type { PartitionIdentity } from '../segment/segment-identity.ts';
import type { AppendConditions, StoredAppend } from './append-conditions.ts';
import { IdempotencyKeys, type StoredRequest } from './idempotency-keys.ts';
import type { ProducerMemory } from './producer-memory.ts';
import type { ProducerRange } from './producer-range.ts';
import { batchesOf, type ProducerState, ProducerStates } from './producer-states.ts';
import { type ProducersSnapshot, producersFile } from './producers-file.ts';

/** The writes of snapshots are at most one part in so many of those of the batches that they speak of. */
const BYTES_PER_SNAPSHOT_BYTE = 4;
/** A snapshot with more than this, of which so much for each entry, is mostly of what has expired. */
const MIN_STALE_BYTES = 64 * 1024;
const MOST_BYTES_PER_ENTRY = 1024;

/** A snapshot that is about to be stored. */
export interface PendingSnapshot {
  readonly file: FileContent;
  /** The file has its name. */
  stored(): void;
}

export class PartitionProducers {
  readonly #memory: ProducerMemory;
  readonly #states = new ProducerStates();
  readonly #keys = new IdempotencyKeys();
  /** Behind the last batch that was noted. */
  #endOffset = 0;
  /** The snapshot on disk speaks of the log below this; 0 where there is none. */
  #storedOffset = 0;
  #storedBytes = 0;
  /** Of the batches that were noted since it was made. */
  #bytesSince = 0;
  #syncedOffset = 0;
  /** A snapshot is being made, of the log below what was synced when it began. */
  #storing = false;

  constructor(memory: ProducerMemory) {
    this.#memory = memory;
  }

  get size(): number {
    return this.#states.size + this.#keys.size;
  }

  knowsProducer(id: number): boolean {
    return this.#states.has(id);
  }

  /** The batch that was stored under an idempotency key. */
  findRequest(id: number, now: number): StoredRequest | undefined {
    return this.#keys.find(id, this.#memory.keysExpiredAt(now));
  }

  /** Whether all requests that are remembered were spread over so many partitions. */
  areAllSpreadOver(partitions: number): boolean {
    return this.#keys.areAllSpreadOver(partitions);
  }

  /** What becomes of a batch of `count` records: to be appended, stored before, or refused. */
  judge(
    { producer, request }: AppendConditions,
    count: number,
    now: number,
  ): 'append' | StoredAppend | SeglogError {
    if (producer !== undefined)
      return this.#states.judge(producer, count, this.#memory.producersExpiredAt(now));
    const stored = request && this.findRequest(request.id, now);
    if (stored === undefined) return 'append';
    return stored.fingerprint === request!.fingerprint ? stored : keyReused();
  }

  /** The batch, of so many bytes, stands in the log now. */
  note(
    { producer, request, room }: AppendConditions,
    batch: StoredAppend,
    appendedAt: number,
    bytes: number,
  ): void {
    const before = this.size;
    room?.giveOne();
    if (producer !== undefined) this.#states.note(producer, batch, appendedAt);
    if (request !== undefined) this.#keys.add({ ...request, ...batch, appendedAt });
    this.#endOffset = batch.baseOffset + batch.count;
    this.#bytesSince += bytes;
    this.#memory.count(this, before);
  }

  /** The log is synced below `offset`. */
  synced(offset: number): void {
    this.#syncedOffset = offset;
    if (!this.#storing) this.#states.synced(offset);
  }

  /** Whether much is kept for the case of a crash that a sync would spare. */
  get needsSync(): boolean {
    return this.#states.needsSync;
  }

  expire(now: number): void {
    const before = this.size;
    this.#states.expire(this.#memory.producersExpiredAt(now));
    this.#keys.expire(this.#memory.keysExpiredAt(now));
    this.#memory.count(this, before);
  }

  /** Forgets everything: the partition is gone. */
  clear(): void {
    const before = this.size;
    this.#states.clear();
    this.#keys.clear();
    this.#memory.count(this, before);
  }

  /** Takes over what a snapshot says, as the first thing; but of batches that are lost nothing. */
  restore(snapshot: ProducersSnapshot, isLost: (baseOffset: number) => boolean = () => false): void {
    for (const producer of snapshot.producers()) this.#restoreProducer(producer, isLost);
    for (const key of snapshot.keys()) if (!isLost(key.baseOffset)) this.#keys.add(key);
    this.#endOffset = snapshot.offset;
    this.#storedOffset = snapshot.offset;
    this.#storedBytes = snapshot.bytes;
    this.#memory.count(this, 0);
  }

  #restoreProducer(state: ProducerState, isLost: (baseOffset: number) => boolean): void {
    const batches = batchesOf(state);
    if (!batches.some(({ baseOffset }) => isLost(baseOffset))) {
      this.#states.restore(state);
      return;
    }
    for (const batch of batches)
      if (!isLost(batch.baseOffset))
        this.#states.note({ ...state, sequence: batch.baseSequence }, batch, state.appendedAt);
  }

  /** When what is remembered was appended last; 0 where nothing is. */
  get lastAppendAt(): number {
    return Math.max(this.#states.lastAppendAt, this.#keys.lastAppendAt);
  }

  /** Where the batches lie that are remembered, as far as they lie below `end`; undefined where none does. */
  rangeBelow(end: number): ProducerRange | undefined {
    const from = Math.min(this.#states.firstOffset(), this.#keys.firstOffset());
    return from < end ? { from, to: Math.min(this.#endOffset, end) } : undefined;
  }

  /** Whether more is remembered than the snapshot says. */
  get hasChanged(): boolean {
    return this.#endOffset > this.#storedOffset;
  }

  /** Whether enough has come for another snapshot. */
  get isSnapshotDue(): boolean {
    return this.hasChanged && this.#bytesSince > BYTES_PER_SNAPSHOT_BYTE * this.#storedBytes;
  }

  /** Whether the snapshot is large for what is left of it: whoever opens the log reads it. */
  get isSnapshotStale(): boolean {
    return this.#storedBytes > MIN_STALE_BYTES && this.#storedBytes > MOST_BYTES_PER_ENTRY * this.size;
  }

  /** Whether something of the log below `offset` is remembered that the snapshot does not speak of. */
  hasUnstoredBelow(offset: number): boolean {
    const range = this.rangeBelow(offset);
    return range !== undefined && range.to > this.#storedOffset;
  }

  /** A snapshot of what is remembered of the log below `offset`, which is synced. */
  async snapshot(
    partitionDir: string,
    owner: PartitionIdentity,
    offset: number,
    pause: () => Promise<void>,
  ): Promise<PendingSnapshot> {
    const noted = this.#bytesSince;
    const file = await this.#encode(partitionDir, owner, offset, pause);
    return {
      file,
      stored: () => {
        this.#bytesSince -= noted;
        this.#storedOffset = offset;
        this.#storedBytes = file.buffers.reduce((sum, { length }) => sum + length, 0);
      },
    };
  }

  async #encode(
    partitionDir: string,
    owner: PartitionIdentity,
    offset: number,
    pause: () => Promise<void>,
  ): Promise<FileContent> {
    this.#storing = true;
    try {
      return await producersFile(partitionDir, owner, offset, this.#states, this.#keys, pause);
    } finally {
      this.#storing = false;
      this.#states.synced(this.#syncedOffset);
    }
  }
}

export function keyReused(): SeglogError {
  return new SeglogError(
    'IDEMPOTENCY_KEY_REUSED',
    'the idempotency key was used for another request: send a retry just as the first try was, and other records under a new key; ' +
      'nothing was stored',
  );
}
